"""Three measures of every block of a clip, and what is usual of them in a film."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.inspection.location import blocks_per_clip

if TYPE_CHECKING:
    from storage.run import Run

Float = NDArray[np.float64]
BlockIndex = tuple[int, int, int]
"""Step (of audio: layer), channel, block."""

LEAST_BLOCKS = 8
"""Blocks from which on anything is usual; a shorter film is searched for NaN alone."""
FLOORS = {"mean": 0.05, "spread": 0.05, "peak": 0.1}
"""What a measure may move by without being told from standing still: the mean in spreads, the others as a share."""
LOUD, LOUD_SHARE = 2.0, 0.8
"""A block less loud than twice what four in five of the loudest channel's are, or than the noise that denoising begins with, is no outlier by its mean or spread, whatever is usual of
its own channel: lids keep still for seconds, and then they blink."""
NOISE = 1.0
"""Root of the mean square of that noise."""
DEAD = 0.01
"""Unless its spread is less than this."""
ODD_RATIO = 0.3
"""What the spread of a channel may differ by from the others' over a whole film, as a share, without being told from theirs."""
_DESCRIPTIONS = {
    "mean": "its mean",
    "spread": "its spread",
    "peak": "its largest value, in spreads,",
}


@dataclass(frozen=True)
class BlockStatistics:
    """Three measures and the count of NaN for each block of one stage of one clip, [step, channel, block]."""

    nan: NDArray[np.int64]
    measures: dict[str, Float]
    """mean; spread (its logarithm); peak (the logarithm of the largest over the spread). NaN where a block has one."""
    values: int


@dataclass(frozen=True)
class UsualStatistics:
    """What is usual of each channel after each step [step, channel]: median and spread over all blocks that were seen."""

    middle: dict[str, Float]
    width: dict[str, Float]
    loudest: Float
    """How loud the loudest channel may be after each step [step, 1, 1]: root of the mean square."""

    @classmethod
    def from_samples(cls, seen: Iterable[BlockStatistics]) -> "UsualStatistics | None":
        """Median and spread of the measures over these blocks; None where they are fewer than LEAST_BLOCKS."""
        several = list(seen)
        if sum(each.nan.shape[-1] for each in several) < LEAST_BLOCKS:
            return None
        blocks = {name: np.concatenate([e.measures[name] for e in several], -1) for name in FLOORS}
        middle = {name: _finite_median(values) for name, values in blocks.items()}
        floors: dict[str, Any] = {**FLOORS, "mean": FLOORS["mean"] * np.exp(middle["spread"])}
        width = {
            name: 1.4826 * _finite_median(np.abs(values - middle[name][..., None])) + floors[name]
            for name, values in blocks.items()
        }
        loud = np.quantile(np.nan_to_num(_norm(blocks)), LOUD_SHARE, axis=-1, method="lower")
        return cls(middle, width, np.maximum(NOISE, LOUD * loud.max(-1)[:, None, None]))

    def score(self, measured: BlockStatistics) -> Float:
        """How far out each block is by each measure [measure, step, channel, block], in robust deviations; 0 where it is no number."""
        apart = {
            name: np.abs(measured.measures[name] - self.middle[name][..., None])
            / self.width[name][..., None]
            for name in FLOORS
        }
        alive = measured.measures["spread"] > np.log(DEAD)
        ordinary = alive & (_norm(measured.measures) < self.loudest)
        for name in ("mean", "spread"):
            apart[name] = np.where(ordinary, 0.0, apart[name])
        return np.nan_to_num(np.stack([apart[name] for name in FLOORS]), nan=0.0)

    def odd_channels(self) -> Iterator[tuple[int, int, str, float]]:
        """(step, channel, what is odd, score): channels louder or quieter than all others in the whole film, which by themselves are usual."""
        spread = self.middle["spread"]
        middle = np.broadcast_to(_finite_median(spread)[:, None], spread.shape)
        width = 1.4826 * _finite_median(np.abs(spread - middle)) + ODD_RATIO
        for step, channel in np.ndindex(spread.shape):
            score = abs(spread[step, channel] - middle[step, channel]) / width[step]
            own, others = np.exp(spread[step, channel]), np.exp(middle[step, channel])
            says = f"in the whole film its spread is {own:.3g}, that of the other channels {others:.3g}"
            yield step, channel, says, float(score)

    def describe(self, name: str, measured: BlockStatistics, at: BlockIndex) -> str:
        """A measure of a block and its usual value in words: `its mean is 3.1, usually 0.2`."""
        value, usually = measured.measures[name][at], self.middle[name][at[:2]]
        if name != "mean":
            value, usually = np.exp(value), np.exp(usually)
        return f"{_DESCRIPTIONS[name]} is {value:.3g}, usually {usually:.3g}"


def _norm(measures: dict[str, Float]) -> Float:
    """The root of the mean square of blocks."""
    return np.hypot(measures["mean"], np.exp(measures["spread"]))


def _finite_median(values: Float) -> Float:
    """Median over the last axis of the values that are finite; 0 where none is."""
    masked = np.ma.masked_invalid(values)
    return np.asarray(np.ma.median(masked, axis=-1).filled(0.0), np.float64)  # type: ignore[no-untyped-call]


def measure_blocks(run: "Run", stage: str, array: NDArray[Any]) -> BlockStatistics:
    """The measures of each block of a stage's array of one clip."""
    parts = split_blocks(run, stage, array)
    flat = parts.reshape(*parts.shape[:3], -1)
    with np.errstate(all="ignore"):
        numbers = _statistics(flat)
        nan = np.zeros(flat.shape[:3], np.int64)
        for at in map(tuple, np.argwhere(~np.isfinite(numbers["spread"]))):
            nan[at] = np.count_nonzero(~np.isfinite(flat[at]))
            # What is a number, but too large to be squared in 32 bits, is measured in 64.
            again = _statistics(flat[at].astype(np.float64)[None])
            for name, values in numbers.items():
                values[at] = np.nan if nan[at] else again[name][0]
    return BlockStatistics(nan, numbers, array.size)


def _statistics(flat: NDArray[Any]) -> dict[str, Float]:
    """Mean, spread and peak over the last axis."""
    mean = flat.mean(-1).astype(np.float64)
    square = np.einsum("...n,...n->...", flat, flat).astype(np.float64) / flat.shape[-1]
    peak = np.maximum(flat.max(-1), -flat.min(-1)).astype(np.float64)
    spread = np.sqrt(np.maximum(square - mean**2, 1e-24))
    return {
        "mean": mean,
        "spread": np.log(spread),
        "peak": np.log(np.maximum(peak, 1e-12) / spread),
    }


def split_blocks(run: "Run", stage: str, array: NDArray[Any]) -> NDArray[Any]:
    """A clip's array cut into its blocks, [step, channel, block, …]; motion latents are one block."""
    blocks = 1 if stage == "motion" else blocks_per_clip(run.spec)
    if stage == "audio":
        layers, channels, frames = array.shape
        return array.reshape(layers, channels, blocks, frames // blocks)
    latents = array if stage == "steps" else array[None]
    steps, channels, t, h, w = latents.shape
    return latents.reshape(steps, channels, blocks, t // blocks, h, w)
