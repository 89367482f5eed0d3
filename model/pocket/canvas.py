"""The canvas that pocket moves a picture on, and the part of the film that lies on it. Without torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.avatar import Options

SIZE = 256
"""Pixels of a side of the canvas, whatever the film's size is."""
SMALLEST = 64
"""Pixels of a side of the smallest region."""
WIDEST = 5.2
"""A canvas is so many times as high as the face from eyes to mouth, at the most: a face that is smaller on it says less, and where the canvas ends motion does (docs/LOG.md, 2026-11-30)."""

Boxes = Sequence[Sequence[float]]
"""Mouth, left and right eye: x, y, width and height in pixels of the film."""


@dataclass(frozen=True)
class Region:
    """The part of the film, in its pixels, that lies on the canvas. It may reach beyond the film, whose edges then go on."""

    left: int
    top: int
    width: int
    height: int
    whole: bool = True
    """All of the film lies in it."""


def choose_region(options: Options, boxes: Boxes) -> Region:
    """All of the film; a square around the face where it is too small in the film to be moved well."""
    width, height = options.width, options.height
    longest = max(width, height)
    x, y, face = locate_face(boxes)
    if longest <= WIDEST * face:
        return Region((width - longest) // 2, (height - longest) // 2, longest, longest)
    side = max(min(SMALLEST, longest), round(WIDEST * face))
    left, top = _begin_side(x, side, width), _begin_side(y, side, height)
    return Region(left, top, side, side, whole=False)


def _begin_side(middle: float, side: int, extent: int) -> int:
    """Where a side around `middle` begins that lies within the film, or that the film lies within."""
    first, last = sorted((0, extent - side))
    return max(first, min(round(middle - side / 2), last))


def locate_face(boxes: Boxes) -> tuple[float, float, float]:
    """The middle of a face, x and y, and how far it is from eyes to mouth or from eye to eye, whichever is more."""
    (mx, my), (lx, ly), (rx, ry) = ((x + w / 2, y + h / 2) for x, y, w, h in boxes)
    ex, ey = (lx + rx) / 2, (ly + ry) / 2
    down = ((mx - ex) ** 2 + (my - ey) ** 2) ** 0.5
    across = ((rx - lx) ** 2 + (ry - ly) ** 2) ** 0.5
    return (mx + ex) / 2, (my + ey) / 2, max(down, across)


def boxes_on_canvas(boxes: Boxes, region: Region) -> list[list[float]]:
    """Boxes as centre x, y and half sizes in half canvases, as the model is told of them."""
    half_width, half_height = region.width / 2, region.height / 2
    return [
        [
            (x + w / 2 - region.left) / half_width - 1,
            (y + h / 2 - region.top) / half_height - 1,
            w / 2 / half_width,
            h / 2 / half_height,
        ]
        for x, y, w, h in boxes
    ]
