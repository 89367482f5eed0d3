"""What only the model can show of a run: made beside it, and equal to what it has."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from storage.errors import NotMade
from storage.run import Run
from tasks.film import make_film
from tasks.film_part import FilmPart
from tasks.replay import decode_latents, find_kept_steps, replay_steps, route_to

Begin = Callable[..., Run]


def test_steps_come_again_from_the_newest_carry(begin: Begin, tmp_path: Path):
    """Only the clips from there on are denoised, and the steps are those that were kept."""
    run = begin(5, keep_steps="all", carry_every=4)
    make_film(run, FilmPart())
    before = max(clip for clip in run.carry.complete if clip <= 6)
    passed: list[int] = []
    steps, way = replay_steps(run, 6, tmp_path / "scratch", passed.append)
    assert passed == list(way) == list(range(before, 7)) == list(route_to(run, 6).clips)
    assert steps.tobytes() == run.steps.read(6).tobytes()
    kept = find_kept_steps(run, 6, tmp_path / "scratch")
    assert kept is not None
    assert kept.tobytes() == steps.tobytes()


def test_a_damaged_carry_makes_the_way_longer(begin: Begin, tmp_path: Path):
    """An older one serves, or the beginning; the damaged one is left as it is."""
    run = begin(5, carry_every=4)
    make_film(run, FilmPart())
    carries = sorted(run.carry.complete)
    piece = next(path for path in run.carry.path(carries[-1]).rglob("c*") if path.is_file())
    piece.write_bytes(b"")
    clip = run.spec.clips - 1
    steps, way = replay_steps(run, clip, tmp_path / "scratch")
    assert way.start == (carries[-2] if len(carries) > 1 else 0)
    assert steps.tobytes() == run.steps.read(clip).tobytes()
    assert sorted(run.carry.complete) == carries


def test_where_motion_goes_from_clip_to_clip_one_clip_is_enough(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It stands on the decoded clip before, which is there."""
    monkeypatch.setenv("FAKE_MOTION", "3")
    run = begin(3)
    make_film(run, FilmPart())
    steps, way = replay_steps(run, 4, tmp_path / "scratch")
    assert way == range(4, 5)
    assert steps.tobytes() == run.steps.read(4).tobytes()


def test_what_another_film_left_in_the_scratch_place_is_not_taken(begin: Begin, tmp_path: Path):
    """Only steps that lead to the very latents of this run are."""
    run = begin(2)
    make_film(run, FilmPart())
    replay_steps(run, 1, tmp_path / "scratch")
    latents = run.latents.read(1).copy()
    latents[0, 0, 0, 0] += 1
    run.records.withdraw("latents", 1)
    run.latents.publish(1, latents)
    assert find_kept_steps(run, 1, tmp_path / "scratch") is None


def test_a_clip_that_is_not_there_cannot_be_replayed(begin: Begin):
    """That is resume's."""
    with pytest.raises(NotMade):
        route_to(begin(2), 0)


def test_decoded_latents_are_the_films_frames(begin: Begin):
    """After the same past as in the film."""
    run = begin(5, keep_frames="all")
    make_film(run, FilmPart())
    assert np.array_equal(decode_latents(run, 7, run.latents.read(7)), run.frames.read(7))
