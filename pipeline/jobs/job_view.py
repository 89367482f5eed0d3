"""What can be seen of a job."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.json_output import to_json

JobState = Literal["queued", "running", "stopped", "failed", "finished", "lost"]


@dataclass(frozen=True)
class JobView:
    """A job as it is now. Its name is that of its run's folder; a run that the command line made is a job, too."""

    name: str
    state: JobState
    """`lost`: its process died without a word (killed, a power cut). What is finished of it is kept."""
    title: str
    made: float
    """When it was asked for, in seconds since 1970."""
    run: Path
    """The run's folder, which is not there before the work begins."""
    place: int | None = None
    """How many are before it in the queue; None where it does not wait."""
    stopping: bool = False
    """It was told to stop, and still runs."""
    flags: Mapping[str, str] = field(default_factory=dict)
    """As they were asked for."""
    notices: tuple[str, ...] = ()
    """What was told when it was asked for, such as a flag that does nothing here."""
    model: str | None = None
    """This one and the sizes below are None until the run is there."""
    width: int | None = None
    height: int | None = None
    clips: int | None = None
    clips_done: int = 0
    """That can be played."""
    clips_denoised: int = 0
    frames: int | None = None
    seconds: float | None = None
    """Length of the whole film."""
    fps: int | None = None
    """Of the film."""
    frames_a_second: float | None = None
    """At which it is made."""
    seconds_a_clip: float | None = None
    eta: float | None = None
    """Seconds until it is done; None while nobody works on it."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Usual seconds a clip of denoise, hear and decode."""
    device: Mapping[str, object] = field(default_factory=dict)
    """What the driver said of the card: card, used, total, temperature, load; empty where nobody can tell."""
    device_name: str | None = None
    """The device that the run was frozen for, such as cpu."""
    last_event: str = ""
    quiet: float | None = None
    """Seconds since then."""
    stall: str | None = None
    """What to think of that, where it is long."""
    error: str | None = None
    """Why it failed, in one line; of a lost one, that it is lost."""
    way_out: str | None = None
    """The command that goes on with it, where it stands still and can go on."""
    parent: Mapping[str, object] | None = None
    """Of a retake: the run that it was taken from, the clips and the seeds."""
    bytes_on_disk: int = 0
    picture: Path | None = None
    """None where it is not there; so for all below."""
    sound: Path | None = None
    film: Path | None = None
    """The whole film."""
    playlist: Path | None = None
    """Of the live film (docs/live.md); its folder has what it names."""
    growing_film: Path | None = None
    """One mp4 that grows, where `grow` was asked for."""

    def as_json(self, indent: int | None = 2) -> str:
        """The view as one JSON object, with paths as text."""
        return to_json(self, indent=indent)
