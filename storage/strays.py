"""What lies in a run and is none of its files: drafts of a crash, and what editors, file managers, synchronisers and people leave."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from storage.drafts import DRAFT_NAME
from storage.layout import clip_arrays
from storage.names import ARRAYS, ENCODED, FOLDERS, GROUP, LIVE, is_run, segment_name
from storage.output_file import SourceRun
from storage.records import name_of
from storage.run_paths import face_picture_path
from storage.trees import walk_folders

if TYPE_CHECKING:
    from storage.run import Run

_TOP = re.compile(
    r"run(\.copy)?\.json|run\.lock(\.held)?|reserve\.bin|begun\.json|events\.jsonl|inference\.log|zarr\.json|soundtrack\.m4a"
    r"|report\.html|(video|partial|part\.[0-9]{5,}-[0-9]{5,})\.mp4"
)
_FOLDERS = {*ARRAYS, *ENCODED, *FOLDERS, "past", LIVE}
_WHOLE = {"carry", "past", "encoded", "sound", "dubbed"}
"""Their folders are published whole."""
_RECORD = re.compile(r"([a-z]+|output-[0-9a-f]{16})(?:\.([0-9]{5,}))?\.json")
_LIVE = re.compile(
    r"film\.m3u8|(init|film)\.mp4|[0-9]{5,}-[0-9a-f]{12}\.m4s|pushed-[0-9a-f]{12}\.txt"
)
_CHUNK = re.compile(r"c(\.(0|[1-9][0-9]*))*")
"""Of an array that is no clip's: in how many dimensions, its zarr.json says."""


def find_strays(run: "Run") -> Iterator[Path]:
    """Each file and folder that is none of the run's, those in a folder that is none of it not one by one. The run of another film is no stray."""
    for folder, folders, names in walk_folders(run.root):
        here = Path(folder)
        inside = here.relative_to(run.root).parts
        foreign = {each for each in folders if not _is_folder(run, (*inside, each))}
        folders[:] = [each for each in folders if each not in foreign]
        for name in sorted((*names, *(each for each in foreign if not is_run(here / each)))):
            if name in foreign or not _is_file(run, inside, name):
                yield here / name


def find_obstacles(run: "Run") -> list[Path]:
    """Folders that have the name of one of the run's files, and files that have that of one of its folders: nothing can be written there.

    Links are passed over. Below `carry`, `past`, `encoded` and `sound` nothing is in the way: those are always made as a whole.
    """
    found = []
    for inside in ((), *((name,) for name in sorted(_FOLDERS - _WHOLE))):
        folder = Path(run.root, *inside)
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                ours = _is_file(run, inside, entry.name) if is_folder else entry.name in _FOLDERS
                if ours and (is_folder or not inside) and not entry.is_symlink():
                    found.append(folder / entry.name)
    return found


def _is_folder(run: "Run", parts: tuple[str, ...]) -> bool:
    """True if a folder with these names, the last its own, is one of the run's."""
    top, *rest = parts
    if top not in _FOLDERS or DRAFT_NAME.match(parts[-1]):
        return False
    if top in {"carry", "past"} and rest:
        clip = _clip_number(rest[0])
        return rest[0] == run.carry.path(clip).name and _is_piece(run, (top, clip), rest[1:])
    if top == "dubbed" and rest:
        return len(rest) == 1 and rest[0].isdecimal() and int(rest[0]) in run.sounds
    return not rest or (top == "encoded" and _is_piece(run, ("inputs", None), rest))


def _is_piece(run: "Run", record: tuple[str, int | None], inside: list[str]) -> bool:
    """True if a folder is one of the named arrays that a record holds; one without a record may have any."""
    facts = run.records.read(*record) or {}
    pieces = {fact["folder"] for fact in facts.get("pieces", ())}
    return not inside or (len(inside) == 1 and (not pieces or inside[0] in pieces))


def _is_file(run: "Run", inside: tuple[str, ...], name: str) -> bool:
    """True if a file in one of the run's folders is one of the run's."""
    top = inside[0] if inside else ""
    path = Path(run.root, *inside, name)
    if top in {"", "inputs"} and path in _named_by_run(run):
        return True
    if not top:
        return bool(_TOP.fullmatch(name))
    if top == "commits":
        return _is_record(run, name)
    if top == LIVE:
        return bool(_LIVE.fullmatch(name))
    if top == "segments":
        return name == segment_name(_clip_number(name))
    return top != "inputs" and (name == GROUP or _is_chunk(run, inside, name))


def _is_chunk(run: "Run", inside: tuple[str, ...], name: str) -> bool:
    top, clip = inside[0], _clip_number(name)
    if top in clip_arrays(run.spec):
        return clip < run.spec.clips and bool(name == getattr(run, top).chunk_name(clip))
    # Pieces of a carry and of the encoded inputs lie one folder further down.
    return bool(_CHUNK.fullmatch(name)) and (top in {"time", "present", "sound"} or len(inside) > 1)


def _is_record(run: "Run", name: str) -> bool:
    found = _RECORD.fullmatch(name)
    if found is None:
        return False
    clip = None if found[2] is None else int(found[2])
    if found[1] == "sound" and clip is not None:
        return name == name_of("sound", clip) and clip in run.spec.dubs
    return name == name_of(found[1], clip) and (clip or 0) <= run.spec.clips


def _clip_number(name: str) -> int:
    found = re.search(r"[0-9]+", name)
    return int(found[0]) if found else -1


def _named_by_run(run: "Run") -> tuple[Path, ...]:
    outputs = (run.root / name for name in SourceRun(run.root, run.spec).outputs())
    return *run.input_paths.values(), face_picture_path(run.root), *outputs
