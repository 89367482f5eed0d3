"""Speech with the time of every sound, from free synthesisers. Development only: inference hears what it is given."""

import ctypes
import os
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.pocket.training.visemes import Phone, from_arpabet, from_espeak, from_sampa

Float = NDArray[np.float32]
RATE = 16_000
# Measured against the energy of the sound: espeak names a sound 10 to 20 ms after it begins.
ESPEAK_LATE = 0.015
# It names a voiceless stop by its burst, but the lips shut before.
P_LATE = 0.043
_PHONEME = 7
FESTIVAL_VOICES = {
    "kal_diphone": "en", "ked_diphone": "en", "lp_diphone": "it", "pc_diphone": "it",
    "suo_fi_lj_diphone": "fi", "hy_fi_mv_diphone": "fi", "upc_ca_ona_hts": "ca",
    "msu_ru_nsh_clunits": "ru", "czech_dita": "cs", "czech_machac": "cs", "czech_krb": "cs", "czech_ph": "cs",
}  # fmt: skip
"""Voices of festival and what they read: recorded people, cut up or modelled."""


@dataclass(frozen=True)
class Speech:
    """Sound at 16 kHz, mono, and what is said in it."""

    sound: Float
    phones: Sequence[Phone]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.sound) / RATE


@dataclass(frozen=True)
class Voice:
    """A voice of espeak-ng and how it is to speak."""

    language: str
    variant: str = ""
    rate: int = 170
    pitch: int = 50
    range: int = 50

    @property
    def name(self) -> str:
        """As espeak-ng spells it: en-us+m4."""
        return f"{self.language}+{self.variant}" if self.variant else self.language


def speak_espeak(text: str, voice: Voice, *, formant: float = 1.0) -> Speech:
    """`text` in a voice of espeak-ng; `formant` above 1 is a smaller and quicker speaker."""
    engine = _load_espeak()
    raw, events = engine.synthesise(text, voice)
    sound = resample_sound(raw, engine.rate, formant=formant)
    end = len(sound) / RATE
    starts = [(max(at / 1000 - _phone_delay(symbol), 0) / formant, symbol) for at, symbol in events]
    ends = [start for start, _ in starts[1:]] + [end]
    phones = [
        Phone(from_espeak(symbol), min(start, end), min(stop, end))
        for (start, symbol), stop in zip(starts, ends, strict=True)
    ]
    return Speech(sound, phones)


def spell_ipa(text: str, language: str) -> list[str]:
    """How espeak-ng would say `text`, in IPA, clause by clause."""
    library = _load_espeak().library
    if library.espeak_SetVoiceByName(language.encode()) != 0:
        raise LookupError(language)
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    held = ctypes.create_string_buffer(text.encode())
    rest, clauses = ctypes.c_void_p(ctypes.addressof(held)), []
    while rest.value:
        spelt: bytes = library.espeak_TextToPhonemes(ctypes.byref(rest), 1, 2)
        clauses.append(spelt.decode())
    return [clause for clause in clauses if clause]


