"""What a person asks for, as a value; tasks/resolve.py checks it in whole before any work and freezes it into a run."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, make_dataclass
from pathlib import Path
from typing import Any, Self

from storage.errors import BadOption
from tasks.film_part import FilmPart
from tasks.options import OPTIONS, SWITCH
from tasks.speaker_words import find_more_inputs

_NAMES = [name for each in OPTIONS.values() if not each.cli_only for name in each.fields]
_Asked: Any = make_dataclass(
    "_Asked",
    [
        (name, Any, field(default=None, kw_only=True)) for name in _NAMES[2:]
    ],  # image and audio must be given
    frozen=True,
)


@dataclass(frozen=True)
class Request(_Asked):  # type: ignore[misc] # a class that is made cannot be read by mypy
    """A field for each of OPTIONS, which says what it is; None is what was not asked, and gets the default.

    Typed here are those that decide the film or that code puts another value into. A new option needs no line here: its field has
    what the option reads.
    """

    image: Path
    audio: Path
    _: KW_ONLY
    prompt: str | None = None
    script: Path | None = None
    pose_video: Path | None = None
    model: str | None = None
    width: int | None = None
    height: int | None = None
    crop: str | None = None
    mouth: str | None = None
    eyes: str | None = None
    face: int | None = None
    """Of these three, what is not told is looked for in the picture (tasks/face_search.py)."""
    speaker: tuple[str, ...] | None = None
    """Each as `left.wav@face:1` (tasks/speaker_words.py); `audio` is then the first one's sound."""
    turns: Path | None = None
    num_clip: int | None = None
    start_clip: int | None = None
    """Makes this request one for a part: clips start_clip … start_clip + num_clip - 1 of the whole film's run."""
    infer_frames: int | None = None
    sample_steps: int | None = None
    guidance: str | None = None
    negative_prompt: str | None = None
    watermark: str | None = None
    whole_audio: bool | None = None
    precision: str | None = None
    weights: str | None = None
    lora: str | None = None
    base_seed: int | None = None
    """-1 draws one (or takes that of the run that is there)."""
    audio_lead: int | None = None
    on_low_memory: str | None = None
    offload_model: bool | None = None
    keep_frames: str | None = None
    carry_every: int | None = None
    carry_anchors: int | None = None
    run: Path | None = None
    """Wins over `output_dir`."""
    output_dir: Path | None = None
    output_file: Path | None = None
    asked_size: str | None = None
    """Filled in where width and height became smaller for want of memory."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each given field came from: flag, environment, file, published flag …"""

    @property
    def more_inputs(self) -> Mapping[str, Path]:
        """The pose video and the files that further speakers are made of, by the name of the run's copy."""
        pose = {"pose": self.pose_video} if self.pose_video else {}
        return {**find_more_inputs(self.speaker or ()), **pose}

    @property
    def input_files(self) -> dict[str, Path]:
        """The files that the run gets its own copies of, by the names of these."""
        return {"image": self.image, "audio": self.audio, **self.more_inputs}

    @property
    def part(self) -> FilmPart:
        """Which clips of the run this request is about, and what to do with them."""
        of_whole = self.start_clip is None
        more = self.more_inputs.values()
        read = (self.image, self.audio, self.script, self.turns, self.weights, self.lora, *more)
        return FilmPart(
            first_clip=self.start_clip or 0,
            clips=None if of_whole else self.num_clip,
            output_file=self.output_file,
            overwrite=bool(self.overwrite),
            inputs=tuple(Path(each) for each in read if each),
            accept_joint=bool(self.accept_joint),
            threads=self.threads,
        )

    @classmethod
    def from_words(cls, values: Mapping[str, Any], source: str) -> Self:
        """A request out of what a shell was given, text as the options read it; what is empty, or False of a switch, was not given. Raises BadOption, BadSize."""
        given: dict[str, Any] = {}
        for name, value in values.items():
            option = OPTIONS[name]
            # By identity: 0 is a number that was given, and equals False.
            if value is None or value == "" or (value is False and option.kind is SWITCH):
                continue
            try:
                found = option.read(value) if isinstance(value, str) else value
            except ValueError as error:
                raise BadOption(f"--{name.replace('_', '-')}", value, str(error)) from None
            given |= zip(option.fields, found if len(option.fields) > 1 else (found,), strict=True)
        return cls(**given, sources=dict.fromkeys(given, source))


def require_option(fits: bool, option: str, value: object, reason: str) -> None:
    """Raise BadOption unless it fits."""
    if not fits:
        raise BadOption(option, value, reason)
