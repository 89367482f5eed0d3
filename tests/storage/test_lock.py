"""One process tree at a time."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.errors import LockLost, NotWritable, RunLocked
from storage.lock import (
    HELD_FILE,
    HOLDER_BYTES,
    LOCK_FILE,
    break_held_lock,
    find_worker,
    hold_lock,
    is_held,
    is_lock,
    process_start,
    require_lock,
)

REPOSITORY = Path(__file__).parents[2]
HOLD = "import sys\nfrom pathlib import Path\nfrom storage.lock import hold_lock\nwith hold_lock(Path(sys.argv[1])):\n    print('in', flush=True)\n"


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
            hold_lock(tmp_path),
        ):
            pass
        assert caught.value.exit_code == 75
        assert not is_held(tmp_path)


def test_the_lock_of_a_killed_holder_is_free(tmp_path: Path) -> None:
    """After kill -9 the next process takes over at once."""
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with hold_lock(tmp_path):
            assert is_held(tmp_path)


def test_the_holder_and_its_children_may_enter(tmp_path: Path) -> None:
    """The same process again, a program it starts and a child it forks get in; when the holder has left, they would not."""
    with hold_lock(tmp_path):
        with hold_lock(tmp_path):
            assert is_held(tmp_path)
        assert is_held(tmp_path)
        subprocess.run([sys.executable, "-c", HOLD, str(tmp_path)], cwd=REPOSITORY, check=True)
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
    with holder(tmp_path), pytest.raises(RunLocked), hold_lock(tmp_path):
        pass


def test_a_child_that_leaves_does_not_let_others_in(tmp_path: Path) -> None:
    """A forked child ends inside the block: the holder still holds, and a stranger is still refused."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom storage.lock import hold_lock\n"
        "with hold_lock(Path(sys.argv[1])):\n"
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
        with pytest.raises(RunLocked, match=str(process.pid)), hold_lock(tmp_path):
            pass
        process.kill()


def test_an_old_token_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is not the present holder's lets nobody in."""
    monkeypatch.setenv("LONGTAKE_LOCKS", "0123456789abcdef")
    with holder(tmp_path), pytest.raises(RunLocked), hold_lock(tmp_path):
        pass


