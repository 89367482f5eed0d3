"""No link leads out of a run, and what is written in place is nobody else's."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_film import content

from storage.errors import LinkInRun, LongtakeError
from storage.lock import hold_lock
from storage.names import OWN
from storage.reserve import DiskReserve
from storage.run import Run
from storage.run_paths import append_bytes, open_own, open_plain, path_inside, read_plain

MINE = b"what somebody has\n" * 400


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A file outside of the run."""
    path = tmp_path / "other" / "file"
    path.parent.mkdir()
    path.write_bytes(MINE)
    return path


@pytest.mark.parametrize(
    "name", ["..", "../x", "a/../../x", "", "a//b", "/etc/passwd", ".", "a/./b", "a/"]
)
def test_no_name_leads_out(tmp_path: Path, name: str) -> None:
    """Neither upwards nor to the root of the disk."""
    with pytest.raises(LinkInRun, match="a way out"):
        path_inside(tmp_path, name)


def test_a_path_may_lead_to_nothing(tmp_path: Path) -> None:
    """What is not there yet has a path; so has what would lie in a file."""
    assert path_inside(tmp_path, "a", "b/c") == tmp_path / "a" / "b" / "c"
    (tmp_path / "a").write_bytes(b"")
    assert path_inside(tmp_path, "a", "b") == tmp_path / "a" / "b"


@pytest.mark.parametrize("leads", ["to a file", "to a folder", "nowhere"])
def test_a_run_with_a_link_in_it_is_not_opened(run: Run, other: Path, leads: str) -> None:
    """Each of the names at the top of a run: it is said which, and what it leads to is as it was."""
    target = {"to a file": other, "to a folder": other.parent}.get(leads, "nowhere")
    for name in sorted(OWN):
        path, aside = run.root / name, run.root / "aside"
        if path.exists():
            path.rename(aside)
        path.symlink_to(target)
        with pytest.raises(LinkInRun, match=f"{name} in it is a symbolic link"):
            Run.open(run.root)
        path.unlink()
        if aside.exists():
            aside.rename(path)
    assert (other.read_bytes(), [*other.parent.iterdir()]) == (MINE, [other])


def test_a_pipe_is_not_waited_for(run: Run) -> None:
    """A run with a pipe in place of its log is refused at once."""
    os.mkfifo(run.root / "inference.log")
    with pytest.raises(LinkInRun, match=r"inference\.log in it is a pipe"):
        Run.open(run.root)
    with pytest.raises(OSError, match=r"no plain file|No such device"):
        open_plain(run.root / "inference.log", os.O_WRONLY)


DEEPER: dict[str, Callable[[Run], object]] = {
    "latents/c.0.0.0.0.0": lambda run: run.latents.publish(0, content(run, "latents", 0)),
    "frames/c.0.0.0.0.0": lambda run: run.frames.remove(0),
    "commits/latents.00000.json": lambda run: run.records.withdraw("latents", 0),
    "carry/00001": lambda run: run.carry.discard(1),
    "carry/00001/ring": lambda run: [*run.carry.load(1)],
    "carry/00001/zarr.json": lambda run: [*run.carry.flaws(1)],
    "encoded/mean/c.0": lambda run: run.inputs.read("mean"),
    "sound/c.0": lambda run: run.sound.read(0, 9),
    "present/c.0": lambda run: run.frames.publish(0, content(run, "frames", 0)),
    "segments/00000.mp4": lambda run: run.segment_path(0),
    "inputs/image.png": lambda run: run.check_inputs(),
}


@pytest.mark.parametrize("folder", [False, True])
def test_nothing_is_read_or_written_through_a_link(run: Run, other: Path, folder: bool) -> None:
    """Deep in a run, where nobody looks before it is used: it is named, and what it leads to stays."""
    for stage in ("latents", "frames"):
        getattr(run, stage).publish(0, content(run, stage, 0))
    run.carry.publish(1, [("ring", np.ones((2, 2), np.float32))])
    run.inputs.publish({"mean": np.ones(3, np.float32)})
    run.sound.publish([np.ones(10, np.float32)])
    for name, act in DEEPER.items():
        path, aside = run.root / name, run.root / "aside"
        if path.exists():
            path.rename(aside)
        path.symlink_to(other.parent if folder else other)
        with pytest.raises(LinkInRun, match=f"{path.name} in it is a symbolic link"):
            act(run)
        path.unlink()
        if aside.exists():
            aside.rename(path)
    assert (other.read_bytes(), [*other.parent.iterdir()]) == (MINE, [other])


IN_PLACE: dict[str, Callable[[Run], object]] = {
    "events.jsonl": lambda run: append_bytes(run.events_path, b"{}\n"),
    "inference.log": lambda run: os.close(open_own(run.log_path, os.O_WRONLY | os.O_APPEND)),
    "reserve.bin": lambda run: DiskReserve(run.reserve_path).hold(100),
    "run.lock": lambda run: _hold(run.root),
    "present/c.0": lambda run: run.latents.publish(0, content(run, "latents", 0)),
}


def _hold(root: Path) -> None:
    with hold_lock(root), hold_lock(root):
        assert (root / "run.lock").read_bytes().strip()
    with hold_lock(root):
        pass


@pytest.mark.parametrize("name", IN_PLACE)
def test_what_has_another_name_elsewhere_is_not_written_in_place(
    run: Run, other: Path, name: str
) -> None:
    """A hard link looks like any file: the run goes on with a file of its own, and the other stays as it is."""
    path = run.root / name
    path.unlink(missing_ok=True)
    path.hardlink_to(other)
    IN_PLACE[name](run)
    assert other.read_bytes() == MINE
    assert path.lstat().st_nlink == 1
    assert not [*run.root.glob(".*")]


def test_a_run_is_not_removed_through_a_link(run: Run, other: Path) -> None:
    """A sweep takes drafts away, and of a draft that is a link the link."""
    (run.root / ".video.4194305-0123abcd.partial.mp4").symlink_to(other.parent)
    with run.lock():
        assert run.sweep() == 1
    assert other.read_bytes() == MINE
    assert not [*run.root.glob(".*")]


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    """Only as much is read as may be there."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="larger than 99 bytes"):
        read_plain(path, 99)


def test_the_line_is_one_for_people(run: Run) -> None:
    """It names the run and the file, with code 3."""
    (run.root / "video.mp4").symlink_to("/dev/null")
    with pytest.raises(LongtakeError) as refused:
        Run.open(run.root)
    assert refused.value.exit_code == 3
    assert str(refused.value).startswith(f"{run.root} is damaged: video.mp4 in it is a symbolic")
