"""The levels that pocket is held to, as rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from model.pocket.training import measures
from model.pocket.training.findings import (
    APERTURE,
    LIPS,
    MANDARIN,
    OTHER,
    ROUNDING,
    WIDTH,
    Findings,
    VoiceFindings,
)
from model.pocket.training.mouth_shape import MouthTrack

DELAY = 3
"""Frames by which one sound is late, to see that the measure sees it."""


@dataclass(frozen=True)
class LevelRow:
    """A line of the table."""

    what: str
    value: float
    level: str
    met: bool


def tabulate_levels(found: Findings) -> list[LevelRow]:
    """The rows of the table that are about the model; what was not measured has none."""
    rows = [
        LevelRow(
            f"r, {voice.voice}",
            voice.mean_r(voice.mouths),
            f"(ceiling {voice.mean_r(voice.ceilings):.3f})",
            True,
        )
        for voice in found.voices
    ]
    if voices := found.of_kind(LIPS):
        rows += _lip_rows(voices) + _sprite_rows(voices)
    rows += _other_voice_rows(found)
    if found.delayed:
        late = max(found.delayed, key=found.delayed.__getitem__)
        met = abs(late - DELAY) <= 1
        rows.append(LevelRow("sound 3 frames late: best lag", late, "3 ± 1", met))
    rows += _life_rows(found) + _pause_rows(found) + _drift_rows(found) + _face_rows(found)
    return rows + _seam_rows(found) + _act_rows(found) + _speaker_rows(found)


def _speaker_rows(found: Findings) -> list[LevelRow]:
    """Who speaks among several, against the same face alone; who listens."""
    rows = []
    for count in sorted({film.speakers for film in found.groups}):
        films = [film for film in found.groups if film.speakers == count]
        spoken, alone, quiet = (
            np.concatenate([getattr(film, name) for film in films])
            for name in ("spoken", "alone", "listening")
        )
        name = f"{count} speakers"
        rows += [
            LevelRow(
                f"{name}: r where they speak",
                float(spoken.mean()),
                f"(alone {alone.mean():.3f})",
                True,
            ),
            _at_most(f"{name}: r lost against alone, worst", float((alone - spoken).max()), 0.03),
            _at_most(f"{name}: listeners' mouths against speech", float(quiet.mean()), 0.05),
            LevelRow(f"{name}: the same, worst", float(quiet.max()), "", True),
        ]
    return rows


def _lip_rows(voices: Sequence[VoiceFindings]) -> list[LevelRow]:
    ratios = [voice.ratio(voice.mouths) for voice in voices]
    profiles = [
        measures.lag_profile([m.opening for m in v.mouths], v.truth[:, APERTURE]) for v in voices
    ]
    mean = {lag: float(np.mean([profile[lag] for profile in profiles])) for lag in measures.LAGS}
    best = max(mean, key=mean.__getitem__)
    closed, opened = _mean_levels(voices, [voice.mouths for voice in voices])
    sharp = float(np.mean([take.sharpness for voice in voices for take in voice.takes]))
    wrong = [
        measures.correlate_at_lag(a.mouths[0].opening, b.truth[:, APERTURE])
        for a, b in pairwise(voices)
    ]
    return [
        _at_least("r / ceiling, mean over voices", float(np.mean(ratios)), 0.96),
        _at_least("r / ceiling, worst voice", min(ratios), 0.92),
        LevelRow("best lag, frames", best, "0", best == 0),
        _at_most("closed level", closed, 0.10),
        _at_least("open level", opened, 0.65),
        _at_least("width / ceiling", _mean_ratio(voices, WIDTH), 0.85),
        _at_least("rounding / ceiling", _mean_ratio(voices, ROUNDING), 0.85),
        LevelRow("sharpness against the picture", sharp, "0.95-1.05", 0.95 <= sharp <= 1.05),
        _at_most("|r| against another voice's words", float(np.mean(np.abs(wrong or [0.0]))), 0.3),
    ]


def _sprite_rows(voices: Sequence[VoiceFindings]) -> list[LevelRow]:
    """Ours against a mouth that the sound's envelope chooses."""
    voices = [voice for voice in voices if voice.sprites]
    if not voices:
        return []
    ours = [voice.mouths for voice in voices]
    theirs = [voice.sprites for voice in voices]
    (shut, wide), (sprite_shut, sprite_wide) = (
        _mean_levels(voices, each) for each in (ours, theirs)
    )
    columns = {"r": APERTURE, "width": WIDTH, "rounding": ROUNDING}
    pairs = {
        name: [float(np.mean([v.ratio(t, column) for v, t in zip(voices, each, strict=True)])) for each in (ours, theirs)]
        for name, column in columns.items()
    }  # fmt: skip
    return [
        *(_beats(f"{name} / ceiling", own, sprite) for name, (own, sprite) in pairs.items()),
        LevelRow("closed level, less than a sprite's", shut, f"< {sprite_shut:.3f}", shut < sprite_shut),
        _beats("open level", wide, sprite_wide),
    ]  # fmt: skip


def _other_voice_rows(found: Findings) -> list[LevelRow]:
    """Voices and sounds that are further from what was learnt."""
    levels = {OTHER: 0.85, MANDARIN: 0.9} | dict.fromkeys(found.backgrounds, 0.85)
    rows = []
    for kind, level in levels.items():
        if voices := found.of_kind(kind):
            name = f"{kind} at 10 dB" if kind in found.backgrounds else kind
            rows.append(_at_least(f"r / ceiling, {name}", _mean_ratio(voices), level))
    return rows


def _mean_ratio(voices: Sequence[VoiceFindings], column: int = APERTURE) -> float:
    return float(np.mean([voice.ratio(voice.mouths, column) for voice in voices]))


