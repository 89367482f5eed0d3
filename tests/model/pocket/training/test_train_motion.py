"""The first stage of pocket's training, tiny, on the CPU."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.pocket.model_traits import MOTION_FILE
from model.pocket.motion_autoencoder import MotionAutoencoder, load_motion_autoencoder
from model.pocket.training.train_motion import (
    ClipPool,
    MotionRecipe,
    MotionTrainer,
    draw_chatter,
    measure_latents,
    save_motion_autoencoder,
)

TINY = replace(MotionRecipe(1), size=64, pool=8, batch=4, clip=16)


@pytest.fixture(scope="module")
def pool() -> ClipPool:
    torch.manual_seed(0)
    return ClipPool(TINY, torch.Generator().manual_seed(1))


def test_a_lesson_has_stills_and_the_picture_itself(pool: ClipPool) -> None:
    """Of twelve clips the first two begin with a frame that stands still, and the last is the picture throughout."""
    lesson = pool.batch(12)
    assert lesson.frames.shape == (12, 3, 12, 64, 64)
    assert (lesson.frames[:2, :, :3] == lesson.frames[:2, :, 1:4]).all()
    assert (lesson.frames[-1] == lesson.picture[-1, :, None]).all()
    assert 0.9 < float(lesson.planes.amax((-1, -2)).mean()) <= 1


def test_the_mouth_is_worth_more_than_the_wall(pool: ClipPool) -> None:
    """Weights are 1 somewhere in each picture and above 4 elsewhere."""
    lesson = pool.batch(12)
    assert float(lesson.worth.float().amin((1, 2, 3)).max()) < 1.5
    assert float(lesson.worth.float().amax((1, 2, 3)).min()) > 4


def test_steps_lessen_the_error_and_are_saved(pool: ClipPool, tmp_path: Path) -> None:
    """Some steps on one lesson lessen its error; what is saved is loaded again, with the spread of its latents."""
    trainer = MotionTrainer(MotionAutoencoder(), replace(TINY, warm_up=5))
    lesson = pool.batch(TINY.batch)
    errors = [float(trainer.learn(lesson, 0.1)) for _ in range(8)]
    assert errors[-1] < 0.9 * errors[0]
    facts = measure_latents(trainer.autoencoder, pool, batches=1)
    save_motion_autoencoder(trainer.autoencoder, facts, tmp_path)
    again = load_motion_autoencoder(tmp_path)
    assert (tmp_path / MOTION_FILE).stat().st_size < 8 * 2**20
    assert again.latents_std == facts["latents_std"]
    kept = trainer.autoencoder.state_dict()["open.weight"].to(torch.bfloat16).float()
    assert torch.equal(again.state_dict()["open.weight"], kept)


def test_chatter_opens_and_shuts() -> None:
    """Curves in 0..1; some mouths stay shut, most open wide at some time."""
    curves = draw_chatter(64, 60, torch.Generator().manual_seed(0))
    assert curves.shape == (64, 60, 3)
    assert 0 <= float(curves.min()) <= float(curves.max()) <= 1
    widest = curves[..., 0].amax(1)
    assert 2 <= int((widest == 0).sum()) <= 20
    assert float(widest.median()) > 0.6
