"""Where a run on an object store lies: its URL, the store behind that, and the working folder of this machine."""

import hashlib
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from storage.errors import NotWritable
from storage.remote.folder_store import FolderStore
from storage.remote.object_store import BucketStore
from storage.remote.run_store import RunStore
from storage.schema import Text, Unfit, read_json

SCHEMES = ("s3", "gs", "az", "file", "memory")
CACHE_VARIABLE = "LONGTAKE_STORE_CACHE"
MARK = "store.json"
"""Beside a working folder: which URL it belongs to."""
FIRST_PATIENCE, PATIENCE = 5.0, 60.0
"""Seconds for which a request is tried again: at the start, and while a film is made."""
_DIGITS = 16
_LONGEST = 1024
_URL = re.compile(r"[a-z0-9]+://")
_PART = re.compile(r"[^/\s?#\\%*]+")


def is_url(word: str) -> bool:
    """True if a word is meant as the URL of a store, whether or not it is a good one."""
    return _URL.match(word) is not None


def read_url(word: str) -> str:
    """The URL of a run, in the one way that it is written; raises ValueError with the reason."""
    url, parts = word.rstrip("/"), urlsplit(word)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"a store is one of {', '.join(f'{each}://' for each in SCHEMES)}")
    if parts.scheme == "file" and parts.netloc:
        raise ValueError("file:// is followed by a whole path: file:///mnt/films/x")
    steps = url.partition("://")[2].lstrip("/").split("/")
    if len(steps) < 2 or any(each in {".", ".."} or not _PART.fullmatch(each) for each in steps):
        raise ValueError(f"{parts.scheme}://BUCKET/NAME is needed, of plain names")
    if "@" in parts.netloc or len(url) > _LONGEST:
        raise ValueError("credentials stand in the environment, and 1024 letters are the most")
    return url


def open_store(url: str, *, patience: float = PATIENCE) -> RunStore:
    """The store behind a URL; `patience` in seconds, for which a request is tried again. Raises BadInput."""
    if url.startswith("file:"):
        return FolderStore(url, Path(unquote(urlsplit(url).path)))
    return BucketStore(url, patience=patience)


def make_working_folder(url: str) -> Path:
    """The folder of this machine in which the run at a URL is worked on; it is marked with the URL, and need not be there itself. Raises NotWritable."""
    root = _cache_folder() / _digest_of(url) / url.rpartition("/")[2]
    mark = root.parent / MARK
    if not mark.exists():
        try:
            root.parent.mkdir(parents=True, exist_ok=True)
            draft = mark.with_name(f".{MARK}.{os.getpid()}")
            draft.write_text(json.dumps({"url": url}) + "\n", encoding="utf-8")
            draft.replace(mark)
        except OSError as error:
            raise NotWritable(root.parent, error.strerror) from error
    return root


def find_url(root: Path) -> str | None:
    """The URL of the run that a folder is the working folder of; None for any other folder."""
    with suppress(OSError, Unfit):
        told = read_json(root.parent / MARK, 8 * _LONGEST)
        url = told.get("url") if isinstance(told, dict) else None
        Text(_LONGEST)(url)
        # A mark that was copied elsewhere makes no working folder.
        if (root.parent.name, root.name) == (_digest_of(str(url)), str(url).rpartition("/")[2]):
            return str(url)
    return None


def name_run(root: Path) -> str:
    """What a run is called before people: its URL, or its folder."""
    return find_url(root) or str(root)


def _cache_folder() -> Path:
    place = os.environ.get(CACHE_VARIABLE)
    if place:
        return Path(place).absolute()
    user = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(user, "longtake").absolute()


def _digest_of(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:_DIGITS]
