"""Small file systems of their own, to fill, cut off and break: loop-mounted ext4 and XFS, and tmpfs. Root on Linux only; elsewhere the test is skipped and says so."""

import fcntl
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MIB = 1 << 20
# The same number for ext4 and XFS: stop now, and write nothing more, the journal neither.
SHUTDOWN, NO_FLUSH = 0x8004587D, 2
# mkfs.xfs makes none that is smaller.
LEAST = {"ext4": 48, "xfs": 304}


@dataclass
class Disk:
    """A mounted file system."""

    path: Path
    kind: str
    image: Path
    options: str

    @property
    def device(self) -> str:
        """What is mounted: /dev/loop3."""
        return call("findmnt", "-no", "SOURCE", str(self.path)).strip()

    def mount(self) -> None:
        """Mount it, again."""
        options = ",".join(filter(None, ("loop", self.options)))
        call("mount", "-t", self.kind, "-o", options, str(self.image), str(self.path))

    def unmount(self) -> None:
        """Unmount it."""
        call("umount", str(self.path))

    def cut(self) -> None:
        """Cut the power: what is not on the device now never will be."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, SHUTDOWN, struct.pack("I", NO_FLUSH))
        finally:
            os.close(folder)

    def break_down(self) -> None:
        """Let the kernel find an error in it: ext4 then goes read-only (errors=remount-ro)."""
        name = Path(self.device).name
        Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("1", encoding="utf-8")

    def repair(self) -> None:
        """What the system does at the next start."""
        self.unmount()
        subprocess.run(["e2fsck", "-p", "-f", str(self.image)], check=False, capture_output=True)
        self.mount()


def call(*words: str) -> str:
    """Run a command of the system; raises with what it said."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


@contextmanager
def disk(kind: str, folder: Path, options: str = "") -> Iterator[Disk]:
    """A fresh ext4 or XFS in a file."""
    need(f"mkfs.{kind}", "findmnt", "mount")
    path, image = folder / "mount", folder / "disk.image"
    path.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(LEAST[kind] * MIB)
    call(f"mkfs.{kind}", "-q", str(image))
    one = Disk(path, kind, image, options)
    with mounted(one):
        yield one
    image.unlink()


@contextmanager
def memory_disk(folder: Path, options: str) -> Iterator[Path]:
    """A tmpfs with these options."""
    need("mount")
    folder.mkdir(parents=True, exist_ok=True)
    _try("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    try:
        yield folder
    finally:
        call("umount", "-l", str(folder))


@contextmanager
def mounted(one: Disk) -> Iterator[None]:
    """It is there meanwhile, and gone afterwards, whatever was done to it."""
    try:
        one.mount()
    except AssertionError as error:
        pytest.skip(f"mounting is not allowed here: {error}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(one.path)], check=False, capture_output=True)


def need(*tools: str) -> None:
    """Skip, and say why, where file systems cannot be made."""
    if not sys.platform.startswith("linux") or os.geteuid():
        pytest.skip("mounting a file system needs root on Linux")
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def _try(*words: str) -> None:
    try:
        call(*words)
    except AssertionError as error:
        pytest.skip(f"mounting is not allowed here: {error}")
