"""The disk while a film is made: looked at before each clip, pruned as the policy allows, and with the joining's part held back."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.disk import read_file_system
from storage.errors import LockLost, NoSpace, NotWritable
from storage.lock import LOCK_FILE
from storage.run import Run
from tasks.disk_plan import DiskPlan, MeasuredSizes, OncePerRun, count_carries_kept
from tasks.events import listen_to_events
from tasks.film import make_film
from tests.faults.disks import memory_disk

Begin = Callable[..., Run]
Fill = Callable[[int], None]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 24 MiB."""
    with memory_disk(tmp_path / "disk", "size=24m") as folder:
        yield folder


def fill(disk: Path, left: int) -> None:
    """Let somebody else take the disk, but for so many bytes."""
    with (disk / "filler").open("ab") as file:
        os.posix_fallocate(file.fileno(), 0, read_file_system(disk).free - left)


def when(clip: int, do: Callable[[], None]) -> Callable[[str, dict[str, Any]], None]:
    """A listener that does something once, after a clip is published."""
    left = [do]

    def hear(event: str, facts: dict[str, Any]) -> None:
        if event == "clip_published" and facts["clip"] == clip and left:
            left.pop()()

    return hear


def test_frames_go_before_the_film_stops(begin: Begin, disk: Path) -> None:
    """By `auto` the oldest are pruned, with a record that says so, and the film is made in what is left."""
    run = begin(run=disk / "run", width=64, height=64)
    told: list[str] = []
    with (
        listen_to_events(when(6, lambda: fill(disk, 600_000))),
        listen_to_events(lambda event, _: told.append(event)),
    ):
        make_film(run)
    assert "space_low" in told
    assert told.count("space_low") == 1
    assert "space_pruned" in told
    assert run.records.read("frames", 0)["state"] == "pruned"
    assert not run.frames.complete(20)
    assert not run.reserve_path.exists()


def test_what_is_kept_on_purpose_is_not_pruned(begin: Begin, disk: Path) -> None:
    """With --keep-frames all the film stops: path, owner, bytes short, the command that takes less; freed, it goes on."""
    run = begin(run=disk / "run", width=64, height=64, keep_frames="all", keep_steps="none")
    with listen_to_events(when(6, lambda: fill(disk, 500_000))), pytest.raises(NoSpace) as caught:
        make_film(run)
    words = str(caught.value)
    assert f"{disk / 'run'} (owned by root, on {disk})" in words
    assert "are short" in words
    assert f"`longtake resume {run.root} --keep-frames none` takes less" in words
    assert run.frames.complete(0)
    assert run.reserve_path.stat().st_size > 100_000
    with pytest.raises(NoSpace):
        make_film(run)
    (disk / "filler").unlink()
    make_film(run)
    assert all(run.frames.complete(clip) for clip in range(21))


def test_nobody_is_stuck_at_the_end(begin: Begin, disk: Path) -> None:
    """With nothing left but what was held back, soundtrack and film are made."""
    run = begin(run=disk / "run", width=64, height=64, keep_frames="none")
    with listen_to_events(when(20, lambda: fill(disk, 0))):
        make_film(run)
    assert run.video_path.exists()


def test_every_byte_at_every_moment(begin: Begin, disk: Path) -> None:
    """A disk that is quite full in the middle of a clip: the one error, nothing lost, and the same command goes on."""
    run = begin(run=disk / "run", width=64, height=64, keep_frames="none", keep_steps="none")
    with (
        listen_to_events(when(4, lambda: fill(disk, 20_000))),
        pytest.raises(NoSpace, match="are short"),
    ):
        make_film(run)
    there = [clip for clip in range(21) if run.latents.complete(clip)]
    assert len(there) >= 5
    (disk / "filler").unlink()
    make_film(run)


