"""Clips in Zarr: what is read is what was published, or it is an error."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from small_film import content, empty, fill, flip, halve

from storage import publish
from storage.errors import Damaged, NotMade, Pruned
from storage.run import Run

NAMES = ["latents", "steps", "frames", "audio"]


@pytest.mark.parametrize("name", NAMES)
def test_a_published_clip_comes_back_bit_for_bit(run: Run, name: str) -> None:
    """Every array gives back what was published, also after the run is opened anew; its neighbours are not made."""
    array, clip = getattr(run, name), content(run, name, 4)
    array.publish(4, clip)
    again = getattr(Run.open(run.root), name)
    assert again.complete(4)
    assert again.read(4).tobytes() == clip.tobytes()
    with pytest.raises(NotMade, match=f"{name} of clip 3"):
        again.read(3)


def test_not_a_number_and_infinity_come_back(run: Run) -> None:
    """Float bits are kept, whatever they stand for."""
    clip = content(run, "latents", 0)
    clip.ravel()[:4] = [np.nan, np.inf, -np.inf, -0.0]
    run.latents.publish(0, clip)
    assert run.latents.read(0).tobytes() == clip.tobytes()


def test_a_black_clip_is_stored(run: Run) -> None:
    """A clip of zeros leaves a chunk like any other, and is an error when that chunk is lost."""
    run.frames.publish(1, np.zeros(run.frames.shape, np.uint8))
    assert run.frames.chunk_path(1).stat().st_size == np.prod(run.frames.shape) + 4
    run.frames.chunk_path(1).unlink()
    with pytest.raises(Damaged, match="missing"):
        run.frames.read(1)


@pytest.mark.parametrize("name", ["latents", "frames"])
@pytest.mark.parametrize("harm", [flip, halve, empty, fill, Path.unlink])
def test_damage_is_an_error(run: Run, name: str, harm: Callable[[Path], None]) -> None:
    """A flipped bit, half a file, an empty one, one of zeros and none at all: never wrong numbers, never zeros."""
    array = getattr(run, name)
    array.publish(2, content(run, name, 2))
    harm(array.chunk_path(2))
    with pytest.raises(Damaged, match=f"{name} of clip 2"):
        array.read(2)


def test_a_whole_chunk_of_another_clip_is_an_error(run: Run) -> None:
    """The chunk's own checksum is right, but it is not what the record vouches for."""
    for clip in (0, 1):
        run.latents.publish(clip, content(run, "latents", clip))
    run.latents.chunk_path(0).replace(run.latents.chunk_path(1))
    with pytest.raises(Damaged, match="vouches"):
        run.latents.read(1)


@pytest.mark.parametrize("harm", [flip, halve, empty, fill, Path.unlink])
def test_a_view_is_what_is_read_or_damage(run: Run, harm: Callable[[Path], None]) -> None:
    """The same numbers without zarr, read-only; and never those of a damaged file, but where nobody asks its hash."""
    run.steps.publish(2, content(run, "steps", 2))
    seen = run.steps.view(2)
    assert np.array_equal(seen, run.steps.read(2))
    assert not seen.flags.writeable
    harm(run.steps.chunk_path(2))
    with pytest.raises(Damaged, match="steps of clip 2"):
        run.steps.view(2)
    if harm is flip:
        assert run.steps.view(2, checked=False).shape == run.steps.shape
    with pytest.raises(NotMade):
        run.steps.view(3)


def test_a_chunk_without_a_record_is_not_made(run: Run) -> None:
    """Nothing is trusted because it exists."""
    run.latents.write(0, content(run, "latents", 0))
    assert not run.latents.complete(0)
    with pytest.raises(NotMade):
        run.latents.read(0)


def test_a_pruned_clip_says_how_to_make_it_again(run: Run) -> None:
    """Its chunk is gone, its digest is kept, and made again it is complete again."""
    frames = content(run, "frames", 2)
    run.frames.publish(2, frames)
    digest = run.frames.digest(2)
    run.frames.remove(2)
    assert not run.frames.chunk_path(2).exists()
    assert run.frames.digest(2) == digest
    assert not run.frames.complete(2)
    with pytest.raises(Pruned, match="--keep-frames all"):
        run.frames.read(2)
    run.frames.publish(2, frames)
    assert run.frames.digest(2) == digest
    assert run.frames.complete(2)


def test_the_digest_is_that_of_the_file_but_for_its_checksum(run: Run) -> None:
    """A person can check a clip with `head -c -4 | sha256sum`."""
    run.latents.publish(0, content(run, "latents", 0))
    assert hashlib.sha256(
        run.latents.chunk_path(0).read_bytes()[:-4]
    ).hexdigest() == run.latents.digest(0)


def test_other_shapes_and_types_are_refused(run: Run) -> None:
    """What does not line up with the array is no clip of it."""
    with pytest.raises(AssertionError):
        run.latents.publish(0, content(run, "latents", 0)[:-1])
    with pytest.raises(AssertionError):
        run.latents.publish(0, content(run, "latents", 0).astype(np.float64))


def test_publishing_a_clip_touches_nothing_that_grows(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One chunk and one record are written, whatever the number of clips: no list, no metadata."""
    run.latents.publish(0, content(run, "latents", 0))
    renamed = []
    monkeypatch.setattr(
        publish, "kill_point", lambda step, path: renamed.append(path) if step == "rename" else None
    )
    run.latents.publish(1, content(run, "latents", 1))
    assert [path.name for path in renamed] == ["c.1.0.0.0.0", "latents.00001.json"]


def test_present_follows_the_records(run: Run) -> None:
    """Publishing, pruning and withdrawing set a clip's flags; a sweep makes them right again after a crash."""

    def present() -> list[int]:
        return [int(flags) for flags in zarr.open_array(run.root / "present", mode="r")[:]]

    run.latents.publish(1, content(run, "latents", 1))
    run.frames.publish(1, content(run, "frames", 1))
    run.frames.publish(3, content(run, "frames", 3))
    assert present() == [0, 2 + 8, 0, 8, 0]
    run.frames.remove(1)
    run.frames.withdraw(3)
    assert present() == [0, 2, 0, 0, 0]
    run.presence.path.unlink()
    with run.lock():
        run.sweep()
    assert present() == [0, 2, 0, 0, 0]


def test_named_arrays_come_back_by_name(run: Run) -> None:
    """Any shape and type, with one record for all; published again they are replaced."""
    arrays = {
        "reference latent": np.ones((3, 1, 2, 4), np.float32),
        "prompt/states": np.arange(6, dtype=np.uint16).reshape(2, 3),
        "mean": np.array(0.5, np.float32),
        "none": np.empty((0, 4), np.float32),
    }
    with pytest.raises(NotMade):
        run.inputs.read("mean")
    run.inputs.publish({"older": np.zeros(3, np.int64)})
    run.inputs.publish(arrays)
    assert run.inputs.complete()
    found = run.inputs.read_all()
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].tobytes() == run.inputs.read(name).tobytes() == array.tobytes()
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype)


@pytest.mark.parametrize("harm", [flip, halve, empty, fill, Path.unlink])
def test_a_damaged_named_array_is_an_error(run: Run, harm: Callable[[Path], None]) -> None:
    """Never other numbers, never zeros."""
    run.inputs.publish({"mean": np.zeros(100, np.float32), "other": np.ones(3, np.float32)})
    harm(run.root / "encoded" / "mean" / "c.0")
    with pytest.raises(Damaged, match="mean"):
        run.inputs.read("mean")
    assert run.inputs.read("other").tolist() == [1, 1, 1]
