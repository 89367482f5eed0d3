"""The sounds of several speakers: side by side for the model, one mix for the film."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storage.dubbing import FilmSound, encode_film_sound
from storage.soundtrack import encode_soundtrack
from storage.speaker import Reading, Turn
from storage.speaker_sound import CEILING, stream_mix, stream_speakers, stream_turns

RATE = 48_000


def tone(seconds: float, size: float = 0.5) -> NDArray[np.float32]:
    return (size * np.sin(np.arange(int(seconds * RATE)) / 20)).astype(np.float32)


def write(path: Path, samples: NDArray[np.float32]) -> tuple[Path, Reading]:
    """A file of samples [sample] or [sample, channel]."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.ndim)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path, Reading()


def test_a_shorter_sound_ends_in_silence(tmp_path: Path) -> None:
    """Each speaker has the length of the longest, in the order given."""
    sounds = [write(tmp_path / "a.wav", tone(3)), write(tmp_path / "b.wav", tone(1.5))]
    heard = np.concatenate(list(stream_speakers(sounds, 16_000)))
    assert heard.shape == (48_000, 2)
    assert heard[-16_000:, 0].any()
    assert heard[8000:23_000, 1].any()
    assert not heard[24_100:, 1].any()


def test_a_mix_does_not_clip(tmp_path: Path) -> None:
    """Two loud sounds are turned down in whole, two that fit are added as they are, one is left alone."""
    loud = [write(tmp_path / f"{n}.wav", tone(1, 0.9)) for n in "ab"]
    mix = np.concatenate(list(stream_mix(loud)), axis=1)
    assert abs(np.abs(mix).max() - CEILING) < 0.01
    quiet = [write(tmp_path / "c.wav", tone(1, 0.2)), write(tmp_path / "d.wav", tone(0.5, 0.3))]
    mix = np.concatenate(list(stream_mix(quiet)), axis=1)[0]
    assert np.abs(mix[:23_000] - tone(1)[:23_000]).max() < 1e-3
    assert np.abs(mix[25_000:] - tone(1, 0.2)[25_000:]).max() < 1e-3


def test_mono_and_stereo_make_stereo(tmp_path: Path) -> None:
    """A mono voice is heard on both sides of a stereo one."""
    sides = np.stack([tone(1, 0.4), 0 * tone(1)], axis=1)
    sounds = [write(tmp_path / "a.wav", sides), write(tmp_path / "b.wav", tone(1, 0.1))]
    left, right = np.concatenate(list(stream_mix(sounds)), axis=1)
    assert np.abs(left - tone(1)).max() < 1e-3
    assert np.abs(right - tone(1, 0.1)).max() < 1e-3


def test_one_sound_keeps_its_bytes(tmp_path: Path) -> None:
    """The soundtrack of a film with one speaker is what it was."""
    sound = write(tmp_path / "a.wav", tone(1))
    encode_film_sound(FilmSound([sound]), tmp_path / "mix.m4a")
    encode_soundtrack(sound[0], tmp_path / "one.m4a")
    assert (tmp_path / "mix.m4a").read_bytes() == (tmp_path / "one.m4a").read_bytes()


def test_turns_part_one_sound() -> None:
    """Each speaker hears its turns, to the sample and across blocks, and silence else."""
    sound = np.arange(1, 101, dtype=np.float32)
    turns = [Turn(0, 30, 0), Turn(40, 75, 1), Turn(80, 100, 0)]
    heard = np.concatenate(list(stream_turns([sound[:50], sound[50:]], turns, 2)))
    first = [*range(30), *range(80, 100)]
    assert np.flatnonzero(heard[:, 0]).tolist() == first
    assert np.flatnonzero(heard[:, 1]).tolist() == list(range(40, 75))
    assert np.array_equal(heard[first, 0], sound[first])
