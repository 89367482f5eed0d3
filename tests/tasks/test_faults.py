"""What goes wrong while a film is made: tried again, answered by settings, blamed on the right clip, and then said."""

import errno
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from storage.errors import (
    DeviceLost,
    NoSpace,
    NotWritable,
    OutOfMemory,
    Pruned,
    WeightsMissing,
    WorkFailed,
)
from storage.publish import publish_bytes
from storage.refusals import is_out_of_memory
from storage.run import Run
from tasks.events import listen_to_events
from tasks.faults import is_device_lost, is_transient
from tasks.film import make_film

Begin = Callable[..., Run]
Told = list[tuple[str, dict[str, Any]]]
_whole: dict[str, str] = {}


def bytes_of(run: Run) -> dict[str, str]:
    """The digest of every file that a film consists of."""
    return {
        str(path.relative_to(run.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for pattern in (
            "latents/c.*",
            "steps/c.*",
            "frames/c.*",
            "segments/*",
            "*.m4a",
            "video.mp4",
        )
        for path in sorted(run.root.glob(pattern))
    }


@pytest.fixture
def whole(begin: Begin) -> dict[str, str]:
    """The files of a film that nothing happened to."""
    if not _whole:
        run = begin(4.0)
        make_film(run)
        _whole.update(bytes_of(run))
        shutil.rmtree(run.root)
    return _whole


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Let a stage of a clip fail: `script("denoise.3", "2 memory")`."""
    (tmp_path / "faults").mkdir()
    monkeypatch.setenv("FAKE_FAIL", str(tmp_path / "faults"))
    return lambda name, text: (tmp_path / "faults" / name).write_text(text) and None


@contextmanager
def heard() -> Iterator[Told]:
    """The events meanwhile."""
    told: Told = []
    with listen_to_events(lambda event, facts: told.append((event, dict(facts)))):
        yield told


def of(told: Told, event: str) -> list[dict[str, Any]]:
    """The facts of one kind of event."""
    return [facts for name, facts in told if name == event]


def test_memory_is_answered_by_settings_alone(
    begin: Begin,
    whole: dict[str, str],
    script: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """First nothing is made ahead, then parts wait on the host; each is told, none is a try, size and steps and bytes stay."""
    monkeypatch.setenv("FAKE_BYTES", "1")
    script("denoise.2", "2 memory")
    run = begin(4.0)
    with heard() as told:
        make_film(run)
    changes = [(each["clip"], each["change"]) for each in of(told, "memory_relieved")]
    assert changes == [(2, "ahead 0"), (2, "offload_model True")]
    assert not of(told, "clip_retry")
    again = Run.open(run.root)
    assert (again.settings.ahead, again.settings.offload_model) == (0, True)
    assert again.sources["ahead"] == "out of memory"
    assert bytes_of(run) == whole


def test_memory_for_ever_ends_with_a_smaller_film(
    begin: Begin, script: Callable[[str, str], None]
) -> None:
    """When all is given up and three tries more are gone, the error has the command of a smaller film, and what is finished stays."""
    script("decode.3", "99 memory")
    run = begin(4.0, width=128, height=64)
    with pytest.raises(OutOfMemory) as caught:
        make_film(run)
    words = str(caught.value)
    assert "Clip 3 ran out of memory 3 times while decoding: OutOfMemoryError: CUDA out of" in words
    assert "longtake new" in words
    assert "--size '112*48'" in words
    assert run.latents.complete(3)
    assert run.records.complete("segment", 2)


def test_nan_is_never_published(
    begin: Begin, whole: dict[str, str], script: Callable[[str, str], None]
) -> None:
    """Once, it is made again; always, the error names clip, step, cause and the command, and nothing after it is there."""
    script("denoise.4", "1 nan")
    run = begin(4.0)
    with heard() as told:
        make_film(run)
    assert [(each["clip"], each["attempt"]) for each in of(told, "clip_retry")] == [(4, 2)]
    assert "NaN or infinite after step 2 of 4" in of(told, "clip_retry")[0]["error"]
    assert bytes_of(run) == whole
    shutil.rmtree(run.root)
    script("denoise.4", "99 nan")
    run = begin(4.0)
    with pytest.raises(
        WorkFailed, match=r"Clip 4 failed 3 times while denoising: NotFinite"
    ) as end:
        make_film(run)
    assert f"go on with: longtake resume {run.root}" in str(end.value)
    assert [clip for clip in range(9) if run.latents.complete(clip)] == [0, 1, 2, 3]


def test_a_lost_device_is_not_asked_again(
    begin: Begin, whole: dict[str, str], script: Callable[[str, str], None]
) -> None:
    """After a CUDA error this process can do no more: one try, then the command; the next process goes on."""
    script("denoise.3", "1 device")
    run = begin(4.0)
    with heard() as told, pytest.raises(DeviceLost, match=r"while denoising clip 3: .* illegal"):
        make_film(run)
    assert not of(told, "clip_retry")
    make_film(run)
    assert bytes_of(run) == whole


def test_a_decode_fault_costs_no_denoise(begin: Begin, script: Callable[[str, str], None]) -> None:
    """What the denoiser had made ahead is kept, too: the next command denoises none of it again."""
    script("decode.3", "99")
    run = begin(4.0, ahead=2)
    with heard() as told, pytest.raises(WorkFailed, match="Clip 3 failed 3 times while decoding"):
        make_film(run)
    made = {each["clip"] for each in of(told, "clip_denoised")}
    assert made == {clip for clip in range(9) if run.latents.complete(clip)}
    assert made >= {3, 4}
    script("decode.3", "0")
    with heard() as told:
        make_film(run)
    assert made.isdisjoint(each["clip"] for each in of(told, "clip_denoised"))


def test_a_disk_that_fails_once_is_asked_again(
    begin: Begin, whole: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO once, at every kind of file: the film is the same. EIO for ever: the clip, the stage, the cause, the command."""
    from storage import publish

    seen: set[str] = set()

    def once(step: str, path: Path) -> None:
        kind = path.parent.name
        if step == "write" and kind in {"latents", "steps", "frames", "segments"} - seen:
            seen.add(kind)
            raise OSError(errno.EIO, "Input/output error")

    run = begin(4.0)
    monkeypatch.setattr(publish, "kill_point", once)
    make_film(run)
    monkeypatch.setattr(publish, "kill_point", None)
    assert seen == {"latents", "steps", "frames", "segments"}
    assert bytes_of(run) == whole

    def always(step: str, path: Path) -> None:
        if step == "write" and path.parent.name == "latents":
            raise OSError(errno.EIO, "Input/output error")

    shutil.rmtree(run.root)
    run = begin(4.0)
    monkeypatch.setattr(publish, "kill_point", always)
    with pytest.raises(
        WorkFailed, match=r"Clip 0 failed 3 times while denoising: NotWritable: .*out"
    ):
        make_film(run)


def test_what_is_damaged_on_the_way_heals_itself(
    begin: Begin, whole: dict[str, str], script: Callable[[str, str], None]
) -> None:
    """A latent that goes bad between denoiser and decoder is found where it is read, and made again by the same command."""
    run, done = begin(4.0, ahead=0), []

    def flip(event: str, facts: dict[str, Any]) -> None:
        if (
            event == "stage_seconds"
            and (facts["stage"], facts["clip"]) == ("latents", 4)
            and not done
        ):
            path = run.latents.chunk_path(4)
            data = bytearray(path.read_bytes())
            data[7] ^= 1
            path.write_bytes(data)
            done.append(1)

    with listen_to_events(flip):
        make_film(run)
    assert done
    assert bytes_of(run) == whole


def test_frames_that_were_pruned_can_be_had_again(begin: Begin, whole: dict[str, str]) -> None:
    """The command that a pruned frame names makes it again, without denoising anything."""
    from tasks.resolve import change_settings

    run = begin(4.0, keep_frames="2")
    make_film(run)
    with pytest.raises(Pruned, match=r"longtake resume .* --keep-frames all"):
        run.frames.read(0)
    change_settings(run, {"keep_frames": "all"}, {})
    with heard() as told:
        make_film(Run.open(run.root))
    assert not of(told, "clip_denoised")
    assert bytes_of(run) == whole


def cause(fault: Exception, of: Exception) -> Exception:
    """The fault, which came from another."""
    fault.__cause__ = of
    return fault


@pytest.mark.parametrize(
    ("fault", "passes"),
    [
        (ValueError("x"), True),
        (cause(NotWritable("x", "y"), OSError(errno.EIO, "")), True),
        (cause(NotWritable("x", "y"), OSError(errno.EROFS, "")), False),
        (cause(NoSpace("x"), OSError(errno.EDQUOT, "")), False),
        (NotWritable("x", "it is mounted read-only"), False),
        (WeightsMissing("a", "b", "c"), False),
    ],
)
def test_what_may_pass(fault: Exception, passes: bool) -> None:
    """A model's fault, or a disk that hiccups; not a full or closed one, and not weights that are not there."""
    assert is_transient(fault) == passes


def test_memory_and_device_are_known_by_their_words(tmp_path: Path) -> None:
    """Of the host and of the device, also behind another error; a device that is lost is something else."""
    out = RuntimeError("CUDA error: out of memory")
    assert is_out_of_memory(out)
    assert not is_device_lost(out)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(OSError(errno.ENOMEM, ""))
    assert is_out_of_memory(
        cause(ValueError("x"), RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    )
    assert is_device_lost(RuntimeError("CUDA error: device-side assert triggered"))
    assert not is_out_of_memory(ValueError("out of memory"))
    publish_bytes(tmp_path / "x", b"")
