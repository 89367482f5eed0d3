"""What was measured of films, before it becomes rows of the table of levels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from model.pocket.training.face_measures import FaceHold
from model.pocket.training.measures import Float, Pops, correlate_at_lag
from model.pocket.training.mouth_shape import MouthTrack

LIPS, OTHER, MANDARIN = "lips", "another synthesiser", "Mandarin"
APERTURE, WIDTH, ROUNDING = range(3)
"""Columns of the true curves of speech, and of a MouthTrack."""


@dataclass
class Take:
    """What is kept of one film."""

    mouth: MouthTrack
    rest: float
    """The area in the picture itself, whose mouth is shut."""
    sharpness: float
    sway: float
    blinks: int
    pops: Pops
    ghost: float | None = None
    """How much more of the picture's lip corners stays beside a narrow mouth than in a true film; None where none is narrow."""


@dataclass(frozen=True)
class PauseTake:
    """What is kept of one film with a pause of the sound in it."""

    blinks: int
    """In the pause."""
    spoken_blinks: int
    """Beside it."""
    seconds: float
    """The pause's length."""
    spoken_seconds: float
    mouth: float
    """How far the mouth is open at most in the pause, three frames after it begins to three before it ends: 1 as far as it goes."""
    head: float
    """How much the head moves in the pause, against beside it."""
    gaze: float
    """How much the eyes do."""
    lag: int
    """Frames by which the mouth opens later behind the pause than the true one."""


@dataclass
class VoiceFindings:
    """Films of several faces that say the same."""

    voice: str
    truth: Float
    """The true curves [frame, 3]."""
    takes: list[Take] = field(default_factory=list)
    ceilings: list[MouthTrack] = field(default_factory=list)
    """The same faces as they were rendered: the most that a film can have."""
    sprites: list[MouthTrack] = field(default_factory=list)
    """The same faces with a mouth that the sound's envelope chooses (model.pocket.training.sprite)."""

    @property
    def kind(self) -> str:
        """Which levels it is held to: LIPS, OTHER, MANDARIN, or the background that it is heard over."""
        return name_kind(self.voice)

    @property
    def mouths(self) -> list[MouthTrack]:
        """Those of the takes."""
        return [take.mouth for take in self.takes]

    def mean_r(self, tracks: Sequence[MouthTrack], column: int = APERTURE, lag: int = 0) -> float:
        """Mean correlation of some tracks with a true curve."""
        truth = self.truth[:, column]
        return float(np.mean([correlate_at_lag(t.columns[column], truth, lag) for t in tracks]))

    def ratio(self, tracks: Sequence[MouthTrack], column: int = APERTURE, lag: int = 0) -> float:
        """Mean correlation of some tracks, of the ceiling."""
        return self.mean_r(tracks, column, lag) / max(self.mean_r(self.ceilings, column), 1e-6)


@dataclass(frozen=True)
class ActFindings:
    """How many prompts are rightly played."""

    prompts: int
    first: float
    """Share of them at the beginning of a film."""
    clips: int = 0
    """How long a long film was; 0: there was none."""
    last: float = 1.0
    """Share of them at its end."""
    missed: tuple[str, ...] = ()
    """Some prompts that were not rightly played at the beginning."""
    strengths: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By act the mean share that is measured of what is asked, at the beginning and at the end."""


@dataclass(frozen=True)
class SpeakerFindings:
    """What was read of one film of several speakers, a number for each."""

    speakers: int
    spoken: Sequence[float]
    """Correlation of the opening with the true one, where it speaks."""
    alone: Sequence[float]
    """The same in a film of that face and sound by itself."""
    listening: Sequence[float]
    """How far the mouth is open where it listens, of how far where it speaks."""


@dataclass
class Findings:
    """Everything measured."""

    voices: list[VoiceFindings] = field(default_factory=list)
    delayed: dict[int, float] = field(default_factory=dict)
    quiet: list[Take] = field(default_factory=list)
    pauses: dict[str, list[PauseTake]] = field(default_factory=dict)
    """Films with a pause in what is said, by what is heard in it."""
    drift: dict[str, float] = field(default_factory=dict)
    holds: list[FaceHold] = field(default_factory=list)
    """The end of a long film of each face against its first second."""
    rebuilt: dict[str, float] = field(default_factory=dict)
    acts: ActFindings | None = None
    groups: list[SpeakerFindings] = field(default_factory=list)
    """Films of several speakers."""

    def of_kind(self, *kinds: str) -> list[VoiceFindings]:
        """The voices that are held to these levels."""
        return [voice for voice in self.voices if voice.kind in kinds]

    @property
    def backgrounds(self) -> list[str]:
        """What voices were heard over, once each."""
        known = (LIPS, OTHER, MANDARIN)
        return list(dict.fromkeys(v.kind for v in self.voices if v.kind not in known))


def name_kind(voice: str) -> str:
    """Which levels a voice is held to, by its name."""
    spoken, _, background = voice.partition(" over ")
    if background:
        return background
    if spoken.startswith("flite"):
        return OTHER
    return MANDARIN if spoken.startswith("cmn") else LIPS
