"""What a mouth does for each speech sound, and how it glides from one to the next."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
FPS = 25
_RATE = 100
_HOP = 160
_SIGMA = 0.028
_LOUD = 0.4
"""The share of the opening that loudness decides."""
REST = (0.0, 0.5, 0.0)
"""Aperture, width and rounding of a mouth at rest."""


@dataclass(frozen=True)
class Phone:
    """One speech sound: its symbol and when it begins and ends, in seconds."""

    symbol: str
    start: float
    end: float


# Aperture, width, rounding (0..1 each; width rests at .5), and how stubbornly the mouth insists on it.
_OPEN = (1.0, 0.55, 0.0, 1.0)
_SHUT = (0.0, 0.45, 0.05, 3.0)
_LIPTEETH = (0.06, 0.55, 0.0, 2.0)
_TONGUE = (0.22, 0.6, 0.0, 0.45)
_BACK = (0.30, 0.5, 0.0, 0.35)
_HUSH = (0.20, 0.35, 0.55, 0.8)
_RETROFLEX = (0.22, 0.42, 0.35, 0.6)
_PALATAL = (0.22, 0.75, 0.0, 0.6)
_PAUSE = (0.0, 0.5, 0.0, 0.9)
IPA: dict[str, tuple[float, float, float, float]] = {
    **dict.fromkeys("aɑɐäᴀ", _OPEN), "æ": (0.9, 0.75, 0.0, 1.0), "ɒ": (0.85, 0.4, 0.4, 1.0),
    "ʌ": (0.72, 0.5, 0.0, 1.0), "ɛ": (0.66, 0.7, 0.0, 1.0), "ɔ": (0.72, 0.3, 0.6, 1.0),
    "e": (0.48, 0.8, 0.0, 1.0), "ə": (0.42, 0.5, 0.0, 0.8), "ɚ": (0.40, 0.4, 0.3, 0.9),
    "ɜ": (0.50, 0.45, 0.2, 1.0), "ɝ": (0.45, 0.4, 0.3, 1.0), "ɘ": (0.42, 0.5, 0.0, 0.8),
    "o": (0.50, 0.25, 0.8, 1.0), "ɤ": (0.45, 0.5, 0.0, 1.0), "ɵ": (0.40, 0.35, 0.5, 1.0),
    "ᵻ": (0.34, 0.7, 0.0, 0.8), "ᵿ": (0.34, 0.35, 0.5, 0.8),
    "ɪ": (0.34, 0.75, 0.0, 0.9), "i": (0.26, 0.95, 0.0, 1.0), "ɨ": (0.30, 0.7, 0.0, 0.9),
    "ɯ": (0.28, 0.6, 0.0, 1.0), "ʊ": (0.32, 0.25, 0.75, 1.0), "u": (0.24, 0.1, 1.0, 1.0),
    "ʉ": (0.24, 0.2, 0.85, 1.0), "y": (0.22, 0.25, 0.9, 1.0), "ʏ": (0.28, 0.3, 0.75, 1.0),
    "ø": (0.38, 0.3, 0.7, 1.0), "œ": (0.55, 0.35, 0.6, 1.0), "ɞ": (0.55, 0.4, 0.5, 1.0),
    **dict.fromkeys("pbmɓɱʙ", _SHUT), **dict.fromkeys("fvɸβʋ", _LIPTEETH),
    "w": (0.14, 0.1, 1.0, 1.3), "ʍ": (0.14, 0.1, 1.0, 1.3), "ɥ": (0.14, 0.2, 0.9, 1.2),
    **dict.fromkeys("tdnlszɾʈɖɳɭɬɗrɫ", _TONGUE), "θ": (0.24, 0.6, 0.0, 0.6),
    "ð": (0.24, 0.6, 0.0, 0.6), **dict.fromkeys("ʃʒ", _HUSH),
    **dict.fromkeys("ʂʐ", _RETROFLEX), **dict.fromkeys("ɕʑ", _PALATAL), "ɹ": (0.26, 0.35, 0.45, 0.7),
    "ɻ": (0.26, 0.35, 0.4, 0.7), "j": (0.22, 0.8, 0.0, 0.6), "ʝ": (0.22, 0.8, 0.0, 0.6),
    "ɲ": (0.22, 0.7, 0.0, 0.5), "ʎ": (0.22, 0.7, 0.0, 0.5),
    **dict.fromkeys("kgɡŋxɣqχʁhɦcɟçʔħʕɢɴʀɠ", _BACK),
}  # fmt: skip
_DIGRAPHS = {
    "s.": "ʂ", "i.": "ɨ", "o-": "ɤ", "yu": "y", "oe": "œ", "eo": "ɵ", "nɡ": "ŋ", "ɯᵝ": "ʉ",
}  # fmt: skip
"""How espeak-ng spells sounds of Mandarin, Cantonese and Japanese in more than one letter."""
ARPABET: dict[str, str] = {
    "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "axr": "ɚ", "ay": "aɪ",
    "b": "b", "ch": "tʃ", "d": "d", "dh": "ð", "dx": "ɾ", "eh": "ɛ", "el": "əl", "em": "əm",
    "en": "ən", "er": "ɝ", "ey": "eɪ", "f": "f", "g": "ɡ", "hh": "h", "hv": "h", "ih": "ɪ",
    "iy": "i", "jh": "dʒ", "k": "k", "l": "l", "m": "m", "n": "n", "ng": "ŋ", "nx": "n",
    "ow": "oʊ", "oy": "ɔɪ", "p": "p", "r": "ɹ", "s": "s", "sh": "ʃ", "t": "t", "th": "θ",
    "uh": "ʊ", "uw": "u", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ", "pau": "", "h#": "",
    "brth": "", "sil": "", "ssil": "",
}  # fmt: skip

SAMPA: dict[str, str] = {
    "pau": "", "#": "", "ax": "ə", "ng": "ŋ", "sh": "ʃ", "sch": "ʃ", "zh": "ʒ", "ch": "tʃ",
    "y": "ɨ", "yy": "ɨ", "ae": "ɛ", "ay": "ə", "ssil": "", "s~": "ʃ", "z~": "ʒ", "c~": "tʃ",
}  # fmt: skip
_SAMPA_LETTERS = {"O": "ɔ", "E": "ɛ", "S": "ʃ", "Z": "ʒ", "N": "ŋ", "J": "ɲ", "L": "ʎ", "g": "ɡ"}
_BREATH = 0.06
"""Seconds that a pause must last for the mouth to shut: shorter ones are tone marks and stops."""


def mouth_curves(phones: Sequence[Phone], sound: Float, frames: int) -> Float:
    """Aperture, width and rounding [frame, 3] in 0..1 at the middle of each of `frames` frames at 25 a second.

    `sound` is the clean speech at 16 kHz: the mouth opens wider where it is louder.
    """
    steps = max(4 * frames, len(sound) // _HOP)
    shape = np.tile(np.asarray(_PAUSE, np.float32), (steps, 1))
    for start, end, row in _phone_targets(phones):
        shape[round(start * _RATE) : max(round(end * _RATE), round(start * _RATE) + 1)] = row
    track = _smooth_shapes(shape)
    track[:, 0] *= 1 - _LOUD + _LOUD * _measure_loudness(sound, steps)
    middles = 4 * np.arange(frames) + 1
    return np.ascontiguousarray((track[middles] + track[middles + 1]) / 2, dtype=np.float32)


def from_arpabet(symbol: str) -> str:
    """The IPA of an ARPAbet symbol; empty for a pause."""
    return ARPABET.get(symbol.lower().rstrip("012"), "ə")


def from_espeak(symbol: str) -> str:
    """The IPA of what espeak-ng names a sound, one letter a sound."""
    for spelt, letter in _DIGRAPHS.items():
        symbol = symbol.replace(spelt, letter)
    return symbol


def from_sampa(symbol: str) -> str:
    """The IPA of the SAMPA-like symbols of Italian, Catalan, Czech, Finnish and Russian voices, near enough for lips."""
    if symbol in SAMPA:
        return SAMPA[symbol]
    letters = [_SAMPA_LETTERS.get(letter, letter) for letter in symbol if letter.isalpha()]
    return "".join(letter for i, letter in enumerate(letters) if i == 0 or letter != letters[i - 1])


def _phone_targets(
    phones: Iterable[Phone],
) -> Iterable[tuple[float, float, tuple[float, float, float, float]]]:
    """Each sound's span and shape; a diphthong is two sounds that share its time."""
    rows = [_PAUSE]
    for phone in phones:
        named = [IPA[letter] for letter in phone.symbol if letter in IPA]
        rows = named or [_PAUSE] if named or phone.end - phone.start > _BREATH else rows[-1:]
        part = (phone.end - phone.start) / len(rows)
        for place, row in enumerate(rows):
            start = phone.start + place * part
            yield start, start + part, row


