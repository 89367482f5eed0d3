"""Clips of curves and sound: what the transformer learns from."""

import pytest
import torch

from model.encoders.log_mel import SILENCE
from model.encoders.mel_encoder import CONTEXT_FRAMES
from model.motion_columns import MOTION
from model.pocket.curve_layout import CURVES, RESTED
from model.pocket.motion_curves import decode_curves, stand_still
from model.pocket.training.curve_clips import (
    CLIP,
    FRAMES,
    WARM,
    Clips,
    Sound,
    draw_clips,
    draw_rest_curves,
    measure_curves,
)


@pytest.fixture(scope="module")
def clips() -> Clips:
    chance = torch.Generator().manual_seed(0)
    sound = Sound(torch.randn(4000, 80, generator=chance), torch.rand(1000, 3, generator=chance))
    return draw_clips(200, sound, chance)


def test_the_mouth_of_a_clip_is_the_sounds(clips: Clips) -> None:
    """The speech curves that latents tell are those that go with the sound; where nothing is heard the mouth is shut."""
    told = decode_curves(clips.latents)[..., -3:]
    assert told.shape == (200, FRAMES, 3)
    assert torch.allclose(told, clips.lips, atol=1e-4)
    quiet = (clips.mel == SILENCE).all((1, 2))
    assert 3 <= int(quiet.sum()) <= 30
    assert (clips.lips[quiet][:, 1:, 0] == 0).all()


def test_some_clips_begin_as_films_do(clips: Clips) -> None:
    """About one in six: its past is the picture standing still, and its head leaves it slowly."""
    starts = (clips.past == clips.still).all((1, 2, 3, 4))
    assert 15 <= int(starts.sum()) <= 55
    head = decode_curves(clips.latents[starts])[..., :4].abs()
    assert head[:, 0].max() < 1e-3
    assert head.max() > 0.02
    assert clips.past.shape[2:] == (WARM, 8, 8)
    assert clips.latents.shape[2:] == (CLIP, 8, 8)


def test_pictures_look_at_you_with_a_shut_mouth_mostly() -> None:
    """A third of the mouths are open, a little or wide; nothing is beyond what a face can do."""
    rest = draw_rest_curves(1000, torch.Generator().manual_seed(0))
    opened = rest[:, RESTED.index("aperture")] > 0.06
    assert 200 < int(opened.sum()) < 450
    told = decode_curves(stand_still(rest))[:, 0]
    apart = told[:, [MOTION.index(name) for name in RESTED]] - rest
    assert float((apart.abs().amax(1) > 1e-4).float().mean()) < 0.01


def test_the_spreads_that_latents_are_made_with_are_those_of_training(clips: Clips) -> None:
    """Of head, eyes and brows, whose motion does not come from sound: within a quarter. Other numbers would make other latents of the same film."""
    motion = decode_curves(clips.latents)
    told = measure_curves(motion)
    for name in ("dx", "dy", "tilt", "squint", "gaze_x", "gaze_y", "brow_slant", "smile"):
        mean, first, *_ = told[name]
        assert first == pytest.approx(CURVES[name].spread[0], rel=0.3), name
        assert abs(mean - CURVES[name].mean) < 0.3 * CURVES[name].spread[0], name


def test_sound_and_mouth_keep_together_at_any_pace() -> None:
    """A clip is heard up to a quarter quicker or slower than it was said, and its curves are those of the moment that is heard, to a thousandth of a frame."""
    time = torch.arange(2000.0)
    mel = ((torch.arange(8000.0) - 1.5) / 4)[:, None].expand(-1, 80)
    told, curves = Sound(mel, time[:, None].expand(-1, 3)).cut(64, torch.Generator().manual_seed(1))
    told = told[:, 0, 4 * CONTEXT_FRAMES : -4 * CONTEXT_FRAMES].unflatten(1, (FRAMES, 4))
    speaks = curves[:, 0, 0] > 0.6
    heard, seen = told[..., 1:3].mean(2)[speaks], curves[speaks][:, 4 * WARM :, 0]
    assert (heard - seen).abs().max() < 1e-3
    pace = seen.diff(dim=1).mean(1)
    assert 0.75 <= float(pace.min()) < 0.85
    assert 1.15 < float(pace.max()) <= 1.25
