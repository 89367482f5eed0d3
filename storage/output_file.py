"""A file that is put where a person wants it: checked before any work, written whole, remembered by the run that it comes from.

An input, or a file of a run, is never written over. What is there is replaced only if this run wrote it, as it is, or if that is asked for; a link is
followed, and mode and owner stay. Whatever leaves a run goes through here.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from storage.digest import hash_file
from storage.disk import check_writable
from storage.drafts import NAME_BYTES, sweep_beside
from storage.errors import BadOutput, NotWritable, RunError
from storage.names import is_reserved_name, is_run
from storage.publish import make_folder, publish
from storage.records import Facts, Records

if TYPE_CHECKING:
    from storage.spec import Spec

FILM = (".mp4", ".m4v")
PICTURE = (".png", ".jpg", ".jpeg", ".webp")
PAGE = (".html", ".htm")
"""What the name of each kind may end with: what its writer writes."""
PATH_BYTES = 4000
"""Of a path, at most, with room for the name of a draft."""
STAGE = "output"

Digest = str | None
Signature = tuple[int, ...]
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_WAYS = "name another file, or add --overwrite to replace it"

log = structlog.get_logger()


@dataclass(frozen=True)
class SourceRun:
    """The run that an output comes from; it need not be there yet."""

    root: Path
    spec: "Spec"

    @property
    def film(self) -> Digest:
        """The hash of the run's whole film, if that is joined."""
        facts = self._records.read("video") or {}
        return str(facts["sha256"]) if facts.get("state") == "done" else None

    def wrote(self, real: Path, digest: Digest) -> bool:
        """True if what lies at a path, by its hash, was put there by the run."""
        told = self._records.read(self._stage(real)) or {}
        return digest is not None and digest in {told.get("sha256"), told.get("before")}

    def remember(self, real: Path, draft: Path, before: Digest) -> None:
        """Note, durably, what will lie at a path from now on, and what of ours does so until then."""
        kept = before if self.wrote(real, before) else None
        facts: Facts = {
            "bytes": draft.stat().st_size,
            "sha256": hash_file(draft),
            "before": kept,
        }
        try:
            self._records.commit(self._stage(real), None, path=self._name(real), **facts)
        except RunError as error:
            # A run that cannot be written can be looked into all the same; another time --overwrite is asked for.
            log.warning("output_not_remembered", path=str(real), reason=str(error))

    def outputs(self) -> Iterator[str]:
        """Each path, from the run's folder, that the run has put an output at."""
        for path in self._records.folder.glob(f"{STAGE}-*.json"):
            if (facts := self._records.read(path.stem)) is not None:
                yield str(facts["path"])

    def _stage(self, real: Path) -> str:
        return f"{STAGE}-{sha256(os.fsencode(self._name(real))).hexdigest()[:16]}"

    def _name(self, real: Path) -> str:
        # From the run's folder: the two may be moved together.
        return os.path.relpath(real, self.root.resolve())

    @property
    def _records(self) -> Records:
        return Records(self.root, self.spec.digest)


