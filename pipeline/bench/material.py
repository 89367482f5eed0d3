"""What the benchmarks feed to every loop alike: a picture of the film's very size and a soundtrack of its very length."""

import json
import wave
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np

from model.avatar import Options, describe_model

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
