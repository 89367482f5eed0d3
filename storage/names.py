"""The names of a run's files: whether a run is there, which clips they are of, and what somebody else left there."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from storage.drafts import DRAFT_NAME
from storage.errors import NotARun, RunDamaged
from storage.lock import HELD_FILE, LOCK_FILE, is_lock

MAIN, COPY = "run.json", "run.copy.json"
BEGUN = "begun.json"
"""What run.json will say, of a run that is still being given what it shares with another."""
FOLDERS = ("commits", "segments", "carry", "inputs")
ARRAYS = ("latents", "steps", "frames", "audio", "pose", "motion", "time", "present")
ENCODED = ("encoded", "sound", "dubbed")
GROUP = "zarr.json"
VIDEO = "video.mp4"
LIVE = "live"
"""The folder of the live film, where there is one."""
FIRST = frozenset({*FOLDERS, *ARRAYS, GROUP})
"""Made before run.json."""
LOGS = ("events.jsonl", "inference.log")
LATER = frozenset(
    # Of run.json that is there no run speaks, but it may be a link that leads nowhere.
    (MAIN, COPY, BEGUN, *ENCODED, "past", "soundtrack.m4a", VIDEO, LIVE, "reserve.bin", *LOGS)
)
OWN = frozenset({LOCK_FILE, HELD_FILE, *FIRST, *LATER})
_BEGINNING = re.compile(
    r"zarr\.json|c(\.[0-9]+)*|(image|pose|(audio|mask)[1-4]?|dub[0-9]+)(\.[A-Za-z0-9]+)?"
)
"""What lies in the first folders before run.json does."""
_NUMBER = re.compile(r"[0-9]+")


def is_run(root: Path) -> bool:
    """True if a run's facts lie in the folder."""
    return (root / MAIN).exists() or (root / COPY).exists()


def is_begun(root: Path) -> bool:
    """True if a run is being given what it shares with another, or was when a crash came."""
    path = root / BEGUN
    return path.is_file() and not path.is_symlink() and is_lock(root)


def is_reserved_name(name: str) -> bool:
    """True if a run keeps this name in its folder for itself; also on a disk that does not tell capitals apart."""
    return name.casefold() in OWN


def is_film_of(root: Path, path: Path) -> bool:
    """True if a path leads to the film of the run in `root`."""
    return os.path.realpath(path) == os.path.realpath(root / VIDEO)


def segment_name(clip: int) -> str:
    """The file name of a clip's segment."""
    return f"{clip:05d}.mp4"


def find_clips(folder: Path, name: Callable[[int], str]) -> Iterator[int]:
    """Numbers of the clips that something lies in a folder for, in no order; `name` gives the one name that a clip's file has there.

    Backups, copies of a synchroniser and files of editors and file managers have other names. A folder that is lost has none.
    """
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            found = _NUMBER.search(entry.name)
            if found and name(int(found[0])) == entry.name:
                yield int(found[0])


def refuse_conflicting_names(root: Path) -> None:
    """Raise NotARun where a folder holds other things by the names that a run uses or is itself a part of a run, RunDamaged where it holds clips without their run.json."""
    if is_run(root) or is_begun(root):
        return
    if run := find_run_around(root):
        raise NotARun(root, f"it would lie among the files of the run {run}")
    if is_lock(root) and any((root / "commits").glob("*.json")):
        words = "run.json and its copy are gone, but clips are there"
        raise RunDamaged(root, words, "copy run.json back from a backup")
    if names := ", ".join(find_conflicting_names(root)):
        raise NotARun(root, f"it holds other things by the names that a run uses ({names})")


def find_run_around(root: Path) -> Path | None:
    """The run, also a begun one, among whose own files a folder would lie; some program's run.json alone makes none."""
    for folder in root.parents:
        reserved = is_reserved_name(root.relative_to(folder).parts[0])
        if reserved and (is_begun(folder) or (is_run(folder) and (folder / "commits").is_dir())):
            return folder
    return None


def find_conflicting_names(root: Path) -> list[str]:
    """Names in a folder that a run uses where there is no run, not even the beginning of one."""
    if is_run(root) or is_begun(root):
        return []
    there = _names_there(root, [*FIRST, *LATER, LOCK_FILE, HELD_FILE])
    if is_lock(root):  # a beginning that was cut short
        left = {name for name in there & FIRST if _is_of_beginning(root / name)}
        left |= {name for name in (LOCK_FILE, HELD_FILE) if is_lock(root, name)}
    else:
        # A power cut in the first moment may leave the first folders, but not the lock that was there before them.
        left = {name for name in there if name in FOLDERS and _is_empty_folder(root / name)}
    return sorted(there - left)


def _names_there(root: Path, names: Iterable[str]) -> set[str]:
    # Each is asked for by itself, not looked for in a list: so capitals are what they are to this disk.
    return {name for name in names if os.path.lexists(root / name)}


def _is_of_beginning(path: Path) -> bool:
    if not path.is_dir():
        return path.name == GROUP
    names = [each.name for each in path.iterdir()]
    return all(_BEGINNING.fullmatch(name) or DRAFT_NAME.match(name) for name in names)


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())
