"""When the denoiser's state is saved: by its cost, never twice in memory, never in a queue."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from storage.errors import WorkFailed
from storage.run import Run
from tasks.events import listen_to_events
from tasks.film import make_film
from tasks.state_checkpoints import CheckpointCost, StateCheckpoints
from tasks.watchdog import Watchdog
from tests.waiting import LONG, wait_until

Begin = Callable[..., Run]


class Held:
    """A denoiser whose state is large enough to be seen; it can be made to wait while it is written."""

    def __init__(self) -> None:
        self.next_clip = 8
        self.go = threading.Event()

    def carry(self) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
        """Two pieces."""
        yield "ring.0", np.ones((64, 64), np.uint16)
        yield "ring.1", np.ones((64, 64), np.uint16)


def carries_of(run: Run, room: bool = True, on_card: bool = False) -> StateCheckpoints:
    """Those of a run that nothing else works on."""
    return StateCheckpoints(run, CheckpointCost(16_384, on_card), lambda _: room, Watchdog(0))


def test_none_are_written_and_everything_is_replayed(
    begin: Begin, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """carry_every 0: a fault at clip 13 replays thirteen clips, and the film is made."""
    (tmp_path / "denoise.13").write_text("3")
    monkeypatch.setenv("FAKE_FAIL", str(tmp_path))
    run = begin(carry_every=0)
    told: list[tuple[str, Any]] = []
    with listen_to_events(lambda event, facts: told.append((event, facts.get("clip")))):
        with pytest.raises(WorkFailed):
            make_film(run)
        told.clear()
        make_film(run)
    assert [clip for event, clip in told if event == "clip_replayed"] == list(range(13))
    assert not [event for event, _ in told if event.startswith("carry")]
    assert not list((run.root / "carry").iterdir())
    assert run.video_path.exists()


def test_a_number_that_was_asked_for_wins(begin: Begin) -> None:
    """Whatever a carry costs."""
    run = begin(carry_every=5)
    told: list[int] = []
    with listen_to_events(
        lambda e, facts: told.append(facts["next_clip"]) if e == "carry_published" else None
    ):
        make_film(run)
    assert [clip for clip in told if clip % 5] == []
    assert told[0] == 5


def test_by_itself_it_weighs_what_a_carry_takes(begin: Begin) -> None:
    """Twice as dear, half as often: the share of the clips' time stays below 2 %; on a card only the pause counts."""
    run = begin()
    carries = carries_of(run)
    carries.note_clip(1.0)
    carries._adjust_interval(0.1, 0.1)
    assert carries.interval == 8
    carries._adjust_interval(0.1, 0.2)
    assert carries.interval == 16
    carries._adjust_interval(3.0, 0.001)
    assert carries.interval == 4, "it must be written before the next is due"
    carries._adjust_interval(0.001, 0.001)
    assert carries.interval == 1
    assert carries.is_due(5, last=20)


def test_the_denoisers_clock_is_read_when_it_has_ended(begin: Begin) -> None:
    """The last carry is written when the film is denoised: the stack of that thread is gone then, where there were many, and who asked by its number ended with SIGSEGV."""
    carries, over = carries_of(begin()), threading.Event()

    def work() -> None:
        carries.note_clip(1.0)
        sum(range(1_000_000))
        over.wait()

    threads = [threading.Thread(target=work) for _ in range(30)]
    for thread in threads:
        thread.start()
    wait_until(lambda: carries._denoiser is not carries._main)
    alive = carries._writing_seconds()
    over.set()
    for thread in threads:
        thread.join()
    assert not threads[-1].is_alive()
    assert alive <= carries._writing_seconds() < alive + 60


def test_one_is_in_memory_and_the_next_is_left_out(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a copy is being written no other is made; nothing waits for it."""
    run, denoiser = begin(), Held()
    carries = carries_of(run)
    publish = run.carry.publish

    def slow(clip: int, pieces: Any) -> None:
        assert denoiser.go.wait(LONG)
        publish(clip, pieces)

    monkeypatch.setattr(run.carry, "publish", slow)
    told: list[tuple[str, Any]] = []
    with (
        run.lock(),
        listen_to_events(lambda event, facts: told.append((event, facts.get("next_clip")))),
    ):
        pieces = carries.copy(denoiser)
        assert pieces is not None
        carries.write(8, pieces)
        denoiser.next_clip = 16
        assert carries.copy(denoiser) is None, "and it did not wait for what only ends below"
        denoiser.go.set()
        carries.close(hurried=False)
        assert pieces == [], "each piece is let go as it is written"
        assert carries.copy(denoiser) is not None
    assert ("carry_skipped", 16) in told
    assert run.carry.newest(100) == 8


def test_a_signal_gives_up_a_long_one(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A carry of many gigabytes does not hold up the end; what is left of it is nothing."""
    from tasks import state_checkpoints as module

    monkeypatch.setattr(module, "GRACE_SECONDS", 0.1)
    run, denoiser = begin(), Held()
    carries = carries_of(run)

    def many() -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
        for number in range(10_000):
            yield f"ring.{number}", np.ones(4, np.uint16)

    denoiser.carry = many  # type: ignore[method-assign]
    with run.lock():
        carries.write(8, carries.copy(denoiser) or [])
        carries.close(hurried=True)
    assert list((run.root / "carry").iterdir()) == []


def test_no_room_is_no_fault(begin: Begin) -> None:
    """Where it would take the place of clips it is left out, and said."""
    run, denoiser = begin(), Held()
    told: list[Any] = []
    with listen_to_events(lambda event, facts: told.append((event, facts.get("reason")))):
        assert carries_of(run, room=False).copy(denoiser) is None
    assert told == [("carry_skipped", "there is no room on the disk")]


def test_without_memory_it_is_written_from_the_denoiser(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that cannot hold a copy makes the denoiser wait instead; the film and its carries are the same."""
    from tasks import state_checkpoints

    monkeypatch.setattr(state_checkpoints, "host_bytes_free", lambda: 1)
    told: list[str] = []
    with listen_to_events(lambda event, _: told.append(event)):
        make_film(begin(carry_every=8))
    assert told.count("carry_published") == 2
    assert "carry_skipped" not in told
