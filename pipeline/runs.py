"""The verbs, as functions that return values; the command line, the page and Luigi are shells over them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.inspect import Inspection
    from pipeline.status import Status
    from tasks.request import Request

OnClipComplete = Callable[[int, int], None]


@dataclass(frozen=True)
class Film:
    """A film on disk, and the run that it came from."""

    path: Path
    run: Path
    clips: int
    frames: int
    fps: int
    clips_made: int = 0
    """Clips that this call made; the others were there already."""


def new(request: "Request", on_clip_complete: OnClipComplete | None = None) -> Film:
    """Make the film that `request` asks for; the same request again resumes or finds it done.

    `on_clip_complete(clip_index, total_clips)` is called after each published clip.
    """
    raise NotImplementedError


def resume(
    root: Path, on_clip_complete: OnClipComplete | None = None, *, accept_joint: bool = False
) -> Film:
    """Go on with the run in `root`, from what it has."""
    raise NotImplementedError


def status(root: Path) -> "Status":
    """What the run in `root` has, how fast it goes and where each setting came from. Takes no lock."""
    raise NotImplementedError


def mux(root: Path, *, partial: bool = False, output_file: Path | None = None) -> Film:
    """Put the finished clips and their sound into one file, without a lock and without a model.

    `partial`: the longest finished prefix, to RUN/partial.mp4 unless `output_file` says otherwise.
    """
    raise NotImplementedError


def inspect(
    root: Path, clip: int, *, step: int | None = None, output_file: Path | None = None
) -> "Inspection":
    """Pictures and numbers of one clip's latents after each step, from what is on disk. Takes no lock."""
    raise NotImplementedError
