"""storage/refusals.py: what the system refuses is said as that, and is no damage of a file."""

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_film import content, make_start

from storage.errors import (
    DiskRefused,
    MachineLimit,
    NoSpace,
    NotReadable,
    NotWritable,
)
from storage.input_files import copy_input
from storage.picture import read_picture
from storage.publish import publish
from storage.refusals import iterate_causes, translate_refusal
from storage.run import Run
from storage.run_paths import read_plain
from storage.soundtrack import probe_sound


def fault(number: int, name: str | None = None) -> OSError:
    """As the system raises it."""
    return OSError(number, os.strerror(number), name)


@pytest.mark.parametrize(
    ("raised", "kind", "code", "words"),
    [
        (MemoryError(), MachineLimit, 4, "memory"),
        (fault(errno.ENOMEM), MachineLimit, 4, "memory"),
        (RuntimeError("unable to mmap 15 bytes: Cannot allocate memory (12)"), MachineLimit, 4, "memory"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), MachineLimit, 4, "memory"),
        (RuntimeError("can't start new thread"), MachineLimit, 4, "threads"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), MachineLimit, 4, "threads"),
        (fault(errno.EMFILE, "a.json"), MachineLimit, 4, "open files"),
        (fault(errno.EFBIG, "a.json"), DiskRefused, 5, "a.json: File too large"),
        (fault(errno.EIO), DiskRefused, 5, "Input/output error"),
        (fault(errno.ENOSPC, "a.json"), NoSpace, 5, "a.json"),
    ],
)  # fmt: skip
def test_what_the_system_refuses_has_its_own_line(
    raised: Exception, kind: type[Exception], code: int, words: str
) -> None:
    """By the fault itself, or by what it came from."""
    later = ValueError("what somebody made of it")
    later.__cause__ = raised
    for each in (raised, later):
        found = translate_refusal(each)
        assert isinstance(found, kind)
        assert found.exit_code == code
        assert words in str(found)


def test_our_own_faults_stay_ours() -> None:
    """Nor is a reader that has gone a fault of the disk; a fault that is its own cause is looked at once."""
    assert translate_refusal(KeyError("clip")) is None
    assert translate_refusal(BrokenPipeError(errno.EPIPE, "Broken pipe")) is None
    strange = ValueError()
    strange.__cause__ = strange
    assert list(iterate_causes(strange)) == [strange]


@contextmanager
def no_more_files() -> Iterator[None]:
    """Nothing can be opened."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_machine_that_is_short_of_something_damages_nothing(tmp_path: Path) -> None:
    """Without open files: no chunk, map, record, hash or run.json is called damaged, and so none is withdrawn and made again."""
    run = Run.create(tmp_path / "run", make_start(tmp_path))
    run.latents.publish(0, content(run, "latents", 0))
    run.inputs.publish({"mean": np.ones(3, np.float32)})
    reads: list[Callable[[], Any]] = [
        lambda: run.latents.read(0),
        lambda: run.latents.view(0),
        lambda: run.records.read("latents", 0),
        run.inputs.read_all,
        lambda: list(run.find_input_flaws()),
        lambda: Run.open(run.root),
    ]
    for read in reads:
        read()
        with no_more_files(), pytest.raises(MachineLimit):
            read()


def test_a_record_that_cannot_be_read_back_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once is nothing; for ever, it is not the work that is to blame."""
    run = Run.create(tmp_path / "run", make_start(tmp_path))
    run.records.commit("latents", 0, digest="0" * 64)
    failing(monkeypatch, times=1)
    assert run.records.complete("latents", 0)
    failing(monkeypatch, times=99)
    assert not run.records.complete("latents", 0)
    with pytest.raises(NotReadable, match=r"latents\.00000\.json cannot be read: Input/output"):
        run.records.commit("latents", 0, digest="0" * 64)


def failing(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Records cannot be read so many times."""
    left = [times]

    def read(path: str | Path, most: int) -> bytes:
        left[0] -= 1
        if left[0] >= 0:
            raise fault(errno.EIO, str(path))
        return read_plain(path, most)

    monkeypatch.setattr("storage.records.read_plain", read)


def test_a_lock_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written without it, and it is no fault of ours; once is nothing."""
    run, left = Run.create(tmp_path / "run", make_start(tmp_path)), [1]

    def read(path: str | Path, most: int) -> bytes:
        left[0] -= 1
        if left[0] >= 0:
            raise fault(errno.EIO, str(path))
        return read_plain(path, most)

    monkeypatch.setattr("storage.lock.read_plain", read)
    with run.lock():
        run.sweep()
    left[0] = 999
    with pytest.raises(NotReadable, match=r"run\.lock\S* cannot be read"), run.lock():
        pass


def test_what_cannot_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """run.json with its copy, a picture and a sound: the disk's line, with the file's name."""
    run = Run.create(tmp_path / "run", make_start(tmp_path))
    image, audio = run.image_path, run.audio_path

    def fail(path: Path | str, *_: Any, **__: Any) -> Any:
        raise fault(errno.EIO, str(path))

    monkeypatch.setattr(Path, "open", fail)
    monkeypatch.setattr(os, "open", fail)
    for path, read in (
        (run.root / "run.json", lambda: Run.open(run.root)),
        (image, lambda: read_picture(image, width=32, height=32)),
        (audio, lambda: probe_sound(audio)),
    ):
        with pytest.raises(NotReadable, match=f"{path.name} cannot be read"):
            read()


def test_a_copy_names_the_side_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source that cannot be read; the target that grows beyond a limit."""
    (tmp_path / "sound.wav").write_bytes(bytes(5000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(NotWritable, match=r"copy\.wav cannot be written: File too large"):
            copy_input(tmp_path / "sound.wav", tmp_path / "copy.wav", "")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with pytest.raises(NotReadable, match=r"gone\.wav cannot be read"):
        copy_input(tmp_path / "gone.wav", tmp_path / "copy.wav", "")
    assert not [*tmp_path.glob("*copy*"), *tmp_path.glob(".*")]


def test_a_writer_that_publishes_into_a_draft_names_the_file(tmp_path: Path) -> None:
    """A film is published as the draft of an output: the person knows only the output's name."""
    for error in (errno.EIO, errno.ENOSPC):
        with (
            pytest.raises(NotWritable if error == errno.EIO else NoSpace, match=r"/film\.mp4"),
            publish(tmp_path / "film.mp4") as draft,
            publish(draft),
        ):
            raise fault(error)
