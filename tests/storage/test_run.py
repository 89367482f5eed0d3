"""A run folder: made whole, opened, healed, readable without us."""

import json
import os
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr
from small_film import FINGERPRINT, content, make_start

from storage.errors import InputChanged, NotARun, OtherSpec, RunDamaged, RunTooNew
from storage.lock import hold_lock
from storage.names import FOLDERS, VIDEO
from storage.run import Run
from storage.run_beginning import NewRun
from storage.spec import Settings


def test_a_run_opens_as_it_was_made(run: Run, start: NewRun) -> None:
    """Spec, settings, sources, fingerprint and the inputs' copies are there."""
    again = Run.open(run.root)
    assert again.spec == start.spec
    assert (again.settings, again.sources, again.fingerprint) == (
        start.settings,
        {"ahead": "default"},
        FINGERPRINT,
    )
    assert again.image_path == run.root / "inputs" / "image.png"
    assert again.image_path.read_bytes() == start.image.read_bytes()
    assert again.audio_path.read_bytes() == start.audio.read_bytes()


def test_the_same_run_is_made_once(run: Run, start: NewRun) -> None:
    """Made again it is opened, with what is in it; another film in the same folder is refused with the difference."""
    run.latents.publish(0, content(run, "latents", 0))
    assert Run.create(run.root, start).latents.complete(0)
    with pytest.raises(OtherSpec, match="seed is 7, not 8"):
        Run.create(run.root, replace(start, spec=replace(start.spec, seed=8)))
    assert run.latents.complete(0)


@pytest.mark.parametrize("harm", ["cut", "emptied", "removed", "edited"])
@pytest.mark.parametrize("name", ["run.json", "run.copy.json"])
def test_one_of_the_two_heals_the_other(run: Run, name: str, harm: str) -> None:
    """Whatever happens to one run.json, the other one stands for it, and the next sweep makes it again; looking writes nothing."""
    path = run.root / name
    before = path.read_bytes()
    if harm == "removed":
        path.unlink()
    else:
        path.write_bytes(
            {
                "cut": before[:99],
                "emptied": b"",
                "edited": before.replace(b'"seed": 7', b'"seed": 8'),
            }[harm]
        )
    again = Run.open(run.root)
    assert again.spec == run.spec
    assert [name for name, _ in again.find_run_file_flaws()] == [path.name]
    with again.lock():
        again.sweep()
    assert path.read_bytes() == before
    assert not list(again.find_run_file_flaws())


def test_both_damaged_is_an_error(run: Run) -> None:
    """No guess is made of what a run was."""
    for name in ("run.json", "run.copy.json"):
        (run.root / name).write_text("{}")
    with pytest.raises(RunDamaged, match="both damaged"):
        Run.open(run.root)


def test_a_run_whose_papers_are_gone_is_not_made_over(run: Run, start: NewRun) -> None:
    """Without run.json and its copy, clips that are there are not overwritten."""
    run.latents.publish(0, content(run, "latents", 0))
    for name in ("run.json", "run.copy.json"):
        (run.root / name).unlink()
    with pytest.raises(RunDamaged, match="gone"):
        Run.create(run.root, start)
    assert run.latents.complete(0)


def test_a_later_format_is_refused(run: Run) -> None:
    """A run of a later version is left alone."""
    from storage.run_json import save_run_json as _save

    _save(run.root, {**run._facts, "format": 99})
    with pytest.raises(RunTooNew, match="format 99"):
        Run.open(run.root)


def test_a_folder_of_other_things_is_no_run(tmp_path: Path, start: NewRun) -> None:
    """Neither is it opened as a run, nor is a run made over what someone else put there."""
    other = tmp_path / "other"
    (other / "frames").mkdir(parents=True)
    with pytest.raises(NotARun, match=r"run\.json"):
        Run.open(other)
    with pytest.raises(NotARun, match="frames"):
        Run.create(other, start)
    assert [path.name for path in other.iterdir()] == ["frames"]
    (other / "frames").rename(other / "my notes")
    assert Run.create(other, start).spec == start.spec


