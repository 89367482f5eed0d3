"""The speech that pocket is judged with, and the pictures and soundtracks of examples/: made once, kept in the repository.

python -m model.pocket.training.samples held_out [VOICE ...]    needs espeak-ng, and flite: without it those of its voices stay as they are
python -m model.pocket.training.samples examples
"""

import argparse
import json
import random
import shutil
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import structlog
import torch
from numpy.typing import NDArray

from model.pocket.training.acoustics import measure_loudness
from model.pocket.training.backgrounds import coloured_noise, make_babble
from model.pocket.training.dataset import HELD_OUT
from model.pocket.training.phrases import compose_phrase
from model.pocket.training.speech import (
    RATE,
    Speech,
    Voice,
    resample_sound,
    speak_espeak,
    speak_flite,
)
from model.pocket.training.visemes import Phone, mouth_curves
from model.presenters.face import draw_identities, neutral_motion, render_faces

Float = NDArray[np.float32]
FOLDER = Path(__file__).parent / "held_out"
EXAMPLES = Path(__file__).parents[3] / "examples"
SECONDS = 20
FLITE = ("awb", "rms", "slt")
EXAMPLE_RATE = 22_050
BACKGROUNDS = ("music", "noise", "babble")
"""What add_background knows. Training hears other instruments, and other people's babble."""
# Seeds of plain portraits that training cannot meet: its generators begin elsewhere. The pictures of
# examples/ are older than the renderer of today, which draws these a little differently, and stay.
FACES = {"mila": 900_001, "joon": 900_010, "amara": 900_004, "lin": 900_021}
READERS = {
    "harbour": Voice("en-us", "f2", 168, 55, 55),
    "tea": Voice("cmn", "f3", 192, 50, 50),
    "mercado": Voice("es", "m3", 165, 45, 55),
}
LINES = {
    "harbour": """Good morning from the harbour. The boats came home before the sun was up, and the
    market opened by the bridge. My brother bought a pair of fresh fish, my mother made warm bread and
    butter, and we sat by the water.""",
    "tea": """你好，欢迎来到我们的茶馆。今天天气很好，我们一起喝一杯绿茶吧。
    妈妈买了苹果和面包，爸爸慢慢地泡茶。""",
    "mercado": """Buenos días. Mi abuela vende manzanas y pan en la plaza,
    y mi papá compra flores para mamá.""",
}
MANDARIN = """明年春天我打算去西安看兵马俑。|门口那棵苹果树今年结了很多果子。|这双皮鞋又贵又不舒服，我不买了。|王师傅修自行车修了三十年。
为什么不给奶奶打个电话问一问呢？|绿豆汤煮好了，放凉了再喝。|表演八点半开始，别忘了带票。|屋里没有风，热得睡不着觉。|那位女作家住在湖边的小木屋里。|请你把价格再说一遍，我没听清楚。
昨晚下了一场暴雨，马路上全是水。|叔叔用竹子给我们做了一把弓。|会议推迟到下个月二号。|火锅太辣，我吃了几口就出汗了。"""
"""What the held-out voices say in Mandarin; training says other sentences."""


@dataclass(frozen=True)
class Sample:
    """A held-out voice: sound at 16 kHz and the true curves [frame, 3] of its mouth."""

    voice: str
    sound: Float
    curves: Float

    @property
    def engine(self) -> str:
        """The synthesiser: espeak, which pocket learnt from, or flite, which it did not."""
        return "flite" if self.voice.startswith("flite") else "espeak"


def read_samples(folder: Path = FOLDER) -> list[Sample]:
    """Every held-out voice, the training synthesiser's first."""
    return list(_read_folder(folder))


@cache
def _read_folder(folder: Path) -> tuple[Sample, ...]:
    index: Mapping[str, list[list[float]]] = json.loads(
        (folder / "curves.json").read_text(encoding="utf-8")
    )
    found = []
    for voice, rows in index.items():
        curves = np.asarray(rows, np.float32)
        sound = read_sound(folder / f"{_file_name(voice)}.opus")[: len(curves) * 640]
        found.append(Sample(voice, np.pad(sound, (0, len(curves) * 640 - len(sound))), curves))
    return tuple(found)


def add_background(sample: Sample, kind: str, decibels: float = 10) -> Sample:
    """A held-out voice with one of BACKGROUNDS so many decibels below its louder half: the same bytes on every call."""
    draw = np.random.default_rng([ord(letter) for letter in f"{sample.voice} {kind}"])
    length = len(sample.sound)
    if kind == "music":
        behind = _pluck_strings(length, draw)
    elif kind == "noise":
        behind = coloured_noise(length, draw)
    else:
        others = [other.sound for other in read_samples() if other.voice != sample.voice]
        behind = make_babble(length, others, 5, draw)
    level = measure_loudness(sample.sound) * 10 ** (-decibels / 20)
    mixed = np.asarray(sample.sound + level * behind, np.float32)
    return Sample(f"{sample.voice} over {kind}", mixed, sample.curves)


