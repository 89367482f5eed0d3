"""The levels that pocket is held to, as rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from model.pocket.training import measures
from model.pocket.training.face_measures import FaceHold
from model.pocket.training.measures import Float

DELAY = 3
"""Frames by which one sound is late, to see that the measure sees it."""


@dataclass(frozen=True)
class LevelRow:
    """A line of the table."""

    what: str
    value: float
    level: str
    met: bool


@dataclass
class Take:
    """What is kept of one film of speech."""

    area: Float
    rest: float
    """The area in the picture itself, whose mouth is shut."""
    sharpness: float
    sway: float
    blinks: int
    pops: measures.Pops
    ghost: float | None = None
    """How much of the picture's lip corners stays beside a narrow mouth; None where none is narrow."""


@dataclass
class Findings:
    """Everything measured, before it becomes rows."""

    takes: dict[str, list[Take]] = field(default_factory=dict)
    ceilings: dict[str, list[Float]] = field(default_factory=dict)
    truth: dict[str, Float] = field(default_factory=dict)
    delayed: dict[int, float] = field(default_factory=dict)
    quiet: list[Take] = field(default_factory=list)
    drift: dict[str, float] = field(default_factory=dict)
    holds: list[FaceHold] = field(default_factory=list)
    """The end of a long film of each face against its first second."""
    ghosts: list[float] = field(default_factory=list)
    """How much of the picture's lip corners stays beside a narrow mouth, of each film of speech that has one."""
    rebuilt: dict[str, float] = field(default_factory=dict)


def tabulate_levels(found: Findings) -> list[LevelRow]:
    """The rows of the issue's table that are about the model."""
    espeak = [voice for voice in found.takes if not voice.startswith("flite")]
    others = [voice for voice in found.takes if voice.startswith("flite")]
    relative = {voice: _relative_r(found, voice) for voice in found.takes}
    rows = [
        LevelRow(f"r, {v}", found_r(found, v), f"(ceiling {ceiling_r(found, v):.3f})", True)
        for v in found.takes
    ]
    if espeak:
        rows += _lip_rows(found, espeak, [relative[voice] for voice in espeak])
    for voice in others:
        near = max(
            measures.lag_profile([t.area for t in found.takes[voice]], found.truth[voice])[lag]
            for lag in (-1, 0, 1)
        )
        rows.append(_at_least(f"r at best lag within 1, {voice}", near, 0.75))
    late = max(found.delayed, key=found.delayed.__getitem__)
    rows.append(LevelRow("sound 3 frames late: best lag", late, "3 ± 1", abs(late - DELAY) <= 1))
    rows += _life_rows(found) + _drift_rows(found)
    return rows + _face_rows(found) + _seam_rows(found)


def found_r(found: Findings, voice: str) -> float:
    """Mean correlation over faces at lag 0."""
    return measures.lag_profile([take.area for take in found.takes[voice]], found.truth[voice])[0]


def ceiling_r(found: Findings, voice: str) -> float:
    """Mean correlation at lag 0 over faces as they were rendered: the most that a film can have."""
    return measures.lag_profile(found.ceilings[voice], found.truth[voice])[0]


def _relative_r(found: Findings, voice: str) -> float:
    return found_r(found, voice) / max(ceiling_r(found, voice), 1e-6)


def _lip_rows(found: Findings, voices: Sequence[str], relative: Sequence[float]) -> list[LevelRow]:
    takes = [take for voice in voices for take in found.takes[voice]]
    pairs = [(take.area, found.truth[voice]) for voice in voices for take in found.takes[voice]]
    levels = [measures.mouth_levels(area, truth) for area, truth in pairs]
    profiles = [
        measures.lag_profile([t.area for t in found.takes[v]], found.truth[v]) for v in voices
    ]
    mean = {lag: float(np.mean([profile[lag] for profile in profiles])) for lag in measures.LAGS}
    best = max(mean, key=mean.__getitem__)
    sharp = float(np.mean([take.sharpness for take in takes]))
    wrong = [
        measures.correlate_at_lag(found.takes[a][0].area, found.truth[b])
        for a, b in pairwise(voices)
    ]
    return [
        _at_least("r / ceiling, mean over voices", float(np.mean(relative)), 0.94),
        _at_least("r / ceiling, worst voice", min(relative), 0.88),
        LevelRow("best lag, frames", best, "0", best == 0),
        _at_most("closed level", float(np.mean([level.closed for level in levels])), 0.12),
        _at_least("open level", float(np.mean([level.open for level in levels])), 0.6),
        LevelRow("sharpness against the picture", sharp, "0.85-1.15", 0.85 <= sharp <= 1.15),
        _at_most("|r| against another voice's words", float(np.mean(np.abs(wrong or [0.0]))), 0.3),
    ]


