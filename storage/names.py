"""Which clips files and folders of a run are of, by their names alone: what somebody else left there is passed over."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

_NUMBER = re.compile(r"[0-9]+")


def clips_in(folder: Path, name: Callable[[int], str]) -> Iterator[int]:
    """The clips that something lies in a folder for, in no order; `name` gives the one name that a clip's file has there.

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
