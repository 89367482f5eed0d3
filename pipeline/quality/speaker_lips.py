"""Lips of a film of several speakers: each one's own mouth, by its boxes, against its own sound."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.pocket.face_boxes import FaceBoxes
from pipeline.quality.audio_metrics import SoundMeter
from pipeline.quality.frame_metrics import Byte
from pipeline.quality.lag_correlation import (
    Float,
    find_peak,
    lag_profile,
    peak_confidence,
    remove_trend,
)
from pipeline.quality.mouth import LEVELS, Mouth, measure_darkness, measure_opening
from tasks.face_search import map_to_film

if TYPE_CHECKING:
    from storage.run import Run

AROUND = (0.1, 0.3, 0.1, 1.0)
"""By how much the place in which a mouth is watched is larger than the mouth in the picture, left, above, right and below, in its own sides: lips open downwards."""
LEAST_SECONDS = 2.0
"""Who speaks for less is not judged: three syllables fit every sound."""
QUIET = 0.01
"""Of the loudest frames: below it nobody speaks."""
_BLOCK = 60
"""Seconds of sound that are read at once."""


@dataclass(frozen=True)
class SpeakerTrack:
    """One speaker's numbers of each frame of a film."""

    loudness: Float
    """Of its own sound."""
    darkness: NDArray[np.uint16]
    """[frame, level] of its mouth's place."""
    shut: NDArray[np.uint16]
    """The same of the reference picture."""


@dataclass(frozen=True)
class SpeakerSync:
    """The lag of one speaker's mouth against its own sound, over all of a film."""

    speaker: int
    """Counted from 1."""
    offset: int | None
    """Frames by which the mouth is late; None where it speaks too little to tell."""
    r: float
    confidence: float | None


class SpeakerMeter:
    """Measures the mouths of a film's speakers, frame by frame."""

    def __init__(self, mouths: Sequence[Mouth], picture: Byte) -> None:
        """`picture`: the brightness of the reference picture [y, x]."""
        self._mouths = mouths
        self._shut = [self._darkness(mouth, picture) for mouth in mouths]
        self._dark: list[list[NDArray[np.uint16]]] = [[] for _ in mouths]

    def add_frame(self, grey: Byte) -> None:
        """Measure the next frame [y, x]."""
        for seen, mouth in zip(self._dark, self._mouths, strict=True):
            seen.append(self._darkness(mouth, grey))

    def finish(self, loudness: Sequence[Float]) -> tuple[SpeakerTrack, ...]:
        """The tracks of all frames that were added; `loudness` [frame]: of each speaker's own sound."""
        tracks = []
        for heard, seen, shut in zip(loudness, self._dark, self._shut, strict=True):
            dark = np.array(seen, np.uint16).reshape(-1, LEVELS)
            fitted = np.pad(heard[: len(dark)], (0, max(0, len(dark) - len(heard))))
            tracks.append(SpeakerTrack(fitted, dark, shut))
        return tuple(tracks)

    def _darkness(self, mouth: Mouth, grey: Byte) -> NDArray[np.uint16]:
        height, width = grey.shape
        return measure_darkness(grey, mouth.box(width, height))


def find_speaker_mouths(run: "Run", whole: tuple[int, int]) -> tuple[Mouth, ...]:
    """Where the mouth of each speaker of a run is watched, in parts of the film's sides; `whole`: the size of the picture's file. Nothing where one speaks, or where the model knows no mouths."""
    spec, mouths = run.spec, []
    left, above, right, below = AROUND
    for each in spec.speakers:
        if not each.face_boxes:
            return ()
        x, y, w, h = map_to_film(FaceBoxes.from_text(each.face_boxes), whole, spec).mouth
        mouths.append(
            Mouth(
                max(0.0, (x - left * w) / spec.width),
                max(0.0, (y - above * h) / spec.height),
                min(1.0, (x + w + right * w) / spec.width),
                min(1.0, (y + h + below * h) / spec.height),
                0.0,
            )
        )
    return tuple(mouths)


def measure_speaker_loudness(run: "Run") -> list[Float]:
    """The loudness of each speaker's own sound, a number a frame of the film."""
    spec, sound = run.spec, run.sound
    meters = [SoundMeter(spec.sample_rate, spec.fps) for _ in spec.speakers]
    block = _BLOCK * spec.sample_rate
    for start in range(0, sound.samples, block):
        stop = min(start + block, sound.samples)
        for meter, samples in zip(meters, sound.read_speakers(start, stop), strict=True):
            meter.add_samples(samples[None], start)
    return [meter.finish(spec.frames).loudness for meter in meters]


def measure_speakers(tracks: Sequence[SpeakerTrack], fps: float) -> tuple[SpeakerSync, ...]:
    """How each speaker's mouth follows its own sound."""
    return tuple(_measure_speaker(n, each, fps) for n, each in enumerate(tracks, 1))


def _measure_speaker(number: int, track: SpeakerTrack, fps: float) -> SpeakerSync:
    loud = track.loudness
    if (loud > QUIET * float(loud.max(initial=0))).sum() < LEAST_SECONDS * fps:
        return SpeakerSync(number, None, 0.0, None)
    opening = measure_opening(track.darkness, loud, track.shut).track
    profile = lag_profile(remove_trend(opening), remove_trend(np.sqrt(loud)))
    offset, r = find_peak(profile)
    return SpeakerSync(number, offset, r, peak_confidence(profile))
