"""The sounds of several speakers: side by side for the model, as one mix for the film."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np

from storage.soundtrack import Samples, stream_film_sound, stream_sound
from storage.speaker import Reading, Turn

Sounds = Sequence[tuple[Path, Reading]]
"""The file of each sound, and how it is read."""
CEILING = 0.98
"""Of full scale: a mix that is louder anywhere is turned down in whole, so that nothing clips and nothing pumps."""


def stream_speakers(sounds: Sounds, rate: int) -> Iterator[Samples]:
    """Blocks [sample, speaker] of several mono sounds at `rate`; a shorter one ends in silence."""
    each = [stream_sound(path, rate, reading) for path, reading in sounds]
    for blocks in zip_longest(*each, fillvalue=np.zeros(0, np.float32)):
        yield np.stack(pad_alike(blocks), axis=1)


def stream_turns(blocks: Iterable[Samples], turns: Sequence[Turn], speakers: int) -> Iterator[Samples]:  # fmt: skip
    """Blocks [sample, speaker] of one sound [sample], in which each speaker has its turns, which come one after the other, and silence else."""
    first, starts, stops = 0, [turn.start for turn in turns], [turn.stop for turn in turns]
    for block in blocks:
        heard = np.zeros((len(block), speakers), np.float32)
        begun = bisect_left(starts, first + len(block))
        for turn in turns[bisect_left(stops, first) : begun]:
            span = slice(max(0, turn.start - first), max(0, turn.stop - first))
            heard[span, turn.speaker] = block[span]
        yield heard
        first += len(block)


def stream_mix(sounds: Sounds, pulse: Callable[[], None] = lambda: None) -> Iterator[Samples]:
    """Blocks [channel, sample] of the film's sound: one as it is, several mixed and turned down where they would clip."""
    if len(sounds) == 1:
        yield from stream_film_sound(*sounds[0], pulse)
        return
    # Twice over the sounds, and not by what is left of them in memory: an hour takes no more of it than a second.
    peak = max(float(np.abs(block).max(initial=0)) for block in _add_sounds(sounds, pulse))
    gain = np.float32(min(1.0, CEILING / max(peak, CEILING)))
    for block in _add_sounds(sounds, pulse):
        yield block * gain


def _add_sounds(sounds: Sounds, pulse: Callable[[], None]) -> Iterator[Samples]:
    each = [stream_film_sound(path, reading, pulse) for path, reading in sounds]
    first = [next(blocks) for blocks in each]
    channels = max(map(len, first))
    yield _sum_blocks(first, channels)
    for blocks in zip_longest(*each, fillvalue=np.zeros((1, 0), np.float32)):
        yield _sum_blocks(blocks, channels)


def _sum_blocks(blocks: Sequence[Samples], channels: int) -> Samples:
    """The sum [channel, sample] of blocks, of which mono ones are heard on both sides."""
    wide = [np.broadcast_to(block, (channels, block.shape[1])) for block in blocks]
    total: Samples = np.sum(pad_alike(wide), axis=0, dtype=np.float32)
    return total


def pad_alike(blocks: Sequence[Samples]) -> list[Samples]:
    """Blocks [… sample], all as long as the longest, with silence behind."""
    longest = max(block.shape[-1] for block in blocks)
    return [
        np.pad(block, [(0, 0)] * (block.ndim - 1) + [(0, longest - block.shape[-1])])
        for block in blocks
    ]
