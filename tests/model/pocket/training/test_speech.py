"""The training synthesiser says when it says what."""

import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from model.pocket.training import dataset, samples
from model.pocket.training.dataset import FRAME, Synthesisers, draw_scenes, scene_log_mel
from model.pocket.training.speech import Voice, speak_espeak, spell_ipa

TEXT = "Papa put a copper pipe upon a happy puppy."


def test_the_same_text_and_voice_say_the_same() -> None:
    """The same sounds at the same times within three hundredths; espeak-ng's own noise is not seeded."""
    first, second = (speak_espeak(TEXT, Voice("en-us", "m1")) for _ in range(2))
    assert [phone.symbol for phone in first.phones] == [phone.symbol for phone in second.phones]
    pairs = zip(first.phones, second.phones, strict=True)
    assert max(abs(a.start - b.start) for a, b in pairs) < 0.03


def test_sounds_follow_one_another_within_the_speech() -> None:
    """Phones are in order, and none begins after the end."""
    speech = speak_espeak(TEXT, Voice("en-us", "m1"))
    starts = [phone.start for phone in speech.phones]
    assert starts == sorted(starts)
    assert speech.phones[-1].end <= speech.seconds


def test_it_is_quiet_while_the_lips_are_shut_for_a_p() -> None:
    """Half of the labelled closures and more are 20 dB below the vowels: labels and sound agree."""
    speech = speak_espeak(TEXT, Voice("en-us", "m1"))
    closures = [phone for phone in speech.phones if phone.symbol == "p"]
    loud = float(np.sqrt((speech.sound**2).mean()))
    quiet = 0
    for phone in closures:
        middle = int((phone.start + phone.end) / 2 * 16_000)
        quiet += (
            float(np.sqrt((speech.sound[middle - 160 : middle + 160] ** 2).mean())) < 0.1 * loud
        )
    assert len(closures) >= 6
    assert quiet >= len(closures) / 2


def test_mandarin_is_read_sound_by_sound() -> None:
    """Retroflex, apical and unrounded vowels, which espeak-ng spells in two letters, come as one."""
    symbols = [p.symbol.lstrip("ˈˌ") for p in speak_espeak("热, 知, 书", Voice("cmn")).phones]
    assert [s for s in symbols if s] == ["ʐ", "ɤ", "tʂ", "ɨ", "ʂ", "u"]


def test_text_is_spelt_clause_by_clause() -> None:
    """The IPA of each clause, as espeak-ng would say it."""
    assert spell_ipa("Papa, mama.", "es") == ["pˈapa", "mˈama"]


def test_a_smaller_speaker_is_quicker() -> None:
    """Formants moved up by a tenth shorten sound and times alike."""
    plain, small = (
        speak_espeak(TEXT, Voice("en-us", "m1")),
        speak_espeak(TEXT, Voice("en-us", "m1"), formant=1.1),
    )
    assert abs(plain.seconds / small.seconds - 1.1) < 0.02
    assert abs(plain.phones[20].start / small.phones[20].start - 1.1) < 0.03


def test_scenes_are_whole_frames_with_a_curve_for_each() -> None:
    """Sound, log-mel and curves of a scene have the same length, whatever is said."""
    for sound, curves in islice(draw_scenes(1, Synthesisers(festival=0, kokoro=0)), 4):
        assert len(sound) == FRAME * len(curves)
        assert scene_log_mel(sound).shape == (4 * len(curves), 80)
        assert np.abs(sound).max() <= 1


def test_without_festival_and_kokoro_their_scenes_are_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A seed that would begin with festival, where neither is installed: a line each says so, and the sound is written."""
    seed = next(n for n in range(99) if 0.14 < np.random.default_rng(n).random() < 0.34)
    monkeypatch.setattr(dataset, "has_kokoro", lambda: False)
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ["dataset", "--hours", "1e-5", "--seed", str(seed), "--out", str(tmp_path / "s.npz")]
    monkeypatch.setattr(sys, "argv", words)
    with capture_logs() as told:
        dataset.main()
    assert [each["event"] for each in told] == [
        "festival_left_out",
        "kokoro_left_out",
        "sound_written",
    ]
    bands, curves = dataset.read_dataset(tmp_path / "s.npz")
    assert len(bands) == 4 * len(curves) > 0


def test_without_flite_its_voices_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The held-out voices of espeak-ng are made anew, one line says that those of flite were not."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(samples, "HELD_OUT", ("en-us+m4",))
    monkeypatch.setattr(samples, "SECONDS", 2)
    (tmp_path / "curves.json").write_text('{"flite-awb": [[0, 0, 0]]}')
    with capture_logs() as told:
        samples.make_held_out(tmp_path)
    assert [each["event"] for each in told] == ["flite_left_out"]
    assert (tmp_path / "en-us-m4.opus").stat().st_size > 1000
    assert list(samples.json.loads((tmp_path / "curves.json").read_text())) == [
        "flite-awb",
        "en-us+m4",
    ]
