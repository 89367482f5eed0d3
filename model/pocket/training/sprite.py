"""The mouth that pocket has to be better than: some drawn mouths, one of which is shown as loud as the sound is.

It is an honest one. It knows how loud the whole sound will get, looks a little ahead, and its constants are the best for
voices as pocket learnt from (never for those it is judged with):

    python -m model.pocket.training.sprite    fits them anew; needs espeak-ng

Its head stands still, which spoils nothing of what is read from its mouth.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import structlog
import torch

from model.pocket.training.dataset import VARIANTS
from model.pocket.training.judged_films import Judged
from model.pocket.training.measures import Float, correlate_at_lag
from model.pocket.training.mouth_shape import MouthTrack
from model.pocket.training.samples import SECONDS, speak_sentences
from model.pocket.training.visemes import mouth_curves
from model.presenters.face import neutral_motion

SPRITES = 6
"""Drawn mouths, the first of which is shut."""
_HOP, _HOPS = 160, 4
"""Samples at 16 kHz of a step of the envelope, and steps of a frame."""
_LOUD = 95
"""The percentile of the envelope that counts as loud."""
_FLOOR = -60.0
_LANGUAGES = ("en-us", "en", "fr", "es", "de", "it", "pl")


@dataclass(frozen=True)
class Sprites:
    """How a sprite mouth is chosen, and what it looks like."""

    width: int
    """Steps of 10 ms over which the envelope is smoothed."""
    ahead: int
    """Steps of 10 ms by which the mouth is ahead of the sound."""
    edges: tuple[float, ...]
    """Decibels under loud from which the second, the third … mouth is shown."""
    mouths: tuple[tuple[float, float, float], ...]
    """Aperture, width and rounding of each."""


BEST = Sprites(
    width=11,
    ahead=0,
    edges=(-21.1, -12.5, -8.2, -5.2, -2.4),
    mouths=(
        (0.025, 0.504, 0.017),
        (0.128, 0.522, 0.078),
        (0.201, 0.528, 0.126),
        (0.282, 0.531, 0.17),
        (0.375, 0.53, 0.196),
        (0.539, 0.524, 0.194),
    ),
)
"""What fit_sprites found."""


def choose_mouths(sound: Float, sprites: Sprites = BEST) -> np.ndarray:
    """Which mouth is shown in each frame of a sound at 16 kHz."""
    level = measure_level(sound, sprites.width, sprites.ahead)
    return np.searchsorted(np.asarray(sprites.edges), level, side="right")


def measure_level(sound: Float, width: int, ahead: int) -> Float:
    """How loud it is at the middle of each frame, in decibels of the loud parts, at most so many under them."""
    steps = len(sound) // _HOP
    power = np.square(sound[: steps * _HOP].reshape(steps, _HOP)).mean(1)
    smooth = np.convolve(power, np.hanning(width + 2) / np.hanning(width + 2).sum(), mode="same")
    loud = float(np.percentile(smooth, _LOUD)) + 1e-9
    level = np.maximum(10 * np.log10(smooth / loud + 1e-9), _FLOOR)
    middles = np.arange(_HOPS // 2, steps, _HOPS) + ahead
    return np.asarray(level[middles.clip(0, steps - 1)], np.float32)


def judge_sprite(judged: Judged, sound: Float, sprites: Sprites = BEST) -> MouthTrack:
    """What is read of a presenter's film whose mouth is a sprite."""
    motion = neutral_motion(1, len(sprites.mouths))
    motion[0, :, -3:] = torch.tensor(sprites.mouths)
    seen = judged.reader.read(judged.who.draw_mouths(motion))
    return seen.take(choose_mouths(sound, sprites))


def fit_sprites(voices: Sequence[tuple[Float, Float]]) -> Sprites:
    """The constants with which the mouth follows sounds with these true curves [frame, 3] best."""
    found = (
        _fit_mouths(voices, width, ahead) for width, ahead in product(range(3, 24, 2), range(-2, 6))
    )
    return max(found, key=lambda each: each[0])[1]


def _fit_mouths(
    voices: Sequence[tuple[Float, Float]], width: int, ahead: int
) -> tuple[float, Sprites]:
    """For one envelope: mean correlation of the aperture, and the sprites that are as the true mouths are at each loudness."""
    levels = [measure_level(sound, width, ahead) for sound, _ in voices]
    level, curves = np.concatenate(levels), np.concatenate([curve for _, curve in voices])
    quiet = float(np.quantile(level[curves[:, 0] < 0.05], 0.6))
    shares = np.linspace(0, 1, SPRITES)[:-1]
    edges = np.quantile(level[level >= quiet], shares)
    shown = np.searchsorted(edges, level, side="right")
    mouths = np.stack([curves[shown == sprite].mean(0) for sprite in range(SPRITES)])
    mouths = mouths.astype(np.float64).round(3)
    sprites = Sprites(
        width, ahead, tuple(edges.round(1).tolist()), tuple(map(tuple, mouths.tolist()))
    )
    followed = [correlate_at_lag(mouths[choose_mouths(s, sprites), 0], c[:, 0]) for s, c in voices]
    return float(np.mean(followed)), sprites


def draw_voices(number: int, seed: int = 1) -> Iterator[tuple[Float, Float]]:
    """Sounds of voices as pocket learnt from, and their true curves."""
    draw = random.Random(seed)
    for _ in range(number):
        speech = speak_sentences(f"{draw.choice(_LANGUAGES)}+{draw.choice(VARIANTS)}", draw)
        yield speech.sound, mouth_curves(speech.phones, speech.sound, SECONDS * 25)


def main() -> None:
    """Fit the constants and say them."""
    sprites = fit_sprites(list(draw_voices(40)))
    structlog.get_logger().info("sprites_fitted", sprites=repr(sprites))


if __name__ == "__main__":
    main()