def _measure_loudness(sound: Float, steps: int) -> Float:
    """How loud it is, 0 (25 dB below the loud parts) to 1, over time [step]."""
    padded = np.zeros(steps * _HOP, np.float32)
    padded[: len(sound)] = sound[: len(padded)]
    power = np.convolve((padded.reshape(-1, _HOP) ** 2).mean(1), np.hanning(9) / 4, mode="same")
    loud = float(np.percentile(power, 95)) + 1e-9
    return np.asarray(np.clip(1 + 10 * np.log10(power / loud + 1e-6) / 25, 0, 1), np.float32)


def _smooth_shapes(shape: Float) -> Float:
    """The shapes smoothed over time, each as strongly as it insists [step, 3]."""
    reach = int(3 * _SIGMA * _RATE) + 1
    steps = np.arange(-reach, reach + 1) / _RATE
    kernel = np.exp(-0.5 * (steps / _SIGMA) ** 2)
    weight = np.convolve(np.pad(shape[:, 3], reach, mode="edge"), kernel, mode="valid")
    smooth = [
        np.convolve(np.pad(shape[:, c] * shape[:, 3], reach, mode="edge"), kernel, mode="valid")
        for c in range(3)
    ]
    return np.asarray(np.stack(smooth, 1) / weight[:, None], np.float32)
