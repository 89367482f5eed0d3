"""What a person asks for, checked in whole before any work and frozen into a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from storage.errors import BadOption, BadSize
from tasks.film_part import FilmPart

if TYPE_CHECKING:
    pass


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
    overwrite: bool | None = None
    """The output file may take the place of another."""
    width: int | None = None
    height: int | None = None
    crop: str | None = None
    num_clip: int | None = None
    start_clip: int | None = None
    """Makes this request one for a part: clips start_clip … start_clip + num_clip - 1 of the whole film's run."""
    infer_frames: int | None = None
    sample_steps: int | None = None
    guidance: str | None = None
    """A decimal number, as text: the spec holds no floats."""
    whole_audio: bool | None = None
    """Each clip is heard with the whole sound, not with a window of it."""
    precision: str | None = None
    """fp8: linear layers in eight-bit floats."""
    weights: str | None = None
    """The folder of published weights, or what the hub calls owner/name."""
    lora: str | None = None
    device: str | None = None
    offload_model: bool | None = None
    device_memory: int | None = None
    on_low_memory: str | None = None
    asked_size: str | None = None
    """Filled in where width and height became smaller for want of memory."""
    base_seed: int | None = None
    """-1 draws one (or takes that of the run that is there)."""
    audio_lead: int | None = None
    offline: bool | None = None
    ahead: int | None = None
    clip_batch_size: int | None = None
    threads: int | None = None
    accept_joint: bool | None = None
    accept_short_audio: bool | None = None
    """A sound that is cut off is taken as long as it is."""
    keep_frames: str | None = None
    keep_steps: str | None = None
    disk_budget: int | None = None
    carry_every: int | None = None
    carry_anchors: int | None = None
    retry_limit: int | None = None
    retry_delay: float | None = None
    stall_limit: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each given field came from: flag, environment, file, published flag …"""

    @property
    def part(self) -> FilmPart:
        """Which clips of the run this request is about, and what to do with them."""
        of_whole = self.start_clip is None
        return FilmPart(
            first_clip=self.start_clip or 0,
            clips=None if of_whole else self.num_clip,
            output_file=self.output_file,
            overwrite=bool(self.overwrite),
            inputs=tuple(Path(each) for each in self._read if each),
            accept_joint=bool(self.accept_joint),
            threads=self.threads,
        )

    @property
    def _read(self) -> tuple[Path | str | None, ...]:
        return self.image, self.audio, self.weights, self.lora

    @classmethod
    def from_words(cls, values: Mapping[str, Any], source: str) -> Self:
        """A request out of what a shell was given: `size` as W*H, paths as text; what is empty or False was not given."""
        given: dict[str, Any] = {
            name: value
            for name, value in values.items()
            # By identity: 0 is a number that was given, and equals False.
            if not (value is None or value == "" or (value is False and name != "offload_model"))
        }
        if size := given.pop("size", None):
            given["width"], given["height"] = parse_size(size)
        for name in ("image", "audio", "run", "output_dir", "output_file"):
            if name in given:
                given[name] = Path(given[name])
        return cls(**given, sources=dict.fromkeys(given, source))


def parse_size(words: str) -> tuple[int, int]:
    """Width and height out of 704*384."""
    sides = words.lower().replace("x", "*").replace("×", "*").split("*")
    if len(sides) != 2 or not all(side.strip().isdecimal() for side in sides):
        raise BadSize(words, "width*height is needed, such as 256*256")
    return int(sides[0]), int(sides[1])


def require_option(fits: bool, option: str, value: object, reason: str) -> None:
    """Raise BadOption unless it fits."""
    if not fits:
        raise BadOption(option, value, reason)
