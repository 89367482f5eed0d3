"""The soundtrack: its exact length, its samples for the model, and the one AAC copy that goes into the film."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SoundFacts:
    """What a soundtrack is, counted from its decoded samples (after the container's priming)."""

    samples: int
    """Per channel, at `rate`."""
    rate: int
    channels: int

    @property
    def seconds(self) -> Fraction:
        """Its exact length."""
        return Fraction(self.samples, self.rate)


def probe_sound(path: Path) -> SoundFacts:
    """Decode the whole file once, in bounded memory, and count; raises BadSound."""
    raise NotImplementedError


def stream_sound(path: Path, rate: int) -> Iterator[NDArray[np.float32]]:
    """Blocks of mono samples at `rate`, round half up(samples · rate / own rate) in all, without delay; raises BadSound."""
    raise NotImplementedError


def encode_soundtrack(source: Path, target: Path) -> None:
    """Publish the sound of `source` as AAC 48 kHz (m4a), mono or stereo; the same bytes every time."""
    raise NotImplementedError
