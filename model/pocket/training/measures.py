"""What a film of a drawn presenter is judged by, read from its frames alone.

Frames are uint8 [frame, y, x, rgb]; a box is (left, top, right, bottom) in pixels. A measure knows
nothing of the model: a film of true renders reads what the truth is.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Byte = NDArray[np.uint8]
Float = NDArray[np.float32]
Box = tuple[int, int, int, int]
LAGS = range(-5, 6)
DARK, DARK_EDGE = 0.23, 0.045
SHUT_BELOW, OPEN_ABOVE = 0.06, 0.7
BLINK_DEPTH = 0.15
"""A blink takes at least this share of what can be seen of the eyes."""
SWAY = 12
"""Frames over which a head's motion is seen."""


def mouth_area(frames: Byte, box: Box) -> Float:
    """How many dark pixels there are where the reference has its mouth [frame]: how far it is open."""
    left, top, right, bottom = box
    luma = to_luma(frames[:, top:bottom, left:right])
    dark = 1 / (1 + np.exp((luma - DARK) / DARK_EDGE))
    return np.asarray(dark.sum((1, 2)), np.float32)


def correlate_at_lag(measured: Float, truth: Float, lag: int = 0) -> float:
    """Pearson's r of two tracks, the measured one `lag` frames late."""
    a = measured[max(lag, 0) : len(measured) + min(lag, 0)]
    b = truth[max(-lag, 0) : len(truth) - max(lag, 0)]
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def lag_profile(measured: Sequence[Float], truth: Float) -> dict[int, float]:
    """Mean correlation of several faces that say the same, at each lag; a positive lag is a late mouth."""
    return {
        lag: float(np.mean([correlate_at_lag(m, truth, lag) for m in measured])) for lag in LAGS
    }


@dataclass(frozen=True)
class Levels:
    """Mean mouth area, by its clip's 97th percentile, where the true mouth is shut and where it is wide open."""

    closed: float
    open: float


def mouth_levels(measured: Float, truth: Float) -> Levels:
    """How shut a shut mouth is, and how open an open one; the least area seen is no opening."""
    area = measured - measured.min()
    top = max(float(np.percentile(area, 97)), 1e-6)
    shut, wide = area[truth < SHUT_BELOW], area[truth > OPEN_ABOVE]
    return Levels(
        float(shut.mean()) / top if len(shut) else 0.0,
        float(wide.mean()) / top if len(wide) else 1.0,
    )


def measure_sharpness(frames: Byte, box: Box) -> float:
    """How crisp the edges are, apart from the mouth, whose shape changes them."""
    luma = to_luma(frames)
    edges = 4 * luma[:, 1:-1, 1:-1] - luma[:, :-2, 1:-1] - luma[:, 2:, 1:-1]
    edges = edges - luma[:, 1:-1, :-2] - luma[:, 1:-1, 2:]
    left, top, right, bottom = box
    edges[:, top:bottom, left:right] = 0
    return float(np.sqrt((edges**2).mean()))


def eye_openness(frames: Byte, boxes: Sequence[Box]) -> Float:
    """How much there is to see in the boxes of both eyes [frame]: the steps of brightness from left to right.

    Across an open eye there are many; lids, brows and the rims of glasses run across and add few.
    """
    seen = [
        np.abs(np.diff(to_luma(frames[:, y0:y1, x0:x1]), axis=2)).mean((1, 2))
        for x0, y0, x1, y1 in boxes
    ]
    return np.asarray(np.mean(seen, axis=0), np.float32)


def blink_times(openness: Float) -> list[int]:
    """Frames at which the eyes are most shut, one for each blink.

    A blink is a brief dip: the eyes are much more open a few frames before and after.
    """
    reach = 5
    padded = np.pad(openness, reach, mode="edge")
    before = np.stack([padded[i : i + len(openness)] for i in range(reach)]).max(0)
    after = np.stack(
        [padded[reach + 1 + i : reach + 1 + i + len(openness)] for i in range(reach)]
    ).max(0)
    depth = 1 - openness / np.maximum(np.minimum(before, after), 1e-6)
    times: list[int] = []
    for frame in np.flatnonzero(depth > BLINK_DEPTH):
        if times and frame - times[-1] <= 2 * reach:
            if openness[frame] < openness[times[-1]]:
                times[-1] = int(frame)
        else:
            times.append(int(frame))
    return times


def measure_sway(frames: Byte, box: Box) -> float:
    """How much the picture changes in half a second within a box: head motion, where it holds the crown."""
    left, top, right, bottom = box
    crown = to_luma(frames[:, top:bottom, left:right])
    return float(np.abs(crown[SWAY:] - crown[:-SWAY]).mean())


def compute_psnr(frames: Byte, truth: Byte, weight: Float | None = None) -> float:
    """Decibels of all frames against the truth, with a weight on each pixel [.., y, x] if given."""
    error = (frames.astype(np.float32) - truth.astype(np.float32)) ** 2
    mean = error.mean() if weight is None else (error.mean(-1) * weight).sum() / weight.sum()
    return float(10 * np.log10(255**2 / max(float(mean), 1e-9)))


def background_psnr(frames: Byte, picture: Byte, still: NDArray[np.bool_]) -> float:
    """Decibels (60 at most) against the reference picture [y, x, rgb], where nothing moves [y, x]."""
    return min(compute_psnr(frames[:, still][:, :, None], picture[still][None, :, None]), 60.0)


def colour_shift(frames: Byte, picture: Byte) -> float:
    """How far the mean colour of the frames is from the picture's, in the worst channel, of 255."""
    return float(np.abs(frames.mean((0, 1, 2)) - picture.mean((0, 1))).max())


@dataclass(frozen=True)
class Pops:
    """Frame difference at the first frame of a block, and of another latent, against that inside latents."""

    block: float
    latent: float


def measure_pops(frames: Byte, *, block_frames: int, frames_per_latent: int) -> Pops:
    """Whether the film jumps where the model's pieces meet; 1 is a film without seams."""
    change = frame_changes(frames)
    at = np.arange(1, len(frames))
    block, latent = at % block_frames == 0, at % frames_per_latent == 0
    inside = max(float(change[~latent].mean()), 1e-6)
    return Pops(
        float(change[block].mean()) / inside, float(change[latent & ~block].mean()) / inside
    )


def frame_changes(frames: Byte) -> Float:
    """Mean absolute difference of each frame from the one before [frame − 1], of 255."""
    steps = [np.abs(b.astype(np.int16) - a).mean() for a, b in itertools.pairwise(frames)]
    return np.asarray(steps, np.float32)


def to_luma(frames: Byte) -> Float:
    """Brightness 0..1."""
    return np.asarray(frames @ np.array([0.299, 0.587, 0.114], np.float32) / 255, np.float32)
