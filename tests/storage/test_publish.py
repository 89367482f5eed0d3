"""A path exists complete, or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage import drafts, publish
from storage.errors import NoSpace, NotWritable


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def interrupted(draft: Path, interruption: type[BaseException]) -> None:
    draft.write_bytes(b"new")
    raise interruption


def test_a_draft_becomes_the_path(tmp_path: Path) -> None:
    """What was written into the draft stands under the path, and no draft is left."""
    with publish.publish(tmp_path / "film.mp4") as draft:
        assert draft.suffix == ".mp4"
        assert draft.parent == tmp_path
        draft.write_bytes(b"film")
        assert not (tmp_path / "film.mp4").exists()
    assert names(tmp_path) == ["film.mp4"]
    assert (tmp_path / "film.mp4").read_bytes() == b"film"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_exception_leaves_nothing(tmp_path: Path, interruption: type[BaseException]) -> None:
    """Whatever ends the writing, the old content stays and the draft goes."""
    path = tmp_path / "film.mp4"
    path.write_bytes(b"old")
    with pytest.raises(interruption), publish.publish(path) as draft:
        interrupted(draft, interruption)
    assert names(tmp_path) == ["film.mp4"]
    assert path.read_bytes() == b"old"


def test_a_folder_appears_with_all_that_is_in_it(tmp_path: Path) -> None:
    """A draft folder takes its name only when it is left, and goes away on an exception."""
    with publish.publish_folder(tmp_path / "carry") as draft:
        (draft / "piece").write_bytes(b"1")
        assert not (tmp_path / "carry").exists()
    with pytest.raises(KeyError), publish.publish_folder(tmp_path / "other") as draft:
        interrupted(draft / "piece", KeyError)
    assert names(tmp_path) == ["carry"]


@pytest.mark.parametrize("fault", [1, 2])
def test_a_failed_fsync_is_never_repeated_on_the_same_file(
    tmp_path: Path, fault: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed fsync, of the file or of its folder, the content is written again under a new name."""
    created, calls = [], []

    def fsync(file: int) -> None:
        calls.append(file)
        if len(calls) == fault:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(
        publish, "kill_point", lambda step, path: created.append(path) if step == "create" else None
    )
    publish.publish_bytes(tmp_path / "a.json", b"content")
    assert len(created) == len(set(created)) == 2
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("call", ["open", "write"])
def test_a_write_that_fails_once_is_made_anew(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that says once that it cannot, and then can: the file is there, and no draft."""
    real, calls = getattr(os, call), []

    def failing(first: object, *rest: object, **named: object) -> int:
        if isinstance(first, int) or "partial" in str(first):
            calls.append(first)
            if len(calls) == 1:
                raise OSError(errno.EIO, "Input/output error")
        made: int = real(first, *rest, **named)
        return made

    monkeypatch.setattr(os, call, failing)
    publish.publish_bytes(tmp_path / "a.json", b"content")
    assert (tmp_path / "a.json").read_bytes() == b"content"
    assert names(tmp_path) == ["a.json"]


def test_three_failed_fsyncs_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the third failed fsync an error says so, and nothing stands under the path."""
    calls = []

    def fsync(file: int) -> None:
        calls.append(file)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(NotWritable, match="Input/output error"):
        publish.publish_bytes(tmp_path / "a.json", b"content")
    assert len(calls) == 3
    assert names(tmp_path) == []


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space, in our own writing or in an encoder's, is an error of its own, with exit code 5 and without a draft."""

    def write(file: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(NoSpace) as caught:
        publish.publish_bytes(tmp_path / "a.json", b"content")
    assert caught.value.exit_code == 5
    with pytest.raises(NoSpace), publish.publish(tmp_path / "b.mp4"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert names(tmp_path) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A path below a file is refused with the path and the reason."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(NotWritable, match=r"film\.mp4"),
        publish.publish(tmp_path / "file" / "film.mp4"),
    ):
        pass
    with pytest.raises(NotWritable, match=r"a\.json"):
        publish.publish_bytes(tmp_path / "file" / "a.json", b"1")


def test_an_error_of_the_writer_stays_its_own(tmp_path: Path) -> None:
    """A missing input inside the block is not taken for trouble with the target."""
    with pytest.raises(FileNotFoundError), publish.publish(tmp_path / "a.json") as draft:
        draft.write_bytes((tmp_path / "missing").read_bytes())


def test_removing_twice_is_fine(tmp_path: Path) -> None:
    """A file, a folder and nothing at all are gone afterwards."""
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    for name in ("file", "folder", "file", "folder"):
        publish.remove_path(tmp_path / name)
    assert names(tmp_path) == []


def test_a_sweep_spares_what_is_alive_and_what_is_no_draft(tmp_path: Path) -> None:
    """Drafts of dead processes go, at any depth of the run's own folders; those of living ones, those of another run in there and all other files stay."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder = tmp_path / "latents"
    folder.mkdir()
    for name in (
        f".c.1.0.{dead.pid}-00ff00ff.partial.0",
        f".c.1.0.{os.getppid()}-00ff00ff.partial.0",
        f".c.1.0.{'9' * 20}-00ff00ff.partial.0",  # a process that no machine can have
        "c.1.0.0",
    ):
        (folder / name).touch()
    carry = tmp_path / f".00008.{dead.pid}-00ff00ff.partial"
    carry.mkdir()
    (carry / "piece").touch()
    other = tmp_path / "another film" / f".00000.{dead.pid}-00ff00ff.partial.mp4"
    other.parent.mkdir()
    other.touch()
    assert drafts.sweep_drafts(tmp_path, {"latents"}) == 3
    assert other.exists()
    assert names(folder) == [f".c.1.0.{os.getppid()}-00ff00ff.partial.0", "c.1.0.0"]
    assert not carry.exists()


def test_a_link_is_the_same_file(tmp_path: Path) -> None:
    """Both names are one file; linked again, nothing happens, and what a beginning left under the name is replaced."""
    one, other = tmp_path / "one", tmp_path / "folder" / "other"
    other.parent.mkdir()
    one.write_bytes(b"bulk")
    assert publish.link_files([(one, other)]) == 0
    assert publish.link_files([(one, other)]) == 0
    assert one.samefile(other)
    other.unlink()
    other.write_bytes(b"half")
    assert publish.link_files([(one, other)]) == 0
    assert one.samefile(other)
    publish.publish_bytes(other, b"made again")
    assert one.read_bytes() == b"bulk"


@pytest.mark.parametrize("number", publish.NO_LINK_ERRORS)
def test_where_no_link_can_be_made_it_is_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The bytes are told; a folder is copied as a whole, too. Any other error is one."""
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_bytes(b"bulk")

    def refused(one: Path, other: Path) -> None:
        raise OSError(number, "no link", str(one), None, str(other))

    monkeypatch.setattr(os, "link", refused)
    assert publish.link_files([(source / "deep" / "file", tmp_path / "file")]) == 4
    assert publish.link_folder(source, tmp_path / "target") == 4
    assert (tmp_path / "target" / "deep" / "file").read_bytes() == b"bulk"
    assert not list(tmp_path.rglob("*.partial*"))
