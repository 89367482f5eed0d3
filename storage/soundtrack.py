"""The soundtrack: its exact length, its samples for the model, and the one AAC copy that goes into the film.

Everything here is one pass over the decoded samples, block by block: an hour takes no more memory than a second. libav drops the priming of MP3, AAC,
Opus and Vorbis where the container tells of it; what is left is what a player plays, and the only truth about the length.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from storage import pcm
from storage.channel_mix import StereoBalance, mix_film, mix_mono
from storage.mp4 import create_mp4
from storage.speaker import Reading

if TYPE_CHECKING:
    from av import AudioFrame, Packet

Samples = NDArray[np.float32]

BLOCK = 1 << 16
FILM_RATE = 48_000
AAC_FRAME = 1024
SHORTEST_SAMPLES = 1024
"""Samples that swresample needs: of fewer than its filter's taps (384 from 192 to 16 kHz) it makes nothing."""
AAC_BIT_RATE = 96_000
"""Of AAC, a second and channel."""
CHANNEL_LAYOUTS = {1: "mono", 2: "stereo"}
DEFAULT = Reading()


@dataclass(frozen=True)
class SoundFacts:
    """What a soundtrack is, counted from its decoded samples (after the container's priming)."""

    samples: int
    """Per channel, at `rate`, with the silence that is put before it."""
    rate: int
    channels: int
    reading: Reading = field(default_factory=Reading)
    """How it is best read."""
    cut: bool = False
    """Some of it is missing."""
    stated: Fraction = Fraction(0)
    """Seconds that it should have, where it is cut and says so."""
    ends_in_junk: bool = False
    """What follows the last sample is no sound."""
    silent: str = ""
    """left or right, where that side is silent beside the other."""

    @property
    def seconds(self) -> Fraction:
        """The exact length in seconds."""
        return Fraction(self.samples, self.rate)

    @property
    def found(self) -> Fraction:
        """Seconds of sound that the file holds."""
        return Fraction(self.samples - self.reading.silence, self.rate)


def probe_sound(path: Path) -> SoundFacts:
    """Decode the whole file once, in bounded memory: count, and find how it is best read. Raises BadSound."""
    facts, balance, samples = pcm.DecodeFacts(), None, 0
    for block in pcm.decode_sound(path, facts):
        balance = balance or StereoBalance(len(block.speakers), block.rate)
        balance.add(block)
        samples += block.samples.shape[1]
    assert balance is not None, "decode gives one piece at least"
    found, silence = Fraction(samples, block.rate), round(facts.start * block.rate)
    stated = facts.stated.length(found)
    return SoundFacts(
        samples=samples + silence,
        rate=block.rate,
        channels=len(block.speakers),
        reading=replace(balance.reading(), silence=silence),
        cut=facts.stated.is_cut(found),
        stated=stated if stated > found else Fraction(0),
        ends_in_junk=facts.ends_in_junk,
        silent=balance.silent,
    )


def stream_sound(path: Path, rate: int, reading: Reading = DEFAULT) -> Iterator[Samples]:
    """Blocks of mono samples at `rate`, round half up(samples · rate / own rate) in all, without delay; raises BadSound."""
    mono = ((block.rate, mix_mono(block, reading)) for block in _read_blocks(path, reading))
    for block in _regroup_blocks(_resample_blocks(mono, rate), BLOCK):
        yield block[0]


def stream_film_sound(
    source: Path, reading: Reading = DEFAULT, pulse: "Callable[[], None]" = lambda: None
) -> Iterator[Samples]:
    """Blocks [channel, sample] of the film's sound at FILM_RATE, mono or stereo, of AAC_FRAME samples but for the last; `pulse` is called now and then, and may raise."""

    def mix(block: pcm.AudioBlock) -> tuple[int, Samples]:
        pulse()
        return block.rate, mix_film(block, reading)

    mixed = (mix(block) for block in _read_blocks(source, reading))
    return _regroup_blocks(_resample_blocks(mixed, FILM_RATE), AAC_FRAME)


