"""Takes: which clips of a film were made again with another seed or another sound, and with which seeds and sounds each clip and those before it were made.

Pure arithmetic over a film's first seed and its takes, in the order in which they were taken.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Self

from storage.errors import describe_span
from storage.schema import NONE, EitherOf, OneOf, TableWith, Text, Whole, checks_of

MOST_CLIPS = 1_000_000
"""Of a film; eleven hours of the shortest clips, three weeks of the usual ones."""
LARGEST_SEED = (1 << 63) - 1
DIGEST = "[0-9a-f]{64}"

MOST_SAMPLES = 1 << 40
DUB_RATE = 48_000
"""Samples of film a second, in which a dub is placed: the rate of the film's sound."""


class Origin(NamedTuple):
    """With what clips are made from one on, up to the next origin or to the clip whose history it is."""

    clip: int
    seed: int
    sound: int = 0
    """Which sound they hear: 0 the first film's, n that of the film after its first n takes, the last of which has a dub."""


History = tuple[Origin, ...]


@dataclass(frozen=True)
class Dub:
    """Another sound that is heard in the place of a stretch of a film's."""

    audio: Annotated[str, Text(64, DIGEST)]
    """SHA-256 of its file."""
    start: Annotated[int, Whole(0, MOST_SAMPLES)]
    """Where the stretch begins in the film, in samples at DUB_RATE."""
    stop: Annotated[int, Whole(1, MOST_SAMPLES)]
    """Where it ends; silence where the other sound has ended before."""
    silence: Annotated[int, Whole(0, 1 << 28)] = 0
    mix: Annotated[str, OneOf(("", "left", "right", "turned"))] = ""
    gain: Annotated[int, Whole(0, 100_000)] = 0
    """These three: how it is read (storage/spec.py, Reading)."""


_DUB = TableWith(checks_of(Dub))


@dataclass(frozen=True)
class Take:
    """Some clips of another film, made again with another seed or another sound."""

    parent: Annotated[str, Text(64, DIGEST)]
    """The digest of the spec of that film."""
    clip: Annotated[int, Whole(0, MOST_CLIPS)]
    """The first that is made again."""
    until: Annotated[int, Whole(1, MOST_CLIPS)]
    """The first that is the other film's again; the number of clips where there is none."""
    seed: Annotated[int, Whole(0, LARGEST_SEED)]
    redecode: Annotated[bool, OneOf((False, True))] = False
    """The other film's clips after it are decoded again, as far as the decoder's memory reaches."""
    soften: Annotated[int, Whole(0, MOST_CLIPS)] = 0
    """The last so many latents that are made again are led back to the other film's; 0: they end where they end."""
    dub: Annotated[Dub | None, EitherOf((NONE, _DUB))] = None
    """What is heard in them instead of the other film's sound."""

    def __str__(self) -> str:
        """The take in words, for one line of text."""
        again = ", decoded on" if self.redecode else ""
        clips = f"{'clip' if self.until == self.clip + 1 else 'clips'} {describe_span(self.clip, self.until - 1)}"
        heard = f", sound {self.dub.audio[:8]}" if self.dub else ""
        return f"{clips} of {self.parent[:8]} with seed {self.seed}{heard}{again}"

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """A take as JSON has it."""
        dub = facts.get("dub")
        return cls(**{**facts, "dub": None if dub is None else Dub(**dub)})

    def remakes(self, clip: int) -> bool:
        """True for the clips that are made again."""
        return self.clip <= clip < self.until


def build_history(seed: int, takes: Sequence[Take], clip: int) -> History:
    """What a clip came of: its own seed and sound, and those of the clips that it follows, which need not be the ones that the film shows."""
    for number in reversed(range(len(takes))):
        take, taken = takes[number], takes[: number + 1]
        if take.remakes(clip):
            history = build_history(seed, takes[:number], take.clip - 1) if take.clip else ()
            for start in _sound_changes(taken, take.clip, clip):
                origin = Origin(start, take.seed, find_sound(taken, start))
                if not history or history[-1][1:] != origin[1:]:
                    history = (*history, origin)
            return history
    return (Origin(0, seed),)


def find_sound(takes: Sequence[Take], clip: int) -> int:
    """Which sound a clip hears, as Origin has it: a take without a dub hears what was heard in its clips before."""
    heard = (number for number, take in enumerate(takes, 1) if take.dub and take.remakes(clip))
    return max(heard, default=0)


def is_dubbed_last(takes: Sequence[Take], clip: int) -> bool:
    """True if a clip was made again for another sound, and not since for another seed."""
    made = [take for take in takes if take.remakes(clip)]
    return bool(made) and made[-1].dub is not None


def _sound_changes(takes: Sequence[Take], first: int, last: int) -> list[int]:
    """The first of the clips first … last, and those of them at which another sound may begin."""
    edges = {edge for take in takes if take.dub for edge in (take.clip, take.until)}
    return sorted({first, *(edge for edge in edges if first < edge <= last)})


def cut_history(history: History, clip: int) -> History:
    """The part of a history that lies before this clip."""
    return tuple(each for each in history if each.clip < clip)


def find_softened(seed: int, takes: Sequence[Take], clips: int) -> Iterator[tuple[int, int]]:
    """The clips whose last latents were led back to an older take's when they were made, and how many of these."""
    for number, take in enumerate(takes):
        clip = take.until - 1
        shown = not any(later.remakes(clip) for later in takes[number + 1 :])
        if take.soften and shown and take.until in find_joins(seed, takes[: number + 1], clips):
            yield clip, take.soften


def find_joins(seed: int, takes: Sequence[Take], clips: int) -> Iterator[int]:
    """The clips, in order, that were not made after the one that the film shows before them."""
    for clip in sorted({take.until for take in takes if take.until < clips}):
        own = build_history(seed, takes, clip)
        if cut_history(own, clip) != build_history(seed, takes, clip - 1):
            yield clip