def test_a_disk_that_was_closed_is_named(
    begin: Begin, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gone read-only in mid-write, as a disk does after errors, and still so when the same command is given: one error, not tried again."""
    from storage import publish

    run = begin(run=disk / "run", width=64, height=64)

    def closed(step: str, path: Path) -> None:
        if step == "create" and path.parent.name == "latents":
            raise OSError(errno.EROFS, "Read-only file system")

    told: list[str] = []
    monkeypatch.setattr(publish, "kill_point", closed)
    with (
        listen_to_events(lambda event, _: told.append(event)),
        pytest.raises(NotWritable, match="Read-only"),
    ):
        make_film(run)
    assert "clip_retry" not in told
    monkeypatch.setattr(publish, "kill_point", None)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(NotWritable, match="Read-only file system"):
        make_film(run)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    make_film(run)


def test_no_inodes_is_a_full_disk_too(begin: Begin, disk: Path) -> None:
    """Room for bytes and none for files: said as such."""
    run = begin(run=disk / "run", width=64, height=64, keep_frames="none")
    made: list[Path] = []

    def take() -> None:
        left = (read_file_system(disk).files or 0) - 20
        subprocess.run(
            ["mount", "-o", f"remount,nr_inodes={used(disk) + 20}", str(disk)], check=True
        )
        made.append(disk)
        assert left > 0

    with (
        listen_to_events(when(3, take)),
        pytest.raises(NoSpace, match=r"more files can be made, 28 are needed"),
    ):
        make_film(run)
    subprocess.run(["mount", "-o", "remount,nr_inodes=10000", str(disk)], check=True)
    make_film(run)


def used(disk: Path) -> int:
    """Files that are there."""
    found = os.statvfs(disk)
    return found.f_files - found.f_ffree


def test_a_broken_lock_stops_the_film(begin: Begin) -> None:
    """Before the next clip: two processes never write at once."""
    run = begin()
    with listen_to_events(when(3, (run.root / LOCK_FILE).unlink)), pytest.raises(LockLost):
        make_film(run)
    assert not run.records.complete("segment", 6)


def test_the_plan_counts_what_is_kept(begin: Begin) -> None:
    """Frames and steps of as many clips as stay; two carries and a draft, anchors, none where there are none."""
    from dataclasses import replace

    run = begin()
    plan = DiskPlan(run.spec, frames=2, steps=0)
    assert plan.clips(10) == 10 * plan.clip - 8 * plan.frame_bytes
    assert plan.clip > plan.frame_bytes
    steps = DiskPlan(run.spec, frames=2, steps=None).clip - plan.clip
    assert plan.step_bytes <= steps <= plan.step_bytes + 4096  # its record, too
    spec, settings = run.spec, run.settings
    assert count_carries_kept(spec, settings) == 3
    assert count_carries_kept(spec, replace(settings, carry_every=0)) == 0
    assert count_carries_kept(spec, replace(settings, carry_every=15)) == 1
    assert count_carries_kept(spec, replace(settings, carry_every=2, carry_anchors=2)) == 3 + 5


def test_how_many_states_there_will_be(begin: Begin) -> None:
    """By their cost none before clip 8, and one where a part ends; as many as their distance leaves, where that is known."""
    from dataclasses import replace

    spec, settings = begin().spec, begin().settings
    short = replace(spec, clips=8)
    assert count_carries_kept(short, settings) == 0
    assert count_carries_kept(short, settings, range(3)) == 1
    assert count_carries_kept(spec, settings, every=8, most=2) == 2
    assert count_carries_kept(replace(spec, clips=16), settings, every=8) == 1
    assert count_carries_kept(replace(spec, clips=16), settings, every=64) == 1
    assert count_carries_kept(replace(spec, clips=200), settings, every=64) == 3


def test_the_plan_is_what_the_disk_gives(begin: Begin) -> None:
    """With the sizes that are known when the film is there, its parts add up to the run's folder, to 2 %."""
    run = begin(width=64, height=64)
    make_film(run)
    spec = run.spec
    segments = [path.stat().st_size for path in run.root.glob("segments/*.mp4")]
    seconds = spec.frames / spec.fps
    logs = run.events_path.stat().st_size
    known = MeasuredSizes(
        sum(segments) // spec.clips,
        run.soundtrack_path.stat().st_size / seconds,
        taken(run.root / "carry") // 2,
        logs // spec.clips,
    )
    inputs = run.image_path.stat().st_size + run.audio_path.stat().st_size
    plan = DiskPlan(spec, None, None, known)
    parts = {**plan.parts(spec.clips), **plan.once(OncePerRun(2, inputs=inputs))}
    assert sum(parts.values()) == pytest.approx(taken(run.root), rel=0.02)


def taken(folder: Path) -> int:
    """Bytes of the disk."""
    return sum(each.lstat().st_blocks * 512 for each in (folder, *folder.rglob("*")))
