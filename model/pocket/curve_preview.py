"""Pocket's latents as pictures: a schematic face that does what their motion curves say, in milliseconds and without torch.

Every pixel of a zone tells the curves of its parts by itself. Each draws its own head, eyes or mouth, and the picture is the mean of them: where they agree
the face is sharp, of noise it is a cloud.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.avatar import Byte, Float
from model.pocket.curve_layout import (
    CHANNELS,
    CURVES,
    EYES,
    FRAMES,
    HEAD,
    MOUTH,
    SIDE,
    ZONES,
    list_zone_slots,
)

SIZE = 128
"""Pixels of a side of a picture."""
FRAME = FRAMES // 2
"""The frame of each latent that is drawn: the one that a decoder's picture of it shows."""
SHOWN = (5, 1, 2)
"""One in so many pixels of each zone draws its parts: eight are enough to see a cloud."""
GAIN = 6.0
"""How much more the drawn head moves than a presenter's, which moves by a few pixels."""
LAYERS = {
    "paper": (247, 247, 244),
    "skin": (250, 222, 190),
    "outline": (84, 66, 58),
    "white": (255, 255, 255),
    "iris": (38, 84, 140),
    "line": (60, 44, 38),
    "lip": (204, 82, 84),
    "inside": (92, 26, 34),
}
"""From the back to the front."""
NECK = 0.75
"""How far below its middle a head turns. Lengths are in half pictures, from the middle of a face that stands still."""
HEAD_WIDE, HEAD_HIGH = 0.56, 0.72
EYE_ACROSS, EYE_DOWN, EYE_WIDE, EYE_HIGH, IRIS_SIZE = 0.25, -0.1, 0.17, 0.12, 0.075
BROW_DOWN, BROW_WIDE = -0.34, 0.18
MOUTH_DOWN, MOUTH_WIDE, MOUTH_HIGH = 0.36, 0.25, 0.3
LINE = 0.02
"""Half the width of a line."""

Field = NDArray[np.floating[Any]]
"""Of float32; numpy's types are not sure of it."""
Curves = dict[str, Field]
"""What each of n pixels says of the curves of a zone [n, 1, 1]; NaN where that is no number."""
Covers = dict[str, Field]
"""How much of each pixel of the picture [y, x], or of n windows [n, h, w], a part covers, by layer."""


class CurvePreview:
    """Latents as schematic faces."""

    says = "a schematic face that does what pocket's motion curves say, the head's moves enlarged"

    def reads(self, channels: int, height: int, width: int) -> bool:
        """Whether latents of this shape are pocket's; those of several speakers lie below each other."""
        return (channels, height % SIDE, width) == (CHANNELS, 0, SIDE)

    def paint(self, latents: Float) -> Byte:
        """Pictures [t, y, x, rgb] of latents [c, t, h, w], each of its latent's middle frame, speakers side by side; what is no number is painted as nothing."""
        return np.stack([draw_faces(latent) for latent in latents.swapaxes(0, 1)])


class Box(NamedTuple):
    """Where a part may be on the face, whatever its curves say: as far to the left as to the right."""

    wide: float
    top: float
    bottom: float


class Windows(NamedTuple):
    """Rectangles of the picture, of one size, and where each of their pixels [n, h, w] is on its face."""

    rows: list[slice]
    columns: list[slice]
    x: Field
    y: Field


