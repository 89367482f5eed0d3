"""One process tree at a time."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.errors import NotWritable, RunLocked
from storage.lock import held, lock

REPOSITORY = Path(__file__).parents[2]
HOLD = "import sys\nfrom pathlib import Path\nfrom storage.lock import lock\nwith lock(Path(sys.argv[1])):\n    print('in', flush=True)\n"


@contextmanager
def holder(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process tree that holds the lock until it is told otherwise."""
    code = HOLD + "    sys.stdin.read()\n"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(root)],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        yield process
        process.kill()


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    """RunLocked names the process and its host, and has exit code 75."""
    with holder(tmp_path) as process:
        with (
            pytest.raises(RunLocked, match=rf"process {process.pid} on \S+ since 20") as caught,
            lock(tmp_path),
        ):
            pass
        assert caught.value.exit_code == 75
        assert not held(tmp_path)


def test_the_lock_of_a_killed_holder_is_free(tmp_path: Path) -> None:
    """After kill -9 the next process takes over at once."""
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with lock(tmp_path):
            assert held(tmp_path)


def test_the_holder_and_its_children_may_enter(tmp_path: Path) -> None:
    """The same process again, a program it starts and a child it forks get in; when the holder has left, they would not."""
    with lock(tmp_path):
        with lock(tmp_path):
            assert held(tmp_path)
        assert held(tmp_path)
        subprocess.run([sys.executable, "-c", HOLD, str(tmp_path)], cwd=REPOSITORY, check=True)
        assert held(tmp_path)
    assert not held(tmp_path)
    with holder(tmp_path), pytest.raises(RunLocked), lock(tmp_path):
        pass


def test_a_child_that_leaves_does_not_let_others_in(tmp_path: Path) -> None:
    """A forked child ends inside the block: the holder still holds, and a stranger is still refused."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom storage.lock import lock\n"
        "with lock(Path(sys.argv[1])):\n"
        "    child = os.fork()\n"
        "    if child:\n        os.waitpid(child, 0)\n        print('in', flush=True)\n        sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        with pytest.raises(RunLocked, match=str(process.pid)), lock(tmp_path):
            pass
        process.kill()


def test_an_old_token_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is not the present holder's lets nobody in."""
    monkeypatch.setenv("LONGTAKE_LOCKS", "0123456789abcdef")
    with holder(tmp_path), pytest.raises(RunLocked), lock(tmp_path):
        pass


def test_the_environment_is_left_as_it_was(tmp_path: Path) -> None:
    """No token stays behind."""
    with lock(tmp_path):
        assert os.environ["LONGTAKE_LOCKS"]
    assert not os.environ.get("LONGTAKE_LOCKS")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Locking what does not exist is one clear error."""
    with pytest.raises(NotWritable, match="nowhere"), lock(tmp_path / "nowhere"):
        pass
