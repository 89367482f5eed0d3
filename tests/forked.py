"""Python processes for tests, forked off one that has imported what films need: importing took half of what a small film takes.

`Popen` and `run` are subprocess's own in all else. A command is forked where it is this Python with code, a module or a file; FRESH in the environment
has a Python of its own started for each, as make faults does.
"""

import atexit
import importlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.upkeep.child_process import code_command
from pipeline.upkeep.fork_server import (
    PRELOADED,
    AskedProcess,
    ForkedProcess,
    ForkServer,
    serve_forks,
)

MORE = (
    "zarr.api.synchronous", "numpy.random", "tasks.long_video", "model.pocket.probe", "pipeline.commands.resume",
    "pipeline.commands.retake", "pipeline.commands.verify", "pipeline.commands.status", "pipeline.commands.mux", "pipeline.monitor.streams",
)  # fmt: skip
"""Beside what the product's own fork server imports."""
AT_START = ("ATEN_", "LD_", "LUIGI_", "MALLOC_", "MKL_", "OMP_", "ONEDNN_", "OPENBLAS_", "PYTHON", "TORCH", "TRITON_")  # fmt: skip
"""How variables begin that are read when Python or a library begins. Where one is otherwise than here, a fresh Python is started."""
OF_FORKS = {"bufsize", "cwd", "encoding", "env", "errors", "start_new_session", "stderr", "stdout", "text"}  # fmt: skip
"""What a process that is forked may be asked for."""
BEGUN = dict(os.environ)
"""The environment that no test has changed."""


class _Server(ForkServer):
    """Sees nothing of the environment and the working directory of the test that is the first to need it."""

    def _open(self, served: socket.socket) -> None:
        number, null = served.fileno(), subprocess.DEVNULL
        command = code_command(f"from tests.forked import serve; serve({number})")
        self.server = subprocess.Popen(
            command, cwd="/", env=BEGUN, stdin=null, stdout=null, pass_fds=(number,), start_new_session=True
        )  # fmt: skip
        self.pid = self.server.pid
        atexit.register(self._end)

    def _end(self) -> None:
        self.close()
        self.server.wait()

    def fork(self, asked: AskedProcess, stdout: int, stderr: int) -> ForkedProcess:
        """Start it with these descriptors as its streams."""
        with os.fdopen(os.dup(stdout), "wb") as out, os.fdopen(os.dup(stderr), "wb") as err:
            return self._start(asked, out, err)


_SERVER = _Server()


class Popen(subprocess.Popen[Any]):
    """A process that is forked where it can be, and else started."""

    def __init__(self, args: Sequence[str], **how: Any) -> None:
        self._fork: ForkedProcess | None = None
        self._asked = _ask_for(args, **how) if can_fork(args, how) else None
        super().__init__(args, **how)

    def _execute_child(self, args: Any, *given: Any) -> None:
        if self._asked is None:
            super()._execute_child(args, *given)  # type: ignore[misc]
            return
        pipes = given[9:15]
        out, err = pipes[3], pipes[5]
        self._fork = _SERVER.fork(self._asked, 1 if out == -1 else out, 2 if err == -1 else err)
        self.pid = self._fork.pid
        assert self.pid, "the fork server was killed"
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def _internal_poll(self, *given: Any, **more: Any) -> int | None:
        if self._fork is None:
            return super()._internal_poll(*given, **more)  # type: ignore[misc,no-any-return]
        if self.returncode is None:
            self.returncode = self._fork.wait(0)
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        if self._fork is None:
            return super()._wait(timeout)  # type: ignore[misc,no-any-return]
        if self.returncode is None:
            self.returncode = self._fork.wait(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode


def run(
    args: Sequence[str],
    *,
    check: bool = False,
    capture_output: bool = False,
    timeout: float | None = None,
    **how: Any,
) -> "subprocess.CompletedProcess[Any]":
    """As subprocess.run, but for input."""
    if capture_output:
        how |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Popen(args, **how) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(args, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


def can_fork(args: Sequence[str], how: Mapping[str, Any]) -> bool:
    """Whether nothing is asked that only a Python of its own has. Luigi has: it looks for another process of the same command line."""
    there = how.get("env") or os.environ
    return (
        "FRESH" not in BEGUN
        and sys.platform == "linux"
        and args[0] == sys.executable
        and (args[1] in {"-c", "-m"} or not str(args[1]).startswith("-"))
        and not any("luigi" in str(each) for each in args[1:3])
        and how.keys() <= OF_FORKS
        and _at_start(there) == _at_start(BEGUN)
    )


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(AT_START) and name != "PYTHONPATH"
    }


def _ask_for(args: Sequence[str], **how: Any) -> AskedProcess:
    there, place = how.get("env") or os.environ, how.get("cwd") or Path.cwd()
    session = bool(how.get("start_new_session"))
    return AskedProcess(
        "tests.forked_command", tuple(map(str, args[1:])), dict(there), str(place), session
    )


def serve(number: int) -> None:
    """Be the fork server whose connection is this descriptor; what it forks is tests/forked_command.py."""
    for module in (*PRELOADED, *MORE):
        importlib.import_module(module)
    with socket.socket(fileno=number) as served:
        serve_forks(served)
