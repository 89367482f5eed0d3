"""A film that is started again, in a new process each time, until it is done: what a hung device or a lost card needs."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.monitor.event_reader import EventTail
from pipeline.upkeep.child_process import signals_to, tie_to_parent
from storage.disk import format_bytes, nearest_existing, read_file_system
from storage.errors import BadInput, NoSpace, RankLost, RunError, RunLocked, count_times
from storage.names import is_run
from storage.run_paths import path_inside
from tasks import events

FAILURES = 3
"""In a row, without a clip between them."""
FINAL_CODES = {0, BadInput.exit_code, RunError.exit_code, RunLocked.exit_code, 130, 143}
LONGEST_PAUSE = 60.0
LOOK_EVERY = 5.0
"""Seconds between two looks at a full disk."""
LITTLE_BYTES = 64 << 20
"""Bytes that must come free where nobody has said how many."""


class Supervisor:
    """Makes one film by a process that is started again whenever it ends before the film is done."""

    def __init__(self, command: Sequence[str], root: Path, tell: Callable[[str], None]) -> None:
        """`command` makes the film of the run in `root`, or goes on with it; `tell` gets a line now and then."""
        self._command, self._root, self._tell = list(command), root, tell
        self._child: subprocess.Popen[bytes] | None = None
        self._signal = 0

    def run(self) -> int:
        """Make the film; the exit code of the last process, or 128 + the number of the signal that came."""
        failures, there = 0, count_finished_stages(self._root)
        with signals_to(self._forward):
            while True:
                code = self._start()
                now = count_finished_stages(self._root)
                failures, there = (1 if now > there else failures + 1), now
                if self._is_over(code, failures):
                    return self._code_of(code)
                self._wait(code, failures)
                if self._signal:
                    return 128 + self._signal
                self._announce_restart(code, failures)

    def _is_over(self, code: int, failures: int) -> bool:
        if self._signal or not may_pass(code, self._root):
            return True
        if failures < FAILURES:
            return False
        self._tell(
            f"It has failed {count_times(failures)} in a row and no clip came of it: given up."
        )
        return True

    def _code_of(self, code: int) -> int:
        """The exit code for a process's return code, which is negative where a signal killed it."""
        if code < 0:
            return 128 + self._signal if self._signal else 1
        return code

    def _start(self) -> int:
        # A group of its own: Ctrl-C on a terminal would else reach it twice, and the second ends it at once.
        with tie_to_parent(signal.SIGTERM) as tether:
            self._child = subprocess.Popen(self._command, process_group=0, **tether)
            if self._signal:  # it came just before
                self._child.send_signal(self._signal)
            return self._child.wait()

    def _wait(self, code: int, failures: int) -> None:
        if code == NoSpace.exit_code:
            self._wait_for_room()
        self._pause(min(2.0 ** (failures - 1), LONGEST_PAUSE))

    def _wait_for_room(self) -> None:
        needed = (
            bytes_needed_by(self._root)
            or read_file_system(nearest_existing(self._root)).free + LITTLE_BYTES
        )
        if self._has_room(needed):
            return
        self._tell(
            f"Waiting until {format_bytes(needed)} are free for {self._root}; Ctrl-C ends it."
        )
        while not self._signal and not self._has_room(needed):
            self._pause(LOOK_EVERY)

    def _has_room(self, needed: int) -> bool:
        disk = read_file_system(nearest_existing(self._root))
        return disk.free >= needed and not disk.read_only and os.access(self._root, os.W_OK)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._signal and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def _announce_restart(self, code: int, failures: int) -> None:
        why = f"signal {-code}" if code < 0 else f"code {code}"
        if is_run(self._root):  # else its file would be a stranger's to the run that is to be
            with events.record_events(path_inside(self._root, "events.jsonl")):
                events.emit_event("run_restarted", code=code, failures=failures)
        self._tell(f"It ended with {why}; started again.")

    def _forward(self, number: int) -> None:
        self._signal = number
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)


def may_pass(code: int, root: Path) -> bool:
    """Whether another process may get further with the run in `root` than the one that ended with this code, negative where a signal ended it."""
    # What fails before there is a run would fail again; what was killed there, itself or one of its ranks, need not.
    killed = code < 0 or code == RankLost.exit_code
    return code not in FINAL_CODES and (killed or is_run(root))


def count_finished_stages(root: Path) -> int:
    """The number of clips' latents and segments that have a record."""
    folder = path_inside(root, "commits")
    if not folder.is_dir():
        return 0
    return sum(path.name.startswith(("latents.", "segment.")) for path in folder.iterdir())


def bytes_needed_by(root: Path) -> int | None:
    """Bytes that a run said it needed when it ended for lack of room; None if it ended otherwise."""
    needed = None
    for event, facts, _ in EventTail(path_inside(root, "events.jsonl")).read():
        if event == "space_short" and isinstance(facts.get("needed"), int):
            needed = int(str(facts["needed"]))
        elif event == "run_started":
            needed = None
    return needed
