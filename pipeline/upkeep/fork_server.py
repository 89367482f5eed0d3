"""A process that has imported what films need, and forks: what it starts is at work in milliseconds, where a fresh Python takes seconds to load torch.

Like multiprocessing's forkserver, but nothing of the asking program's `__main__` is imported, each process has an environment and streams of its own, and
may outlive whoever asked for it. A fork server never computes anything and has no threads, so that it can be forked safely. It ends when its asker does.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, NoReturn

from pipeline.upkeep.child_process import (
    VARIABLE,
    end_with_process,
    module_command,
    name_process,
)
from storage.lock import TOKENS_VARIABLE

PRELOADED = (
    "av", "einops._torch_specific", "luigi", "multiprocessing.synchronize", "torch", "safetensors.torch",
    "PIL.ImageOps", "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.WebPImagePlugin",
    "pipeline.cli", "pipeline.commands.new", "pipeline.commands.plan", "pipeline.api", "pipeline.options.sources",
    "pipeline.plan.planner", "tasks.film", "tasks.retake", "storage.zarr_store", "model.pocket.avatar", "model.pocket.face_finder",
)  # fmt: skip
"""Modules whose import is most of what a film's process does before its work; none of them does more than be defined. On macOS none is: Apple's frameworks, once loaded, end a fork."""
_DIED = 1
"""The exit code of a process whose fork server was killed before it could tell."""
_FDS = 4
_OURS = (TOKENS_VARIABLE, VARIABLE)


@dataclass(frozen=True)
class AskedProcess:
    """A process that is asked for: a module of ours to run as `python -m` does, and how."""

    module: str
    words: tuple[str, ...]
    environment: dict[str, str]
    directory: str
    detached: bool
    """In a session of its own, which no terminal's signal reaches."""
    tied: bool = False
    """Ended by SIGTERM when the fork server ends, which ends with whoever asked."""


class ForkedProcess:
    """A process that a fork server has started."""

    def __init__(self, result: IO[bytes]) -> None:
        self._result = result  # before it is read, which a signal may end: __del__ closes it
        self._code = None if (line := result.readline()) else _DIED
        self.pid = int(line or 0)
        """0 where it was never started."""
        if not line:
            result.close()

    def __del__(self) -> None:
        self._result.close()  # where nobody has asked how it ended

    def wait(self, seconds: float | None = None) -> int | None:
        """Its exit code, negative where a signal ended it; None if it has not ended after so many seconds."""
        if self._code is None and self._is_told(seconds):
            self._code = int(self._result.readline() or _DIED)
            self._result.close()
        return self._code

    def _is_told(self, seconds: float | None) -> bool:
        told = select.poll()  # a server has descriptors that select takes no more
        told.register(self._result, select.POLLIN)
        return bool(told.poll(None if seconds is None else 1000 * seconds))

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it at once, or by another signal in its own time, if it has not ended."""
        if self.wait(0) is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _ask_for(
    module: str, words: tuple[str, ...], *, detached: bool = False, tied: bool = False
) -> AskedProcess:
    """What is asked for, in this process's own place."""
    environment = {name: value for name, value in os.environ.items() if name not in _OURS}
    return AskedProcess(module, words, environment, str(Path.cwd()), detached, tied)


