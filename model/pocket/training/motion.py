"""How presenters move: heads that never rest, eyes that blink at their own times, a mouth that follows speech, and what acts make of it."""

import math

import torch
from torch import Tensor

from model.motion_columns import MOTION, MOTION_COLUMNS
from model.pocket.acts import ACTS
from model.presenters.face import neutral_motion

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
MOODS = {"squint": (0.2, 0.04, 0.2), "brow_slant": (0.2, 0.04, 0.2), "smile": (0.25, 0.04, 0.2)}
"""The same of the columns of expression: mostly neutral."""
HEAD = ("dx", "dy", "tilt", "scale")
EXPRESSIONS = {
    "happy": {"smile": 0.9, "squint": 0.3, "brow": 0.15},
    "sad": {"smile": -0.8, "squint": 0.15, "brow": 0.1, "brow_slant": 0.9, "dy": 0.045},
    "surprised": {"squint": -0.9, "brow": 0.95},
    "angry": {"smile": -0.45, "squint": 0.5, "brow": -0.7, "brow_slant": -0.95},
}
"""What an act of 1 adds to the columns of a motion."""
GAZE = {"gaze_x": 0.75, "gaze_y": 0.7}
NOD, SHAKE = 0.11, 0.075
"""How far the head goes in half pictures: down and back, and to either side."""
NODS_A_SECOND, NODS_AT_ONCE, NOD_PAUSE = (1.2, 2.0), (2, 4), (0.5, 1.6)
_WAVES = 4
_CALM_SPEED = 0.0009
"""How far a calm head sways from frame to frame, in half pictures."""


def draw_motion(
    n: int, t: int, curves: Tensor | None, generator: torch.Generator, acts: Tensor | None = None
) -> Tensor:
    """Motions [n, t, M] at 25 frames a second, each begun at a random moment.

    `curves` [n, t, 3] are aperture, width and rounding of the mouth in 0..1; without them the mouth
    is shut. Head and eyes move alike in speech and in silence; brows rise a little with the voice.
    `acts` [n, len(ACTS)] are played throughout; without them all are 0, which is calm.
    """
    device = generator.device
    acts = torch.zeros(n, len(ACTS), device=device) if acts is None else acts.to(device)
    act = dict(zip(ACTS, acts.float().split(1, 1), strict=True))
    motion = neutral_motion(n, t, device)
    far, fast = _head_energy(act)
    for name, sway in SWAYS.items():
        amount, speed = (far, fast) if name in HEAD else (1.0, 1.0)
        motion[..., MOTION.index(name)] = amount * _draw_sway((n, t), sway, generator, speed)
    motion[..., MOTION.index("blink")] = _draw_blinks(n, t, generator)
    if curves is not None:
        curves = curves.to(device, torch.float32)
        motion[..., MOTION_COLUMNS - 3 :] = curves
        motion[..., MOTION.index("brow")] += 0.5 * _smooth_curve(curves[..., 0], 8)
    for name, sway in MOODS.items():
        motion[..., MOTION.index(name)] = _draw_sway((n, t), sway, generator, 1.0)
    return _play_acts(motion, act, generator)


def draw_acts(n: int, generator: torch.Generator) -> Tensor:
    """Acts [n, len(ACTS)] to learn from: a third is calm, the others act one or two things at once, .4 to 1 strong."""
    device = generator.device
    draw = torch.rand(6, n, generator=generator, device=device)
    strength = 0.4 + 0.6 * torch.rand(n, len(ACTS), generator=generator, device=device)
    sign = torch.randint(0, 2, (n, len(ACTS)), generator=generator, device=device) * 2.0 - 1
    signed = torch.tensor([a in ("energy", *GAZE) for a in ACTS], device=device)
    strength = torch.where(signed, sign * strength, strength)
    # One of each group at most: no face is happy and angry, no head nods and shakes.
    group = torch.tensor([0, 0, 0, 0, 1, 2, 2, 3, 3], device=device)
    shares = torch.tensor([0.45, 0.12, 0.18, 0.25], device=device).cumsum(0)
    first = torch.bucketize(draw[0], shares).clamp(max=3)
    second = (first + 1 + (3 * draw[1]).long().clamp(max=2)) % 4
    size = torch.tensor([4, 1, 2, 2], device=device)
    begin = torch.tensor([0, 4, 5, 7], device=device)
    chosen = torch.zeros(n, len(ACTS), device=device)
    for which, at, share in ((first, draw[2], 0.65), (second, draw[3], 0.65 * 0.4)):
        column = begin[which] + (size[which] * at).long().minimum(size[which] - 1)
        chosen.scatter_(1, column[:, None], (draw[4] < share).float()[:, None])
    # Eyes look along both ways as often as along one.
    both = (chosen[:, group == 2].amax(1) > 0) & (draw[5] < 0.5)
    chosen[:, group == 2] = torch.where(both[:, None], 1.0, chosen[:, group == 2])
    return chosen * strength


