"""A view shows its picture's face where its edges say."""

import numpy as np
import pytest
import torch

from model.pocket.cartoon_finder import PIXELS
from model.pocket.training import cartoon_views
from model.pocket.training.cartoon_views import (
    KEPT,
    Pictures,
    cut_views,
    draw_cartoons,
    draw_presenters,
    join_pictures,
)

COLOURS = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=torch.uint8)
"""Of mouth, left and right eye."""


def make_picture() -> Pictures:
    """Three rectangles for mouth and eyes on grey."""
    boxes = torch.tensor([[0.5, 0.65, 0.1, 0.03], [0.4, 0.4, 0.05, 0.04], [0.62, 0.42, 0.06, 0.04]])
    pixels = torch.full((3, KEPT, KEPT), 128, dtype=torch.uint8)
    for (x, y, wide, high), colour in zip(boxes.tolist(), COLOURS, strict=True):
        rows = slice(round((y - high) * KEPT), round((y + high) * KEPT))
        columns = slice(round((x - wide) * KEPT), round((x + wide) * KEPT))
        pixels[:, rows, columns] = colour[:, None, None]
    return Pictures(pixels[None], boxes[None])


def test_edges_are_round_what_the_view_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """To 1.5 pixels and what a turned box is more than the ellipse in it; mirrored, the eye that is left then is the other one."""
    monkeypatch.setattr(cartoon_views, "change_colours", lambda pixels, _: pixels)
    monkeypatch.setattr(cartoon_views, "TURN", 0.02)
    views = cut_views(
        make_picture().take(torch.zeros(60, dtype=torch.long)), torch.Generator().manual_seed(1)
    )
    mirrored = 0
    for pixels, edges in zip(views.pixels[views.shown], views.edges[views.shown], strict=True):
        seen = [find_edges(pixels, colour) for colour in COLOURS]
        if seen[1][0] > seen[2][0]:
            seen, mirrored = [seen[0], seen[2], seen[1]], mirrored + 1
        assert np.abs(np.array(seen) - PIXELS * edges.numpy()).max() < 3
    assert views.shown.sum() > 40
    assert 10 < mirrored < 50


def find_edges(pixels: torch.Tensor, colour: torch.Tensor) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what has a colour."""
    near = ((pixels + 1) * 127.5 - colour[:, None, None]).abs().amax(0) < 90
    rows, columns = torch.nonzero(near, as_tuple=True)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_of_a_picture_without_a_face_and_one_that_is_turned_nothing_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    none = Pictures(
        torch.zeros(8, 3, KEPT, KEPT, dtype=torch.uint8), torch.full((8, 3, 4), torch.nan)
    )
    views = cut_views(none, torch.Generator().manual_seed(2))
    assert views.absent.all()
    assert not views.shown.any()
    monkeypatch.setattr(cartoon_views, "TURNED", 1.0)
    views = cut_views(make_picture(), torch.Generator().manual_seed(3))
    assert views.absent.all()


def test_cartoons_and_presenters_are_pictures_alike() -> None:
    """Bytes of one size, and boxes within them."""
    found = join_pictures([draw_cartoons(range(4)), draw_presenters(2, 5)])
    assert found.pixels.shape == (6, 3, KEPT, KEPT)
    assert found.pixels.dtype == torch.uint8
    known = found.boxes[~found.boxes.isnan()]
    assert 0 < known.min() < known.max() < 1