class ForkServer:
    """The asker's end of a fork server; any thread may ask. The server is started when it is first needed, and again where it was killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asking: socket.socket | None = None
        self.pid = 0
        """Of the server that was started last; 0 before there was one."""

    def launch(self) -> None:
        """Start the server, unless it was; it imports meanwhile."""
        with self._lock:
            self._connect()

    def start(
        self, module: str, *words: str, stdout: IO[bytes], stderr: IO[bytes], detached: bool = False
    ) -> ForkedProcess:
        """Start a module of ours in a process with this one's environment and working directory, but none of its locks, and no input."""
        return self._start(_ask_for(module, words, detached=detached), stdout, stderr)

    def start_tied(self, module: str, *words: str, said: IO[bytes]) -> ForkedProcess:
        """Start a module of ours as `start` does, both its streams into one file; it gets SIGTERM when this process ends before it."""
        return self._start(_ask_for(module, words, tied=True), said, said)

    def _start(self, asked: AskedProcess, stdout: IO[bytes], stderr: IO[bytes]) -> ForkedProcess:
        process = self._ask(asked, stdout, stderr)
        # Without a number the server was killed before it took the request, and another does it.
        return process if process.pid else self._ask(asked, stdout, stderr)

    def _ask(self, asked: AskedProcess, stdout: IO[bytes], stderr: IO[bytes]) -> ForkedProcess:
        read, write = os.pipe()
        try:
            with tempfile.TemporaryFile() as order:
                order.write(json.dumps(asdict(asked)).encode())
                order.flush()
                self._send([order.fileno(), stdout.fileno(), stderr.fileno(), write])
        finally:
            os.close(write)
        return ForkedProcess(os.fdopen(read, "rb", buffering=0))

    def close(self) -> None:
        """Let the server end; what it has started goes on."""
        with self._lock:
            self._disconnect()

    def _send(self, fds: list[int]) -> None:
        with self._lock:
            try:
                socket.send_fds(self._connect(), [b"!"], fds)
            except OSError:  # it was killed
                self._disconnect()
                socket.send_fds(self._connect(), [b"!"], fds)

    def _disconnect(self) -> None:
        if self._asking is not None:
            self._asking.close()
            self._asking = None

    def _connect(self) -> socket.socket:
        if self._asking is None:
            self._asking, served = socket.socketpair()
            with served:
                self._open(served)
        return self._asking

    def _open(self, served: socket.socket) -> None:
        """Start a server whose end of the connection is `served`."""
        command = module_command("pipeline.upkeep.fork_server", str(served.fileno()))
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(served.fileno(),),
            start_new_session=True,
        )
        self.pid = server.pid
        # Asked for its exit code by somebody, so that it does not stay as a zombie.
        threading.Thread(target=server.wait, name="fork server", daemon=True).start()


class SplitForkServer(ForkServer):
    """A fork server that this process forks off itself, having imported what films need. To be made before anything is held that a fork would share."""

    def __init__(self) -> None:
        super().__init__()
        self.launch()

    def _open(self, served: socket.socket) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            assert self._asking is not None
            self._asking.close()
            serve_forks(served)
            os._exit(0)


def serve_forks(served: socket.socket) -> None:
    """Fork a process for each request, until the asker has closed its end.

    What is there stays out of the collector's sight: a fork that looks through it copies each page of it first, 45 MB.
    """
    gc.freeze()
    results: dict[int, int] = {}
    woken, wake = os.pipe()
    for fd in (woken, wake):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    while True:
        ready = select.select([served.fileno(), woken], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            _tell_ended(results)
        if served.fileno() not in ready:
            continue
        data, fds, _, _ = socket.recv_fds(served, 1, _FDS)
        if not data:
            return
        server = os.getpid()
        if (pid := os.fork()) == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for fd in (served.detach(), woken, wake, *results.values()):
                os.close(fd)
            _run_asked(_begin(fds, server))
        results[pid] = fds.pop()
        with suppress(BrokenPipeError):
            os.write(results[pid], b"%d\n" % pid)
        for fd in fds:
            os.close(fd)


def _tell_ended(results: dict[int, int]) -> None:
    """Write the exit code of each process that has ended where its asker reads it."""
    while results:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        result = results.pop(pid)
        with suppress(BrokenPipeError):
            os.write(result, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(result)


def _begin(fds: Sequence[int], server: int) -> AskedProcess:
    """Become the process that is asked for: its session, directory, environment and streams; `server` is the number of the fork server."""
    order, stdout, stderr, result = fds
    os.close(result)
    with os.fdopen(order, "rb") as file:
        file.seek(0)
        asked = AskedProcess(**json.loads(file.read()))
    for fd, stream in ((stdout, 1), (stderr, 2)):
        os.dup2(fd, stream)
        os.close(fd)
    if asked.detached:
        os.setsid()
    if asked.tied:
        end_with_process(server)
    os.environ.clear()
    os.environ.update(asked.environment)
    os.chdir(asked.directory)
    return asked


def _run_asked(asked: AskedProcess) -> NoReturn:
    """Run what is asked for in this process, as `python -m` does, and end it."""
    name_process(f"longtake {asked.module.rpartition('.')[2]}")
    sys.argv = [asked.module, *asked.words]
    code: int | str | None = 1
    try:
        runpy.run_module(asked.module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - there is nobody above
        traceback.print_exc()
    if isinstance(code, str):
        print(code, file=sys.stderr)  # noqa: T201 - as Python does
    # As multiprocessing ends its children. Python's own end takes apart all that was imported: .7 s, as each page of it is copied first.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(bool(code)))


def serve_forks_of_parent() -> None:
    """Be the server whose connection is the descriptor that the word names."""
    with socket.socket(fileno=int(sys.argv[1])) as served:
        for module in PRELOADED if sys.platform != "darwin" else ():
            importlib.import_module(module)
        serve_forks(served)


FORK_SERVER = ForkServer()
"""This process's own."""

if __name__ == "__main__":
    serve_forks_of_parent()