def test_the_environment_is_left_as_it_was(tmp_path: Path) -> None:
    """No token stays behind."""
    with hold_lock(tmp_path):
        assert os.environ["LONGTAKE_LOCKS"]
    assert not os.environ.get("LONGTAKE_LOCKS")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Locking what does not exist is one clear error."""
    with pytest.raises(NotWritable, match="nowhere"), hold_lock(tmp_path / "nowhere"):
        pass


def test_a_dead_holder_is_named_to_its_successor(tmp_path: Path) -> None:
    """Taking over after kill -9 is silent, but who had it before is told; after a clean end nobody is."""
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with hold_lock(tmp_path) as before:
            assert before is not None
            assert f"process {process.pid} on" in before
    with hold_lock(tmp_path) as before:
        assert before is None


def stale(root: Path, **facts: object) -> None:
    """The text of a holder, as a crash left it."""
    (root / LOCK_FILE).write_text(json.dumps(describe() | facts))


def describe() -> dict[str, object]:
    """A holder that is this very process."""
    who = {"host": socket.gethostname(), "process": os.getpid(), "born": process_start(os.getpid())}
    return {**who, "since": "2026-01-01 00:00:00+00:00", "token": "f" * 16}


def test_a_number_that_was_given_again_is_not_the_holder(tmp_path: Path) -> None:
    """A living process of the same number that was born at another moment, or of which nobody wrote when, does not work on the run."""
    stale(tmp_path)
    assert find_worker(tmp_path) is not None
    for born in ("1 another-boot", ""):
        stale(tmp_path, born=born)
        assert find_worker(tmp_path) is None


def test_a_lock_that_was_taken_away_is_seen(tmp_path: Path) -> None:
    """Who holds it asks before each clip; removed, or broken by another, it is no longer held."""
    with hold_lock(tmp_path):
        require_lock(tmp_path)
        (tmp_path / LOCK_FILE).unlink()
        with pytest.raises(LockLost, match="another process"):
            require_lock(tmp_path)
        stale(tmp_path, host="elsewhere")
        with pytest.raises(LockLost, match="on elsewhere since"):
            require_lock(tmp_path)
    assert "elsewhere" in (tmp_path / LOCK_FILE).read_text(), "what is another's is left alone"


def test_a_living_holder_on_this_machine_is_not_broken(tmp_path: Path) -> None:
    """--break-lock is refused with the process to stop."""
    with holder(tmp_path) as process:
        with pytest.raises(RunLocked, match=f"kill {process.pid}"):
            break_held_lock(tmp_path)
        with pytest.raises(RunLocked, match=f"kill {process.pid}"), hold_lock(tmp_path):
            pass


@pytest.fixture
def _no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that knows no flock."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.mark.usefixtures("_no_flock")
def test_without_flock_a_file_decides(tmp_path: Path) -> None:
    """One holder at a time, the holder itself may enter again, and nothing stays behind."""
    with hold_lock(tmp_path):
        assert is_held(tmp_path)
        with hold_lock(tmp_path):
            require_lock(tmp_path)
        text = (tmp_path / HELD_FILE).read_text()
    assert not (tmp_path / HELD_FILE).exists()
    (tmp_path / HELD_FILE).write_text(text)
    with pytest.raises(RunLocked, match="is being worked on"), hold_lock(tmp_path):
        pass


@pytest.mark.usefixtures("_no_flock")
def test_without_flock_a_dead_holder_is_taken_over(tmp_path: Path) -> None:
    """One that lives no more on this machine has no say."""
    (tmp_path / HELD_FILE).write_text(json.dumps(describe() | {"born": "1 another-boot"}))
    with hold_lock(tmp_path):
        assert is_held(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / LOCK_FILE]


@pytest.mark.usefixtures("_no_flock")
@pytest.mark.parametrize("text", [json.dumps(describe() | {"host": "elsewhere"}), ""])
def test_a_holder_that_cannot_be_asked_is_broken_by_hand(tmp_path: Path, text: str) -> None:
    """One on another machine, or one that died while it wrote its name: refused with the way out, and then broken."""
    (tmp_path / HELD_FILE).write_text(text)
    way = "add --break-lock" if text else "another process"
    with pytest.raises(RunLocked, match=way), hold_lock(tmp_path):
        pass
    break_held_lock(tmp_path)
    with hold_lock(tmp_path):
        assert is_held(tmp_path)


@pytest.mark.parametrize("longer", [b"{}" * 400, b"\x00" * 9000, os.urandom(600)])
def test_what_lies_in_the_locks_place_is_written_over(tmp_path: Path, longer: bytes) -> None:
    """Whatever its length: the kernel's lock decides, and its holder is held to be one."""
    (tmp_path / LOCK_FILE).write_bytes(longer)
    with hold_lock(tmp_path):
        require_lock(tmp_path)
        assert find_worker(tmp_path)
    assert find_worker(tmp_path) is None
    assert is_lock(tmp_path)


def test_a_lock_that_is_written_in_part_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit of the process that cuts the text short (ulimit -f) is said; the next takes the lock."""
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, text, at: whole(file, text[:100], at))
    with pytest.raises(NotWritable, match="its lock cannot be written"), hold_lock(tmp_path):
        pass
    monkeypatch.undo()
    with hold_lock(tmp_path):
        require_lock(tmp_path)


def test_a_full_disk_does_not_keep_a_run_from_being_locked(tmp_path: Path) -> None:
    """The text is always of one length and written over in place."""
    with hold_lock(tmp_path):
        size = (tmp_path / LOCK_FILE).stat().st_size
    assert (tmp_path / LOCK_FILE).stat().st_size == size


@pytest.mark.parametrize("length", [0, 1, 9, 100, HOLDER_BYTES - 1, HOLDER_BYTES])
@pytest.mark.parametrize("filled", [True, False])
def test_what_a_power_cut_leaves_of_a_lock_is_one(
    tmp_path: Path, length: int, filled: bool
) -> None:
    """Any beginning of its text, or as many zeros, is known as ours; somebody's own text of that length is not."""
    with hold_lock(tmp_path):
        whole = (tmp_path / LOCK_FILE).read_bytes()
    (tmp_path / LOCK_FILE).write_bytes(whole[:length] if filled else bytes(length))
    assert is_lock(tmp_path)
    (tmp_path / LOCK_FILE).write_bytes(b"# yarn lockfile v1\n"[: length or 1].ljust(length, b"x"))
    assert not is_lock(tmp_path)
