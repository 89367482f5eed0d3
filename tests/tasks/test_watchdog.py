"""What hangs is seen, told and ended; what is only slow is left alone."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

from storage.run import Run
from tasks.film import make_film
from tasks.request import Request
from tasks.resolve import change_settings, freeze_run
from tasks.watchdog import Watchdog, WatchedStage, dump_stacks
from tests.waiting import LONG


class Clock:
    """A watchdog, the time that it goes by, and what it would have ended."""

    def __init__(self, limit: float) -> None:
        self.now = 0.0
        self.found: list[WatchedStage] = []
        self.watchdog = Watchdog(limit, lambda stage, _: self.found.append(stage), lambda: self.now)

    def after(self, seconds: float, asleep: float = 0.0) -> list[tuple[str, int | None]]:
        """What is found so much later."""
        self.found.clear()
        self.now += seconds
        self.watchdog._check_stages(self.now, asleep)
        return [(each.stage, each.clip) for each in self.found]


def test_a_stage_that_does_not_move_is_found() -> None:
    """The first of its kind after four limits, a later one after one."""
    clock = Clock(limit=10)
    with clock.watchdog.watch("decode", 0):
        assert clock.after(39) == []
        assert clock.after(2) == [("decode", 0)]
    with clock.watchdog.watch("denoise", 0):
        clock.now += 0.5
    with clock.watchdog.watch("denoise", 1):
        assert clock.after(9) == []
        assert clock.after(2) == [("denoise", 1)]


def test_what_moves_or_is_always_slow_is_left_alone() -> None:
    """A pulse is a move; ten times the usual is allowed; an outer stage does not age while an inner one works."""
    clock = Clock(limit=10)
    with clock.watchdog.watch("soundtrack"):
        for _ in range(12):
            assert clock.after(30) == []
            clock.watchdog.pulse()
    assert clock.watchdog.allowed("soundtrack") == 3600
    with clock.watchdog.watch("latents", 3):
        with clock.watchdog.watch("load"):
            assert clock.after(39) == []
        assert clock.after(39) == []
    assert clock.watchdog.allowed("load") == 40


def test_a_process_that_was_stopped_is_not_blamed() -> None:
    """After Ctrl-Z and fg nothing has hung."""
    clock = Clock(limit=1)
    with clock.watchdog.watch("denoise", 0):
        assert clock.after(3600, asleep=3600) == []
        assert clock.after(5) == [("denoise", 0)]


def test_it_looks_by_itself() -> None:
    """Opened, it finds what does not move, and closed no more."""
    found = threading.Event()
    watchdog = Watchdog(0.01, lambda *_: found.set())
    watchdog.open()
    with watchdog.watch("denoise", 0):
        assert found.wait(LONG)
    watchdog.close()


def test_stacks_name_every_thread() -> None:
    """Also the line that this test stands at."""
    assert "test_watchdog.py" in dump_stacks()


def test_a_hung_device_ends_the_process_and_nothing_else(
    ask: Callable[..., Request], tmp_path: Path
) -> None:
    """Its own code, an event with the stacks, no lock left; the same command goes on."""
    request = ask(3.0, infer_frames=12, stall_limit=1.0)
    run = freeze_run(request)
    child = os.fork()
    if not child:
        os.environ["FAKE_DENOISE"] = "600"
        make_film(Run.open(run.root))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 6
    last = json.loads(run.events_path.read_text().splitlines()[-1])
    assert (last["event"], last["stage"], last["clip"]) == ("stalled", "denoise", 0)
    assert "fake_avatar.py" in last["stacks"]
    # On a busy machine the watchdog of this process might end the tests.
    change_settings(Run.open(run.root), {"stall_limit": 0.0}, {})
    make_film(Run.open(run.root))