def measure_acts(motion: Tensor) -> Tensor:
    """How much of every act a motion [n, t, M] has [n, len(ACTS)], t ≥ 50: about 0 where it is calm and 1 where it is played to the full.

    The opposite of an act counts below 0: who is sad is less than not happy.
    """
    column = {name: motion[..., index] for index, name in enumerate(MOTION)}
    mean = {name: value.mean(1) for name, value in column.items()}
    gaze = [mean[name] / most for name, most in GAZE.items()]
    slow = {name: _smooth_curve(column[name], 12) for name in ("dx", "dy")}
    fast = {name: (column[name] - calm).std(1) for name, calm in slow.items()}
    steps = torch.stack([calm.diff(dim=1) for calm in slow.values()])
    expressions = [
        mean["smile"] / 0.8,
        (mean["brow_slant"] - mean["smile"]) / 1.5,
        (mean["brow"] - mean["squint"]) / 1.6,
        -mean["brow_slant"] / 0.85,
    ]
    energy = torch.log(steps.square().mean(2).sum(0).clamp(min=1e-9).sqrt() / _CALM_SPEED) / 1.05
    return torch.stack(
        [*expressions, energy, *gaze, fast["dy"] / (0.33 * NOD), fast["dx"] / (0.55 * SHAKE)], 1
    )


def _head_energy(act: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """How far and how fast the head sways [n, 1], 1 where calm; the sad are slower."""
    lively = act["energy"] - 0.5 * act["sad"]
    return torch.exp(0.65 * lively), torch.exp(0.4 * lively)


def _play_acts(motion: Tensor, act: dict[str, Tensor], generator: torch.Generator) -> Tensor:
    """The motion with its acts: expressions that come and go a little, a gaze that rests elsewhere, nods and shakes."""
    n, t = motion.shape[:2]
    ease = 0.9 + _draw_sway((n, t), (0.15, 0.05, 0.25), generator, 1.0)
    for name, columns in EXPRESSIONS.items():
        for column, most in columns.items():
            motion[..., MOTION.index(column)] += most * ease * act[name]
    for name, most in GAZE.items():
        strong = act[name].abs().clamp(max=1)
        looking = motion[..., MOTION.index(name)]
        motion[..., MOTION.index(name)] = looking * (1 - 0.6 * strong) + most * act[name]
    turns, near = _draw_bursts(n, t, generator)
    motion[..., MOTION.index("dy")] += NOD * act["nod"] * 0.5 * (1 - torch.cos(turns)) * near.ceil()
    turns, near = _draw_bursts(n, t, generator)
    motion[..., MOTION.index("dx")] += SHAKE * act["shake"] * torch.sin(turns) * near
    first, last = MOTION.index("squint"), MOTION.index("smile") + 1
    motion[..., first:last] = motion[..., first:last].clamp(-1, 1)
    return motion


def _draw_bursts(n: int, t: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Nods in bursts with pauses between: their angle in radians, and how much of a burst there is, 0..1 [n, t]."""
    most = math.ceil(t / FPS / (NODS_AT_ONCE[0] / NODS_A_SECOND[1] + NOD_PAUSE[0])) + 3
    draw = torch.rand(4, n, most, generator=generator, device=generator.device)
    hertz = NODS_A_SECOND[0] + (NODS_A_SECOND[1] - NODS_A_SECOND[0]) * draw[0]
    count = NODS_AT_ONCE[0] + (draw[1] * (NODS_AT_ONCE[1] - NODS_AT_ONCE[0] + 1)).floor()
    pause = NOD_PAUSE[0] + (NOD_PAUSE[1] - NOD_PAUSE[0]) * draw[2]
    length = count / hertz
    start = (length + pause).cumsum(1) - (length + pause)
    start = start - draw[3][:, :1] * (length + pause)[:, :1]  # begun at a random moment
    seconds = torch.arange(t, device=generator.device) / FPS
    nods = (seconds[None, None] - start[..., None]) * hertz[..., None]
    inside = (nods > 0) & (nods < count[..., None])
    rise = (2 * torch.minimum(nods, count[..., None] - nods)).clamp(0, 1)
    angle = torch.where(inside, 2 * math.pi * nods, 0.0).sum(1)
    return angle, torch.where(inside, rise, 0.0).sum(1)


def _draw_sway(
    shape: tuple[int, int],
    sway: tuple[float, float, float],
    generator: torch.Generator,
    speed: Tensor | float,
) -> Tensor:
    """A sum of slow waves [n, t], different for everyone, so many times as fast."""
    most, lowest, highest = sway
    draw = torch.rand(4, shape[0], _WAVES, generator=generator, device=generator.device)
    hertz = lowest * (highest / lowest) ** draw[0]
    # Slower waves are wider, so that speed is shared evenly.
    height = (0.4 + 0.6 * draw[1]) * (lowest / hertz) ** 0.5
    hertz = hertz * speed
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
