"""Room that is held back, on real small file systems where this machine lets us mount one."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.disk import (
    describe_place,
    describe_shortage,
    format_bytes,
    nearest_existing,
    read_file_system,
)
from storage.errors import NoSpace
from storage.publish import publish_bytes
from storage.reserve import DiskReserve
from tests.faults.disks import memory_disk

MB = 1 << 20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of four MiB."""
    with memory_disk(tmp_path / "small", "size=4m,nr_inodes=40") as folder:
        yield folder


def test_what_is_held_is_taken_from_the_disk_and_given_back(tmp_path: Path) -> None:
    """It grows and shrinks to what is asked, in blocks that are really there, and leaves nothing behind."""
    reserve = DiskReserve(tmp_path / "reserve.bin")
    assert reserve.size == 0
    for wanted in (3 * MB, 5 * MB, MB):
        reserve.hold(wanted)
        assert reserve.size == wanted
        assert reserve.path.stat().st_blocks * 512 >= wanted
    reserve.release()
    assert not reserve.path.exists()
    reserve.release()


def test_holes_hold_nothing(tmp_path: Path) -> None:
    """A file that is only long, as after a power cut, counts as nothing and is made anew."""
    reserve = DiskReserve(tmp_path / "reserve.bin")
    with reserve.path.open("wb") as file:
        file.truncate(MB)
    assert reserve.size == 0
    reserve.hold(MB)
    assert reserve.size == MB


def test_nobody_else_can_take_it(small: Path) -> None:
    """A disk that is filled to the last byte still has what was held back."""
    reserve = DiskReserve(small / "reserve.bin")
    reserve.hold(2 * MB)
    with pytest.raises(NoSpace, match=r"owned by root, on .*/small\): No space left"):
        publish_bytes(small / "film.mp4", bytes(3 * MB))
    reserve.release()
    publish_bytes(small / "film.mp4", bytes(3 * MB))


def test_more_than_there_is_names_what_is_short(small: Path) -> None:
    """The error has bytes, place and owner; what was held before is held still."""
    reserve = DiskReserve(small / "reserve.bin")
    reserve.hold(MB)
    with pytest.raises(NoSpace, match=r"7\.34 MB are needed, 3\.1\d MB are free, 4\.\d+ MB are sh"):
        reserve.hold(8 * MB)
    assert reserve.size == MB


def test_a_disk_says_what_it_has(small: Path) -> None:
    """Bytes, files, whether it can be written, and its words."""
    found = read_file_system(small)
    assert found.free == 4 * MB
    assert found.files is not None
    assert found.files < 40
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    assert read_file_system(small).read_only
    assert describe_place(small / "not" / "there").endswith(f"(owned by root, on {small})")
    assert nearest_existing(small / "not" / "there") == small
    assert "are short" in describe_shortage(small, 8 * MB)
    assert [format_bytes(each) for each in (4_200_000_000, 1_500_000, 900)] == [
        "4.20 GB",
        "1.50 MB",
        "0.90 kB",
    ]
