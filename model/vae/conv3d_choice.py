"""Which causal convolutions a Hopper card computes by a kernel of our own (model/vae/conv3d_hopper.py), and for pictures of which size; no Triton."""

from collections.abc import Sequence
from math import ceil

import torch
from torch import Tensor

from model.ops.fused import is_hopper

WIDTH, HEIGHT = 8, 16
"""The square of pixels that a program makes at once."""
CHUNK = 32
"""Input channels that are brought at once: the most that divide 96."""
COLUMNS = 384
"""Output channels of all frames that a program makes at once: what registers hold."""
PROCESSORS = 132
"""Those of an H100 and an H200, each with a program of its own."""
LEAST_NARROW, LEAST = 1 / 3, 0.8
"""The share of what the programs compute that must be wanted, at 96 output channels and at more."""


def has_kernel(weight: Tensor) -> bool:
    """Whether the kernel is for a weight [o, c, t, y, x], where that lies."""
    out, channels, *size = weight.shape
    fits = size == [3, 3, 3] and channels % CHUNK == 0 and (out == 96 or out % 192 == 0)
    return fits and weight.dtype == torch.bfloat16 and is_hopper(weight.device)


def frames_at_once(out: int) -> int:
    """Frames that a program makes at once, of a convolution with so many output channels."""
    return COLUMNS // (96 if out == 96 else 192)


def is_quicker(shape: Sequence[int], out: int) -> bool:
    """Whether the kernel takes less time than cuDNN's conv3d for joined frames of a shape [1, t + 2, h, w, c] and so many output channels.

    All processors make a tile each, then the next: it is how much of that is wanted that decides, as frames, pixels and the last tiles do not come out even.
    On an H200, in TFLOP/s by the kernel, which had even tiles, and by conv3d: 96 channels 788 and 243, 192 channels 833 and 641, 384 channels at 2 frames
    of 96x176 847 and 656. There the shares are 1; that of a single frame is a half or, at 96 channels, a quarter. With .25 wanted (384 channels, a frame of
    48x88) the kernel made 231, conv3d 331.
    """
    batch, joined, height, width, _ = shape
    made, at_once = joined - 2, frames_at_once(out)
    squares = ceil(height / HEIGHT) * ceil(width / WIDTH)
    tiles = squares * ceil(made / at_once) * (out * at_once // COLUMNS)
    computed = ceil(tiles / PROCESSORS) * PROCESSORS * HEIGHT * WIDTH * COLUMNS
    wanted = made * height * width * out
    return batch == 1 and wanted >= computed * (LEAST_NARROW if out == 96 else LEAST)
