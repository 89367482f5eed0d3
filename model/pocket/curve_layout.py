"""How motion curves are laid on the schematic face of pocket's latents, in numbers: zones, channels and what each curve is like. Without torch."""

from typing import NamedTuple

from model.motion_columns import MOTION

FRAMES = 4
"""Frames of one latent."""
CHANNELS, SIDE = 16, 8
HEAD, EYES, MOUTH = range(3)
ZONES = (
    (HEAD,) * SIDE,
    (HEAD,) * SIDE,
    *((HEAD, HEAD, EYES, EYES, EYES, EYES, HEAD, HEAD),) * 2,
    *((HEAD, HEAD, MOUTH, MOUTH, MOUTH, MOUTH, HEAD, HEAD),) * 4,
)
"""The zone of each pixel of the schematic face [SIDE, SIDE]; each token of 2 × 2 lies in one."""
LAYOUT: tuple[dict[str, int], ...] = (
    {"dx": 4, "dy": 4, "tilt": 4, "scale": 4},
    {"blink": 4, "gaze_x": 3, "gaze_y": 3, "squint": 2, "brow": 2, "brow_slant": 2},
    {"smile": 4, "aperture": 4, "width": 4, "rounding": 4},
)
"""How many coefficients of which curves each zone has, one a channel: the slowest ones."""
RESTED = ("blink", "gaze_x", "gaze_y", "aperture", "width", "rounding")
RELATIVE = tuple(name for name in MOTION if name not in RESTED)
RESTED_COLUMNS = tuple(MOTION.index(name) for name in RESTED)


class Curve(NamedTuple):
    """What a curve is like in training: its mean, the spread of each coefficient (a fortieth of the first at least), and what a face can do."""

    mean: float
    spread: tuple[float, float, float, float]
    lowest: float
    highest: float


# `python -m model.pocket.training.curve_clips --sound FILE` measures means and spreads; other numbers make other latents, and want other weights.
CURVES = {
    "dx": Curve(0.0, (0.046, 0.0081, 0.0016, 0.0012), -0.3, 0.3),
    "dy": Curve(0.005, (0.038, 0.0067, 0.0012, 0.001), -0.25, 0.25),
    "tilt": Curve(0.0, (0.044, 0.0018, 0.0011, 0.0011), -0.3, 0.3),
    "scale": Curve(0.0, (0.0155, 0.0004, 0.0004, 0.0004), -0.1, 0.1),
    "blink": Curve(0.062, (0.36, 0.216, 0.09, 0.031), 0.0, 1.0),
    "squint": Curve(0.0, (0.42, 0.0105, 0.0105, 0.0105), -1.0, 1.0),
    "gaze_x": Curve(0.0, (0.5, 0.0125, 0.0125, 0.0125), -1.2, 1.2),
    "gaze_y": Curve(0.0, (0.41, 0.0103, 0.0103, 0.0103), -1.2, 1.2),
    "brow": Curve(0.137, (0.5, 0.02, 0.0125, 0.0125), -1.3, 1.6),
    "brow_slant": Curve(0.0, (0.5, 0.0125, 0.0125, 0.0125), -1.3, 1.3),
    "smile": Curve(0.0, (0.5, 0.0125, 0.0125, 0.0125), -1.2, 1.2),
    "aperture": Curve(0.225, (0.4, 0.23, 0.121, 0.044), 0.0, 1.0),
    "width": Curve(0.523, (0.266, 0.143, 0.067, 0.023), 0.0, 1.0),
    "rounding": Curve(0.123, (0.418, 0.226, 0.109, 0.0375), 0.0, 1.0),
}


class Slot(NamedTuple):
    """What one channel of one zone tells: a coefficient of a curve, and its mean and spread in training."""

    curve: str
    coefficient: int
    mean: float
    spread: float


def list_zone_slots(zone: int) -> list[Slot]:
    """What each channel of a zone tells, in their order [CHANNELS]."""
    return [
        Slot(name, k, 2 * CURVES[name].mean * (k == 0), CURVES[name].spread[k])
        for name, kept in LAYOUT[zone].items()
        for k in range(kept)
    ]
