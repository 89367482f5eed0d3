"""A small film, 5 clips of 8 frames, the last cut to 3; what its stages make; and what may happen to a file."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storage.run import Run
from storage.run_beginning import NewRun
from storage.spec import Settings, Spec

FINGERPRINT = {"torch": "2.13.0", "threads": 2}


def make_start(folder: Path) -> NewRun:
    """All that a run of the small film is made of; its inputs are written into the folder."""
    image, audio = folder / "face.PNG", folder / "speech.wav"
    image.write_bytes(b"picture" * 100)
    audio.write_bytes(b"sound" * 1000)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (image, audio)]
    spec = Spec(
        model="small", weights="0" * 64, image=digests[0], audio=digests[1], prompt="a person talks", seed=7,
        width=16, height=8, crop="cover", fps=25, frames=35, clips=5, clip_frames=8, clip_latents=2, block_frames=4,
        frames_per_latent=4, latent_channels=3, latent_width=4, latent_height=2, steps=2, audio_layers=2,
        audio_channels=4, sample_rate=16000, crf=18, preset="veryfast",
    )  # fmt: skip
    return NewRun(spec, Settings(), {"ahead": "default"}, FINGERPRINT, image, audio)


def content(run: Run, name: str, clip: int) -> NDArray[np.generic]:
    """What the small film's stage makes of a clip: any numbers, but always the same."""
    array = getattr(run, name)
    draw = np.random.default_rng([clip, *name.encode()])
    return (draw.random(array.shape) * 255).astype(array.dtype)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def fill(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))
