"""The picture, read once: whatever a person gives becomes [y, x, rgb] of the film's size, or one line says why not."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Crop = Literal["cover", "contain", "exact"]


def read_picture(path: Path, *, width: int, height: int, crop: str = "cover") -> NDArray[np.uint8]:
    """The picture as sRGB [y, x, rgb], upright, of exactly width × height; raises BadImage.

    `cover` fills the frame and cuts what hangs over, `contain` shows all of it and repeats its edges, `exact` refuses another size.
    """
    raise NotImplementedError
