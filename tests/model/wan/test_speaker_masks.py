"""Masks of speakers as the transformer takes them."""

import numpy as np

from model.wan.speaker_masks import mask_tokens


def test_a_speaker_is_heard_where_no_other_one_is() -> None:
    """1 on the background for all, 0 for all where two meet; a token is of who has most of it."""
    masks = np.zeros((2, 32, 64), np.bool_)
    masks[0, :, :30] = True
    masks[1, 16:, 16:] = True
    found = mask_tokens(masks, (4, 8))
    assert found.dtype == np.float32
    assert found.shape == (2, 1, 2, 4)
    assert found[:, 0].tolist() == [[[1, 1, 1, 1], [1, 0, 0, 0]], [[0, 0, 1, 1], [0, 0, 1, 1]]]


def test_latents_may_cover_more_than_the_film() -> None:
    """What lies beyond it is as its edge."""
    masks = np.zeros((2, 24, 40), np.bool_)
    masks[1, :, 24:] = True
    assert mask_tokens(masks, (4, 6))[:, 0].tolist() == [[[1, 1, 0], [1, 1, 0]], [[1, 1, 1], [1, 1, 1]]]  # fmt: skip
