"""What hangs is seen, told and ended; what is only slow is left alone."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.run import Run
from tasks.film import make
from tasks.request import Request, freeze
from tasks.watchdog import Watchdog, Watched, stacks


def guarded(limit: float) -> tuple[Watchdog, list[Watched]]:
    """A watchdog that tells what it would end."""
    found: list[Watched] = []
    watchdog = Watchdog(limit, lambda stage, _: found.append(stage))
    watchdog.open()
    return watchdog, found


def test_a_stage_that_does_not_move_is_found() -> None:
    """The first of its kind after four limits, a later one after one."""
    watchdog, found = guarded(0.2)
    with watchdog.watch("denoise", 0):
        time.sleep(0.5)
    assert not found, "the first may take longer"
    watchdog._usual.clear()
    with watchdog.watch("denoise", 1):
        pass
    with watchdog.watch("denoise", 2):
        time.sleep(0.6)
    watchdog.close()
    assert {(each.stage, each.clip) for each in found} == {("denoise", 2)}


def test_what_moves_or_is_always_slow_is_left_alone() -> None:
    """A pulse is a move; ten times the usual is allowed; an outer stage does not age while an inner one works."""
    watchdog, found = guarded(0.2)
    with watchdog.watch("soundtrack"):
        for _ in range(12):
            time.sleep(0.1)
            watchdog.pulse()
    with watchdog.watch("latents", 3), watchdog.watch("load"):
        time.sleep(0.6)
    watchdog.close()
    assert not found
    assert watchdog.allowed("soundtrack") > 10
    assert watchdog.allowed("load") == pytest.approx(0.8)


def test_a_process_that_was_stopped_is_not_blamed() -> None:
    """After Ctrl-Z and fg nothing has hung."""
    watchdog, found = guarded(0.0)
    watchdog = Watchdog(1.0, lambda stage, _: found.append(stage))
    with watchdog.watch("denoise", 0):
        watchdog._look(time.monotonic() + 3600, asleep=3600)
    assert not found


def test_stacks_name_every_thread() -> None:
    """Also the line that this test stands at."""
    assert "test_watchdog.py" in stacks()


def test_a_hung_device_ends_the_process_and_nothing_else(
    ask: Callable[..., Request], tmp_path: Path
) -> None:
    """Its own code, an event with the stacks, no lock left; the same command goes on."""
    request = ask(3.0, infer_frames=12, stall_limit=0.5)
    run = freeze(request)
    child = os.fork()
    if not child:
        os.environ["FAKE_DENOISE"] = "60"
        make(Run.open(run.root))
        os._exit(0)
    status = wait_for(child, 60)
    assert os.waitstatus_to_exitcode(status) == 6
    last = json.loads(run.events_path.read_text().splitlines()[-1])
    assert (last["event"], last["stage"], last["clip"]) == ("stalled", "denoise", 0)
    assert "fake_avatar.py" in last["stacks"]
    make(Run.open(run.root))


def wait_for(child: int, seconds: float) -> int:
    """Its status; killed where it takes longer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]