def draw_faces(latent: Field) -> Byte:
    """The picture [y, x, rgb] of one latent [c, speaker · SIDE, w]: a face for each speaker, side by side."""
    each = np.split(latent, latent.shape[1] // SIDE, axis=1)
    return np.concatenate([draw_face(one) for one in each], axis=1)


def draw_face(latent: Field) -> Byte:
    """The picture [y, x, rgb] of one latent [c, h, w]."""
    told = [read_zone(latent, zone) for zone in (HEAD, EYES, MOUTH)]
    heads = fill_gaps(told[HEAD])
    layers = {name: np.zeros((SIZE, SIZE), np.float32) for name in LAYERS}
    layers["paper"] += 1
    for part in PARTS:
        draw_part(layers, part, told[part.zone], heads)
    return blend_layers(layers)


def draw_part(layers: Covers, part: "Part", told: Curves, heads: Curves) -> None:
    """Add what a part covers, in the mean over the pixels that tell of it; those that do not add nothing."""
    values = np.stack([told[name] for name in part.curves])
    known = np.flatnonzero(np.isfinite(values).all(0))
    if not known.size:
        return
    for some in np.split(known, range(part.at_once, known.size, part.at_once)):
        curves = {name: told[name][some] for name in part.curves}
        on = {name: head[some % len(head)] for name, head in heads.items()}
        windows = place_box(part.box, on)
        for layer, covers in part.shape(windows.x, windows.y, curves).items():
            shares = covers / values.shape[1]
            for rows, columns, share in zip(windows.rows, windows.columns, shares, strict=True):
                layers[layer][rows, columns] += share


def read_zone(latent: Field, zone: int) -> Curves:
    """The curves at FRAME that pixels of a zone tell, within what a face can do."""
    pixels = latent[:, np.array(ZONES) == zone][:, :: SHOWN[zone], None, None].astype(np.float64)
    told: Curves = {}
    with np.errstate(invalid="ignore", over="ignore"):
        for values, (curve, k, mean, spread) in zip(pixels, list_zone_slots(zone), strict=True):
            told[curve] = told.get(curve, 0) + read_cosine(k) * (values * spread + mean)
    for name, values in told.items():
        finite = np.where(np.isfinite(values), values, np.nan)
        told[name] = finite.clip(CURVES[name].lowest, CURVES[name].highest).astype(np.float32)
    return told


def read_cosine(k: int) -> float:
    """What coefficient k of the orthonormal cosine transform is worth at FRAME."""
    return math.sqrt((2 if k else 1) / FRAMES) * math.cos(math.pi / FRAMES * (FRAME + 0.5) * k)


def fill_gaps(heads: Curves) -> Curves:
    """The mean of the others where a head is not known: eyes and mouth need a place all the same."""
    filled = {}
    for name, values in heads.items():
        known = values[np.isfinite(values)]
        filled[name] = np.where(np.isfinite(values), values, known.mean() if known.size else 0)
    return filled


def place_box(box: Box, heads: Curves) -> Windows:
    """The pixels that a box of each face lies on, where the head is moved GAIN times as far as its curves say."""
    dx, dy, tilt, scale = (GAIN * heads[name] for name in ("dx", "dy", "tilt", "scale"))
    cos, sin, size = np.cos(tilt), np.sin(tilt), np.exp(scale)
    x = np.array([-box.wide, box.wide, -box.wide, box.wide], np.float32)
    y = np.array([box.top, box.top, box.bottom, box.bottom], np.float32) - NECK
    columns = _span_pixels(dx + size * (cos * x - sin * y))
    rows = _span_pixels(dy + NECK + size * (sin * x + cos * y))
    line = (np.arange(SIZE, dtype=np.float32) + 0.5) * (2 / SIZE) - 1
    across = np.stack([line[each] for each in columns])[:, None] - dx
    down = np.stack([line[each] for each in rows])[:, :, None] - dy - NECK
    cos, sin = cos / size, sin / size
    return Windows(rows, columns, cos * across + sin * down, cos * down - sin * across + NECK)


def _span_pixels(places: Field) -> list[slice]:
    """Pixels from the first to the last of the places [n, 1, place] of each face, as many for each face, within the picture."""
    low = np.floor((places.min((1, 2)) + 1) * (SIZE / 2)).astype(int)
    high = np.ceil((places.max((1, 2)) + 1) * (SIZE / 2)).astype(int)
    length = min(SIZE, int((high - low).max()))
    return [slice(start, start + length) for start in low.clip(0, SIZE - length).tolist()]


def blend_layers(layers: Covers) -> Byte:
    """The picture [y, x, rgb] of all layers, one over the other."""
    seen, picture = np.ones((SIZE, SIZE), np.float32), np.zeros((3, SIZE, SIZE), np.float32)
    for name, colour in reversed(LAYERS.items()):
        share = seen * layers[name]
        picture += np.array(colour, np.float32)[:, None, None] * share
        seen -= share
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8).transpose(1, 2, 0)


def fill_shape(distance: Field) -> Field:
    """How much of each pixel lies within a shape, of the distance from its edge."""
    return np.minimum(np.maximum(0.5 - distance * (SIZE / 2), 0), 1)


