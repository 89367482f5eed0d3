"""Sizes and pixels that the published programs make of a picture and --size."""

from typing import Any

import numpy as np
import torch
from PIL import Image

from pipeline.options.area import fit_area


def check(told: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """Every size is the published one, and so is every pixel of the pictures that were fitted."""
    for row in told["rows"]:
        width, height = fit_area(*row["image"], row["area"])
        assert [height, width] == row["result"], row
        assert bars(row["image"], (height, width)) == row["geometry"]["black"], row
    for n, case in enumerate(told["pixel_cases"]):
        picture = Image.fromarray(tensors[f"inputs.image{n}"].numpy())
        height, width = case["target"]
        ours = np.asarray(published_fit(picture, width, height))
        assert np.array_equal(ours, tensors[f"outputs.pixels{n}"].numpy()), n


def bars(image: list[int], size: tuple[int, int]) -> dict[str, int]:
    """How many rows and columns at each edge of a white picture, once fitted, are black."""
    white = Image.new("L", (image[1], image[0]), 255)
    fitted = np.asarray(published_fit(white, size[1], size[0])) == 0
    rows, columns = fitted.all(1), fitted.all(0)
    return {
        "top": run(rows), "bottom": run(rows[::-1]), "left": run(columns), "right": run(columns[::-1]),
    }  # fmt: skip


def run(dark: np.ndarray) -> int:
    """How many are true before the first that is not."""
    return int(dark.argmin())


def published_fit(picture: Image.Image, width: int, height: int) -> Image.Image:
    """An RGB picture as the published programs show it to the model, to compare with them: its short side made as long as the film's, the middle cut out.

    Where the long side then falls short there are black bars. longtake itself draws none: storage.picture fills the film.
    """
    shorter = min(picture.size)
    wide, tall = (int(min(width, height) * side / shorter) for side in picture.size)
    left, top = _crop_margin(wide, width), _crop_margin(tall, height)
    box = (left, top, left + width, top + height)
    return picture.resize((wide, tall), Image.Resampling.BILINEAR).crop(box)


def _crop_margin(there: int, wanted: int) -> int:
    """Where a window begins in the middle of a side; below zero where it is longer than the side."""
    return round((there - wanted) / 2) if there > wanted else -((wanted - there) // 2)
