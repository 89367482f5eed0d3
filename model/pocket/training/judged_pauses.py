"""What a presenter does while nobody speaks: films of speech, a pause and speech again, read by the motion curves that they are drawn by."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from model.avatar import Avatar, Seed
from model.motion_columns import MOTION
from model.pocket.training import measures
from model.pocket.training.findings import APERTURE, PauseTake
from model.pocket.training.judged_films import MotionReader, hear_clips
from model.pocket.training.judged_presenters import Presenter
from model.pocket.training.measures import Float
from model.pocket.training.samples import Sample
from model.pocket.training.visemes import REST

SPEECH, PAUSE = 92, 100
"""Frames of speech before the pause, and of the pause: with 96 of speech behind it, six clips."""
SETTLED = 3
"""Frames in which a mouth may shut, and open again before the next word."""
HALF = 0.5
"""Of a lid's way."""
OPEN = 0.1
"""Aperture at which a mouth counts as open."""
ROOM = 10 ** (-50 / 20)
"""Root mean square of a quiet room's noise, of full scale."""
_FADE = 160
"""Samples in which speech fades out and in."""
_HEAD, _GAZE = ("dx", "dy", "tilt", "scale"), ("gaze_x", "gaze_y")


def insert_pauses(sample: Sample) -> Iterator[Sample]:
    """What is said with a pause in it, once of digital silence and once of a room's noise."""
    middle, end = SPEECH, SPEECH + 96
    before, after = (
        sample.sound[: middle * 640].copy(),
        sample.sound[middle * 640 : end * 640].copy(),
    )
    ramp = np.linspace(0, 1, _FADE, dtype=np.float32)
    before[-_FADE:] *= ramp[::-1]
    after[:_FADE] *= ramp
    noise = np.random.default_rng(7).standard_normal(PAUSE * 640).astype(np.float32) * ROOM
    rest = np.tile(np.asarray(REST, np.float32), (PAUSE, 1))
    curves = np.concatenate([sample.curves[:middle], rest, sample.curves[middle:end]])
    for name, pause in (("silence", 0 * noise), ("a room at -50 dB", noise)):
        sound = np.concatenate([before, pause, after])
        yield replace(sample, voice=name, sound=sound, curves=curves)


def judge_pause(
    avatar: Avatar, who: Presenter, sample: Sample, seed: Seed, read: MotionReader
) -> PauseTake:
    """What is kept of the motion with which a presenter says this: the curves that the film is drawn by, not its pixels."""
    motion = np.concatenate([*make_motion(avatar, who, sample.sound, seed, read)])
    pause = np.zeros(len(motion), np.bool_)
    pause[SPEECH : SPEECH + PAUSE] = True
    shut = slice(SPEECH + SETTLED, SPEECH + PAUSE - SETTLED)
    aperture = motion[:, MOTION.index("aperture")]
    blinks = find_blinks(motion[:, MOTION.index("blink")])
    return PauseTake(
        blinks=int(pause[blinks].sum()),
        spoken_blinks=int((~pause[blinks]).sum()),
        seconds=PAUSE / 25,
        spoken_seconds=(len(motion) - PAUSE) / 25,
        mouth=float(aperture[shut].max()),
        head=compare_motion(motion, pause, _HEAD),
        gaze=compare_motion(motion, pause, _GAZE),
        lag=find_onset(aperture) - find_onset(sample.curves[:, APERTURE]),
    )


def make_motion(
    avatar: Avatar, who: Presenter, sound: Float, seed: Seed, read: MotionReader
) -> Iterator[Float]:
    """The motion [frame, M] of each clip of a film in which a presenter says `sound` (16 kHz)."""
    denoiser = avatar.denoiser(avatar.encode_inputs(who.picture, "", who.face), seed)
    for features in hear_clips(avatar, sound):
        yield read(denoiser.denoise(features).latents)


def find_blinks(blink: Float) -> list[int]:
    """The frames at which lids come to be more than half shut."""
    shut = blink > HALF
    return [int(at) + 1 for at in np.flatnonzero(shut[1:] & ~shut[:-1])]


def compare_motion(motion: Float, pause: "np.ndarray", names: Sequence[str]) -> float:
    """How much some curves of the motion [frame, M] change in half a second in the pause, against elsewhere."""
    curves = motion[:, [MOTION.index(name) for name in names]]
    change = np.abs(curves[measures.SWAY :] - curves[: -measures.SWAY]).mean(1)
    inside = pause[measures.SWAY :] & pause[: -measures.SWAY]
    outside = ~pause[measures.SWAY :] & ~pause[: -measures.SWAY]
    return float(change[inside].mean() / max(change[outside].mean(), 1e-6))


def find_onset(aperture: Float) -> int:
    """The first frame behind the pause, or just before its end, at which a mouth is open; that of the end where it never is."""
    first = SPEECH + PAUSE - 2 * SETTLED
    opened = np.flatnonzero(aperture[first:] >= OPEN)
    return first + int(opened[0]) if len(opened) else len(aperture)
