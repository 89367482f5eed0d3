"""A task on a run: Luigi's names of it, its tries, and what is left of them."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest

from storage.errors import BadOption, StageFailed
from storage.run import Run
from tasks.base import RunTask, retry_pause
from tasks.clip import DecodeClip, DenoiseClip
from tasks.events import listen_to_events
from tasks.film import MuxVideo
from tasks.long_video import LongVideo
from tasks.session import get_session

Begin = Callable[..., Run]


class TryAll(RunTask):
    """A stage of these tests, which does what it is told to."""

    stage = "tried"
    doing = "trying"
    work: Callable[[], None]

    def run(self) -> None:
        """Do it."""
        for attempt in self.attempts():
            with attempt:
                self.work()


def test_the_folder_is_called_run_outside() -> None:
    """On the command line and in task ids, which luigid keeps; inside, `run` is Luigi's own method. Either name gives the one task."""
    assert DenoiseClip.get_param_names() == ["run", "clip"]
    task = DenoiseClip(folder="/a/b", clip=3)
    assert task.task_id == "DenoiseClip_3__a_b_309a88b280"
    assert task.to_str_params() == {"run": "/a/b", "clip": "3"}
    assert DenoiseClip.from_str_params({"run": "/a/b", "clip": "3"}) is task
    assert (task.folder, task.run.__func__) == ("/a/b", DenoiseClip.run)
    assert MuxVideo(run="/a/b").task_id == "MuxVideo__a_b_0c55507255"
    (_, parameter), *_ = MuxVideo.get_params()
    assert parameter.serialize(MuxVideo(run="/a/b").run) == "/a/b"  # so Luigi's summary asks
    film = LongVideo(image="i", audio="a", run="/r")
    assert (film.folder, film.to_str_params()["run"], str(film.request.run)) == ("/r", "/r", "/r")


@pytest.mark.parametrize("clip", [-1, 13, 10**30])
def test_a_clip_that_the_film_has_not_is_named(begin: Begin, clip: int) -> None:
    """Through Luigi, too, and none before it is asked for without end."""
    run = begin(6.0)
    assert run.spec.clips == 13
    task = DecodeClip(run=str(run.root), clip=clip)
    for ask in (task.complete, lambda: list(task.requires())):
        with pytest.raises(BadOption, match="the film has 13 clips, counted from 0"):
            ask()


def test_what_a_failed_try_held_is_gone_before_the_next(begin: Begin) -> None:
    """Its frames hold memory of the device, and of a model that may have been let go."""
    run, held = begin(2.0), []

    class Big:
        """What a try takes."""

    def work() -> None:
        assert not held or held[-1]() is None
        big = Big()
        held.append(weakref.ref(big))
        if len(held) < 3:
            raise ValueError(big)

    task: Any = TryAll(folder=str(run.root))
    task.work, told = work, []
    with listen_to_events(lambda event, facts: told.append((event, facts.get("attempt")))):
        task.run()
    assert [each for each in told if each[0] == "clip_retry"] == [
        ("clip_retry", 2),
        ("clip_retry", 3),
    ]
    assert told[-1] == ("stage_seconds", None)


def test_after_a_failure_every_other_task_ends_at_once(begin: Begin) -> None:
    """With the same error: Luigi goes on giving out what does not depend on what failed."""
    run, tries = begin(2.0, retry_limit=2), []
    task: Any = TryAll(folder=str(run.root))
    task.work = lambda: tries.append(1) or 1 / 0
    with pytest.raises(StageFailed, match="2 times") as first:
        task.run()
    assert isinstance(first.value.__cause__, ZeroDivisionError)
    assert get_session(str(run.root)).failure is first.value
    with pytest.raises(StageFailed) as again:
        DenoiseClip(folder=str(run.root), clip=0).run()
    assert again.value is first.value
    assert len(tries) == 2


def test_pauses_grow_to_a_minute() -> None:
    """1, 2, 4 … 60 seconds; a longer one that was asked for is kept."""
    assert [retry_pause(n, 1.0) for n in (1, 2, 3, 7, 20)] == [1, 2, 4, 60, 60]
    assert retry_pause(3, 0.0) == 0
    assert retry_pause(2, 90.0) == 90