@dataclass(frozen=True)
class OutputFile:
    """A place where a person wants a film, a picture or a page: checked first, then written whole."""

    path: Path
    """As it was named."""
    suffixes: tuple[str, ...]
    """FILM, PICTURE or PAGE."""
    maker: SourceRun | None = None
    """None: it comes from no run, and nothing remembers it."""
    inputs: tuple[Path, ...] = ()
    """Files that the command reads. Those of the run are known by their hashes, wherever they lie."""
    overwrite: bool = False
    content: Digest = None
    """The hash of what will lie there, where that is known before."""

    @property
    def real(self) -> Path:
        """The path its bytes go to: the end of all links. Raises BadOutput where they lead nowhere."""
        try:
            real = Path(os.path.realpath(self.path))
            looped = real.is_symlink()
        except (OSError, ValueError) as error:
            raise self._refusal(f"{error}; name another file") from error
        if looped:
            raise self._refusal("its links lead round in a circle; name another file")
        return real

    def check(self) -> None:
        """Raise BadOutput, or NotWritable, where nothing can or may be put at this place. Writes nothing."""
        self._look()

    @property
    def is_done(self) -> bool:
        """True if what is to lie at this place does so already."""
        real = self.real
        return self.content is not None and real.is_file() and _digest_of(real) == self.content

    @contextmanager
    def write(self) -> Iterator[Path]:
        """A draft beside the file to write into; on leaving it takes the file's place, whole, durably, with its mode and owner."""
        before = self._look()
        real = self.real
        make_folder(real.parent)
        sweep_beside(real)
        seen = _file_signature(real)

        def settle(draft: Path) -> None:
            # Minutes may have passed.
            there = before if _file_signature(real) == seen else self._look()
            _keep_mode_and_owner(real, draft)
            if self.maker is not None:
                # Before the renaming: who is killed between the two has forgotten nothing.
                self.maker.remember(real, draft, there)

        with publish(real, settle) as draft:
            yield draft

    def _look(self) -> Digest:
        """Check the place in whole; the hash of the file there, if there is one."""
        real = self.real
        # Both: `/dev/stdout` leads to no name at all, and dots may go through a folder that is not made yet.
        there = self._stat(self.path) or self._stat(real)
        self._check_kind(there)
        self._check_inputs(there)
        self._check_run(real)
        self._check_name(real)
        digest = None if there is None else _digest_of(real)
        if there is None or digest is None or digest != self.content:
            check_writable(real.parent)
            self._check_replaceable(real, there, digest)
        return digest

    def _stat(self, path: Path) -> os.stat_result | None:
        try:
            return path.stat()
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            raise self._refusal("what should be its folder is a file; name another") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise self._refusal(f"{reason}; name another file") from error

    def _check_name(self, real: Path) -> None:
        for name in (self.path, real):
            if name.suffix.lower() not in self.suffixes:
                kinds = {FILM: "film", PICTURE: "picture", PAGE: "page"}
                ends = " or ".join(self.suffixes)
                what = "its name" if name == self.path else f"that of {real}, where it leads,"
                raise self._refusal(
                    f"{what} must end with {ends}, which is what a {kinds[self.suffixes]} is"
                )
        if len(os.fsencode(real.name)) > NAME_BYTES or len(os.fsencode(real)) > PATH_BYTES:
            raise self._refusal("its name is too long; name another file")
        try:
            f"{self.path}{real}".encode()
        except UnicodeEncodeError:  # no record and no log could have it
            raise self._refusal("its name is no UTF-8; name another file") from None

    def _check_kind(self, there: os.stat_result | None) -> None:
        if there is None or stat.S_ISREG(there.st_mode):
            return
        if stat.S_ISDIR(there.st_mode):
            raise self._refusal("it is a folder; name a file in it")
        raise self._refusal("it is a device, a pipe or a socket; name a file")

    def _check_run(self, real: Path) -> None:
        own = self.maker.root.resolve() if self.maker else None
        if own is not None and real in {own, *own.parents}:
            raise self._refusal("the run's folder is to lie there; name another file")
        for folder in real.parents:
            if folder == own or is_run(folder):
                if is_reserved_name(real.relative_to(folder).parts[0]):
                    raise self._refusal(f"it is a file of the run {folder}; name another")
                return

    def _check_inputs(self, there: os.stat_result | None) -> None:
        for path in self.inputs:
            if there is not None and path.exists() and os.path.samestat(path.stat(), there):
                raise self._input()

    def _check_replaceable(self, real: Path, there: os.stat_result | None, digest: Digest) -> None:
        if there is None:
            return
        maker = self.maker
        if maker is not None and digest in maker.spec.input_digests.values():
            raise self._input()
        self._check_rights(real, there)
        if not self.overwrite and not (maker and maker.wrote(real, digest)):
            who = "this run" if maker else "longtake, as far as it knows,"
            raise self._refusal(f"it is there, and {who} did not write it; {_WAYS}")

    def _check_rights(self, real: Path, there: os.stat_result) -> None:
        user, groups = os.geteuid(), {os.getegid(), *os.getgroups()}
        if user and (there.st_uid != user or there.st_gid not in groups):
            reason = "it is somebody else's, and would be so no more; name another file"
            raise self._refusal(reason)
        writable = os.access(real, os.W_OK)
        if not user and not writable:
            raise NotWritable(self.path, "its disk lets nobody change it")
        if not self.overwrite and not (writable and there.st_mode & _WRITABLE):
            raise self._refusal(f"it is read-only; {_WAYS}")

    def _input(self) -> BadOutput:
        return self._refusal(
            "it is an input of the film, and inputs are never written over; name another file"
        )

    def _refusal(self, reason: str) -> BadOutput:
        return BadOutput(self.path, reason)


def _digest_of(path: Path) -> Digest:
    """The hash of a file, read once though it is asked for several times; None where it may not be read."""
    try:
        return _read_digest(path, _file_signature(path))
    except OSError:
        return None


@lru_cache(maxsize=64)
def _read_digest(path: Path, _signature: Signature) -> str:
    return hash_file(path)


def _file_signature(path: Path) -> Signature:
    """A tuple that changes once somebody has written into a file, or put one in its place."""
    try:
        there = path.stat()
    except OSError:
        return ()
    return there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns


def _keep_mode_and_owner(real: Path, draft: Path) -> None:
    try:
        there, here = real.stat(), draft.stat()
    except FileNotFoundError:
        return
    if (there.st_uid, there.st_gid) != (here.st_uid, here.st_gid):
        os.chown(draft, there.st_uid, there.st_gid)
    # With its extended attributes, where the disk has any, but not with its times.
    with suppress(OSError):
        shutil.copystat(real, draft)
    os.utime(draft)
    if (mode := stat.S_IMODE(there.st_mode)) != stat.S_IMODE(draft.stat().st_mode):
        draft.chmod(mode)
