"""Where several speakers are in the picture, for models that look at all of it: a box or a picture of the place of each, as masks of the film's size."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from model.pocket.face_boxes import clip_box, parse_boxes
from storage.picture import treat_picture
from storage.picture_fit import measure_fit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from storage.picture_fit import Size
    from storage.spec import Spec

    Masks = NDArray[np.bool_]

WHITE = 127
"""Of 255: a pixel of a mask that is lighter is of its speaker."""
MOST_OVERLAP = 0.01
"""Of the smaller of two masks: as much of it may be the other's, too, as edges are blurred by who has drawn them."""


def draw_masks(spec: "Spec", picture: "Size", files: Mapping[str, Path]) -> "Masks":
    """Whether a pixel of the film is of a speaker [speaker, y, x]; `picture`: the size of the picture's file, `files`: the masks, as `mask1` … Raises ValueError where one has another size, BadImage."""
    import numpy as np

    return np.stack([
        read_mask(spec, picture, files[f"mask{number}"]) if each.mask else draw_box(spec, picture, each.box)
        for number, each in enumerate(spec.speakers, 1)
    ])  # fmt: skip


def read_mask(spec: "Spec", picture: "Size", path: Path) -> "Masks":
    """A mask [y, x] as its picture has it, fitted to the film as the film's picture is."""
    pixels, done = treat_picture(path, width=spec.width, height=spec.height, crop=spec.crop)
    if (done.width, done.height) != picture:
        own, needed = (f"{width}×{height}" for width, height in ((done.width, done.height), picture))  # fmt: skip
        raise ValueError(f"the mask has {own} pixels and the picture {needed}: a mask of the picture's size is needed")  # fmt: skip
    whole: Masks = pixels.mean(-1) > WHITE
    return whole


def draw_box(spec: "Spec", picture: "Size", text: str) -> "Masks":
    """A mask [y, x] of a box of the picture."""
    import numpy as np

    fit = measure_fit(picture, (spec.width, spec.height), spec.crop)
    shown = clip_box(fit.to_film(parse_boxes(text, 1)[0]), spec.width, spec.height)
    left, top, width, height = map(round, shown)
    mask = np.zeros((spec.height, spec.width), np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


def find_overlap(masks: "Masks") -> tuple[int, int] | None:
    """Two speakers, from 0, of whom one is where the other is; None where each is by itself."""
    for other in range(len(masks)):
        for one in range(other):
            both, least = (masks[one] & masks[other]).sum(), min(masks[one].sum(), masks[other].sum())  # fmt: skip
            if both > MOST_OVERLAP * least:
                return one, other
    return None
