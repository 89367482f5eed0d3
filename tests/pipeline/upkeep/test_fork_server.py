"""The fork server: what it starts is as what a fresh Python starts, with the asker's environment, and is known to have ended however it ended."""

import gc
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from zlib import crc32

import pytest
from waiting import holds, wait_until

from pipeline.upkeep.child_process import code_command
from pipeline.upkeep.fork_server import ForkedProcess, ForkServer

MODULE = """
import os, sys
print(sys.argv[1:], os.environ.get("GREETING"), os.getcwd(), os.getsid(0) == os.getpid(), __name__, "torch" in sys.modules)
print(os.environ.get("LONGTAKE_LOCKS"), sys.stdin.read(), file=sys.stderr)
if sys.argv[1:] == ["wait"]:
    sys.stdout.flush()
    import time
    time.sleep(1000)
sys.exit(int(os.environ.get("CODE", "0")))
"""


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """A server that finds the module `asked`."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "asked.py").write_text(MODULE)
    server = ForkServer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        yield server
    server.close()


def start(forks: ForkServer, folder: Path, *words: str, detached: bool = False) -> ForkedProcess:
    """The module `asked`, whose streams go to the files out and err."""
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        return forks.start("asked", *words, stdout=out, stderr=err, detached=detached)


def test_module_is_run_as_python_runs_it(
    forks: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Words, environment and directory are the asker's of that moment; its locks are not; there is no input, and torch is there already."""
    monkeypatch.setenv("LONGTAKE_LOCKS", "ours")
    for greeting, code in (("tea", "0"), ("ö\udc80", "7")):
        monkeypatch.setenv("GREETING", greeting)
        monkeypatch.setenv("CODE", code)
        process = start(forks, tmp_path, "a b", "", detached=code == "7")
        assert process.wait() == int(code)
        said = (tmp_path / "out").read_bytes().decode(errors="surrogateescape")
        expected = f"['a b', ''] {greeting} {Path.cwd()} {code == '7'} __main__ True\n"
        assert said == expected
        assert (tmp_path / "err").read_text() == "None \n"


@pytest.mark.parametrize(
    ("code", "expected", "said"),
    [
        ("import sys; sys.exit('gone')", 1, "gone\n"),
        ("import sys; sys.exit()", 0, ""),
        ("import sys; sys.exit(300)", 300 % 256, ""),
        ("raise ArithmeticError('tea')", 1, "ArithmeticError: tea\n"),
        ("import atexit, sys; atexit.register(sys.stderr.write, 'bye\\n')", 0, "bye\n"),
        ("import threading; threading.Timer(.2, __import__('os')._exit, [9]).start()", 9, ""),
    ],
)
def test_it_ends_as_python_ends(
    forks: ForkServer, tmp_path: Path, code: str, expected: int, said: str
):
    """Exit codes, faults, what was registered for the end, and threads that are waited for."""
    with (tmp_path / "err").open("wb") as err:
        # By what is in it: of two of one name and length Python would run what it compiled in the same second.
        module = f"code_{crc32(code.encode())}"
        folder = Path(os.environ["PYTHONPATH"])
        (folder / f"{module}.py").write_text(code)
        assert forks.start(module, stdout=err, stderr=err).wait() == expected
    assert (tmp_path / "err").read_text().endswith(said)