def speak_flite(text: str, voice: str) -> Speech:
    """`text` in a voice of flite, which pocket never learns from."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "speech.wav"
        command = ["flite", "-voice", voice, "-psdur", "-t", text, "-o", str(target)]
        spoken = subprocess.run(command, check=True, capture_output=True, text=True)
        raw, rate = read_wave(target)
    phones, start = [], 0.0
    for symbol, end in _parse_phones(spoken.stdout):
        phones.append(Phone(from_arpabet(symbol), start, end))
        start = end
    return Speech(resample_sound(raw, rate), phones)


def speak_festival(texts: Sequence[str], voice: str, *, formant: float = 1.0) -> list[Speech]:
    """Each text in a voice of festival; those that it cannot read are left out."""
    with tempfile.TemporaryDirectory() as folder:
        script = [f"(voice_{voice})"]
        for number, text in enumerate(texts):
            quoted = text.replace('"', " ").replace("\\", " ")
            script += [
                f'(set! utt (SynthText "{quoted}"))',
                f'(utt.save.wave utt "{folder}/{number}.wav" (quote riff))',
                f'(utt.save.segs utt "{folder}/{number}.lab")',
            ]
        path = Path(folder) / "speak.scm"
        path.write_text("\n".join(script), encoding="utf-8")
        subprocess.run(["festival", "-b", str(path)], check=False, capture_output=True, timeout=300)
        found = [Path(folder) / f"{number}.lab" for number in range(len(texts))]
        return [_read_festival(label, voice, formant) for label in found if label.exists()]


def _read_festival(label: Path, voice: str, formant: float) -> Speech:
    raw, rate = read_wave(label.with_suffix(".wav"))
    spell = from_arpabet if FESTIVAL_VOICES[voice] == "en" else from_sampa
    phones, start = [], 0.0
    for line in label.read_text(encoding="latin-1").splitlines():
        fields = line.split()
        if len(fields) == 3:
            end = float(fields[0]) / formant
            phones.append(Phone(spell(fields[2]), start, end))
            start = end
    return Speech(resample_sound(raw, rate, formant=formant), phones)


def read_wave(path: Path) -> tuple[Float, int]:
    """The samples in −1..1 of a 16-bit mono WAV file, and their rate."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples.astype(np.float32) / np.float32(32768), file.getframerate()


def resample_sound(sound: Float, rate: int, *, formant: float = 1.0) -> Float:
    """Sound at 16 kHz, played `formant` times as fast."""
    from scipy.signal import resample_poly

    ratio = Fraction(RATE / (rate * formant)).limit_denominator(160)
    if ratio == 1:
        return sound
    return np.asarray(resample_poly(sound, ratio.numerator, ratio.denominator), np.float32)


def _phone_delay(symbol: str) -> float:
    return P_LATE if symbol.lstrip("ˈˌ").startswith("p") else ESPEAK_LATE


def _parse_phones(printed: str) -> list[tuple[str, float]]:
    words = printed.split()
    if words and ":" in words[0]:
        return [(word.split(":")[0], float(word.split(":")[1])) for word in words]
    return [(words[i], float(words[i + 1])) for i in range(0, len(words) - 1, 2)]


class _Name(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int), ("unique", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", _Name),
    )  # fmt: skip


@dataclass
class _Engine:
    """The one espeak-ng of this process, and what it is saying."""

    library: Any
    rate: int = 0
    pieces: list[NDArray[np.int16]] = field(default_factory=list)
    events: list[tuple[int, str]] = field(default_factory=list)
    keep: Any = None

    def synthesise(self, text: str, voice: Voice) -> tuple[Float, list[tuple[int, str]]]:
        """Samples in −1..1 and (milliseconds, IPA) of every sound."""
        self.pieces.clear()
        self.events.clear()
        if self.library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise LookupError(voice.name)
        for parameter, value in ((1, voice.rate), (3, voice.pitch), (4, voice.range)):
            self.library.espeak_SetParameter(parameter, value, 0)
        data = text.encode()
        self.library.espeak_Synth(data, len(data) + 1, 0, 1, 0, 1, None, None)
        self.library.espeak_Synchronize()
        sound = np.concatenate(self.pieces) if self.pieces else np.zeros(0, np.int16)
        return sound.astype(np.float32) / np.float32(32768), list(self.events)

    def hear(self, samples: Any, count: int, events: Any) -> int:
        """Called by espeak-ng with every piece of sound; 0 asks for more."""
        if count > 0:
            self.pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        place = 0
        while events[place].type:
            if events[place].type == _PHONEME:
                raw = ctypes.string_at(ctypes.addressof(events[place].id), 8).split(b"\0")[0]
                self.events.append((events[place].audio_position, raw.decode(errors="ignore")))
            place += 1
        return 0


@cache
def _load_espeak() -> _Engine:
    import espeakng_loader

    engine = _Engine(ctypes.CDLL(espeakng_loader.get_library_path()))
    data = os.fsencode(espeakng_loader.get_data_path())
    engine.rate = engine.library.espeak_Initialize(1, 0, data, 1 | 2)
    shape = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
    )
    engine.keep = shape(engine.hear)
    engine.library.espeak_SetSynthCallback(engine.keep)
    return engine
