"""What may happen to a file of a run, and which files a run has that follow from its inputs."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

LOGS = {"run.lock", "events.jsonl", "inference.log", "reserve.bin"}
"""What says nothing of the film: logs, the lock, and room that is held for the end."""


def flip(path: Path) -> None:
    """One bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    """Its second half is lost."""
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    """It is there, and that is all: what a power cut leaves where nothing was synced."""
    os.truncate(path, 0)


def swap(path: Path) -> None:
    """It and its neighbour have each other's name."""
    other, aside = neighbour(path), path.with_name("aside")
    path.rename(aside)
    other.rename(path)
    aside.rename(other)


def put_folder(path: Path) -> None:
    """A folder stands in its place."""
    path.unlink()
    path.mkdir()


HARMS: dict[str, Callable[[Path], None]] = {
    "flip": flip,
    "cut": cut,
    "empty": empty,
    "remove": Path.unlink,
    "folder": put_folder,
    "swap": swap,
}


def nest_folders(path: Path, deep: int) -> None:
    """So many folders in each other, made from the inside: no call takes such a path."""
    path.mkdir(parents=True)
    for _ in range(deep):
        outer = path.with_name(f"{path.name}.outer")
        outer.mkdir()
        path.rename(outer / "d")
        outer.rename(path)


def neighbour(path: Path) -> Path:
    """The next file of its folder (the first after the last); of a lone one, that of the folder beside it."""
    folder = sorted(
        each for each in path.parent.iterdir() if each.is_file() and each.name not in LOGS
    )
    if len(folder) > 1:
        return folder[(folder.index(path) + 1) % len(folder)]
    near = sorted(each for each in path.parent.parent.glob(f"*/{path.name}"))
    return near[(near.index(path) + 1) % len(near)]


def derived_files(root: Path) -> list[str]:
    """Every file that can be made again, by its path in the run."""
    paths = (path for path in root.rglob("*") if path.is_file() and path.name not in LOGS)
    names = (str(path.relative_to(root)) for path in paths)
    return sorted(name for name in names if not name.startswith("inputs/"))


def digests(root: Path) -> dict[str, str]:
    """The hash of each of them."""
    return {
        name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in derived_files(root)
    }


def harmed(root: Path, names: list[str], harm: str) -> Iterator[str]:
    """Harm each of these files in turn; the caller puts it right before the next. One whose neighbour is the same is passed over."""
    for name in names:
        path = root / name
        if harm == "swap" and neighbour(path).read_bytes() == path.read_bytes():
            continue
        HARMS[harm](path)
        yield name