def _life_rows(found: Findings) -> list[LevelRow]:
    spoken = list(found.takes.values())
    ratios = []
    for place, take in enumerate(found.quiet):
        loud = np.mean([takes[place].area.mean() for takes in spoken]) - take.rest
        # What is dark of a shut mouth (lips, a beard) may come out smaller than in the picture: that is no opening.
        ratios.append(np.maximum(take.area - take.rest, 0).mean() / max(loud, 1e-6))
    minutes = sum(len(take.area) for take in found.quiet) / 25 / 60
    blinks = sum(take.blinks for take in found.quiet) / minutes
    every = [take for takes in spoken for take in takes]
    spoken_blinks = sum(take.blinks for take in every) / (sum(len(t.area) for t in every) / 25 / 60)
    sway = np.mean([take.sway for take in found.quiet]) / np.mean([take.sway for take in every])
    return [
        _at_most("silence: mouth area against speech", float(np.mean(ratios)), 0.05),
        LevelRow("silence: blinks a minute", blinks, "5-30", 5 <= blinks <= 30),
        LevelRow("speech: blinks a minute", spoken_blinks, "5-30", 5 <= spoken_blinks <= 30),
        _at_least("silence: head motion against speech", float(sway), 0.5),
    ]


def _drift_rows(found: Findings) -> list[LevelRow]:
    drift = found.drift
    if not drift:
        return []
    loss = drift["first"] - drift["last"]
    name = f"{drift['clips']:.0f} clips"
    return [
        _at_least(f"{name}: background PSNR, first clips", drift["first"], 35),
        _at_least(f"{name}: background PSNR, last clips", drift["last"], 35),
        _at_most(f"{name}: background PSNR lost", loss, 1),
        _at_most(f"{name}: mean colour, last clips, of 255", drift["colour"], 3),
        LevelRow(f"{name}: sharpness last / first", drift["sharpness_last"] / drift["sharpness_first"], "0.85-1.15",
            0.85 <= drift["sharpness_last"] / drift["sharpness_first"] <= 1.15),
    ]  # fmt: skip


def _face_rows(found: Findings) -> list[LevelRow]:
    rows = []
    if found.holds:
        name = f"{len(found.holds)} faces, end against first second"
        worst = min(found.holds, key=lambda hold: hold.likeness)
        sharp = max((hold.sharpness for hold in found.holds), key=lambda ratio: abs(np.log(ratio)))
        rows += [
            _at_least(f"{name}: worst part ({worst.part})", worst.likeness, 0.98),
            _at_least(f"{name}: worse brow", min(hold.brow for hold in found.holds), 0.98),
            _at_most(f"{name}: colours, of 255", max(hold.colour for hold in found.holds), 2),
            _at_most(f"{name}: one eye against the other", max(h.eyes for h in found.holds), 0.07),
            LevelRow(f"{name}: sharpness", sharp, "0.95-1.05", 0.95 <= sharp <= 1.05),
        ]
    if found.ghosts:
        rows.append(
            _at_most("lip corners that stay beside a narrow mouth", max(found.ghosts), 0.15)
        )
    return rows


def _seam_rows(found: Findings) -> list[LevelRow]:
    every = [take.pops for takes in found.takes.values() for take in takes]
    rows = [
        _at_most(
            "frame difference at blocks / inside", float(np.mean([p.block for p in every])), 1.15
        ),
        _at_most(
            "frame difference at latents / inside", float(np.mean([p.latent for p in every])), 1.15
        ),
    ]
    if found.rebuilt:
        rows.append(_at_least("motion autoencoder PSNR, all, dB", found.rebuilt["all"], 34))
        rows.append(
            _at_least(
                "motion autoencoder PSNR, mouth and eyes, dB", found.rebuilt["mouth_eyes"], 28
            )
        )
    return rows


def _at_least(what: str, value: float, level: float) -> LevelRow:
    return LevelRow(what, value, f"≥ {level:g}", value >= level)


def _at_most(what: str, value: float, level: float) -> LevelRow:
    return LevelRow(what, value, f"≤ {level:g}", value <= level)