def _mean_levels(
    voices: Sequence[VoiceFindings], tracks: Sequence[Sequence[MouthTrack]]
) -> tuple[float, float]:
    """How shut the shut mouths are and how open the open ones, of the tracks of each voice."""
    levels = [
        measures.mouth_levels(mouth.area, voice.truth[:, APERTURE])
        for voice, mouths in zip(voices, tracks, strict=True)
        for mouth in mouths
    ]
    return float(np.mean([v.closed for v in levels])), float(np.mean([v.open for v in levels]))


def _life_rows(found: Findings) -> list[LevelRow]:
    spoken = [voice.takes for voice in found.voices if len(voice.takes) >= len(found.quiet)]
    if not (spoken and found.quiet):
        return []
    ratios = []
    for place, take in enumerate(found.quiet):
        loud = np.mean([takes[place].mouth.area.mean() for takes in spoken]) - take.rest
        # What is dark of a shut mouth (lips, a beard) may come out smaller than in the picture: that is no opening.
        opened = np.maximum(take.mouth.area - take.rest, 0).mean()
        ratios.append(opened / max(loud, 1e-6))
    every = [take for takes in spoken for take in takes]
    blinks, spoken_blinks = (
        sum(take.blinks for take in takes) / (sum(len(t.mouth.area) for t in takes) / 25 / 60)
        for takes in (found.quiet, every)
    )
    still, moved = (float(np.mean([take.sway for take in takes])) for takes in (found.quiet, every))
    return [
        _at_most("silence: mouth area against speech", float(np.mean(ratios)), 0.05),
        LevelRow("silence: blinks a minute", blinks, "5-30", 5 <= blinks <= 30),
        LevelRow("speech: blinks a minute", spoken_blinks, "5-30", 5 <= spoken_blinks <= 30),
        _at_least("silence: head motion against speech", still / max(moved, 1e-6), 0.5),
    ]


def _pause_rows(found: Findings) -> list[LevelRow]:
    rows = []
    for heard, takes in found.pauses.items():
        name = f"pause, {heard}"
        blinks = sum(take.blinks for take in takes) / sum(take.seconds for take in takes) * 60
        late = max(take.lag for take in takes)
        rows += [
            LevelRow(f"{name}: blinks a minute", blinks, "5-30", 5 <= blinks <= 30),
            _at_most(f"{name}: mouth open, at most", max(t.mouth for t in takes), 0.05),
            _at_least(f"{name}: head against speech", float(np.mean([t.head for t in takes])), 0.5),
            _at_least(f"{name}: gaze against speech", float(np.mean([t.gaze for t in takes])), 0.5),
            _at_most(f"{name}: frames until speech is seen, worst of {len(takes)}", late, 2),
        ]
    return rows


def _drift_rows(found: Findings) -> list[LevelRow]:
    drift = found.drift
    if not drift:
        return []
    loss = drift["first"] - drift["last"]
    name = f"{drift['clips']:.0f} clips"
    kept = drift["sharpness_last"] / drift["sharpness_first"]
    return [
        _at_least(f"{name}: background PSNR, first clips", drift["first"], 35),
        _at_least(f"{name}: background PSNR, last clips", drift["last"], 35),
        _at_most(f"{name}: background PSNR lost", loss, 1),
        _at_most(f"{name}: mean colour, last clips, of 255", drift["colour"], 2),
        LevelRow(f"{name}: sharpness last / first", kept, "0.95-1.05", 0.95 <= kept <= 1.05),
    ]


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
    ghosts = [
        take.ghost for voice in found.voices for take in voice.takes if take.ghost is not None
    ]
    if ghosts:
        rows.append(
            _at_most(
                "lip corners that stay beside a narrow mouth, above a true film's",
                max(ghosts),
                0.15,
            )
        )
    return rows


def _seam_rows(found: Findings) -> list[LevelRow]:
    rows = []
    if every := [take.pops for voice in found.voices for take in voice.takes]:
        block = float(np.mean([pops.block for pops in every]))
        latent = float(np.mean([pops.latent for pops in every]))
        rows += [
            _at_most("frame difference at blocks / inside", block, 1.15),
            _at_most("frame difference at latents / inside", latent, 1.15),
        ]
    if found.rebuilt:
        rows += [
            _at_least("true motion through latents, PSNR, dB", found.rebuilt["all"], 34),
            _at_least("the same of mouth and eyes, dB", found.rebuilt["mouth_eyes"], 28),
        ]
    return rows


def _act_rows(found: Findings) -> list[LevelRow]:
    if (acts := found.acts) is None:
        return []
    rows = [_at_least(f"{acts.prompts} prompts rightly played, clip 1", acts.first, 0.95)]
    if acts.clips:
        at = f"{acts.prompts} prompts rightly played, clip {acts.clips}"
        lost = acts.first - acts.last
        rows += [_at_least(at, acts.last, 0.9), _at_most(f"{at}: lost since clip 1", lost, 0.05)]
    for name, (first, last) in acts.strengths.items():
        end = f"; {last:.3f} at clip {acts.clips}" if acts.clips else ""
        rows.append(LevelRow(f"strength of {name}", first, f"(of what is asked{end})", True))
    return rows


def _beats(what: str, own: float, sprite: float) -> LevelRow:
    """Ours is to be more than the sprite's."""
    return LevelRow(f"{what}, more than a sprite's", own, f"> {sprite:.3f}", own > sprite)


def _at_least(what: str, value: float, level: float) -> LevelRow:
    return LevelRow(what, value, f"≥ {level:g}", value >= level)


def _at_most(what: str, value: float, level: float) -> LevelRow:
    return LevelRow(what, value, f"≤ {level:g}", value <= level)
