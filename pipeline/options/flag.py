"""One flag of a command line: an option's, or one that does nothing here."""

from dataclasses import dataclass
from typing import Literal

from storage.errors import BadOption, Refused
from tasks.options import Option

Outcome = Literal["works", "ignored", "refused"]


@dataclass(frozen=True)
class Flag:
    """One flag, what it does here, and why not where it does nothing."""

    name: str
    """With dashes and without the two in front."""
    does: str
    """The help line of a flag that works; of another, what it did where it was published."""
    option: Option | None = None
    """None for a flag that does nothing here."""
    constant: object = None
    """What a flag without a word stands for."""
    published: bool = False
    """In Live Avatar's or Wan2.2's own command lines, or in articles about them."""
    only: tuple[str, ...] = ()
    """The values that are accepted, where the others are refused."""
    ignored: str = ""
    refused: str = ""
    place: bool = False
    """It names weights, which must be there whatever becomes of it."""
    costs: bool = False
    """That it is ignored makes another film, or a slower one."""
    free: tuple[str, ...] = ()
    """The values with which it does not."""

    @property
    def outcome(self) -> Outcome:
        """What becomes of it, for a value that is accepted if any is."""
        if self.option:
            return "works"
        return "ignored" if self.ignored else "refused"

    @property
    def spelling(self) -> str:
        """As a person types it here."""
        return f"--{self.name}"

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the Request that it fills."""
        return self.option.fields if self.option else ()

    @property
    def repeats(self) -> bool:
        """Whether it may be given several times."""
        return self.option is not None and self.option.repeats

    @property
    def metavar(self) -> str:
        """What stands for its word in a help screen."""
        return self.option.kind.metavar if self.option else "TEXT"

    def values(self, word: str) -> dict[str, object]:
        """Fields of the Request by name, from the word on the command line or in the environment; raises BadOption, BadSize."""
        if self.option is None:
            return {}
        if self.constant is not None:
            return {self.option.name: self.constant}
        try:
            value = self.option.read(word)
        except ValueError as error:
            raise BadOption(self.spelling, word, str(error)) from None
        return dict(zip(self.fields, value if len(self.fields) > 1 else (value,), strict=True))

    def why_idle(self, word: str) -> str:
        """Why it does nothing here; raises Refused where it cannot be honoured."""
        if self.refused and word not in self.only:
            shown = f"{self.spelling} {word}" if self.only else self.spelling
            raise Refused(shown, self.refused)
        return self.ignored
