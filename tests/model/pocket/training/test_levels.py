"""What the table says of what was measured."""

from dataclasses import replace

import numpy as np
import pytest

from model.pocket.training.face_measures import FaceHold
from model.pocket.training.findings import ActFindings, Findings, Take, VoiceFindings
from model.pocket.training.levels import LevelRow, tabulate_levels
from model.pocket.training.measures import LAGS, Pops
from model.pocket.training.mouth_shape import MouthTrack

REST, SPOKEN = 100.0, 300.0
FRAMES = 100
TRUTH = np.random.default_rng(0).random((FRAMES, 3)).astype(np.float32)
ON_TIME = dict.fromkeys(LAGS, 0.1) | {3: 0.9}


def track(area: np.ndarray, width: np.ndarray, rounding: np.ndarray) -> MouthTrack:
    return MouthTrack(*(np.asarray(each, np.float32) for each in (area, area, width, rounding)))


def take(mouth: MouthTrack) -> Take:
    return Take(mouth, REST, 1.0, 1.0, 3, Pops(1, 1))


TRUE_TRACK = track(*TRUTH.T)


def speak(voice: str, share: float = 1.0, sprite: float = 0.5) -> VoiceFindings:
    """A voice whose mouths are so much truth, the rest noise, beside sprites of another share."""
    noise = np.random.default_rng(1).random((FRAMES, 3))
    ours, theirs = (
        track(*(TRUTH * (each + (each == 0) * 1e-9) + (1 - each) * noise).T)
        for each in (share, sprite)
    )
    return VoiceFindings(voice, TRUTH, [take(ours)], [TRUE_TRACK], [theirs])


def find(**more: object) -> dict[str, LevelRow]:
    """The rows by name, of one voice that is the truth and of what else was found."""
    known = {"voices": [speak("en")], "delayed": ON_TIME, "quiet": [take(TRUE_TRACK)]}
    return {row.what: row for row in tabulate_levels(Findings(**known | more))}


def row(area: np.ndarray) -> LevelRow:
    """The one about a mouth in silence, where a shut mouth reads REST and speech SPOKEN."""
    loud = np.full(FRAMES, SPOKEN)
    spoken = VoiceFindings("en", TRUTH, [take(track(loud, loud, loud))], [TRUE_TRACK])
    quiet = take(track(area, area, area))
    return find(voices=[spoken], quiet=[quiet])["silence: mouth area against speech"]


def test_a_mouth_that_opens_in_silence_counts_for_as_long_as_it_is_open() -> None:
    """Wide open for a tenth of the time is a tenth, whatever it does the rest of the time."""
    area = np.full(100, REST)
    area[:10] = SPOKEN
    assert row(area).value == pytest.approx(0.1)
    assert not row(area).met
    # Less of the lips at another time makes no good of it.
    area[50:] = 0
    assert row(area).value == pytest.approx(0.1)


def test_a_shut_mouth_drawn_smaller_than_in_the_picture_is_no_opening() -> None:
    """Lips or a beard a little lighter than the picture's are not a mouth."""
    assert row(np.full(100, REST - 20)).value == 0


def test_the_worst_face_decides_and_is_named() -> None:
    """One of two whose eye has gone misses likeness, colour and sharpness; its ghosts are told where films have some."""
    good = FaceHold("hair", 0.999, 1.0, 0.4, 1.01, 0.01)
    bad = FaceHold("right eye", 0.57, 0.95, 3.3, 0.82, 0.3)
    ghosts = [replace(take(TRUE_TRACK), ghost=ghost) for ghost in (0.01, 0.1)]
    voice = VoiceFindings("en", TRUTH, ghosts, [TRUE_TRACK])

    def face_rows(*holds: FaceHold) -> list[LevelRow]:
        found = find(voices=[voice], holds=list(holds))
        return [each for name, each in found.items() if "faces, " in name or "lip corners" in name]

    assert [each.met for each in face_rows(good, good)] == [True] * 6
    ghosts[1].ghost = 0.5
    rows = face_rows(good, bad)
    assert [each.met for each in rows] == [False] * 6
    assert "2 faces" in rows[0].what
    assert "right eye" in rows[0].what
    assert [each.value for each in rows] == [0.57, 0.95, 3.3, 0.3, 0.82, 0.5]
    assert not [name for name in find() if "faces, " in name or "lip corners" in name]


def test_each_kind_of_voice_has_its_own_level() -> None:
    """Of Mandarin nine tenths of the ceiling are asked, of another synthesiser and of noise less; lips of all three are no part of the mean over voices."""
    kinds = ("cmn+m8", "flite-slt", "en over noise", "en over music")
    voices = [speak("en"), *(speak(name, 0.65) for name in kinds)]
    rows = find(voices=voices)
    asked = {"Mandarin": 0.9, "another synthesiser": 0.85, "noise at 10 dB": 0.85}
    value = rows["r / ceiling, Mandarin"].value
    assert 0.85 < value < 0.9, value
    for name, level in asked.items():
        found = rows[f"r / ceiling, {name}"]
        assert (found.level, found.met) == (f"≥ {level:g}", value >= level)
    assert "r / ceiling, music at 10 dB" in rows
    assert rows["r / ceiling, mean over voices"].value == pytest.approx(1)


def test_a_sprite_is_beaten_in_each_of_five_measures() -> None:
    """The truth beats half of it everywhere; half the truth loses to three quarters."""
    names = [name for name in find() if "a sprite's" in name]
    assert len(names) == 5
    won, lost = find(), find(voices=[speak("en", 0.5, 0.8)])
    assert all(won[name].met for name in names)
    assert not any(lost[name].met for name in names if "ceiling" in name)


def test_prompts_at_the_end_of_a_film_are_told_only_of_long_films() -> None:
    """One row without a long film, three with one, and what is lost by its end counts."""

    def of(**more: object) -> list[LevelRow]:
        acts = ActFindings(40, 0.97, **more)
        return [each for name, each in find(acts=acts).items() if "prompts" in name]

    assert [each.met for each in of()] == [True]
    assert [each.met for each in of(clips=1000, last=0.96)] == [True] * 3
    assert [each.met for each in of(clips=1000, last=0.91)] == [True, True, False]
