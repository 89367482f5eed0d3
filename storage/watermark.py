"""The invisible watermark of a film: where in its colours the signs of an id stand, how strong, and what is left of them in a film.

In the two colour planes, where the eye sees least and an encoder keeps most: of each square of 8×8 on a grid of 128×128 over the whole picture two
coefficients in each plane carry a sign. The grid goes with the picture, whatever its size, so a film that is scaled has the same one. What is added
to a clip is computed once, out of its mean picture, and is the same in each of its frames: nothing flickers, and an encoder writes it once.

The same bits on every machine: all sums are of whole numbers that a float64 holds exactly, in whatever order they are added; all else is one rounding
an element.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from einops import rearrange

from storage.watermark_code import SIGNS, encode_id

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Byte = NDArray[np.uint8]

GRID, BLOCK = 128, 8
PLANES, PER_BLOCK = 2, 2
_SIDE = GRID // BLOCK
_KEY = 0x77617465
_BASIS = np.array(
    [[8, 8, 8, 8, 8, 8, 8, 8], [12, 10, 6, 3, -3, -6, -10, -12], [8, 4, -4, -8, -8, -4, 4, 8]],
    np.float64,
)
"""The first rows of H.264's transform of 8×8: orthogonal, of small whole numbers."""
_NORMS = np.sqrt(np.outer((_BASIS**2).sum(1), (_BASIS**2).sum(1)))
_CARRIERS = np.array([[0, 2], [1, 1], [2, 0]])
"""Down and across: the coefficients of a square of which two carry signs."""
_FINE, _FINER = 16, 4096
"""Steps of one level of colour in which coefficients are counted, and steps of these in the weights of the basis."""
_STRENGTH, _SHARE, _MOST = 6.0 * _FINE, 0.15, 20.0 * _FINE
"""What a coefficient of a flat square is pushed by, what more of a busy one's spread, and the most of both."""
_LEAST_PUSH, _MOST_PUSH = 0.4, 1.5
"""Times that: where the picture has the right sign by itself, and where it has the wrong one."""
_MOST_ERROR = 3.6
"""Levels squared, the mean of red, green and blue: 42.6 dB. Stronger marks are made weaker."""
_LUMA = (0.2126, 0.7152, 0.0722)
_BLUE, _RED = 1.8556, 1.5748
"""BT.709: the planes are (B - Y) / _BLUE and (R - Y) / _RED."""
_CLIP, _CALM = 1.0, 1.0
"""A reader takes a coefficient for no more than this, and halves it where its square's spread is this, in levels."""


def mark_frames(frames: "Byte", id_: str) -> "Byte":
    """The frames of a clip [frame, y, x, rgb] with the watermark of an id (twelve hexadecimal digits)."""
    delta = compute_delta(frames, id_)
    marked = np.empty_like(frames)
    for frame, into in zip(frames, marked, strict=True):
        np.clip(frame + delta, 0, 255, out=into, casting="unsafe")
    return marked


def compute_delta(frames: "Byte", id_: str) -> "NDArray[np.int16]":
    """What the watermark adds to every frame of a clip [y, x, rgb]."""
    pushes = _choose_pushes(_mean_planes(frames), encode_id(id_))
    planes = _enlarge_planes(pushes, *frames.shape[1:3]) / (_FINE * _FINER)
    delta = _to_rgb(planes)
    error = int((delta.astype(np.int64) ** 2).sum()) / delta.size
    return delta if error <= _MOST_ERROR else _to_rgb(planes * np.sqrt(_MOST_ERROR / error))


def read_signs(planes: "Float") -> "Float":
    """Soft values of an id's signs [SIGNS], for storage/watermark_code.py, out of the colour planes [plane, y, x] of the mean of some frames, on the grid, in levels."""
    coefficients, spread = _transform_planes(planes)
    soft = np.clip(coefficients, -_CLIP, _CLIP) / (1 + spread / _CALM)
    signs = np.empty(SIGNS)
    signs[_order_signs()] = soft.ravel() * _turn_signs()
    return signs


def _choose_pushes(planes: "Float", signs: "Float") -> "Float":
    """What is added to the planes on the grid [plane, y, x], in the basis' fine steps: towards each sign, the further the more the picture itself leans the other way."""
    coefficients, spread = _transform_planes(planes)
    wanted = (signs[_order_signs()] * _turn_signs()).reshape(coefficients.shape)
    step = np.minimum(_STRENGTH + _SHARE * spread, _MOST)
    push = np.clip(step - coefficients * wanted, _LEAST_PUSH * step, _MOST_PUSH * step)
    down, across = _pick_carriers()
    weights = np.zeros((PLANES, _SIDE, _SIDE, *_NORMS.shape))
    where = np.ix_(range(PLANES), range(_SIDE), range(_SIDE))
    weights[(*(each[..., None] for each in where), down, across)] = np.rint(
        wanted * push * _FINER / _NORMS[down, across]
    )
    squares = _BASIS.T @ weights @ _BASIS
    return rearrange(squares, "plane y x down across -> plane (y down) (x across)")


