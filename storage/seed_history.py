"""Takes: which clips of a film were made again with another seed, and with which seeds each clip and those before it were made.

Pure arithmetic over a film's first seed and its takes, in the order in which they were taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from storage.errors import describe_span
from storage.schema import OneOf, Text, Whole

MOST_CLIPS = 1_000_000
"""Of a film; eleven hours of the shortest clips, three weeks of the usual ones."""
LARGEST_SEED = (1 << 63) - 1
DIGEST = "[0-9a-f]{64}"

History = tuple[tuple[int, int], ...]
"""Pairs (clip, seed): from this clip on this seed, up to the clip whose history it is."""


@dataclass(frozen=True)
class Take:
    """Some clips of another film, made again with another seed."""

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

    def __str__(self) -> str:
        """The take in words, for one line of text."""
        again = ", decoded on" if self.redecode else ""
        clips = f"{'clip' if self.until == self.clip + 1 else 'clips'} {describe_span(self.clip, self.until - 1)}"
        return f"{clips} of {self.parent[:8]} with seed {self.seed}{again}"

    def remakes(self, clip: int) -> bool:
        """True for the clips that are made again."""
        return self.clip <= clip < self.until


def build_history(seed: int, takes: Sequence[Take], clip: int) -> History:
    """The pairs (clip, seed) that a clip came of: its own seed, and those of the clips that it follows, which need not be the ones that the film shows."""
    for number in reversed(range(len(takes))):
        take = takes[number]
        if take.remakes(clip):
            before = build_history(seed, takes[:number], take.clip - 1) if take.clip else ()
            same = before and before[-1][1] == take.seed
            return before if same else (*before, (take.clip, take.seed))
    return ((0, seed),)


def cut_history(history: History, clip: int) -> History:
    """The part of a history that lies before this clip."""
    return tuple(each for each in history if each[0] < clip)


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
