"""Disturbed sound is other sound of the same words."""

import torch

from model.pocket.training.mel_augmenter import MelAugmenter, blur_bands


def test_each_clip_is_disturbed_in_its_own_way_and_repeatably() -> None:
    """The same generator gives the same; no two clips of a batch are changed alike; nothing is out of what log-mel can be."""
    bands = torch.randn(1, 80, 40).expand(6, -1, -1)
    first, again = (MelAugmenter(torch.Generator().manual_seed(3)).disturb(bands) for _ in range(2))
    assert torch.equal(first, again)
    apart = (first[:, None] - first[None]).abs().mean((2, 3))
    assert float((apart + torch.eye(6)).min()) > 0.02
    assert first.abs().max() < 8


def test_formants_move_but_moments_do_not() -> None:
    """A band that speaks is found in another place, never at another time."""
    bands = torch.full((64, 80, 20), -1.0)
    bands[:, 40:44, 10] = 2.0
    made = MelAugmenter(torch.Generator().manual_seed(0)).disturb(bands)
    spoken = made[:, :, 10] - made[:, :, 5]
    where = spoken.argmax(1)
    assert where.float().std() > 2
    # Where noise or a lost band covers it, it is found nowhere.
    loud = (made - made[:, :, :1]).amax(1).argmax(1)
    assert float((loud == 10).float().mean()) > 0.9


def test_blurring_keeps_the_level() -> None:
    """A flat spectrum stays flat, and a single band is shared with its neighbours."""
    assert torch.equal(blur_bands(torch.ones(1, 8, 2)), torch.ones(1, 8, 2))
    peak = torch.zeros(1, 5, 1)
    peak[0, 2] = 1
    assert blur_bands(peak)[0, :, 0].tolist() == [0, 0.25, 0.5, 0.25, 0]
