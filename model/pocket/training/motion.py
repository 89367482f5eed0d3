"""How presenters move: heads that never rest, eyes that blink at their own times, and a mouth that follows speech."""

import math

import torch
from torch import Tensor

from model.pocket.training.face import MOTION, MOTION_COLUMNS, neutral_motion

FPS = 25
BLINK_GAP = (1.2, 3.2)
"""Seconds from one blink to the next. Twice as often as people do: of what is rare, a model in four steps makes less than it saw."""
CLOSING, SHUT, OPENING = 2.0, 1.0, 3.0
"""Frames of a blink."""
# Column: (most it moves, lowest and highest hertz). Slow enough that half a second foretells the next frames.
SWAYS = {
    "dx": (0.075, 0.06, 0.45), "dy": (0.04, 0.08, 0.5), "tilt": (0.075, 0.05, 0.4),
    "scale": (0.025, 0.04, 0.2), "gaze_x": (0.5, 0.06, 0.35), "gaze_y": (0.3, 0.06, 0.3),
    "brow": (0.35, 0.05, 0.4),
}  # fmt: skip
_WAVES = 4


def draw_motion(n: int, t: int, curves: Tensor | None, generator: torch.Generator) -> Tensor:
    """Motions [n, t, M] at 25 frames a second, each begun at a random moment.

    `curves` [n, t, 3] are aperture, width and rounding of the mouth in 0..1; without them the mouth
    is shut. Head and eyes move alike in speech and in silence; brows rise a little with the voice.
    """
    device = generator.device
    motion = neutral_motion(n, t, device)
    for name, sway in SWAYS.items():
        motion[..., MOTION.index(name)] = _draw_sway((n, t), sway, generator)
    motion[..., MOTION.index("blink")] = _draw_blinks(n, t, generator)
    if curves is not None:
        curves = curves.to(device, torch.float32)
        motion[..., MOTION_COLUMNS - 3 :] = curves
        motion[..., MOTION.index("brow")] += 0.5 * _smooth_curve(curves[..., 0], 8)
    return motion


def _draw_sway(
    shape: tuple[int, int], sway: tuple[float, float, float], generator: torch.Generator
) -> Tensor:
    """A sum of slow waves [n, t], different for everyone."""
    most, lowest, highest = sway
    draw = torch.rand(4, shape[0], _WAVES, generator=generator, device=generator.device)
    hertz = lowest * (highest / lowest) ** draw[0]
    # Slower waves are wider, so that speed is shared evenly.
    height = (0.4 + 0.6 * draw[1]) * (lowest / hertz) ** 0.5
    seconds = torch.arange(shape[1], device=generator.device) / FPS
    angle = 2 * math.pi * (hertz[..., None] * seconds + draw[2][..., None])
    lively = 0.5 + 0.5 * draw[3][:, :1]
    return most * lively * (height[..., None] * torch.sin(angle)).sum(1) / (0.45 * _WAVES)


def _draw_blinks(n: int, t: int, generator: torch.Generator) -> Tensor:
    """How far the lids are down [n, t]."""
    shortest, longest = BLINK_GAP
    number = math.ceil(t / FPS / shortest) + 3
    draw = torch.rand(n, number, generator=generator, device=generator.device)
    gaps = shortest + (longest - shortest) * draw
    begun = torch.rand(n, 1, generator=generator, device=generator.device) * longest
    start = (gaps.cumsum(1) - gaps[:, :1] - begun) * FPS
    since = torch.arange(t, device=generator.device)[None, None] - start[..., None]
    down = (since / CLOSING).clamp(0, 1)
    up = ((CLOSING + SHUT + OPENING - since) / OPENING).clamp(0, 1)
    lid = torch.minimum(down, up)
    return (lid * lid * (3 - 2 * lid)).amax(1)


def _smooth_curve(curve: Tensor, reach: int) -> Tensor:
    """A moving average over 2·reach + 1 frames, with the ends held."""
    padded = torch.nn.functional.pad(curve[:, None], (reach, reach), mode="replicate")
    return torch.nn.functional.avg_pool1d(padded, 2 * reach + 1, stride=1)[:, 0]
