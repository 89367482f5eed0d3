"""The speakers of a film, as its spec has them: a sound and a place in the picture for each."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

from storage.errors import count_noun
from storage.schema import ListOf, OneOf, TableWith, Text, Unfit, Whole, checks_of
from storage.seed_history import DIGEST

MOST_SPEAKERS = 4
SPEAKER_INPUTS = tuple(f"{name}{n + 1}" for name in ("audio", "mask") for n in range(MOST_SPEAKERS))
"""Names of a run's copies of what several speakers are made of."""
MOST_TURNS = 10_000
LONGEST_TURNS = 1 << 19
"""Characters of all turns."""
_NUMBERS = r"-?[0-9.]+(,-?[0-9.]+)"
_MAYBE_DIGEST = f"({DIGEST})?"


@dataclass(frozen=True)
class Reading:
    """How a soundtrack is read, decided once by all of it (storage/channel_mix.py); the default is how films before this read theirs."""

    silence: Annotated[int, Whole(0, 1 << 28)] = 0
    """Samples, at the sound's own rate, that are put before its first: it starts late in its container."""
    mix: Annotated[str, OneOf(("", "left", "right", "turned"))] = ""
    """left, right: that side alone is heard. turned: the right side is turned over, heard so and in the film. Empty: both, as they are."""
    gain: Annotated[int, Whole(0, 100_000)] = 0
    """In thousandths, of more than two channels in the film's two; 0: so little that nothing could ever clip."""


@dataclass(frozen=True)
class Speaker:
    """One of several speakers."""

    audio: Annotated[str, Text(64, _MAYBE_DIGEST)] = ""
    """SHA-256 of the file of its own sound; empty: it has its turns of the film's."""
    silence: Annotated[int, Whole(0, 1 << 28)] = 0
    mix: Annotated[str, OneOf(("", "left", "right", "turned"))] = ""
    gain: Annotated[int, Whole(0, 100_000)] = 0
    """These three: how its own sound is read (Reading)."""
    face_boxes: Annotated[str, Text(256, rf"({_NUMBERS}{{11}})?")] = ""
    """Where its mouth, left and right eye are in the picture's file, for models that move a face."""
    box: Annotated[str, Text(64, rf"({_NUMBERS}{{3}})?")] = ""
    """x, y, width, height of its place in the picture's file, for models that look at the whole picture."""
    mask: Annotated[str, Text(64, _MAYBE_DIGEST)] = ""
    """SHA-256 of a picture of its place, in place of a box."""

    def __str__(self) -> str:
        """Its sound by the beginning of its hash, how that is read, and its place."""
        told = (self.audio[:8] or "turns", self.silence, self.mix, self.gain)
        place = self.face_boxes or self.box or self.mask[:8]
        return f"{' '.join(str(each) for each in told if each)} at {place}"

    @property
    def reading(self) -> Reading:
        """How its own sound is read."""
        return Reading(self.silence, self.mix, self.gain)


SPEAKERS = ListOf(TableWith({}, checks_of(Speaker)), MOST_SPEAKERS)
TURNS = Text(LONGEST_TURNS, r"([0-9]{1,12} [0-9]{1,12} [1-4]\n)*")


def build_speakers(facts: Sequence[Mapping[str, Any]]) -> tuple[Speaker, ...]:
    """The speakers as JSON has them. Raises Unfit."""
    for each in facts:
        if unknown := each.keys() - checks_of(Speaker).keys():
            raise Unfit(f"{min(unknown)} of a speaker is of a later version")
    return tuple(Speaker(**each) for each in facts)


def check_speakers(speakers: Sequence[Speaker], turns: str, audio: str) -> None:
    """Raise Unfit where the speakers do not go together with the film's turns and its sound."""
    if not speakers:
        if turns:
            raise Unfit("turns are of several speakers, and there is one")
        return
    if len(speakers) < 2:
        raise Unfit("one speaker is no list")
    if any(bool(each.audio) == bool(turns) for each in speakers):
        raise Unfit("speakers have sounds of their own, or turns of one")
    if not turns and speakers[0].audio != audio:
        raise Unfit("the film's sound is that of its first speaker")


@dataclass(frozen=True)
class Turn:
    """From which sample of the film's sound to which a speaker, counted from 0, is heard."""

    start: int
    stop: int
    speaker: int

    @classmethod
    def from_line(cls, line: str) -> Self:
        """A line of the spec, in which speakers count from 1."""
        start, stop, speaker = map(int, line.split())
        return cls(start, stop, speaker - 1)

    def __str__(self) -> str:
        """The line."""
        return f"{self.start} {self.stop} {self.speaker + 1}\n"


def parse_turns(text: str) -> tuple[Turn, ...]:
    """The turns of a spec, in their order."""
    return tuple(map(Turn.from_line, text.splitlines()))


def describe_turns(turns: str) -> str:
    """A spec's turns in a few words, which differ where turns do: `3 turns (4f0c21ab)`; empty of none."""
    digest = hashlib.sha256(turns.encode()).hexdigest()
    return f"{count_noun(turns.count(chr(10)), 'turn')} ({digest[:8]})" if turns else ""


def describe_speakers(speakers: Sequence[Speaker]) -> str:
    """A spec's speakers in words, which differ where speakers do; empty of one."""
    return "; ".join(map(str, speakers))