def test_what_a_power_cut_left_of_the_first_moment_is_no_other_thing(
    tmp_path: Path, start: NewRun
) -> None:
    """The first folders, empty, and no lock: made over. With a file in one of them, or with an array's, refused."""
    root = tmp_path / "left"
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    assert Run.create(root, start).spec == start.spec
    (tmp_path / "mine" / "commits").mkdir(parents=True)
    (tmp_path / "mine" / "commits" / "notes.txt").write_text("mine")
    (tmp_path / "yours").mkdir()
    (tmp_path / "yours" / "commits").write_text("a file")
    for name in ("mine", "yours"):
        with pytest.raises(NotARun, match="commits"):
            Run.create(tmp_path / name, start)


@pytest.mark.parametrize("name", ["frames/holiday.png", "inputs/tax.pdf", "sound/a.wav", VIDEO])
def test_a_lock_that_was_left_makes_nothing_ours(name: str, tmp_path: Path, start: NewRun) -> None:
    """Where a run was and only its lock remains, what lies there now by a run's names is somebody's; what a beginning makes is not."""
    path = tmp_path / "left" / name
    path.parent.mkdir(parents=True)
    with hold_lock(tmp_path / "left"):
        pass
    path.write_text("mine")
    with pytest.raises(NotARun, match=path.relative_to(tmp_path / "left").parts[0]):
        Run.create(tmp_path / "left", start)
    path.rename(tmp_path / "elsewhere")
    if name.startswith("sound"):
        path.parent.rmdir()
    assert Run.create(tmp_path / "left", start).spec == start.spec


def test_an_input_that_changed_meanwhile_is_refused(tmp_path: Path, start: NewRun) -> None:
    """The copy in the run is the file that was hashed, or there is no run."""
    start.audio.write_bytes(b"another sound")
    with pytest.raises(InputChanged, match=r"speech\.wav"):
        Run.create(tmp_path / "run", start)
    with pytest.raises(NotARun):
        Run.open(tmp_path / "run")
    make_start(tmp_path)
    assert Run.create(tmp_path / "run", start).spec == start.spec


def test_settings_change_and_the_spec_does_not(run: Run) -> None:
    """Settings and their sources are replaced, in memory and on disk, in both files."""
    before = run.spec
    run.update_settings(Settings(ahead=5), {"ahead": "flag"})
    again = Run.open(run.root)
    assert again.settings.ahead == run.settings.ahead == 5
    assert again.sources == {"ahead": "flag"}
    assert again.spec == before
    assert (run.root / "run.json").read_bytes() == (run.root / "run.copy.json").read_bytes()


def test_a_joint_is_recorded(run: Run) -> None:
    """After an accepted joint the film goes on under the new numerics; the first ones stay on record."""
    run.accept_joint(3, {"torch": "2.14.0"})
    again = Run.open(run.root)
    assert again.fingerprint == {"torch": "2.14.0"}
    assert [joint["clip"] for joint in again.joints] == [3]
    assert json.loads((run.root / "run.json").read_text())["fingerprint"] == FINGERPRINT


def test_a_run_just_made_is_untouched_until_its_first_record(tmp_path: Path, start: NewRun) -> None:
    """A run that this process has made in an empty folder needs no mending; one that was opened, worked on, or begun before by somebody may."""
    (tmp_path / "left" / "commits").mkdir(parents=True)
    assert not Run.create(tmp_path / "left", start).is_untouched
    run = Run.create(tmp_path / "new", start)
    assert run.is_untouched
    assert not Run.create(run.root, start).is_untouched
    run.records.commit("segment", 0, sha256="0" * 64, bytes=1, frames=1)
    assert not run.is_untouched
    shutil.rmtree(run.root / "commits")
    assert not run.is_untouched


def test_a_sweep_needs_the_lock(run: Run) -> None:
    """Without it, drafts of a run at work would go."""
    with pytest.raises(AssertionError):
        run.sweep()
    with hold_lock(run.root):
        assert run.sweep() == 0


