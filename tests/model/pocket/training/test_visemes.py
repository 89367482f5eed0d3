"""Mouth curves: shut where lips shut, round where they round, at the right time."""

import numpy as np

from model.pocket.training.visemes import Phone, from_arpabet, from_espeak, from_sampa, mouth_curves

LOUD = np.sin(np.arange(16_000) * 0.3).astype(np.float32)


def curves(*phones: Phone) -> np.ndarray:
    return mouth_curves(phones, LOUD, 25)


def test_lips_meet_on_p_b_and_m() -> None:
    """Between two open vowels the mouth shuts for a labial, and only for it."""
    for symbol, shut in (("p", True), ("b", True), ("m", True), ("t", False)):
        aperture = curves(Phone("a", 0, 0.48), Phone(symbol, 0.48, 0.56), Phone("a", 0.56, 1))[:, 0]
        assert (aperture.min() < 0.12) == shut
        assert abs(int(aperture.argmin()) - 12.5) <= 1 or not shut


def test_u_is_round_and_i_is_wide() -> None:
    """Rounding and width tell vowels apart."""
    round_one, wide_one = curves(Phone("u", 0, 1))[12], curves(Phone("iː", 0, 1))[12]
    assert round_one[2] > 0.9 > wide_one[2] + 0.8
    assert wide_one[1] > round_one[1] + 0.5


def test_a_diphthong_glides() -> None:
    """Both of its vowels are seen, one after the other."""
    aperture = curves(Phone("aɪ", 0, 1))[:, 0]
    assert aperture[5] > 0.8
    assert aperture[20] < 0.5


def test_silence_shuts_the_mouth() -> None:
    """Before and after speech the mouth rests, and a pause is no longer than it is."""
    aperture = curves(Phone("", 0, 0.4), Phone("a", 0.4, 0.6), Phone("", 0.6, 1))[:, 0]
    assert aperture[:7].max() < 0.02
    assert aperture[12] > 0.6
    assert aperture[19:].max() < 0.02


def test_softer_speech_opens_less() -> None:
    """The same vowel at a twentieth of the loudness opens the mouth less."""
    fading = LOUD * np.where(np.arange(16_000) < 8000, 1, 0.05).astype(np.float32)
    aperture = mouth_curves([Phone("a", 0, 1)], fading, 25)[:, 0]
    assert aperture[20] < 0.8 * aperture[5]


def test_other_alphabets_are_read() -> None:
    """ARPAbet and SAMPA symbols become IPA."""
    assert [from_arpabet(s) for s in ("iy1", "m", "pau", "ow0")] == ["i", "m", "", "oʊ"]
    assert [from_sampa(s) for s in ("tS", "O1", "#", "rr", "mm")] == ["tʃ", "ɔ", "", "r", "m"]


def test_a_mandarin_e_is_not_round_and_a_cantonese_oe_is() -> None:
    """Sounds that espeak-ng spells with an o for want of a letter."""
    assert [from_espeak(s) for s in ("ˈo-", "ts.h", "hˈoenɡ", "i.")] == ["ˈɤ", "tʂh", "hˈœŋ", "ɨ"]
    assert curves(Phone(from_espeak("o-"), 0, 1))[12, 2] < 0.1
    assert curves(Phone(from_espeak("oe"), 0, 1))[12, 2] > 0.5