def _pluck_strings(length: int, draw: np.random.Generator) -> Float:
    """A guitar that nobody trained with: noise that goes round a loop and loses its edge (Karplus and Strong, 1983)."""
    from scipy.signal import lfilter

    total = np.zeros(length + 2 * RATE)
    step = int(RATE * draw.uniform(0.14, 0.3))
    chords = ((0, 7, 12, 16), (5, 9, 12, 17), (7, 11, 14, 19), (-3, 4, 12, 16))
    for place, start in enumerate(range(0, length, step)):
        tones = chords[place // 8 % 4]
        # The thumb and a finger now and then pluck together.
        for tone in draw.choice(tones, 1 + (place % 4 == 0), replace=False):
            loop = round(RATE / (130.8 * 2 ** (tone / 12)))
            burst = np.zeros(2 * RATE)
            burst[:loop] = draw.uniform(-1, 1, loop)
            back = np.zeros(loop + 2)
            back[0], back[loop], back[loop + 1] = 1, -0.498, -0.498
            total[start : start + 2 * RATE] += lfilter([1.0], back, burst)
    return np.asarray(total[:length] / total[:length].std(), np.float32)


def read_sound(path: Path) -> Float:
    """A whole sound file at 16 kHz mono."""
    import av

    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def make_held_out(folder: Path = FOLDER, only: Sequence[str] = ()) -> None:
    """Twenty seconds of every held-out voice, or of some, as Opus, and the curves of all."""
    folder.mkdir(exist_ok=True)
    there = folder / "curves.json"
    index = json.loads(there.read_text()) if there.exists() else {}
    voices = [*HELD_OUT, *(f"flite-{name}" for name in FLITE)]
    if shutil.which("flite") is None:
        structlog.get_logger().warning("flite_left_out", reason="it is not installed")
        voices = list(HELD_OUT)
    for voice in only or voices:
        speech = speak_sentences(voice, random.Random(voice))
        _write_opus(folder / f"{_file_name(voice)}.opus", speech.sound)
        curves = mouth_curves(speech.phones, speech.sound, SECONDS * 25)
        index[voice] = np.round(curves, 3).astype(float).tolist()
    there.write_text(json.dumps(index, separators=(",", ":")) + "\n")


def make_examples(folder: Path = EXAMPLES) -> None:
    """Portraits of presenters who are not trained on, and three soundtracks."""
    from PIL import Image

    for name, seed in FACES.items():
        identity = draw_identities(1, torch.Generator().manual_seed(seed), plain=True)
        picture = render_faces(identity, neutral_motion(1, 1), 512)[0, 0].permute(1, 2, 0)
        Image.fromarray((picture * 255).round().byte().numpy()).save(
            folder / f"{name}.png", optimize=True
        )
    for name, voice in READERS.items():
        speech = speak_espeak(" ".join(LINES[name].split()), voice)
        sound = np.pad(speech.sound, (RATE // 5, RATE // 3))
        _write_wave(folder / f"{name}.wav", resample_sound(sound, RATE * RATE // EXAMPLE_RATE))


def speak_sentences(voice: str, draw: random.Random) -> Speech:
    """Sentences until SECONDS are full, with pauses between, at an ordinary level."""
    pieces, phones, at = [np.zeros(0, np.float32)], [], 0.0
    while at < SECONDS:
        pieces.append(np.zeros(int(RATE * draw.uniform(0.2, 0.6)), np.float32))
        at += len(pieces[-1]) / RATE
        speech = _speak_once(voice, draw)
        pieces.append(speech.sound)
        phones += [Phone(p.symbol, p.start + at, p.end + at) for p in speech.phones]
        at += speech.seconds
    sound = np.concatenate(pieces)[: SECONDS * RATE]
    return Speech(np.asarray(sound * 0.07 / sound.std(), np.float32).clip(-1, 1), phones)


def _speak_once(voice: str, draw: random.Random) -> Speech:
    if voice.startswith("flite"):
        return speak_flite(
            compose_phrase("en", draw.randint(7, 12), draw), voice.removeprefix("flite-")
        )
    language, variant = voice.split("+")
    manner = Voice(language, variant, draw.randint(150, 180), draw.randint(35, 65), 50)
    if language == "cmn":
        return speak_espeak(draw.choice(MANDARIN.replace("\n", "|").split("|")), manner)
    return speak_espeak(compose_phrase(language, draw.randint(7, 12), draw), manner)


def _file_name(voice: str) -> str:
    return voice.replace("+", "-").lower()


def _write_opus(path: Path, sound: Float) -> None:
    import av

    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, layout="mono")
        stream.bit_rate = 32_000
        frame = av.AudioFrame.from_ndarray(
            np.asarray(sound * 32767, np.int16)[None], format="s16", layout="mono"
        )
        frame.rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _write_wave(path: Path, sound: Float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(EXAMPLE_RATE)
        file.writeframes(np.asarray(sound / np.abs(sound).max() * 0.8 * 32767, np.int16).tobytes())


def main() -> None:
    """Make one of the two."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("held_out", "examples"))
    parser.add_argument("voices", nargs="*", help="of held_out: these alone, as cmn+m8")
    asked = parser.parse_args()
    if asked.what == "held_out":
        make_held_out(only=asked.voices)
    else:
        make_examples()


if __name__ == "__main__":
    main()