def test_a_pruning_that_was_cut_short_is_finished(run: Run) -> None:
    """A chunk whose record says pruned is removed by the sweep."""
    run.frames.publish(1, content(run, "frames", 1))
    run.records.prune("frames", 1, remake="longtake resume")
    with run.lock():
        assert run.sweep() == 1
    assert not run.frames.chunk_path(1).exists()


def test_zarr_and_xarray_open_the_folder_as_it_is(run: Run) -> None:
    """Without a warning, with names for the dimensions, the time of each frame and what is present."""
    run.latents.publish(1, content(run, "latents", 1))
    run.frames.publish(1, content(run, "frames", 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        group = zarr.open_group(run.root, mode="r")
        film = xarray.open_zarr(run.root)
        lone = zarr.open_array(run.root / "latents", mode="r")
    assert set(group.array_keys()) == {"latents", "steps", "frames", "audio", "time", "present"}
    assert film.latents.dims == ("clip", "c", "t", "h", "w")
    assert film.steps.dims == ("clip", "step", "c", "t", "h", "w")
    assert film.frames.dims == ("clip", "frame", "y", "x", "rgb")
    assert film.audio.dims == ("clip", "layer", "channel", "frame")
    assert set(film.frames.coords) == {"time", "present"}
    assert film.present.values.tolist() == [0, 10, 0, 0, 0]
    assert film.present.attrs["flag_meanings"] == "audio latents steps frames"
    assert film.frames.dtype == np.uint8
    assert film.frames[1].values.tobytes() == content(run, "frames", 1).tobytes()
    assert (
        lone[1].tobytes()
        == film.latents[1].values.tobytes()
        == content(run, "latents", 1).tobytes()
    )
    assert np.isnan(film.latents[0]).all()


def test_time_counts_the_films_frames(run: Run) -> None:
    """The frame's number over fps, and not a number beyond the film's end."""
    time = zarr.open_array(run.root / "time", mode="r")[:].ravel()
    np.testing.assert_array_equal(time[:35], np.arange(35) / 25)
    assert np.isnan(time[35:]).all()
    assert len(time) == 40


def test_every_array_has_its_final_size_and_one_chunk_a_clip(run: Run) -> None:
    """Flat keys, a checksum, NaN where nothing is, no shards."""
    for name, fill in (("latents", "NaN"), ("steps", "NaN"), ("audio", "NaN"), ("frames", 0)):
        array = json.loads((run.root / name / "zarr.json").read_text())
        assert array["shape"] == [5, *getattr(run, name).shape]
        assert array["chunk_grid"]["configuration"]["chunk_shape"] == [1, *getattr(run, name).shape]
        assert array["chunk_key_encoding"]["configuration"] == {"separator": "."}
        assert [codec["name"] for codec in array["codecs"]] == ["bytes", "crc32c"]
        assert array["fill_value"] == fill


def test_every_file_and_folder_of_a_run_was_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file's own fsync, and its folder's after it, have happened: for inputs, arrays, chunks, records, carry and sound."""
    synced, fsync = {}, os.fsync

    def watched(file: int) -> None:
        fsync(file)
        synced[os.fstat(file).st_ino] = len(synced)

    monkeypatch.setattr(os, "fsync", watched)
    run = Run.create(tmp_path / "run", make_start(tmp_path))
    for name in ("latents", "steps", "frames", "audio"):
        getattr(run, name).publish(0, content(run, name, 0))
    run.carry.publish(1, [("ring", np.ones((2, 2), np.float32))])
    run.inputs.publish({"mean": np.ones(3, np.float32)})
    run.sound.publish([np.ones(10, np.float32)])
    # The lock is no one's truth, and of an empty folder only its name counts, which is its parent's.
    empty = run.root / "segments"
    paths = [path for path in run.root.rglob("*") if path.name != "run.lock" and path != empty]
    assert len(paths) > 40
    assert [path for path in (run.root, *paths) if path.stat().st_ino not in synced] == []
