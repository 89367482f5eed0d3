"""What Kokoro reads, and the sounds and pauses that its durations tell."""

import random

import numpy as np

from model.pocket.training import neural_speech
from model.pocket.training.neural_speech import draw_neural_voice, spell_kokoro
from model.pocket.training.visemes import Phone


def test_text_comes_in_its_alphabet() -> None:
    """Diphthongs and affricates are one letter each, and Mandarin has tones."""
    assert spell_kokoro("I know the boy.", "en-us") == "aɪ nˈoʊ ðə bˈɔɪ.".replace(
        "aɪ", "I"
    ).replace("oʊ", "O").replace("ɔɪ", "Y")
    spelt = spell_kokoro("你吃苹果。", "cmn")
    assert "ꭧʰ" in spelt
    assert "pʰ" in spelt
    assert "↓" in spelt


def test_voices_are_blends() -> None:
    """Shares add up to one, so that a blend is as loud as a voice."""
    draw = random.Random(1)
    for _ in range(20):
        voice = draw_neural_voice(draw)
        assert abs(sum(voice.shares) - 1) < 1e-9
        assert voice.language in neural_speech.NEURAL_LANGUAGES


def test_marks_and_stresses_take_part_in_their_sounds() -> None:
    """A stress belongs to the vowel after it, a length to the one before; a comma is a pause."""
    letters, ends = list("^pˈaː,m$"), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    assert neural_speech._read_phones(letters, ends, 0.75) == [
        Phone("", 0.0, 0.1), Phone("p", 0.1, 0.2), Phone("a", 0.2, 0.5), Phone("", 0.5, 0.6),
        Phone("m", 0.6, 0.7), Phone("", 0.7, 0.75),
    ]  # fmt: skip


def test_the_silence_after_a_sound_is_a_pause() -> None:
    """A vowel whose duration goes on into a pause ends where it is last heard."""
    sound = np.zeros(16_000, np.float32)
    sound[:4000] = np.sin(np.arange(4000) * 0.1)
    vowel, pause = neural_speech._part_silence(Phone("a", 0.0, 1.0), sound)
    assert abs(vowel.end - 0.26) < 0.02
    assert (pause.symbol, pause.start, pause.end) == ("", vowel.end, 1.0)
    assert neural_speech._part_silence(Phone("a", 0.0, 0.2), sound) == [Phone("a", 0.0, 0.2)]
