"""A path exists complete, or not at all: draft → write → fsync → rename → fsync the folder.

Everything in a run folder that must survive a power cut goes through here and nowhere else; who follows the folder (an object store,
storage/followers.py) is told of each path before the call returns. Only a commit record (storage/records.py) says that something is done; what is published here merely exists whole.
"""

import errno
import fcntl
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from storage.disk import DISK_FULL_ERRORS, PASSING_ERRORS, REFUSED, describe_place
from storage.drafts import discard_draft, draft_path, is_folder
from storage.errors import NoSpace, NotReadable, NotWritable
from storage.followers import tell_published, tell_removed
from storage.run_paths import path_inside
from storage.trees import remove_tree, walk_folders

KillPoint = Callable[[str, Path], None]

kill_point: KillPoint | None = None
"""Called, when a test sets it, before each step that the disk sees: create, write, fsync, rename, dirsync, unlink, mkdir."""

TRIES = 3
WRITE_BYTES = 4 << 20
NO_LINK_ERRORS = (
    errno.EXDEV,
    errno.EPERM,
    errno.EMLINK,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
)
"""Another file system, one that knows no links, or too many of them to one file."""

log = structlog.get_logger()


@contextmanager
def publish(path: Path, settle: Callable[[Path], None] = lambda _: None) -> Iterator[Path]:
    """A draft beside `path`, with its suffix, to write into; on leaving it becomes `path`, durably. On any exception it is removed.

    `settle` is given the draft when it is full, before it is synced and renamed.
    """
    draft = draft_path(path)
    with _discard_on_error(draft):
        with _translate_errors(path):
            os.close(_create_draft(draft))
        with _body_named(path, draft):
            yield draft
        with _translate_errors(path):
            settle(draft)
            _sync_path(draft)
            _rename_draft(draft, path)
    tell_published(path)


@contextmanager
def publish_folder(path: Path) -> Iterator[Path]:
    """A draft folder that becomes `path` with all that is in it, durably. `path` must not exist."""
    draft = draft_path(path)
    with _discard_on_error(draft):
        with _translate_errors(path):
            _reach_kill_point("mkdir", draft)
            draft.mkdir()
        with _body_named(path, draft):
            yield draft
        with _translate_errors(path):
            for folder, _, names in os.walk(draft, topdown=False):
                for name in names:
                    _sync_path(Path(folder, name))
                _sync_folder(Path(folder))
            _rename_draft(draft, path)
    tell_published(path)


def publish_bytes(path: Path, *parts: bytes | memoryview) -> None:
    """Make a file of these bytes, durably. After a failed write or fsync it is written again under a new name, three times at most."""
    with _translate_errors(path):
        for attempt in range(1, TRIES + 1):
            try:
                with _name_passing_faults():
                    _publish_once(path, parts)
                break
            except _NotSyncedError as error:
                log.warning("write_failed", path=str(path), attempt=attempt, reason=str(error))
                if attempt == TRIES:
                    raise
    tell_published(path)


def link_files(pairs: Iterable[tuple[Path, Path]]) -> int:
    """Let each second path be the file that the first one names, durably; bytes that had to be copied, where no link can be made.

    The first are synced: a record vouches for each. Their folders are synced once, after all.
    """
    copied, targets = 0, []
    for source, target in pairs:
        targets.append(target)
        with _translate_errors(target):
            copied += _link_file(source, target)
    for folder in {target.parent for target in targets}:
        with _translate_errors(folder):
            _sync_folder(folder)
    for target in targets:
        tell_published(target)
    return copied


def link_folder(source: Path, target: Path) -> int:
    """Link (or copy) all files of a folder to another, which appears whole, in place of one that may be there; bytes that had to be copied."""
    remove_path(target)
    make_folder(target.parent)
    copied = 0
    with publish_folder(target) as draft:
        for folder, _, names in walk_folders(source):
            within = Path(folder).relative_to(source)
            (draft / within).mkdir(exist_ok=True)
            for name in names:
                copied += _link_file(path_inside(source, str(within / name)), draft / within / name)
    return copied


def make_folder(path: Path) -> None:
    """Make a folder and those above it, durably; one that exists is left alone."""
    if path.is_dir():
        return
    make_folder(path.parent)
    with _translate_errors(path):
        _reach_kill_point("mkdir", path)
        path.mkdir(exist_ok=True)
        _sync_folder(path.parent)


