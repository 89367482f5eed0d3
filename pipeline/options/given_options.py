"""What was asked for, field by field, and where it was said."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class GivenOptions:
    """Fields of the Request by name, and where each came from."""

    fields: dict[str, object] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    """What does nothing, and costs nothing by that."""
    costly: list[str] = field(default_factory=list)
    """What makes another film than a person may think, or a slower one: to be said after all else."""

    @property
    def told(self) -> list[str]:
        """All that is to be said, what costs something last."""
        return [*self.notices, *(f"[WARN] {line}" for line in self.costly)]

    def add(self, values: Mapping[str, object], source: str) -> None:
        """Take what has not been said by something stronger."""
        for name, value in values.items():
            if name not in self.fields:
                self.fields[name] = value
                self.sources[name] = source
