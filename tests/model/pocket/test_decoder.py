"""What the decoder does with its fields: the picture is moved at the film's size, and nothing else changes."""

import numpy as np
import pytest
import torch

from model.avatar import Options
from model.pocket.canvas import SIZE, Region, choose_region
from model.pocket.decoder import FilmPicture, draw_fade
from model.pocket.warping_network import FLOW_PIXELS, MotionFields, warp_picture
from tests.model.pocket.test_canvas import face

DRAW = np.random.default_rng(0)


def smooth_picture(height: int, width: int) -> np.ndarray:
    """Waves of colour, some pixels long."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 9 + c) + np.cos(y / (7 + c)) for c in range(3)]
    return np.clip(127 + 60 * np.stack(waves, -1), 0, 255).astype(np.uint8)


def make_fields(flow: tuple[float, float], mask: float = 0.0) -> MotionFields:
    """One frame's fields: the same everywhere."""
    moved = torch.tensor(flow).view(1, 2, 1, 1).expand(1, 2, SIZE // 2, SIZE // 2)
    paint = torch.full((1, 3, SIZE, SIZE), -0.5)
    return MotionFields(moved / FLOW_PIXELS, paint, torch.full((1, 1, SIZE, SIZE), mask))


def as_bytes(frames: torch.Tensor) -> np.ndarray:
    return (frames.add(1).mul(127.5).round()[0].permute(1, 2, 0)).numpy()


@pytest.mark.parametrize(("width", "height"), [(256, 256), (512, 384), (100, 64), (700, 300)])
def test_without_motion_the_film_is_the_picture(width: int, height: int) -> None:
    """To the last level but rounding, at any size: enlarging the source costs nothing."""
    options, picture = Options(width, height), smooth_picture(height, width)
    film = FilmPicture(picture, choose_region(options, face(width / 2, height / 2, max(width, height) / 5)))  # fmt: skip
    made = as_bytes(film.move(make_fields((0.0, 0.0))))
    assert np.abs(made - picture.astype(int)).max() <= 3


def test_a_flow_moves_the_film_by_its_own_pixels() -> None:
    """Three pixels of the canvas are six of a film twice as large: each frame's pixel comes from there."""
    options, picture = Options(512, 512), smooth_picture(512, 512)
    film = FilmPicture(picture, choose_region(options, face(256, 256, 100)))
    made = as_bytes(film.move(make_fields((3.0, -2.0))))
    inner = slice(20, -20)
    assert np.abs(made[inner, inner] - np.roll(picture, (4, -6), (0, 1)).astype(int)[inner, inner]).max() <= 3  # fmt: skip


def test_beyond_a_canvas_around_a_face_nothing_moves() -> None:
    """Outside of the square the film is the picture to the bit, and motion fades towards its edge."""
    options, picture = Options(900, 600), smooth_picture(600, 900)
    boxes = face(300, 200, 40)
    region = choose_region(options, boxes)
    made = as_bytes(FilmPicture(picture, region).move(make_fields((9.0, 9.0), 0.5)))  # fmt: skip
    changed = np.abs(made - picture.astype(int)).max(-1) > 1
    rows = slice(region.top, region.top + region.height)
    columns = slice(region.left, region.left + region.width)
    assert changed[rows, columns].mean() > 0.5
    changed[rows, columns] = False
    assert not changed.any()
    fade = draw_fade(region.height, region.width)
    assert fade[0].max() < 0.01
    assert fade[region.height // 2, region.width // 2] == 1


def test_a_small_film_has_all_that_the_canvas_has() -> None:
    """A film a quarter as large: half masked it is half paint everywhere, and moved by a quarter of the pixels."""
    options, picture = Options(64, 64), smooth_picture(64, 64)
    film = FilmPicture(picture, choose_region(options, face(32, 32, 13)))
    assert film.canvas_picture().shape == (1, 3, SIZE, SIZE)
    made = as_bytes(film.move(make_fields((8.0, 0.0), 0.5)))
    wanted = 0.5 * np.roll(picture, -2, 1) + 0.5 * 127.5 * 0.5
    assert np.abs(made - wanted)[5:-5, 5:-5].max() <= 3


def test_the_film_and_the_trained_warp_agree() -> None:
    """Where the film is as large as the canvas, the decoder moves it as training did, but for the sharper source."""
    picture = smooth_picture(256, 256)
    flow = torch.from_numpy(DRAW.normal(0, 2 / FLOW_PIXELS, (1, 2, 8, 8)).astype(np.float32))
    flow = torch.nn.functional.interpolate(flow, (128, 128), mode="bicubic")
    fields = make_fields((0, 0))._replace(flow=flow)
    film = FilmPicture(picture, Region(0, 0, 256, 256))
    trained = warp_picture(film.still[None], flow, (256, 256))
    assert (film.move(fields) - trained).abs().mean() < 0.02


@pytest.mark.parametrize("spread", [0, 10, 60])
def test_paint_has_no_colour_where_the_picture_has_none(spread: int) -> None:
    """The tongue of a black and white picture is grey, also of one whose JPEG is not wholly so; that of any other stays red."""
    picture = np.full((256, 256, 3), 100, np.uint8)
    picture[90:120, 90:120, 0] += spread
    film = FilmPicture(picture, choose_region(Options(256, 256), face(128, 128, 50)))
    red = torch.tensor([0.6, -0.4, -0.2]).view(1, 3, 1, 1).expand(1, 3, SIZE, SIZE)
    made = as_bytes(film.move(make_fields((0.0, 0.0), 1.0)._replace(paint=red)))
    assert (np.ptp(made, -1).max() == 0) == (spread < 12)
