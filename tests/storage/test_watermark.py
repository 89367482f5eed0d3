"""The watermark in frames: what it changes, how little, that it is the same everywhere, and what is read out of it again."""

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from storage.watermark import GRID, compute_delta, mark_frames, read_signs
from storage.watermark_code import decode_signs, measure_ratio

Byte = NDArray[np.uint8]
ID = "0123456789ab"
SIZES = [(256, 256), (192, 320), (384, 704), (258, 194)]


def picture(height: int, width: int, frames: int = 2) -> Byte:
    """Soft blotches of all colours; a moving bright bar."""
    small = np.random.default_rng(1).integers(40, 216, (6, 8, 3), np.uint8)
    large = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    film = np.repeat(large[None], frames, 0)
    for number, frame in enumerate(film):
        frame[:, 8 * number : 8 * number + 8] = 230
    return film


def planes_of(frames: Byte) -> NDArray[np.float64]:
    """The colour planes on the grid [plane, y, x], by another way than the watermark's own: Pillow's."""
    mean = Image.fromarray(frames.mean(0).round().astype(np.uint8)).convert("YCbCr")
    small = mean.resize((GRID, GRID), Image.Resampling.BOX)
    return np.moveaxis(np.asarray(small, np.float64)[..., 1:], -1, 0)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_id_is_read_again_at_any_size(height: int, width: int):
    """Out of marked frames, and of none others."""
    plain = picture(height, width)
    reading = decode_signs(read_signs(planes_of(mark_frames(plain, ID))))
    assert reading is not None
    assert (reading.id, reading.is_sure) == (ID, True)
    assert abs(measure_ratio(read_signs(planes_of(plain)), ID)) < 5


@pytest.mark.parametrize("kind", ["picture", "noise", "white", "black"])
def test_little_is_changed(kind: str):
    """At most as much as 42 dB are, and in light hardly anything; the frames that were given stay as they were."""
    noise = np.random.default_rng(2).integers(0, 256, (2, 256, 256, 3), np.uint8)
    plain = {"picture": picture(256, 256), "noise": noise, "white": np.full_like(noise, 255), "black": np.zeros_like(noise)}[kind]  # fmt: skip
    given = plain.copy()
    change = mark_frames(plain, ID).astype(np.float64) - plain
    assert (plain == given).all()
    assert 0 < (change**2).mean() < 255**2 / 10**4.2
    if kind == "picture":
        light = change @ [0.2126, 0.7152, 0.0722]
        assert np.abs(light).max() < 1
        assert (light**2).mean() < (change**2).mean() / 20


def test_the_same_is_added_to_each_frame():
    """So nothing flickers: what changes from frame to frame is the picture's own."""
    plain = picture(256, 256, frames=4)
    change = mark_frames(plain, ID).astype(np.int16) - plain
    assert (change == compute_delta(plain, ID)).all()


def test_the_bits_are_those_that_they_were():
    """On this machine as on any, today as ever: else a film that is resumed elsewhere is another."""
    y, x = np.mgrid[:200, :320]
    plain = np.stack([x * 255 // 319, y * 255 // 199, (x * y) % 256], -1).astype(np.uint8)
    digest = hashlib.sha256(compute_delta(plain[None], ID).astype("<i2").tobytes()).hexdigest()
    assert digest[:16] == "e62f7c0fd346b7d2"
