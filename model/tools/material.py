"""What the benchmarks feed to every loop alike: a picture of the film's very size and a soundtrack of its very length."""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.avatar import Options, describe

ROOT = Path(__file__).parents[2]
PICTURE, SPEECH = ROOT / "examples" / "mila.png", ROOT / "examples" / "harbour.wav"


@dataclass(frozen=True)
class Material:
    """A film that is to be made."""

    image: Path
    audio: Path
    clips: int
    size: int
    """Width and height of the film."""
    steps: int
    clip_frames: int = 48
    seed: int = 0

    @property
    def options(self) -> Options:
        """The same for the model."""
        return Options(self.size, self.size, self.clip_frames, self.steps)


def prepare(folder: Path, clips: int, size: int, steps: int, clip_frames: int = 48) -> Material:
    """Write picture and sound into a folder: at the film's size and the model's rate, so that every loop reads the same numbers."""
    from PIL import Image

    image, audio = folder / f"picture.{size}.png", folder / f"{clips}.wav"
    film = Material(image, audio, clips, size, steps, clip_frames)
    with Image.open(PICTURE) as picture:
        picture.convert("RGB").resize((size, size), Image.Resampling.LANCZOS).save(image)
    traits = describe("pocket", film.options)
    _repeat(
        SPEECH, audio, traits.sample_rate, clips * traits.clip_frames * traits.samples_per_frame
    )
    return film


def _repeat(speech: Path, target: Path, rate: int, samples: int) -> None:
    import av

    resampler = av.AudioResampler("s16", "mono", rate)
    with av.open(str(speech)) as container:
        heard = [
            piece.to_ndarray()[0]
            for frame in (*container.decode(audio=0), None)
            for piece in resampler.resample(frame)
        ]
    words = np.concatenate(heard)
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        while samples > 0:  # bit by bit: an hour of sound must not make this process big
            file.writeframes(words[:samples].tobytes())
            samples -= len(words)
