"""Many channels into what the model hears and what the film holds, and how that is done without two of them cancelling each other."""

from dataclasses import dataclass, field
from math import floor, sqrt

import numpy as np
from numpy.typing import NDArray

from storage.pcm import AudioBlock, Samples
from storage.speaker import Reading

HALF = 0.5**0.5
# What each speaker gives to the left and to the right (ITU-R BS.775). The subwoofer gives nothing; one that is not named here both alike.
LEFT_RIGHT = {
    **dict.fromkeys(("FL", "FLC", "DL", "WL"), (1.0, 0.0)),
    **dict.fromkeys(("FR", "FRC", "DR", "WR"), (0.0, 1.0)),
    **dict.fromkeys(("BL", "SL", "TFL", "TBL"), (HALF, 0.0)),
    **dict.fromkeys(("BR", "SR", "TFR", "TBR"), (0.0, HALF)),
    **dict.fromkeys(("LFE", "LFE2"), (0.0, 0.0)),
}
WINDOW = 0.4
"""Seconds that are looked at together: a word."""
LOST = 0.1
"""A window is lost in a mix that has less of its power than this: 10 dB down, where two channels that have nothing to do with each other lose 3."""
MOST_LOST = 0.05
"""Of the sound's power: where less is lost, it is mixed as ever."""
SILENT = 1e-4
"""Of the other channel's power, 40 dB down: what is left in a channel that nobody plugged in."""
MIXES = {
    "": (0.5, 0.5),
    "turned": (0.5, -0.5),
    "left": (1.0, 0.0),
    "right": (0.0, 1.0),
}
"""Reading.mix → what the left and the right give to what is heard."""


def mix_mono(block: AudioBlock, reading: Reading) -> Samples:
    """A block of sound as one channel [1, sample], as the model hears it: a voice in the centre, or in both of two channels, keeps its level."""
    channels = len(block.speakers)
    if channels == 1:
        return block.samples
    sides = _mix_weights(block)
    across = np.array([MIXES[reading.mix]], np.float32)
    if channels > 2 and reading.gain and reading.mix in {"", "turned"}:
        across *= np.float32(sqrt(2))
    return _mix_channels(block, across @ sides)


def mix_film(block: AudioBlock, reading: Reading) -> Samples:
    """A block of sound as the film holds it: mono and stereo as they are, more channels as stereo [2, sample]; the right side turned over where it would cancel the left."""
    channels = len(block.speakers)
    samples = block.samples
    if channels > 2:
        weights = _mix_weights(block)
        most = max(weights.sum(axis=1).max(), 1)
        # Without a gain as films before it have it: turned down so far that nothing could clip, and the voice with it.
        weights = weights * np.float32(reading.gain / 1000) if reading.gain else weights / most
        samples = _mix_channels(block, weights)
    if reading.mix == "turned":
        samples = samples * np.array([[1], [-1]], np.float32)
    return samples


@dataclass
class StereoBalance:
    """How the two sides of a sound relate over all of it (level, sign); memory for one window."""

    channels: int
    rate: int
    peak: float = 0.0
    """Of the two sides that many channels are mixed to."""
    powers: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 2)))
    """Sums of left², left·right, right²."""
    lost: dict[str, float] = field(default_factory=lambda: dict.fromkeys(MIXES, 0.0))
    """Power in the windows that each way of mixing loses."""
    _held: list[Samples] = field(default_factory=list)
    _samples: int = 0

    def add(self, block: AudioBlock) -> None:
        """Take one more block of the sound into account."""
        if self.channels == 1:
            return
        plain = block.speakers == ("FL", "FR")
        sides = block.samples if plain else _mix_channels(block, _mix_weights(block))
        if self.channels > 2 and sides.size:
            self.peak = max(self.peak, float(np.abs(sides).max()))
        self._held.append(sides)
        self._samples += sides.shape[1]
        if self._samples >= WINDOW * self.rate:
            self._look()

    def _look(self) -> None:
        sides = np.concatenate(self._held, axis=1)
        self._held, self._samples = [], 0
        # Without BLAS, as in the mix itself: the decision is the same on every machine but for a hair.
        powers = np.einsum("as,bs->ab", sides, sides, optimize=False).astype(np.float64)
        self.powers += powers
        each = powers.trace() / 2
        for mix, (left, right) in MIXES.items():
            across = np.array([left, right])
            if across @ powers @ across < LOST * each:
                self.lost[mix] += each

    def reading(self) -> Reading:
        """How the sound is best read, by all blocks so far."""
        if self._held:
            self._look()
        gain = 0
        if self.channels > 2:
            gain = min(1000, max(floor(1000 / self.peak), 1)) if self.peak else 1000
        return Reading(mix=self._choose_mix(), gain=gain)

    @property
    def silent(self) -> str:
        """The side that is silent beside the other; empty where none is."""
        left, right = self.powers.diagonal()
        if left == right == 0:
            return ""
        return "right" if right < SILENT * left else "left" if left < SILENT * right else ""

    def _choose_mix(self) -> str:
        if self.silent:
            return "left" if self.silent == "right" else "right"
        if self.lost[""] <= MOST_LOST * self.powers.trace() / 2:
            return ""
        best = min(("turned", "left", "right"), key=self.lost.__getitem__)
        return best if self.lost[best] <= self.lost[""] / 4 else ""


def _mix_weights(block: AudioBlock) -> NDArray[np.float32]:
    """Weights [left and right, channel] that make stereo of a block's channels."""
    return np.array(
        [LEFT_RIGHT.get(speaker, (HALF, HALF)) for speaker in block.speakers], np.float32
    ).T


def _mix_channels(block: AudioBlock, weights: NDArray[np.float32]) -> Samples:
    # Without BLAS: its threads would decide the order of the sum.
    mixed: Samples = np.einsum("oc,cs->os", weights, block.samples, optimize=False)
    return mixed