def _transform_planes(planes: "Float") -> "tuple[Float, Float]":
    """The coefficients that carry signs [plane, y, x, carrier] of planes on the grid, and how far each square spreads round its mean [plane, y, x, 1]."""
    squares = rearrange(
        planes, "plane (y down) (x across) -> plane y x down across", down=BLOCK, across=BLOCK
    )
    whole = (_BASIS @ squares @ _BASIS.T) / _NORMS
    down, across = _pick_carriers()
    where = np.ix_(range(PLANES), range(_SIDE), range(_SIDE))
    coefficients = whole[(*(each[..., None] for each in where), down, across)]
    area, ends = BLOCK * BLOCK, (-2, -1)
    variance = (area * (squares**2).sum(ends) - squares.sum(ends) ** 2) / area**2
    return coefficients, np.sqrt(np.maximum(variance, 0))[..., None]


@lru_cache
def _draw_numbers() -> "tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]":
    """Random numbers: for the order of the signs, for their turning, and for the choice of carriers [plane, y, x, which]."""
    draw = np.random.Philox(key=_KEY).random_raw
    shape = (PLANES, _SIDE, _SIDE, len(_CARRIERS))
    return draw(SIGNS), draw(SIGNS), draw(int(np.prod(shape))).reshape(shape)


def _order_signs() -> "NDArray[np.intp]":
    """Which of the code's signs each carrier has [SIGNS]."""
    return _draw_numbers()[0].argsort(kind="stable")


def _turn_signs() -> "Float":
    """1, or -1 where a sign is turned over [SIGNS]: so that a picture leans to no id."""
    turned = (_draw_numbers()[1] >> np.uint64(63)).astype(np.float64)
    return 1 - 2 * turned


def _pick_carriers() -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Down and across: the coefficients that carry signs, of each square [plane, y, x, carrier]."""
    chosen = _CARRIERS[_draw_numbers()[2].argsort(-1, kind="stable")[..., :PER_BLOCK]]
    return chosen[..., 0], chosen[..., 1]


def _mean_planes(frames: "Byte") -> "Float":
    """The colour planes of the frames' mean picture on the grid [plane, y, x], in whole steps of a sixteenth of a level."""
    count, height, width = frames.shape[:3]
    summed = np.zeros(frames.shape[1:], np.uint32)
    for frame in frames:
        summed += frame
    red, green, blue = (
        _shrink_rows(_shrink_rows(colour).T).T / (count * height * width)
        for colour in rearrange(summed.astype(np.int64), "y x rgb -> rgb y x")
    )
    light = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    planes: Float = np.stack([(blue - light) / _BLUE, (red - light) / _RED])
    return np.rint(planes * _FINE)


def _shrink_rows(rows: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """Rows [y, x] summed up to those of the grid [GRID, x], each as much as it lies in them: GRID to a whole row."""
    length = len(rows)
    above = np.zeros((length + 1, *rows.shape[1:]), np.int64)
    np.cumsum(rows, axis=0, out=above[1:])
    whole, part = np.divmod(np.arange(GRID + 1) * length, GRID)
    within = rows[np.minimum(whole, length - 1)] * part[:, None]
    return np.diff(above[whole] * GRID + within, axis=0)


def _enlarge_planes(planes: "Float", height: int, width: int) -> "Float":
    """Planes of whole numbers on the grid [plane, y, x] as large as the film, linear between the middles of cells."""
    tall = _stretch_rows(planes, height)
    wide = _stretch_rows(rearrange(tall, "plane y x -> plane x y"), width)
    return rearrange(wide, "plane x y -> plane y x") / (4 * height * width)


def _stretch_rows(planes: "Float", length: int) -> "Float":
    """Rows of the grid [plane, GRID, x] drawn out to so many, and twice that times larger."""
    lower, share = np.divmod((2 * np.arange(length) + 1) * GRID - length, 2 * length)
    upper = np.clip(lower + 1, 0, GRID - 1)
    first = planes[:, np.maximum(lower, 0)] * (2.0 * length - share)[:, None]
    return first + planes[:, upper] * share[:, None]


def _to_rgb(planes: "Float") -> "NDArray[np.int16]":
    """A change of the planes [plane, y, x], in levels, as one of red, green and blue [y, x, rgb] that leaves the light alone."""
    blue, red = planes[0] * _BLUE, planes[1] * _RED
    green = (_LUMA[0] * red + _LUMA[2] * blue) / -_LUMA[1]
    whole: NDArray[np.int16] = np.rint(np.stack([red, green, blue], -1)).astype(np.int16)
    return whole
