"""Which files of a run each of its records vouches for, and the way of them into one object and back."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from storage.digest import hash_file
from storage.layout import clip_arrays
from storage.publish import make_folder, publish, read_blocks, remove_path
from storage.records import Facts
from storage.remote.record_object import FileFacts
from storage.remote.run_store import Content
from storage.run_paths import face_picture_path, path_inside, sound_folder
from storage.trees import walk_folders

if TYPE_CHECKING:
    from storage.run import Run

SMALL = 8 << 20
"""Bytes up to which files are put together in memory."""


def find_content(run: "Run", facts: Facts) -> list[Path]:
    """The files that a record vouches for; none where it says anything but done."""
    stage, clip = str(facts["stage"]), facts["clip"]
    if facts["state"] != "done":
        return []
    if stage in clip_arrays(run.spec):
        return [getattr(run, stage).chunk_path(clip)]
    single = {"soundtrack": run.soundtrack_path, "video": run.video_path}
    if stage in single:
        return [single[stage]]
    if stage == "segment":
        return [run.segment_path(clip)]
    folder, face = _find_folder(run, stage, clip), face_picture_path(run.root)
    files = [] if folder is None else list(_walk_files(folder))
    return [*files, face] if stage == "inputs" and face.is_file() else files


def measure_content(root: Path, paths: Iterable[Path]) -> dict[str, FileFacts]:
    """Bytes and SHA-256 of each file, by its path in the run, in the order of these, which is that of a sealed line, too."""
    names = sorted(str(path.relative_to(root)) for path in paths)
    return {name: ((root / name).stat().st_size, hash_file(root / name)) for name in names}


def join_files(paths: list[Path], size: int) -> Content:
    """The files one after the other, for `put`; `size` is that of all."""
    if size <= SMALL:
        return b"".join(path.read_bytes() for path in paths)
    if len(paths) == 1:
        return paths[0]
    return (block for path in paths for block in read_blocks(path))


def split_files(root: Path, joined: Path, content: Mapping[str, FileFacts]) -> bool:
    """Publish the files that lie one after the other in another; False, and none of the last, where one is not what it should be."""
    with joined.open("rb") as source:
        for name, (size, digest) in content.items():
            path, found, left = path_inside(root, name), hashlib.sha256(), size
            make_folder(path.parent)
            with publish(path) as draft, draft.open("wb") as target:
                while block := source.read(min(left, SMALL)):
                    left -= len(block)
                    found.update(block)
                    target.write(block)
            if left or found.hexdigest() != digest:
                remove_path(path)
                return False
        return not source.read(1)


def _find_folder(run: "Run", stage: str, clip: int | None) -> Path | None:
    if stage == "inputs":
        return run.inputs.folder
    if stage == "sound":
        return sound_folder(run.root, clip or 0)
    if clip is None:
        return None
    if stage == "carry":
        return run.carry.path(clip)
    return run.join_context(clip).folder if stage == "past" else None


def _walk_files(folder: Path) -> Iterator[Path]:
    for inside, _, names in walk_folders(folder):
        yield from (Path(inside, name) for name in names)
