"""Log-mel has no memory: what a stream hears does not depend on where it is cut."""

import numpy as np
import torch

from model.encoders.log_mel import HOP, MARGIN, log_mel


def test_pieces_of_a_stream_hear_what_the_whole_hears() -> None:
    """A span with its margins gives exactly the frames that it has within a longer sound."""
    sound = torch.from_numpy(
        np.random.default_rng(1).standard_normal(100 * HOP + 2 * MARGIN)
    ).float()
    whole = log_mel(sound)
    assert whole.shape == (80, 100)
    for start in (0, 37, 60):
        part = log_mel(sound[start * HOP : (start + 40) * HOP + 2 * MARGIN])
        assert torch.allclose(part, whole[:, start : start + 40], atol=1e-5)


def test_a_click_is_heard_in_the_frame_it_is_the_middle_of() -> None:
    """Frame j is centred on sample 160·j + 80 after the margin."""
    sound = torch.zeros(20 * HOP + 2 * MARGIN)
    sound[MARGIN + 7 * HOP + 80] = 1
    loud = log_mel(sound).mean(0)
    assert int(loud.argmax()) == 7
    assert torch.allclose(loud[6], loud[8], atol=1e-5)


def test_a_tone_is_heard_in_its_own_band_and_silence_is_finite() -> None:
    """Higher tones peak in higher bands, and nothing at all is the floor."""
    seconds = torch.arange(20 * HOP + 2 * MARGIN) / 16_000
    peaks = [
        int(log_mel(torch.sin(6.2832 * hertz * seconds)).mean(1).argmax())
        for hertz in (200, 1000, 5000)
    ]
    assert peaks == sorted(set(peaks))
    assert torch.isfinite(log_mel(torch.zeros(HOP + 2 * MARGIN))).all()