def set_aside(path: Path) -> None:
    """Give a file or folder, with all that is in it, another name beside its own, durably: NAME.aside, or NAME.aside2 and so on.

    An empty folder is removed.
    """
    if path.is_dir() and not any(path.iterdir()):
        remove_path(path)
        return
    numbers = ("", *range(2, 1000))
    names = (path.with_name(f"{path.name}.aside{number}") for number in numbers)
    with _translate_errors(path):
        _rename_draft(path, next(each for each in names if not os.path.lexists(each)))
    tell_removed(path)


def remove_path(path: Path) -> None:
    """Remove a file or a folder, durably; one that is not there is fine."""
    with _translate_errors(path):
        try:
            if is_folder(path):
                # Renamed first: half a folder under its own name would look like a whole one.
                draft = draft_path(path)
                _rename_draft(path, draft)
                remove_tree(draft)
            else:
                _reach_kill_point("unlink", path)
                path.unlink()
                _sync_folder(path.parent)
        except FileNotFoundError:
            return
    tell_removed(path)


def _link_file(source: Path, target: Path) -> int:
    _reach_kill_point("link", target)
    try:
        os.link(source, target)
    except FileExistsError:
        if target.samefile(source):
            return 0
        # Left by a beginning that was cut short; no record vouches for it yet.
        remove_path(target)
        return _link_file(source, target)
    except OSError as error:
        if error.errno not in NO_LINK_ERRORS:
            raise
        with publish(target) as draft, draft.open("wb") as here:
            for block in read_blocks(source):
                here.write(block)
        return target.stat().st_size
    return 0


def read_blocks(path: Path) -> Iterator[bytes]:
    """A file's bytes, a block at a time. Raises NotReadable."""
    try:
        with path.open("rb") as file:
            while block := file.read(WRITE_BYTES):
                yield block
    except OSError as error:
        raise NotReadable(path, error.strerror) from error


class _NotSyncedError(Exception):
    """A write or an fsync failed: what was written may be lost, though a second fsync would say otherwise."""


def _reach_kill_point(name: str, path: Path) -> None:
    if kill_point is not None:
        kill_point(name, path)


def _publish_once(path: Path, parts: tuple[bytes | memoryview, ...]) -> None:
    draft = draft_path(path)
    with _discard_on_error(draft):
        file = _create_draft(draft)
        try:
            for part in parts:
                _write_all(file, memoryview(part).cast("B"), draft)
            _sync_file(file, draft, "fsync")
        finally:
            os.close(file)
        _rename_draft(draft, path)


def _create_draft(draft: Path) -> int:
    _reach_kill_point("create", draft)
    return os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def _write_all(file: int, data: memoryview, draft: Path) -> None:
    while data:
        _reach_kill_point("write", draft)
        data = data[os.write(file, data[:WRITE_BYTES]) :]


def _rename_draft(draft: Path, path: Path) -> None:
    _reach_kill_point("rename", path)
    draft.replace(path)
    _sync_folder(path.parent)


def _sync_path(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _sync_file(file, path, "fsync")
    finally:
        os.close(file)


def _sync_folder(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync_file(file, path, "dirsync")
    finally:
        os.close(file)


def _sync_file(file: int, path: Path, step: str) -> None:
    _reach_kill_point(step, path)
    try:
        if sys.platform == "darwin":
            # macOS' fsync leaves the data in the drive's cache.
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
        else:
            os.fsync(file)
    except OSError as error:
        if error.errno in DISK_FULL_ERRORS:
            raise
        raise _NotSyncedError(f"fsync: {error.strerror}") from error


@contextmanager
def _discard_on_error(draft: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        discard_draft(draft)
        raise


@contextmanager
def _name_passing_faults() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in PASSING_ERRORS:
            raise _NotSyncedError(error.strerror) from error
        raise


@contextmanager
def _name_full_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL_ERRORS:
            raise NoSpace(f"{describe_place(path)}: {error.strerror}") from error
        raise


@contextmanager
def _body_named(path: Path, draft: Path) -> Iterator[None]:
    """Name the published path in what a writer meets. A missing file that it reads is its own matter."""
    try:
        with _name_full_disk(path):
            yield
    except (NotWritable, NoSpace) as error:
        # Of a file that was to be published as the draft itself.
        named = tuple(str(each).replace(str(draft), str(path)) for each in error.args)
        if named == tuple(map(str, error.args)):
            raise
        raise type(error)(*named) from error
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        raise NotWritable(path, error.strerror) from error


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    try:
        with _name_full_disk(path):
            yield
    except OSError as error:
        raise NotWritable(path, error.strerror or error) from error
    except _NotSyncedError as error:
        raise NotWritable(path, error) from error
