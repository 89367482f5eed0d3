"""Other words laid over a sound: where, how softly, and in how many channels."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from wavefile import write_wave

from storage.dubbing import (
    DubbedStretch,
    FilmSound,
    encode_film_sound,
    fade_shares,
    lay_dubs,
    lay_over,
    match_channels,
)
from storage.soundtrack import encode_soundtrack, stream_sound
from storage.speaker import Reading


def cut(samples: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """In blocks of so many samples."""
    yield from (samples[:, at : at + size] for at in range(0, samples.shape[1], size))


@pytest.mark.parametrize(("size", "other_size"), [(7, 11), (1000, 1000), (64, 3)])
def test_outside_every_sample_stays_and_inside_is_the_other(size: int, other_size: int) -> None:
    """However the blocks lie; in `fade` samples at each end one goes over into the other, and silence follows words that end too early."""
    base = np.random.default_rng(1).random((2, 500), np.float32)
    other = np.random.default_rng(2).random((1, 150), np.float32)
    laid = lay_over(cut(base, size), cut(other, other_size), range(100, 300), 10)
    found = np.concatenate([*laid], 1)
    assert np.array_equal(found[:, :100], base[:, :100])
    assert np.array_equal(found[:, 300:], base[:, 300:])
    assert np.array_equal(found[:, 110:250], other[:, 10:].repeat(2, 0))
    assert not found[:, 250:290].any()
    ends = found[:, [*range(100, 110), *range(290, 300)]]
    assert (ends != base[:, [*range(100, 110), *range(290, 300)]]).all()


def test_shares_rise_and_fall() -> None:
    """From nothing before the stretch to all of it, and back to nothing behind."""
    shares = fade_shares(np.arange(100, 140), range(100, 140), 9)
    assert shares[:9] == pytest.approx(np.arange(1, 10) / 10)
    assert (shares[9:31] == 1).all()
    assert np.array_equal(shares, shares[::-1])


def test_channels_are_those_of_the_film() -> None:
    """One is heard on both sides, two as their mean."""
    two = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    assert np.array_equal(match_channels(two, 2), two)
    assert np.array_equal(match_channels(two, 1), [[2, 3]])
    assert np.array_equal(match_channels(two[:1], 2), [[1, 2], [1, 2]])


def test_a_film_without_dubs_sounds_as_its_file(tmp_path: Path) -> None:
    """To the sample and to the byte; with two, the later one is over the earlier one."""
    path = tmp_path / "a.wav"
    write_wave(path, 2.0)
    plain = FilmSound([(path, Reading())])
    whole = np.concatenate([*lay_dubs(stream_sound(path, 16_000), (), 16_000)])
    assert np.array_equal(whole, np.concatenate([*stream_sound(path, 16_000)]))
    encode_soundtrack(path, tmp_path / "a.m4a")
    encode_film_sound(plain, tmp_path / "b.m4a")
    assert (tmp_path / "a.m4a").read_bytes() == (tmp_path / "b.m4a").read_bytes()
    write_wave(tmp_path / "b.wav", 0.5, 8_000)
    first = DubbedStretch(tmp_path / "b.wav", Reading(), 48_000, 72_000)
    second = DubbedStretch(path, Reading(), 60_000, 66_000)
    twice = np.concatenate([*lay_dubs(stream_sound(path, 16_000), (first, second), 16_000)])
    words = np.concatenate([*stream_sound(tmp_path / "b.wav", 16_000)])
    assert np.array_equal(twice[16_160:20_000], words[160:4_000])
    assert np.array_equal(twice[20_160:21_840], whole[160:1_840])
    assert np.array_equal(twice[24_000:], whole[24_000:])
