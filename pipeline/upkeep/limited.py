"""A command whose memory has a limit runs in a child, and somebody waits outside who has enough.

A library that spins for memory while it is loaded holds Python's own lock, so no thread of that process can end it; and C++ without memory aborts. The
child's guard (storage/memory_guard.py) therefore beats, and where it falls silent, or the child dies of it, the line and the code come from here.
"""
# ruff: noqa: T201 - it speaks where the child no longer can

import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from pipeline.upkeep.child_process import restart_command, signals_to, tie_to_parent
from storage.errors import MachineLimit
from storage.memory_guard import is_limited, start_guard

VARIABLE = "LONGTAKE_HEART"
PATIENCE = 120.0
"""Seconds without a beat: libraries are loaded from slow disks, too."""
FATAL = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGKILL, signal.SIGILL}
"""What a process dies of that gets no memory."""


def start_heartbeat() -> bool:
    """Begin to send a heartbeat to the parent, in a child of `run_limited`; False in any other process."""
    descriptor = os.environ.pop(VARIABLE, "")
    if not descriptor:
        return False
    os.set_inheritable(int(descriptor), False)
    start_guard(int(descriptor))
    return True


def run_limited(words: Sequence[str], patience: float = PATIENCE) -> int | None:
    """Run the command again in a child and give its exit code; None where memory has no limit, or this is the child."""
    if start_heartbeat() or not is_limited():
        return None
    read, heartbeat = os.pipe()
    with tie_to_parent(signal.SIGTERM) as tether:
        options: dict[str, Any] = {
            "env": {**tether["env"], VARIABLE: str(heartbeat)},
            "pass_fds": (*tether["pass_fds"], heartbeat),
        }
        # A group of its own: Ctrl-C on a terminal would else reach it twice.
        child = subprocess.Popen(restart_command(words, words), process_group=0, **options)
        os.close(heartbeat)
        with signals_to(child.send_signal):
            return _run_limited(child, read, patience)


def _run_limited(child: "subprocess.Popen[bytes]", read: int, patience: float) -> int:
    silent = False
    while child.poll() is None and not silent:
        silent = not select.select([read], [], [], patience)[0]
        if not silent and not os.read(read, 64):  # it has closed its end, and ends
            break
    if silent:
        child.kill()
    code = child.wait()
    os.close(read)
    if code >= 0:
        return code
    if -code not in FATAL:
        return 128 - code
    why = f"no sign of life for {patience:.0f} s" if silent else signal.Signals(-code).name
    print(f"longtake: {MachineLimit('memory', why)}", file=sys.stderr)
    return MachineLimit.exit_code
