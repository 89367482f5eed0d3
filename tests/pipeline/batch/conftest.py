"""Tables of small films whose processes have the fake model."""

import json
import os
import pty
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

Start = Callable[..., "subprocess.Popen[str]"]
Write = Callable[..., Path]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
FLAGS = ("--infer-frames", "12", "--retry-delay", "0", "--num-clip", "3")


@pytest.fixture
def table(tmp_path: Path, face: Path, speech: Path) -> Write:
    """Writes films.csv: a film for each dict of further columns."""

    def write(*films: dict[str, str], name: str = "films.csv") -> Path:
        rows = [{"image": face.name, "audio": speech.name, **film} for film in films]
        names = list(dict.fromkeys(name for row in rows for name in row))
        lines = [names, *([row.get(each, "") for each in names] for row in rows)]
        path = tmp_path / name
        path.write_text("".join(f"{','.join(line)}\n" for line in lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def batch(
    started: Start, fake_fork_server: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Start]:
    """`longtake batch` as a process of its own, whose films have the fake model too."""
    monkeypatch.setenv("PYTHONPATH", str(fake_fork_server))
    processes: list[subprocess.Popen[str]] = []

    def start(table: Path, *words: object, **fakes: str) -> "subprocess.Popen[str]":
        processes.append(started("batch", table, *FLAGS, *words, fakes=fakes))
        return processes[-1]

    yield start
    for each in processes:
        each.kill()
        each.communicate()


@pytest.fixture
def run_batch(batch: Start) -> Run:
    """`longtake batch` from its start to its end: code, stdout, stderr."""

    def run(table: Path, *words: object, **fakes: str) -> "subprocess.CompletedProcess[str]":
        process = batch(table, *words, **fakes)
        out, err = process.communicate()
        return subprocess.CompletedProcess([], process.returncode, out, err)

    return run


@pytest.fixture
def batch_screen(
    started: Start, fake_fork_server: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """All that `longtake batch` writes on a terminal that has both of its streams."""
    monkeypatch.setenv("PYTHONPATH", str(fake_fork_server))

    def show(table: Path, *words: object) -> str:
        ours, theirs = pty.openpty()
        fakes, seen = {"COLUMNS": "400", "TERM": "xterm"}, b""
        process = started("batch", table, *FLAGS, *words, fakes=fakes, stdout=theirs, stderr=theirs)
        os.close(theirs)
        with suppress(OSError):  # how Linux tells that nobody writes any more
            while piece := os.read(ours, 65536):
                seen += piece
        os.close(ours)
        process.wait()
        return seen.decode()

    return show


def states_of(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """The state of each film, as --json tells it."""
    return [film["state"] for film in json.loads(done.stdout)["films"]]
