"""Two runs side by side: equal, or where they first differ and by how much."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.inspection.diff import compare_runs
from pipeline.inspection.location import Location
from storage.errors import BadOption
from storage.run import Run

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def other(run: Run, tmp_path: Path) -> Run:
    """A copy of the run."""
    shutil.copytree(run.root, tmp_path / "other")
    return Run.open(tmp_path / "other")


def put(run: Run, stage: str, clip: int, change: Callable[[np.ndarray], None]) -> None:
    array = getattr(run, stage).read(clip).copy()
    change(array)
    run.records.withdraw(stage, clip)
    getattr(run, stage).publish(clip, array)


def test_two_equal_runs_are_said_to_be_equal(run: Run, other: Run, longtake: Call):
    """Code 0, and how many clips of each stage were compared."""
    code, out, err = longtake("inspect", run.root, "--diff", other.root)
    assert code == 0, err
    assert "are equal" in out
    assert compare_runs(run, other).stages[-2].equal == 0  # frames: neither has any
    latents = next(stage for stage in compare_runs(run, other).stages if stage.stage == "latents")
    assert (latents.equal, latents.differ, latents.first) == (3, 0, None)


def test_one_bit_is_located(run: Run, other: Run, longtake: Call):
    """Stage, clip, block, step, channel and index, both values, how many bits and values; code 3."""

    def flip(steps: np.ndarray) -> None:
        steps.view(np.uint32)[3, 9, 11, 2, 1] ^= 1

    put(other, "steps", 2, flip)
    found = compare_runs(run, other)
    assert not found.equal
    assert found.first is not None
    assert found.first.place == Location("steps", 2, 3, 3, 9, (3, 9, 11, 2, 1))
    assert (found.first.bits, found.first.values) == (1, 1)
    assert found.first.largest == pytest.approx(abs(found.first.here - found.first.there))
    code, out, _ = longtake("inspect", run.root, "--diff", other.root)
    assert code == 3
    assert "first: clip 2, block 3, step 3, channel 9 of steps, at [3, 9, 11, 2, 1]" in out


def test_the_first_in_the_order_of_making_comes_first(run: Run, other: Run):
    """An earlier clip before a later one; within a clip the sound before the steps, and block before step before channel."""
    put(other, "audio", 2, lambda audio: audio.__setitem__((0, 0, 0), 9))
    put(other, "latents", 1, lambda latents: latents.__setitem__((0, 11, 0, 0), 9))
    put(other, "latents", 1, lambda latents: latents.__setitem__((15, 2, 0, 0), 9))
    first = compare_runs(run, other).first
    assert first is not None
    assert first.place == Location("latents", 1, 0, 3, 15, (15, 2, 0, 0))
    put(other, "audio", 1, lambda audio: audio.__setitem__((1, 2, 3), 9))
    first = compare_runs(run, other).first
    assert first is not None
    assert first.place.stage == "audio"


def test_nan_equals_itself_and_minus_zero_is_not_zero(run: Run, other: Run):
    """Bits are compared, not numbers."""
    for one in (run, other):
        put(one, "latents", 0, lambda latents: latents.__setitem__((0, 0, 0, 0), np.nan))
    assert compare_runs(run, other).equal
    for one, zero in ((run, 0.0), (other, -0.0)):
        put(one, "latents", 0, lambda a, zero=zero: a.__setitem__((1, 0, 0, 0), zero))
    first = compare_runs(run, other).first
    assert first is not None
    assert first.place.index == (1, 0, 0, 0)
    assert first.largest == 0


def test_what_only_one_has_is_counted(run: Run, other: Run):
    """A run that is further is not equal; what both have may be."""
    other.records.withdraw("latents", 2)
    found = compare_runs(run, other)
    latents = next(stage for stage in found.stages if stage.stage == "latents")
    assert (latents.equal, latents.only_here, latents.only_there) == (2, 1, 0)
    assert not found.equal
    assert found.first is None


def test_pruned_clips_are_compared_by_their_hashes(run: Run, other: Run):
    """Equal where the hashes are; else that they differ is known, and no more."""
    other.steps.remove(0)
    assert compare_runs(run, other).equal
    put(other, "steps", 1, lambda steps: steps.__setitem__((0, 0, 0, 0, 0), 9))
    other.steps.remove(1)
    first = compare_runs(run, other).first
    assert first is not None
    assert first.place == Location("steps", 1)
    assert "nothing to look at" in first.note


def test_two_seeds_differ_where_they_begin_to(face: Path, speech: Path, longtake: Call):
    """Two films that were really made: the seed is named, the sound is equal, the first steps are not; frames and segments neither."""
    for name, seed in (("a", 1), ("b", 2)):
        words = ["--run", name, "--base-seed", seed, "--keep-frames", "all"]
        assert longtake("new", face, speech, *words)[0] == 0
    code, out, err = longtake("inspect", "a", "--diff", "b", "--json")
    assert code == 3, err
    found = json.loads(out)
    assert found["asked"] == {"seed": [1, 2]}
    place = found["first"]["place"]
    assert (place["stage"], place["clip"], place["block"], place["step"]) == ("steps", 0, 0, 0)
    stages = {stage["stage"]: (stage["equal"], stage["differ"]) for stage in found["stages"]}
    assert stages["inputs"] == stages["sound"] == stages["soundtrack"] == (1, 0)
    assert stages["audio"] == (5, 0)
    for stage in ("steps", "latents", "frames", "segment"):
        assert stages[stage] == (0, 5)
    assert len(found["stages"][4]["sizes"]) == 5


def test_another_picture_is_found_in_the_inputs(
    face: Path, speech: Path, longtake: Call, tmp_path: Path
):
    """What is made once comes before all clips."""
    from PIL import Image

    Image.new("RGB", (32, 32), "red").save(tmp_path / "red.png")
    assert longtake("new", face, speech, "--run", "a")[0] == 0
    assert longtake("new", tmp_path / "red.png", speech, "--run", "b")[0] == 0
    _, out, _ = longtake("inspect", "a", "--diff", "b", "--json")
    first = json.loads(out)["first"]
    assert first["place"]["stage"] == "inputs"
    assert first["largest"] > 1


def test_a_film_of_another_shape_is_refused(run: Run, face: Path, speech: Path, longtake: Call):
    """Nothing can be laid side by side; one line says why."""
    assert longtake("new", face, speech, "--run", "x")[0] == 0
    with pytest.raises(BadOption, match="another shape"):
        compare_runs(run, Run.open(Path("x")))
