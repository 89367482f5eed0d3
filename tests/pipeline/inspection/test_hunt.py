"""NaN and outliers are found where they are, and nothing where there is nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.inspection import hunt as hunting
from pipeline.inspection.hunt import find_anomalies
from pipeline.inspection.location import Location
from storage.run import Run

Call = Callable[..., tuple[int, str, str]]


def put(run: Run, stage: str, clip: int, change: Callable[[np.ndarray], None]) -> None:
    array = getattr(run, stage).read(clip).copy()
    change(array)
    run.records.withdraw(stage, clip)
    getattr(run, stage).publish(clip, array)


def test_in_a_film_without_fault_nothing_stands_out(run: Run, longtake: Call):
    """Code 0, one line."""
    code, out, err = longtake("inspect", run.root, "--hunt")
    assert code == 0, err
    assert "nothing stands out in 3 clips" in out


def test_nan_is_named_to_the_number(run: Run, longtake: Call):
    """Stage, clip, block, step, channel and index of the first, how many there are, and that it was made so; code 3."""

    def spoil(steps: np.ndarray) -> None:
        steps[2, 5, 7, 1, 3] = np.nan
        steps[2, 5, 8, 0, :2] = -np.inf

    put(run, "steps", 1, spoil)
    (find,) = find_anomalies(run).found
    assert find.place == Location("steps", 1, 2, 2, 5, (2, 5, 7, 1, 3))
    assert (find.kind, find.count, find.vouched) == ("nan", 3, True)
    code, out, _ = longtake("inspect", run.root, "--hunt")
    assert code == 3
    assert "nan: 3 of 192 values NaN or infinite, the first at [2, 5, 7, 1, 3]" in out


def test_the_sound_is_searched_for_nan_too(run: Run):
    """A layer, a channel and a block of frames."""
    put(run, "audio", 2, lambda audio: audio.__setitem__((1, 2, 30), np.nan))
    (find,) = find_anomalies(run).found
    assert find.place == Location("audio", 2, 2, None, 2, (1, 2, 30))


@pytest.mark.parametrize(
    "change",
    [
        lambda block: block * 12,
        lambda block: block + 5,
        lambda block: block * 0,
        lambda block: np.where(np.arange(192).reshape(3, 8, 8) == 5, np.float32(3e25), block),
    ],
    ids=["loud", "moved", "dead", "one value too large to be squared"],
)
def test_an_outlier_is_named(run: Run, change: Callable[[np.ndarray], np.ndarray]):
    """A block of one channel that is not as the channel usually is."""
    place = (slice(6, 7), slice(3, 6))
    put(run, "latents", 2, lambda latents: latents.__setitem__(place, change(latents[6, 3:6])))
    (find,) = find_anomalies(run).found
    assert find.place == Location("latents", 2, 1, 3, 6)
    assert find.kind == "outlier"
    assert find.score is not None
    assert find.score > hunting.SCORE_LIMIT


def test_a_blink_is_no_outlier(run: Run):
    """A channel that hardly moves may for once do what others do all the time, and no more than that."""
    for clip in range(3):
        put(run, "latents", clip, lambda latents: latents.__setitem__(2, latents[2] * 0.02))
    put(run, "latents", 2, lambda latents: latents.__setitem__((2, 5), latents[7, 5]))
    assert not find_anomalies(run).found
    put(run, "latents", 2, lambda latents: latents.__setitem__((2, 5), latents[7, 5] * 20))
    (find,) = find_anomalies(run).found
    assert find.place == Location("latents", 2, 1, 3, 2)


def test_a_channel_that_is_dead_all_along_is_named(run: Run):
    """It is usual by itself, and not among the others."""
    for clip in range(3):
        put(run, "latents", clip, lambda latents: latents.__setitem__(4, 0.25))
    (find,) = find_anomalies(run).found
    assert find.place == Location("latents", None, None, 3, 4)
    assert "in the whole film" in find.says


def test_damage_is_told_apart_from_what_was_made(run: Run):
    """A file that was changed behind its record: found, and not vouched for; one that is lost is named."""
    path = run.latents.chunk_path(0)
    data = bytearray(path.read_bytes())
    data[:4] = np.float32(np.nan).tobytes()
    path.write_bytes(data)
    run.steps.chunk_path(1).unlink()
    found = find_anomalies(run).found
    assert [(find.kind, find.place.clip, find.vouched) for find in found] == [
        ("nan", 0, False),
        ("damaged", 1, False),
    ]


def test_of_very_many_only_the_first_are_kept(run: Run, monkeypatch: pytest.MonkeyPatch):
    """A film of NaN takes no more memory than another; the rest are counted."""
    monkeypatch.setattr(hunting, "MOST_FINDS", 10)
    put(run, "steps", 0, lambda steps: steps.fill(np.nan))
    seen = find_anomalies(run)
    assert len(seen.found) == 10
    assert seen.more == 4 * 16 * 4 - 10
    assert (seen.found[0].place.block, seen.found[0].place.step) == (0, 0)


def test_motion_latents_are_searched_too(
    face: Path, speech: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
):
    """Of the models whose clips take them from the decoded one before."""
    monkeypatch.setenv("FAKE_MOTION", "3")
    assert longtake("new", face, speech, "--run", "x")[0] == 0
    run = Run.open(Path("x").resolve())
    put(run, "motion", 1, lambda motion: motion.__setitem__((1, 2, 0, 0), np.nan))
    code, out, _ = longtake("inspect", "x", "--hunt", "--json")
    assert code == 3
    (find,) = json.loads(out)["found"]
    assert (find["place"]["stage"], find["place"]["clip"], find["place"]["channel"]) == (
        "motion",
        1,
        1,
    )
