"""What every part of the page needs: the jobs, and how to say things; and how an error of longtake becomes a line of the page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from pipeline.web.page_texts import Say, texts_in

if TYPE_CHECKING:
    from pipeline.jobs.job_root import JobRoot


@dataclass(frozen=True)
class PageContext:
    """The jobs that the page shows, and the language that it speaks."""

    jobs: "JobRoot"
    language: str
    say: Say = field(init=False)

    def __post_init__(self) -> None:
        """Find the texts of the language."""
        object.__setattr__(self, "say", texts_in(self.language))


def keep_changed(
    parts: Mapping[str, str], seen: Mapping[str, str]
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Each part of the page that a browser does not show yet, None for the others; and what it shows then, as digests."""
    digests = {
        name: blake2b(text.encode(), digest_size=8).hexdigest() for name, text in parts.items()
    }
    changed = {
        name: text if seen.get(name) != digests[name] else None for name, text in parts.items()
    }
    return changed, digests