def test_many_at_once_are_told_apart(forks: ForkServer, tmp_path: Path):
    """Threads ask at the same time, and each gets its own process's end."""
    codes: dict[int, int | None] = {}

    def ask(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        process = start(forks, folder, "wait" if number % 2 else str(number))
        if number % 2:
            wait_until(lambda: holds(folder / "out", "wait"))
            os.kill(process.pid, signal.SIGTERM)
        codes[number] = process.wait()

    threads = [Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == {number: -signal.SIGTERM if number % 2 else 0 for number in range(8)}


def test_end_is_waited_for_no_longer_than_asked(forks: ForkServer, tmp_path: Path):
    """A process that goes on has no code after the time that was given, and is ended by kill."""
    process = start(forks, tmp_path, "wait")
    wait_until(lambda: holds(tmp_path / "out", "wait"))
    assert Path(f"/proc/{process.pid}/comm").read_text(encoding="utf-8") == "longtake asked\n", (
        "what ps shows"
    )
    begun = time.monotonic()
    assert process.wait(0.2) is None
    assert time.monotonic() - begun < 5
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.kill()
    assert process.wait() == -signal.SIGKILL, "asked again, it is the same"


def test_killed_server_is_started_again(forks: ForkServer, tmp_path: Path):
    """What a killed server had started is said to have ended with a fault; the next is started by another."""
    process = start(forks, tmp_path, "wait")
    server = forks.pid
    assert server in children_of(os.getpid(), "fork_server")
    os.kill(server, signal.SIGKILL)
    assert process.wait() == 1
    os.kill(process.pid, signal.SIGKILL)
    assert start(forks, tmp_path, "x").wait() == 0
    assert forks.pid in children_of(os.getpid(), "fork_server")
    assert forks.pid != server


def test_detached_process_outlives_its_asker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The asker is killed: the server ends, what it started goes on."""
    (tmp_path / "asked.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = """
from pipeline.upkeep.fork_server import ForkServer
with open(sys.argv[1], "wb") as out:
    forks = ForkServer()
    print(forks.start("asked", "wait", stdout=out, stderr=out, detached=True).pid, flush=True)
input()
"""
    command = code_command(code, str(tmp_path / "out"))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as asker:
        assert asker.stdout is not None
        process = int(asker.stdout.readline())
        (server,) = children_of(asker.pid, "fork_server")
        wait_until(lambda: holds(tmp_path / "out", "wait"))
        asker.kill()
    wait_until(lambda: not Path(f"/proc/{server}").exists())
    os.kill(process, 0)
    os.kill(process, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_server_has_no_threads_of_python_and_no_memory_of_its_own(
    forks: ForkServer, tmp_path: Path
):
    """It can be forked safely, and is small beside the films that it starts."""
    assert start(forks, tmp_path, "x").wait() == 0
    server = forks.pid
    status = Path(f"/proc/{server}/status").read_text(encoding="utf-8")
    assert int(re.findall(r"RssAnon:\s+(\d+) kB", status)[0]) < 300_000
    names = {each.read_text() for each in Path(f"/proc/{server}/task").glob("*/comm")}
    assert len(names) == 1, "libraries' pools alone, of the name of the process"


def children_of(parent: int, word: str) -> list[int]:
    """The processes that a process has started, with this word in their command line."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            stat = (each / "stat").read_text().rsplit(")", 1)[1].split()
            if int(stat[1]) == parent and stat[0] != "Z" and word in (each / "cmdline").read_text():
                found.append(int(each.name))
        except OSError:
            continue
    return found


def test_words_of_any_length_are_taken(forks: ForkServer, tmp_path: Path):
    """A prompt of a megabyte is no command line that is too long."""
    long = "x" * (1 << 20)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        assert forks.start("asked", long, stdout=out, stderr=err).wait() == 0
        out.seek(0)
        assert long.encode() in out.read()


def test_tied_process_ends_with_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By SIGTERM, whether the asker closes the server or somebody kills it; what is not tied goes on."""
    (tmp_path / "asked.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for how in ("closed", "killed"):
        server = ForkServer()
        with (tmp_path / "said").open("wb") as said:
            tied = server.start_tied("asked", "wait", said=said)
            free = server.start("asked", "wait", stdout=said, stderr=said)
        wait_until(lambda: (tmp_path / "said").read_text().count("wait") == 2)
        if how == "closed":
            server.close()
        else:
            os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda pid=tied.pid: not is_alive(pid))
        assert is_alive(free.pid)
        os.kill(free.pid, signal.SIGKILL)
        server.close()


def is_alive(pid: int) -> bool:
    """Whether the process is there and has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def test_signal_before_the_server_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for the answer is closed, and no trace is printed after the command's last line."""

    class Interrupted(io.BytesIO):
        def readline(self, _size: int | None = -1, /) -> bytes:
            raise KeyboardInterrupt

    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    result = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        ForkedProcess(result)
    gc.collect()
    assert (told, result.closed) == ([], True)
