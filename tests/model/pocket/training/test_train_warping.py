"""The first stage of pocket's training, tiny, on the CPU."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.motion_columns import MOTION
from model.pocket.curve_layout import RESTED, RESTED_COLUMNS
from model.pocket.model_traits import WARPING_FILE
from model.pocket.training.drawn_clips import mirror_clips
from model.pocket.training.train_warping import (
    FRAMES,
    ClipPool,
    WarpingRecipe,
    WarpingTrainer,
    average_weights,
    draw_chatter,
    draw_rest,
    save_warping_network,
    stand_still,
)
from model.pocket.warping_network import WarpingNetwork, load_warping_network
from model.presenters.face import draw_identities, neutral_motion, rest_motion

TINY = replace(WarpingRecipe(1), size=64, pool=8, batch=4, clip=16)


@pytest.fixture(scope="module")
def pool() -> ClipPool:
    torch.manual_seed(0)
    return ClipPool(TINY, torch.Generator().manual_seed(1))


def test_a_lesson_has_the_picture_itself(pool: ClipPool) -> None:
    """Of twelve clips the last is the picture throughout, told by the curves that are read in it; what nobody knows of a photograph is what is read in it, too."""
    lesson = pool.batch(12)
    assert lesson.frames.shape == (12, 3, FRAMES, 64, 64)
    assert 0.9 < float(lesson.planes.amax((-1, -2)).mean()) <= 1
    lesson.own[0] = torch.nan
    network = WarpingNetwork()
    features = network.look(lesson.picture.float(), lesson.planes.float())
    still = stand_still(lesson, features)
    assert (still.frames[-1] == lesson.picture[-1, :, None]).all()
    assert (still.frames[:-1] == lesson.frames[:-1]).all()
    rested = still.curves[..., RESTED_COLUMNS]
    assert torch.equal(rested[[0, -1]], features.rest.detach()[[0, -1], None].expand(2, FRAMES, -1))
    assert torch.equal(rested[1:-1], lesson.curves[1:-1][..., RESTED_COLUMNS])
    assert still.curves[-1].count_nonzero() == FRAMES * len(RESTED_COLUMNS)


def test_a_mirrored_clip_turns_left_into_right_and_back(pool: ClipPool) -> None:
    """Pictures and frames are flipped, the left eye is the right one, the head goes and the eyes look the other way; what is not chosen stays, and twice is as before."""
    some = pool.clips.take(torch.arange(4))
    chosen = torch.tensor([True, False, True, True])
    made = mirror_clips(some, chosen)
    assert torch.equal(made.frames[0], some.frames[0].flip(-1))
    assert torch.equal(made.boxes[0, 1, 1:], some.boxes[0, 2, 1:])
    assert float(made.boxes[0, 1, 0]) == -float(some.boxes[0, 2, 0])
    turned = {MOTION.index(name) for name in ("dx", "tilt", "gaze_x")}
    for column in range(len(MOTION)):
        sign = -1 if column in turned else 1
        assert torch.equal(made.curves[0, :, column], sign * some.curves[0, :, column])
    assert float(made.own[0, RESTED.index("gaze_x")]) == -float(some.own[0, RESTED.index("gaze_x")])
    for name, value in vars(made).items():
        assert torch.equal(value[1], getattr(some, name)[1])
        assert torch.equal(getattr(mirror_clips(made, chosen), name), getattr(some, name))


def test_most_pictures_show_how_presenters_like_to_be_seen() -> None:
    """In three quarters the expression is their own, whatever they did at some moment; the others are taken as they were."""
    chance = torch.Generator().manual_seed(0)
    who, moment = draw_identities(200, chance), neutral_motion(200, 1)
    moment[..., -3] = 0.77
    rest = draw_rest(who, moment, chance)
    as_liked = (rest[..., 4:] == rest_motion(who)[..., 4:]).all(-1)[:, 0]
    assert 130 <= int(as_liked.sum()) <= 170
    assert torch.equal(rest[~as_liked], moment[~as_liked])


def test_the_mouth_is_worth_more_than_the_wall(pool: ClipPool) -> None:
    """Weights are 1 somewhere in each picture and above 4 elsewhere."""
    lesson = pool.batch(12)
    assert float(lesson.worth.float().amin((1, 2, 3)).max()) < 1.5
    assert float(lesson.worth.float().amax((1, 2, 3)).min()) > 4


def test_steps_lessen_the_error_and_are_saved(pool: ClipPool, tmp_path: Path) -> None:
    """Some steps on one lesson lessen its error; what is saved is loaded again."""
    torch.manual_seed(0)
    trainer = WarpingTrainer(WarpingNetwork(), replace(TINY, warm_up=5))
    lesson = pool.batch(TINY.batch)
    errors = [float(trainer.learn(lesson, 0.1)) for _ in range(8)]
    assert errors[-1] < 0.9 * errors[0]
    save_warping_network(trainer.network, tmp_path)
    again = load_warping_network(tmp_path)
    assert (tmp_path / WARPING_FILE).stat().st_size < 8 * 2**20
    kept = trainer.network.state_dict()["grow.weight"].to(torch.bfloat16).float()
    assert torch.equal(again.state_dict()["grow.weight"], kept)


def test_chatter_opens_and_shuts() -> None:
    """Curves in 0..1; some mouths stay shut, most open wide at some time."""
    curves = draw_chatter(64, 60, torch.Generator().manual_seed(0))
    assert curves.shape == (64, 60, 3)
    assert 0 <= float(curves.min()) <= float(curves.max()) <= 1
    widest = curves[..., 0].amax(1)
    assert 2 <= int((widest == 0).sum()) <= 20
    assert float(widest.median()) > 0.6


def test_it_goes_on_from_the_mean_of_several(tmp_path: Path) -> None:
    """Each weight lies half-way between those of two folders; of one folder it is what is in there."""
    first, second = WarpingNetwork(), WarpingNetwork()
    for name, network in (("a", first), ("b", second)):
        save_warping_network(network, tmp_path / name)
    mean = average_weights([tmp_path / "a", tmp_path / "b"])
    alone = average_weights([tmp_path / "a"])
    for name, weight in first.state_dict().items():
        other = second.state_dict()[name].bfloat16().float()
        assert torch.equal(alone[name], weight.bfloat16().float())
        assert torch.allclose(mean[name], (alone[name] + other) / 2)
    assert any(not torch.equal(mean[name], alone[name]) for name in mean)
