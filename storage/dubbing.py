"""Other words over a stretch of a film's sound: laid over it, with a short fade at both ends; the samples outside stay as they are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storage.seed_history import DUB_RATE
from storage.soundtrack import FILM_RATE, Samples, encode_aac, stream_film_sound, stream_sound
from storage.speaker import Reading
from storage.speaker_sound import Sounds, stream_mix

FADE = Fraction(1, 100)
"""Seconds in which one sound goes over into the other, at each end, within the stretch."""


@dataclass(frozen=True)
class DubbedStretch:
    """A sound, and the stretch of the film's sound in whose place it is heard."""

    path: Path
    reading: Reading
    start: int
    """The first sample of the stretch, at DUB_RATE."""
    stop: int
    """The first behind it."""

    def span_at(self, rate: int) -> range:
        """The stretch in samples at another rate."""
        return range(self.start * rate // DUB_RATE, self.stop * rate // DUB_RATE)


@dataclass(frozen=True)
class FilmSound:
    """What a film sounds like: its sounds, and what was dubbed over them, in the order in which that was done."""

    sounds: Sounds
    dubs: tuple[DubbedStretch, ...] = ()


def lay_dubs(
    blocks: Iterator[Samples], dubs: Sequence[DubbedStretch], rate: int
) -> Iterator[Samples]:
    """Blocks of mono sound [sample] at `rate`, as stream_sound gives them, with what was dubbed laid over them; raises BadSound."""
    wide: Iterator[Samples] = (block[None] for block in blocks)
    for dub in dubs:
        other = (block[None] for block in stream_sound(dub.path, rate, dub.reading))
        wide = lay_over(wide, other, dub.span_at(rate), int(FADE * rate))
    for block in wide:
        yield block[0]


def encode_film_sound(
    sound: FilmSound,
    target: Path,
    pulse: Callable[[], None] = lambda: None,
    tap: Callable[[int, bytes], None] = lambda _channels, _packet: None,
) -> int:
    """Publish the sound of a film as AAC (m4a), as `encode_soundtrack` does; samples a channel."""
    blocks = stream_mix(sound.sounds, pulse)
    for dub in sound.dubs:
        other = stream_film_sound(dub.path, dub.reading, pulse)
        blocks = lay_over(blocks, other, dub.span_at(FILM_RATE), int(FADE * FILM_RATE))
    return encode_aac(blocks, target, tap)


def lay_over(
    blocks: Iterator[Samples], other: Iterator[Samples], span: range, fade: int
) -> Iterator[Samples]:
    """Blocks of sound [channel, sample] with another sound in the place of the samples `span`: silence where that has ended, and as many channels as the blocks have."""
    rest, at = _SampleQueue(other), 0
    for block in blocks:
        first, last = max(span.start, at), min(span.stop, at + block.shape[1])
        if first < last:
            inside = slice(first - at, last - at)
            share = fade_shares(np.arange(first, last), span, fade)
            new = match_channels(rest.take(last - first), len(block))
            mixed = block.copy()
            mixed[:, inside] = block[:, inside] * (1 - share) + new * share
            yield mixed
        else:
            yield block
        at += block.shape[1]


def fade_shares(samples: NDArray[np.integer], span: range, fade: int) -> NDArray[np.float32]:
    """How much of the sound that is laid over is heard at these samples of its span: rising to 1 in `fade` samples, and falling at the end."""
    near = np.minimum(samples - span.start + 1, span.stop - samples)
    shares: NDArray[np.float32] = (near / (fade + 1)).clip(max=1).astype(np.float32)
    return shares


def match_channels(samples: Samples, channels: int) -> Samples:
    """Sound [channel, sample] with as many channels: one twice, or two as their mean."""
    if len(samples) == channels:
        return samples
    alike: Samples = np.repeat(samples.mean(0, keepdims=True), channels, 0)
    return alike


class _SampleQueue:
    """Blocks of sound, of which any number of samples is taken; silence once they have ended."""

    def __init__(self, blocks: Iterator[Samples]) -> None:
        self._blocks = blocks
        self._held: Samples = next(blocks)

    def take(self, count: int) -> Samples:
        while self._held.shape[1] < count:
            silence = np.zeros((len(self._held), count), np.float32)
            self._held = np.concatenate([self._held, next(self._blocks, silence)], axis=1)
        taken, self._held = self._held[:, :count], self._held[:, count:]
        return taken
