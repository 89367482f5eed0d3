"""Where several speakers are heard, in the transformer's tokens."""

import numpy as np
from einops import reduce
from numpy.typing import NDArray

from model.avatar import Float

TOKEN = 16
"""Pixels of a side of a token: eight of a latent pixel, two of which a patch joins."""
MOST = 0.5
"""Of a token's pixels: a speaker with more of them is in it."""


def mask_tokens(masks: NDArray[np.bool_], latent_size: tuple[int, int]) -> Float:
    """Masks [speaker, y, x] of who is where, as the published program tells the transformer of them: [speaker, 1, row, column], 1 where no other speaker is. `latent_size`: height and width."""
    height, width = (side // 2 * TOKEN for side in latent_size)
    beyond = [(0, 0), (0, height - masks.shape[1]), (0, width - masks.shape[2])]
    whole = np.pad(masks, beyond, mode="edge").astype(np.float32)
    share = reduce(whole, "s (row y) (column x) -> s row column", "mean", y=TOKEN, x=TOKEN)
    there = share > MOST
    others = there.sum(0) - there
    return (others == 0)[:, None].astype(np.float32)