def shape_head(x: Field, y: Field, head: Curves) -> Covers:  # noqa: ARG001 - its place is all
    """Outline, ears and nose."""
    wide = HEAD_WIDE * (1 - 0.16 * np.maximum(y / HEAD_HIGH, 0) ** 2)
    edge = 0.6 * (np.sqrt((x / wide) ** 2 + (y / HEAD_HIGH) ** 2) - 1)
    ears = np.sqrt((np.abs(x) - HEAD_WIDE) ** 2 + (0.6 * y) ** 2) - 0.09
    outline = np.minimum(edge, ears)
    nose = np.maximum(np.abs(x) - 0.7 * LINE, np.abs(y - 0.05) - 0.1)
    line = np.maximum(fill_shape(np.abs(outline) - LINE), 0.5 * fill_shape(nose))
    return {"skin": fill_shape(outline), "outline": line}


def shape_eyes(x: Field, y: Field, eyes: Curves) -> Covers:
    """White between two lids, the upper of which blinks."""
    above, below, aside = _lids(x, y, eyes)
    lids = np.maximum(
        fill_shape(np.abs(above) - 1.2 * LINE), fill_shape(np.abs(below) - 0.4 * LINE)
    )
    return {"white": _opening(above, below, aside), "line": lids * fill_shape(aside)}


def shape_irises(x: Field, y: Field, eyes: Curves) -> Covers:
    """Where the eyes look, as far as the lids let it be seen."""
    across = np.abs(x) - EYE_ACROSS
    across = np.where(x < 0, -across, across) - 0.08 * eyes["gaze_x"]
    iris = np.sqrt(across**2 + (y - EYE_DOWN - 0.05 * eyes["gaze_y"]) ** 2) - IRIS_SIZE
    return {"iris": fill_shape(iris) * _opening(*_lids(x, y, eyes))}


def _lids(x: Field, y: Field, eyes: Curves) -> tuple[Field, Field, Field]:
    """How far pixels are below the upper lid, below the lower one and beside the eye."""
    aside = np.abs(np.abs(x) - EYE_ACROSS)
    arch = np.maximum(1 - (aside / EYE_WIDE) ** 2, -1)
    high = EYE_HIGH * (1 - 0.5 * eyes["squint"])
    upper = high * (0.8 - 1.8 * (1 - eyes["blink"]))
    return y - EYE_DOWN - upper * arch, y - EYE_DOWN - 0.8 * high * arch, aside - EYE_WIDE


def _opening(above: Field, below: Field, aside: Field) -> Field:
    return fill_shape(np.maximum(np.maximum(-above, below), aside))


def shape_brows(x: Field, y: Field, eyes: Curves) -> Covers:
    """Both, which rise, fall and slant."""
    x, y = np.abs(x) - EYE_ACROSS, y - BROW_DOWN + 0.09 * eyes["brow"]
    bow = 0.04 * (x / BROW_WIDE) ** 2 + 0.4 * eyes["brow_slant"] * x
    return {"line": fill_shape(np.maximum(np.abs(y - bow) - 1.4 * LINE, np.abs(x) - BROW_WIDE))}


def shape_mouth(x: Field, y: Field, mouth: Curves) -> Covers:
    """Lips round an opening."""
    wide = MOUTH_WIDE * (0.65 + 0.7 * mouth["width"]) * (1 - 0.5 * mouth["rounding"])
    arch = np.maximum(1 - (x / wide) ** 2, -1)
    y = y - MOUTH_DOWN - 0.48 * wide * mouth["smile"] * (arch - 0.5)
    gap = MOUTH_HIGH * mouth["aperture"] * arch
    inside = np.maximum(np.maximum(-0.25 * gap - y, y - 0.75 * gap), np.abs(x) - wide)
    return {
        "lip": fill_shape(inside - LINE * (1.3 + mouth["rounding"])),
        "inside": fill_shape(inside),
    }


class Part(NamedTuple):
    """A part of the face: the zone whose curves move it, which of them, where it may be, and what it covers."""

    zone: int
    curves: tuple[str, ...]
    box: Box
    shape: Callable[[Field, Field, Curves], Covers]
    at_once: int = 8
    """Faces that are drawn together: few calls for small parts, little memory for large ones."""


PARTS = (
    Part(HEAD, ("dx", "dy", "tilt", "scale"), Box(0.7, -0.76, 0.76), shape_head, 1),
    Part(EYES, ("blink", "squint"), Box(0.45, -0.32, 0.08), shape_eyes),
    Part(EYES, ("blink", "squint", "gaze_x", "gaze_y"), Box(0.45, -0.32, 0.08), shape_irises),
    Part(EYES, ("brow", "brow_slant"), Box(0.45, -0.62, -0.08), shape_brows),
    Part(MOUTH, ("smile", "aperture", "width", "rounding"), Box(0.42, 0.2, 0.76), shape_mouth),
)
