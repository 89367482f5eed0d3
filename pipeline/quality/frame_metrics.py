"""One frame against another, as a few numbers: how much changes, how it moves, how crisp it is, how like the reference picture."""

import numpy as np
from numpy.typing import NDArray

from pipeline.quality.lag_correlation import Float
from pipeline.quality.mouth import Box

Byte = NDArray[np.uint8]

_PATCH = 5
_TEXTURE = 2e-4
"""Of brightness squared: where a patch has less slope there is nothing to follow."""


def measure_change(grey: Byte, before: Byte) -> float:
    """Mean absolute difference of two frames [y, x], of 255."""
    difference = np.abs(grey.astype(np.int16) - before.astype(np.int16))
    return float(difference.mean())


def measure_change_outside(grey: Byte, before: Byte, box: Box) -> float:
    """Mean absolute difference of two frames [y, x] outside of a box, of 255."""
    left, top, right, bottom = box
    difference = np.abs(grey.astype(np.int16) - before.astype(np.int16))
    inside = difference[top:bottom, left:right]
    rest = difference.size - inside.size
    return float(difference.sum() - inside.sum()) / max(rest, 1)


def measure_flow(grey: Float, before: Float) -> float:
    """Mean optical flow in parts of the picture's width, where there is something to see (after Lucas and Kanade, one level).

    True up to a pixel or so of the given frames; a longer way is seen as a long one, not measured.
    """
    mean: Float = (grey + before) / 2
    across: Float = np.gradient(mean, axis=1)
    down: Float = np.gradient(mean, axis=0)
    moved = grey - before
    slopes = [across * across, across * down, down * down, across * moved, down * moved]
    xx, xy, yy, xt, yt = _patch_means(np.stack(slopes))
    damped = _TEXTURE
    determinant = (xx + damped) * (yy + damped) - xy * xy
    u = (-(yy + damped) * xt + xy * yt) / determinant
    v = (xy * xt - (xx + damped) * yt) / determinant
    seen = xx + yy > 10 * damped
    length = np.hypot(u, v)[seen]
    return float(length.mean()) / grey.shape[1] if length.size else 0.0


def _patch_means(values: Float) -> Float:
    """Means of arrays [array, y, x] over square patches; beyond the edges are zeros."""
    half = _PATCH // 2
    count, high, wide = values.shape
    padded = np.zeros((count, high + 2 * half, wide + 2 * half), values.dtype)
    padded[:, half:-half, half:-half] = values
    tall: Float = sum(padded[:, start : start + high] for start in range(1, _PATCH)) + padded[:, :high]  # fmt: skip
    whole: Float = sum(tall[..., start : start + wide] for start in range(1, _PATCH)) + tall[..., :wide]  # fmt: skip
    return whole / _PATCH**2


def measure_sharpness(grey: Byte, box: Box | None = None) -> float:
    """How crisp the edges of a frame [y, x] are: root mean square of the Laplacian, of 255, outside of the mouth's box, whose shape changes them."""
    values = grey.astype(np.int16)
    edges = 4 * values[1:-1, 1:-1] - values[:-2, 1:-1] - values[2:, 1:-1]
    edges = edges - values[1:-1, :-2] - values[1:-1, 2:]
    if box is not None:
        left, top, right, bottom = box
        edges[max(top - 1, 0) : bottom - 1, max(left - 1, 0) : right - 1] = 0
    return float(np.sqrt(np.square(edges.astype(np.float32)).mean()))


def measure_likeness(rgb: Float, reference: Float, seen: NDArray[np.bool_]) -> float:
    """Correlation of two small pictures [y, x, rgb] where `seen` [y, x]; 1 is the same but for brightness and contrast."""
    a, b = rgb[seen].astype(np.float64).ravel(), reference[seen].astype(np.float64).ravel()
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else 0.0
