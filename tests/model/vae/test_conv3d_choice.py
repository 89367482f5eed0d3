"""Which convolutions are the kernel's, and how large a picture must be for it to be the quicker one."""

import pytest
import torch

from model.vae import conv3d_choice


@pytest.mark.parametrize(
    ("shape", "dtype", "theirs"),
    [
        ((96, 96, 3, 3, 3), torch.bfloat16, True),
        ((384, 192, 3, 3, 3), torch.bfloat16, True),
        ((576, 32, 3, 3, 3), torch.bfloat16, True),
        ((96, 96, 3, 3, 3), torch.float32, False),
        ((96, 48, 3, 3, 3), torch.bfloat16, False),
        ((288, 96, 3, 3, 3), torch.bfloat16, False),
        ((3, 96, 3, 3, 3), torch.bfloat16, False),
        ((384, 192, 3, 1, 1), torch.bfloat16, False),
    ],
)
def test_some_weights_are_the_kernels(monkeypatch, shape, dtype, theirs: bool) -> None:
    """Of 3x3x3, in bfloat16, with whole chunks of input channels and whole parts of output channels; and on a Hopper card alone."""
    weight = torch.empty(shape, dtype=dtype)
    assert not conv3d_choice.has_kernel(weight)
    monkeypatch.setattr(conv3d_choice, "is_hopper", lambda _: True)
    assert conv3d_choice.has_kernel(weight) is theirs


@pytest.mark.parametrize(
    ("channels", "t", "height", "width", "quicker"),
    [
        (96, 4, 384, 704, True),
        (192, 4, 192, 352, True),
        (384, 2, 96, 176, True),
        (384, 1, 48, 88, False),
        (384, 1, 96, 176, False),
        (96, 1, 384, 704, False),
        (96, 4, 256, 384, True),
        (192, 4, 128, 192, True),
        (384, 2, 80, 128, False),
        (96, 4, 16, 8, False),
    ],
)
def test_pictures_that_fill_the_card_are_the_kernels(channels, t, height, width, quicker) -> None:
    """Those that were measured, a single frame, and films of other sizes."""
    shape = (1, t + 2, height, width, channels)
    assert conv3d_choice.is_quicker(shape, channels) is quicker
    assert not conv3d_choice.is_quicker((2, *shape[1:]), channels)
