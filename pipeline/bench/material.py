"""What the benchmarks feed to every loop alike: a picture of the film's very size and a soundtrack of its very length."""

import json
import tempfile
import wave
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np

from model.avatar import Options
from model.registry import describe_model

ROOT = Path(__file__).parents[2]
PICTURE, SPEECH = ROOT / "examples" / "mila.png", ROOT / "examples" / "harbour.wav"


@dataclass(frozen=True)
class Material:
    """Picture, sound and options of a film that is to be made."""

    image: Path
    audio: Path
    clips: int
    options: Options
    model: str = "pocket"
    seed: int = 0

    @property
    def text(self) -> str:
        """The material as one JSON text, for a process that reads it by `from_text`."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The material of a JSON text that `text` gave."""
        facts = json.loads(text)
        paths = {name: Path(facts[name]) for name in ("image", "audio")}
        return cls(**{**facts, **paths, "options": Options(**facts["options"])})


def prepare_material(folder: Path, clips: int, options: Options, model: str = "pocket") -> Material:
    """Write picture and sound into a folder, at the film's size and the model's rate, so that every loop reads equal numbers."""
    from PIL import Image, ImageOps

    size = (options.width, options.height)
    image, audio = folder / f"picture.{size[0]}x{size[1]}.png", folder / f"{clips}.wav"
    film = Material(image, audio, clips, options, model)
    with Image.open(PICTURE) as picture:
        ImageOps.fit(picture.convert("RGB"), size, Image.Resampling.LANCZOS).save(image)
    traits = describe_model(model, options)
    _repeat_speech(
        SPEECH, audio, traits.sample_rate, clips * traits.clip_frames * traits.samples_per_frame
    )
    return film


def add_film_flags(parser: ArgumentParser, *, runs: int, counted: str) -> None:
    """Take the flags of a benchmark of pocket's films: `runs` of what is `counted`, unless --runs says otherwise."""
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--runs", type=int, default=runs, help=counted)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs", help="on the disk to measure")
    parser.add_argument("--json", action="store_true")


@contextmanager
def asked_material(words: Namespace) -> Iterator[tuple[Material, Path]]:
    """The film that the flags of `add_film_flags` ask for, and the folder it is made in, which is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=words.folder, prefix="bench.") as place:
        options = Options(words.size, words.size, 48, words.steps)
        yield prepare_material(Path(place), words.clips, options), Path(place)


def _repeat_speech(speech: Path, target: Path, rate: int, samples: int) -> None:
    import av

    resampler = av.AudioResampler("s16", "mono", rate)
    with av.open(str(speech)) as container:
        heard = [
            piece.to_ndarray()[0]
            for frame in (*container.decode(audio=0), None)
            for piece in resampler.resample(frame)
        ]
    text = np.concatenate(heard)
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        while samples > 0:  # bit by bit: an hour of sound must not make this process big
            file.writeframes(text[:samples].tobytes())
            samples -= len(text)