def encode_soundtrack(
    source: Path,
    target: Path,
    reading: Reading = DEFAULT,
    pulse: "Callable[[], None]" = lambda: None,
    tap: "Callable[[int, bytes], None]" = lambda _channels, _packet: None,
) -> int:
    """Publish the sound of `source` as AAC 48 kHz (m4a), mono or stereo; the same bytes every time. Samples a channel."""
    return encode_aac(stream_film_sound(source, reading, pulse), target, tap)


def encode_aac(
    blocks: Iterable[Samples],
    target: Path,
    tap: "Callable[[int, bytes], None]" = lambda _channels, _packet: None,
) -> int:
    """Publish sound [channel, sample] at FILM_RATE, in blocks of AAC_FRAME samples, as AAC (m4a); the same bytes every time. Samples a channel.

    `tap` is given the channels and each packet, which stand in the file in this order.
    """

    def hand_on(packets: "list[Packet[Any]]") -> "list[Packet[Any]]":
        for packet in packets:
            tap(len(first), bytes(packet))
        return packets

    blocks = iter(blocks)
    first = next(blocks)  # tells the channels, and that there is sound at all
    with create_mp4(target, units=FILM_RATE) as mp4:
        stream = mp4.container.add_stream("aac", rate=FILM_RATE, layout=CHANNEL_LAYOUTS[len(first)])
        stream.bit_rate = AAC_BIT_RATE * len(first)
        samples = 0
        for block in chain([first], blocks):
            frame = _to_audio_frame(block, FILM_RATE)
            frame.pts, frame.time_base = samples, Fraction(1, FILM_RATE)
            samples += block.shape[1]
            mp4.mux(hand_on(stream.encode(frame)))
        mp4.mux(hand_on(stream.encode(None)))
        mp4.expect(stream, Fraction(samples, FILM_RATE))
    return samples


def _read_blocks(path: Path, reading: Reading) -> Iterator[pcm.AudioBlock]:
    """All blocks of the file's sound, after the silence that the reading puts before it."""
    blocks = pcm.decode_sound(path)
    first = next(blocks)
    for start in range(0, reading.silence, BLOCK):
        length = min(BLOCK, reading.silence - start)
        yield replace(first, samples=np.zeros((len(first.speakers), length), np.float32))
    yield first
    yield from blocks


def _resample_blocks(blocks: Iterable[tuple[int, Samples]], rate: int) -> Iterator[Samples]:
    """Blocks (own rate, [channel, sample]) at another rate: the same moments, round half up(samples · rate / own rate) samples."""
    from av import AudioResampler

    given = made = 0
    own, resampler = rate, None
    for own, samples in blocks:
        if own == rate:
            yield samples
            continue
        resampler = resampler or AudioResampler("fltp", CHANNEL_LAYOUTS[len(samples)], rate)
        given += samples.shape[1]
        for frame in resampler.resample(_to_audio_frame(samples, own)):
            made += frame.samples
            yield frame.to_ndarray().astype(np.float32, copy=False)
    if resampler:
        total = max(floor(Fraction(given * rate, own) + Fraction(1, 2)), 1)
        if given < SHORTEST_SAMPLES:
            resampler.resample(
                _to_audio_frame(np.zeros((len(samples), SHORTEST_SAMPLES), np.float32), own)
            )
        rest = resampler.resample(None)
        # swresample rounds up.
        yield np.concatenate([frame.to_ndarray() for frame in rest], axis=1, dtype=np.float32)[
            :, : total - made
        ]


def _regroup_blocks(blocks: Iterable[Samples], size: int) -> Iterator[Samples]:
    """Blocks of sound [channel, sample] cut anew into blocks of `size` samples; the last may be shorter."""
    held: list[Samples] = []
    waiting = 0
    for block in blocks:
        held.append(block)
        waiting += block.shape[1]
        if waiting >= size:
            joined = np.concatenate(held, axis=1)
            whole = waiting - waiting % size
            yield from (joined[:, start : start + size] for start in range(0, whole, size))
            held, waiting = [joined[:, whole:]], waiting - whole
    if waiting:
        yield np.concatenate(held, axis=1)


def _to_audio_frame(samples: Samples, rate: int) -> "AudioFrame":
    from av import AudioFrame

    frame = AudioFrame.from_ndarray(
        np.ascontiguousarray(samples), "fltp", CHANNEL_LAYOUTS[len(samples)]
    )
    frame.sample_rate = rate
    return frame
