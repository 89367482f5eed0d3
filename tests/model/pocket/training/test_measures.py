"""Every measure reads the truth from films whose truth is known."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from model.pocket.training import measures
from model.pocket.training.judged_presenters import Presenter, make_presenters, render_film
from model.pocket.training.motion import draw_motion

SIZE, FRAMES = 128, 96
torch.set_num_threads(1)


def babble(seed: int, frames: int = FRAMES) -> np.ndarray:
    """Curves [frame, 3] of a mouth that opens and shuts a few times a second."""
    draw = np.random.default_rng(seed)
    # Runs of five: no multiple of a latent, so that the truth has no seams of its own.
    steps = np.repeat(draw.choice([0, 0, 0.35, 0.8, 1.0], frames // 5 + 1), 5)[:frames]
    aperture = np.convolve(np.pad(steps, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    return np.stack([aperture, 0.5 + 0 * aperture, 0 * aperture], 1).astype(np.float32)


@dataclass(frozen=True)
class Film:
    """A true film and what was true of it."""

    who: Presenter
    curves: np.ndarray
    motion: torch.Tensor
    frames: np.ndarray


def shoot(who: Presenter, curves: np.ndarray, seed: int) -> Film:
    motion = draw_motion(
        1, len(curves), torch.from_numpy(curves)[None], torch.Generator().manual_seed(seed)
    )
    return Film(who, curves, motion, render_film(who, motion))


@pytest.fixture(scope="module")
def who() -> Presenter:
    return make_presenters(1, SIZE, first=800_000)[0]


@pytest.fixture(scope="module")
def film(who: Presenter) -> Film:
    return shoot(who, babble(1), 5)


def test_mouth_area_follows_the_true_aperture(film: Film) -> None:
    """Dark pixels where the reference has its mouth tell how far it is open, though the head moves."""
    area = measures.mouth_area(film.frames, film.who.mouth)
    assert measures.correlate_at_lag(area, film.curves[:, 0]) > 0.93
    level = measures.mouth_levels(area, film.curves[:, 0])
    assert level.closed < 0.12
    assert level.open > 0.7


@pytest.mark.parametrize("late", [-3, 0, 3])
def test_a_film_shifted_by_frames_reads_that_lag(film: Film, late: int) -> None:
    """The best lag is the shift, exactly, and its sign is that of a late mouth."""
    area = np.roll(measures.mouth_area(film.frames, film.who.mouth), late)
    profile = measures.lag_profile([area], film.curves[:, 0])
    assert max(profile, key=profile.__getitem__) == late


def test_a_mouth_that_does_not_shut_is_seen(who: Presenter) -> None:
    """A mouth left ajar at every closure reads a closed level above the limit."""
    curves = babble(2, 48)
    ajar = np.maximum(curves, [0.25, 0, 0]).astype(np.float32)
    ajar[:2] = curves[:2] * 0  # the least area of the film is a shut mouth
    area = measures.mouth_area(shoot(who, ajar, 6).frames, who.mouth)
    assert measures.mouth_levels(area[2:] - area[:2].min() * 0, curves[2:, 0]).closed < 0.12
    assert measures.mouth_levels(area, curves[:, 0]).closed > 0.12


def test_words_of_another_do_not_correlate(film: Film) -> None:
    """The mouth of one text against the curve of another is noise."""
    area = measures.mouth_area(film.frames, film.who.mouth)
    others = [measures.correlate_at_lag(area, babble(seed)[:, 0]) for seed in range(70, 90)]
    assert abs(np.mean(others)) < 0.15


def test_blur_lowers_sharpness_and_truth_reads_one(film: Film) -> None:
    """A true film is as sharp as its picture; a blurred one reads less."""
    own = measures.measure_sharpness(film.who.picture[None], film.who.mouth)
    assert 0.93 < measures.measure_sharpness(film.frames[::8], film.who.mouth) / own < 1.07
    soft = film.frames[::8].astype(np.float32)
    for axis in (1, 2, 1, 2):
        soft = (soft + soft.take(np.r_[0, 0 : SIZE - 1], axis)) / 2
    assert measures.measure_sharpness(soft.astype(np.uint8), film.who.mouth) / own < 0.7


def test_blinks_are_counted(who: Presenter) -> None:
    """Every blink is found near its own frame, and nothing else is taken for one."""
    film = shoot(who, babble(3, 200) * 0 + np.float32([0, 0.5, 0]), 8)
    lids = film.motion[0, :, 4].numpy()
    true = [
        i
        for i in range(3, 197)
        if lids[i] > 0.7 and lids[i] >= lids[i - 1] and lids[i] > lids[i + 1]
    ]
    found = measures.blink_times(measures.eye_openness(film.frames, film.who.eyes))
    assert len(true) >= 2
    assert len([f for f in found if 3 <= f < 197]) == len(true)
    assert all(min(abs(f - t) for f in found) <= 2 for t in true)


def test_open_eyes_are_no_blinks(who: Presenter) -> None:
    """Head motion alone reads no blink."""
    motion = draw_motion(1, FRAMES, None, torch.Generator().manual_seed(9))
    motion[..., 4] = 0
    frames = render_film(who, motion)
    assert measures.blink_times(measures.eye_openness(frames, who.eyes)) == []


def test_sway_halves_with_the_motion(film: Film) -> None:
    """Half the head motion reads about half the sway, and a still head none."""
    calm = film.motion.clone()
    calm[..., :4] *= 0.5
    whole = measures.measure_sway(film.frames, film.who.crown)
    half = measures.measure_sway(render_film(film.who, calm), film.who.crown)
    assert 0.35 < half / whole < 0.7
    assert measures.measure_sway(np.repeat(film.frames[:1], 20, 0), film.who.crown) == 0


def test_the_background_stands_still_in_true_films(film: Film) -> None:
    """Where nothing moves a true film is the picture, and that is a fair part of it."""
    assert film.who.still.mean() > 0.15
    assert measures.background_psnr(film.frames, film.who.picture, film.who.still) > 45


def test_drift_is_seen(film: Film) -> None:
    """A tint of four levels reads four in colour and less than 37 dB in the background."""
    tinted = (film.frames.astype(np.int16) + 4).clip(0, 255).astype(np.uint8)
    assert measures.background_psnr(tinted, film.who.picture, film.who.still) < 37
    before = measures.colour_shift(film.frames, film.who.picture)
    assert 2 < measures.colour_shift(tinted, film.who.picture) < 4.5 + before


def test_psnr_of_known_noise(film: Film) -> None:
    """An error of two levels everywhere is 42.1 dB, and the weight picks what counts."""
    off = (film.frames[:4].clip(0, 250) + 2).astype(np.uint8)
    assert measures.compute_psnr(off, film.frames[:4].clip(0, 250)) == pytest.approx(
        42.11, abs=0.01
    )
    weight = np.zeros(off.shape[:3], np.float32)
    weight[:, :10] = 1
    off[:, 10:] = 0
    assert measures.compute_psnr(off, film.frames[:4].clip(0, 250), weight) == pytest.approx(
        42.11, abs=0.01
    )


def test_a_true_film_has_no_seams_and_made_ones_are_seen(film: Film) -> None:
    """Four levels more at every twelfth frame are seen at blocks, and nowhere else."""
    plain = measures.measure_pops(film.frames, block_frames=12, frames_per_latent=4)
    assert 0.4 < plain.block < 1.5
    assert 0.7 < plain.latent < 1.4
    jumps = np.cumsum(np.arange(FRAMES) % 12 == 0) % 2 * 4
    popped = (film.frames.astype(np.int16) + jumps[:, None, None, None]).clip(0, 255)
    seen = measures.measure_pops(popped.astype(np.uint8), block_frames=12, frames_per_latent=4)
    assert seen.block > 2 * plain.block
    assert seen.latent == pytest.approx(plain.latent, abs=0.1)
