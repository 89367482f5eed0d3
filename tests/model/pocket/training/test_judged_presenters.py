"""Presenters that are judged: their pictures, and true films of them."""

import numpy as np
import pytest

from model.pocket.training.judged_presenters import (
    Presenter,
    make_presenters,
    move_with_speech,
    render_film,
    to_bytes,
)
from model.presenters.face import neutral_motion, render_faces

SIZE = 96


@pytest.fixture(scope="module")
def who() -> Presenter:
    return make_presenters(1, SIZE, first=800_000)[0]


def test_a_renderer_without_motion_draws_the_picture(who: Presenter) -> None:
    """The reference picture is the neutral pose, so silence need not change it."""
    again = to_bytes(render_faces(who.identity, neutral_motion(1, 1), SIZE)[0])[0]
    assert np.array_equal(again, who.picture)


def test_a_window_is_that_part_of_the_film(who: Presenter) -> None:
    """Mouths drawn alone are those of whole frames, but for the blur at their edge."""
    motion = move_with_speech(np.float32([[0.0, 0.5, 0.0], [0.9, 0.2, 0.3]]), 1)
    whole, alone = who.cut_mouth(render_film(who, motion)), who.draw_mouths(motion)
    assert np.array_equal(whole[:, 1:-1, 1:-1], alone[:, 1:-1, 1:-1])


def test_boxes_lie_where_things_move(who: Presenter) -> None:
    """A mouth that opens changes its box most, and nothing where the picture is said to be still."""
    shut, wide = render_film(who, move_with_speech(np.float32([[0, 0.5, 0], [1, 0.5, 0]]), 2))
    change = np.abs(wide.astype(np.int16) - shut).sum(-1)
    left, top, right, bottom = who.mouth
    assert change[top:bottom, left:right].mean() > 4 * change.mean()
    assert change[who.still].max() <= 6
