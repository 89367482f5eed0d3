"""The sound in Zarr: written as it streams, read in spans."""

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from small_film import empty, flip, halve

from storage import audio_array
from storage.audio_array import AudioArray
from storage.errors import Damaged, NotMade
from storage.run import Run


@pytest.fixture
def sound(run: Run, monkeypatch: pytest.MonkeyPatch) -> AudioArray:
    """Chunks of 100 samples, so that a second has many."""
    monkeypatch.setattr(audio_array, "CHUNK_SAMPLES", 100)
    return run.sound


def test_speakers_lie_side_by_side(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each can be read by itself, and all together as their sum; a damaged chunk is found."""
    monkeypatch.setattr(audio_array, "CHUNK_SAMPLES", 100)
    sound = AudioArray(run.root / "sound", run.records, 16_000, 3)
    wave = np.random.default_rng(0).standard_normal((250, 3)).astype(np.float32)
    assert sound.publish([wave[:120], wave[120:]]) == sound.samples == 250
    each = sound.read_speakers(90, 260)
    assert np.array_equal(each[:, :160], wave[90:].T)
    assert not each[:, 160:].any()
    assert np.allclose(sound.read(0, 250), wave.sum(1), atol=1e-6)
    assert not list(sound.flaws(thorough=True))
    flip(sound.folder / "c.1.0")
    assert [path.name for path, _ in sound.flaws(thorough=True)] == ["c.1.0"]


def blocks(wave: audio_array.MonoSamples, *lengths: int) -> Iterator[audio_array.MonoSamples]:
    yield from np.split(wave, np.cumsum(lengths))


@pytest.mark.parametrize("lengths", [(), (1,), (0, 99, 1), (100, 100), (350, 7), (50,) * 8])
def test_any_span_comes_back_however_it_was_cut(
    sound: AudioArray, lengths: tuple[int, ...]
) -> None:
    """Blocks of any length in, spans of any length out; before the beginning and after the end is silence."""
    wave = np.random.default_rng(0).standard_normal(407).astype(np.float32)
    assert sound.publish(blocks(wave, *lengths)) == sound.samples == 407
    padded = np.concatenate([np.zeros(250, np.float32), wave, np.zeros(250, np.float32)])
    for start, stop in (
        (0, 407),
        (-250, 657),
        (99, 101),
        (400, 500),
        (-9, 0),
        (-40, -9),
        (500, 600),
        (500, 510),
        (200, 300),
        (5, 5),
    ):
        assert sound.read(start, stop).tobytes() == padded[start + 250 : stop + 250].tobytes()


def test_it_is_not_made_before_all_has_come(sound: AudioArray) -> None:
    """A stream that breaks leaves no sound."""

    def broken() -> Iterator[audio_array.MonoSamples]:
        yield np.ones(150, np.float32)
        raise ValueError("the decoder stopped")

    with pytest.raises(ValueError, match="decoder"):
        sound.publish(broken())
    assert not sound.complete()
    with pytest.raises(NotMade):
        sound.read(0, 10)


def test_published_again_it_is_the_new_one(sound: AudioArray) -> None:
    """What was kept in memory of the old sound is forgotten."""
    sound.publish([np.ones(10, np.float32)])
    assert sound.read(0, 1) == 1
    sound.publish([np.full(20, 2, np.float32)])
    assert (sound.read(0, 1), sound.samples) == (2, 20)


@pytest.mark.parametrize("harm", [flip, halve, empty, Path.unlink])
def test_damage_is_an_error(sound: AudioArray, harm: Callable[[Path], None]) -> None:
    """A damaged chunk is named, the others can be read."""
    sound.publish([np.ones(250, np.float32)])
    harm(sound.folder / "c.1")
    assert sound.read(0, 100).sum() == 100
    with pytest.raises(Damaged, match="chunk 1 of the sound"):
        sound.read(50, 150)


def test_zarr_opens_it(sound: AudioArray) -> None:
    """Plain zarr reads the whole sound and its rate."""
    sound.publish([np.ones(250, np.float32)])
    array = zarr.open_array(sound.folder, mode="r")
    assert array[:].tolist() == [1] * 250
    assert array.attrs["sample_rate"] == 16000


def test_memory_does_not_grow_with_the_sound(run: Run) -> None:
    """Ten minutes take no more than a few chunks of 4 MB, in writing and in reading."""
    block = np.ones(16000, np.float32)
    tracemalloc.start()
    run.sound.publish(block for _ in range(600))
    for start in range(0, 600 * 16000, 160_000):
        run.sound.read(start, start + 32_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * audio_array.CHUNK_SAMPLES * 4
