"""The size that the published pipelines make of `--size`: an area, filled in the picture's own shape."""

from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from storage.errors import BadSize

if TYPE_CHECKING:
    pass

_UNIT = 64
_SCALES = 100


def fit_area(height: int, width: int, area: int) -> tuple[int, int]:
    """Width and height, multiples of 64, at most `area` pixels, of nearly the picture's shape and never above its size by a unit."""
    for scale in _candidate_scales(height, width, area):
        tall, wide = (-(-int(side * scale) // _UNIT) * _UNIT for side in (height, width))
        if tall and wide and tall * wide <= area:
            return wide, tall
    raise BadSize(f"of {area} pixels", f"no {width}×{height} picture fits in multiples of {_UNIT}")


def _candidate_scales(height: int, width: int, area: int) -> list[float]:
    pixels, margin = height * width, _UNIT - 1
    if pixels <= area:
        first, last = 1.0, 0.1
    else:
        b, c = margin * (height + width), margin**2 - area
        first = sqrt(area / pixels)
        # The published formula has 2 where the quadratic has 4; the sizes that it gives are the ones that people know.
        last = (-b + sqrt(max(0.0, b * b - 2 * pixels * c))) / (2 * pixels)
    # The last is never tried: a hundred steps of a hundredth of the way. Multiplied first, as a rounding can decide a unit.
    return [first - (first - last) * place / _SCALES for place in range(_SCALES)]


def read_picture_size(picture: Path) -> tuple[int, int] | None:
    """Height and width of a picture as it stands upright; None where it cannot be read, which the checks then say."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(picture) as image:
            turned = image.getexif().get(0x0112, 1) in {5, 6, 7, 8}
            return (image.width, image.height) if turned else (image.height, image.width)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
