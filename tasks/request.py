"""What a person asks for, checked in whole before any work and frozen into a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.run import Run


@dataclass(frozen=True)
class Request:
    """All that may be asked for; None is what was not asked, and gets the default."""

    image: Path
    audio: Path
    prompt: str | None = None
    model: str | None = None
    run: Path | None = None
    output_dir: Path | None = None
    """The run's folder too, by its published name; `run` wins."""
    output_file: Path | None = None
    width: int | None = None
    height: int | None = None
    crop: str | None = None
    num_clip: int | None = None
    start_clip: int | None = None
    """Makes this request one for a part: clips start_clip … start_clip + num_clip - 1 of the whole film's run."""
    infer_frames: int | None = None
    sample_steps: int | None = None
    base_seed: int | None = None
    """-1 draws one (or takes that of the run that is there)."""
    audio_lead: int | None = None
    offline: bool | None = None
    ahead: int | None = None
    clip_batch_size: int | None = None
    threads: int | None = None
    accept_joint: bool | None = None
    keep_frames: str | None = None
    keep_steps: str | None = None
    disk_budget: int | None = None
    carry_every: int | None = None
    carry_anchors: int | None = None
    retry_limit: int | None = None
    retry_delay: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each given field came from: flag, environment, file, published flag …"""

    @property
    def part(self) -> "Part":
        """Which clips of the run this request is about, and what to do with them."""
        raise NotImplementedError


@dataclass(frozen=True)
class Part:
    """The clips to make of a run: all of them, unless said otherwise."""

    first_clip: int = 0
    clips: int | None = None
    """None: to the film's end."""
    output_file: Path | None = None
    """Also put the film (or the part) here."""
    accept_joint: bool = False


def check(request: Request) -> None:
    """Raise the one error that stands in the way (BadInput, RunError), before any work; writes nothing."""
    raise NotImplementedError


def freeze(request: Request) -> "Run":
    """The run that this request names: created, or opened if it is there; raises OtherSpec if another film is in the folder."""
    raise NotImplementedError


def run_folder(request: Request) -> Path:
    """Where the run of this request lies or will lie: `run`, `output_dir`, or runs/<first 12 of the spec's digest>."""
    raise NotImplementedError
