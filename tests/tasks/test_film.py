"""The film as a whole: the same bytes in every order, from every state."""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from storage.errors import NotReproduced, OtherNumerics, WorkFailed
from storage.run import Run
from tasks import loaded_model, luigi_batches
from tasks.events import listen_to_events
from tasks.film import make_film
from tasks.film_part import FilmPart
from tasks.resolve import freeze_run

Begin = Callable[..., Run]
FRAMES = 250  # 21 clips of 12 frames: several carries and windows, and a last clip that is cut
_whole: dict[str, str] = {}


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(luigi_batches, "CLIPS_PER_BATCH", 6)


def bytes_of(run: Run) -> dict[str, str]:
    """The digest of every file that a film consists of."""
    found = {}
    for pattern in ("latents/c.*", "steps/c.*", "frames/c.*", "segments/*", "*.m4a", "video.mp4"):
        for path in sorted(run.root.glob(pattern)):
            found[str(path.relative_to(run.root))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.fixture
def whole(begin: Begin) -> dict[str, str]:
    """The files of a film that nothing happened to."""
    if not _whole:
        run = begin()
        make_film(run)
        _whole.update(bytes_of(run))
        shutil.rmtree(run.root)
    return _whole


def test_film_has_every_clip_and_frame(begin: Begin) -> None:
    """A film of 10 s has 250 frames in 21 clips, the last one cut."""
    from tests.film_facts import inspect_film

    run = begin()
    path = make_film(run)
    assert (run.spec.clips, run.spec.frames, run.spec.frames_in(20)) == (21, 250, 10)
    assert inspect_film(path).frames == 250


@pytest.mark.parametrize("offline", [True, False])
def test_clips_are_decoded_in_their_order(begin: Begin, offline: bool) -> None:
    """One after the other, whatever Luigi could choose from: out of order, a decoder would be primed anew for each."""
    told: list[int] = []
    with listen_to_events(
        lambda event, facts: told.append(facts["clip"]) if event == "clip_published" else None
    ):
        make_film(begin(offline=offline))
    assert told == list(range(21))


@pytest.mark.parametrize(
    "order",
    [{"offline": True}, {"ahead": 0}, {"ahead": 5, "clip_batch_size": 4}, {"clip_batch_size": 3}],
    ids=str,
)
def test_every_order_gives_the_same_bytes(
    begin: Begin, whole: dict[str, str], order: dict[str, int]
) -> None:
    """Online, offline, every run-ahead and every batch: the same files."""
    run = begin(**order)
    make_film(run)
    assert bytes_of(run) == whole


def test_done_is_done(begin: Begin) -> None:
    """Made again, a finished film loads no model and makes nothing."""
    run = begin(2.3)
    make_film(run)
    told = []
    with listen_to_events(lambda event, _: told.append(event)):
        make_film(run)
    assert "clip_published" not in told
    assert "clip_denoised" not in told


@pytest.mark.parametrize("stage", ["latents", "segments", "frames"])
def test_what_is_lost_is_made_again(begin: Begin, stage: str) -> None:
    """A lost chunk or segment in the middle comes back with the same bytes."""
    run = begin()
    make_film(run)
    before = bytes_of(run)
    lost = next(path for path in run.root.glob(f"{stage}/*") if "7" in path.name)
    lost.unlink()
    make_film(run)
    assert bytes_of(run) == before


@pytest.mark.parametrize("stage", ["latents", "segments", "frames"])
def test_what_is_cut_is_made_again(begin: Begin, stage: str) -> None:
    """Half a file is found at the start by its length, told, and mended."""
    run = begin(2.3)
    make_film(run)
    before = bytes_of(run)
    bad = next(path for path in run.root.glob(f"{stage}/*") if "3" in path.name)
    bad.write_bytes(bad.read_bytes()[: bad.stat().st_size // 2])
    told = []
    with listen_to_events(lambda event, facts: told.append((event, facts.get("clip")))):
        make_film(run)
    assert ("damage_found", 3) in told
    assert bytes_of(run) == before


def test_lost_segment_needs_no_model(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment is encoded again from its frames without loading anything."""

    run = begin(2.3)
    make_film(run)
    run.segment_path(2).unlink()
    monkeypatch.setattr(loaded_model, "load_avatar", lambda *_: pytest.fail("loaded"))
    make_film(run)
    assert run.segment_path(2).exists()


def test_lost_frames_and_segment_are_decoded_again(begin: Begin, whole: dict[str, str]) -> None:
    """Without frames and segment a clip in the middle is decoded from latents, the decoder warmed up by those before."""
    run = begin()
    make_film(run)
    run.segment_path(12).unlink()
    run.frames.chunk_path(12).unlink()
    make_film(run)
    assert bytes_of(run) == whole


def test_resume_replays_and_compares(
    begin: Begin, whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fault the clips since the newest carry are denoised again, and the film is the same."""
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / "denoise.13").write_text("3")
    monkeypatch.setenv("FAKE_FAIL", str(tmp_path / "faults"))
    run = begin()
    told = []
    with listen_to_events(lambda event, facts: told.append((event, facts.get("clip")))):
        with pytest.raises(WorkFailed, match="Clip 13 failed 3 times while denoising"):
            make_film(run)
        assert [clip for event, clip in told if event == "clip_retry"] == [13, 13]
        assert ("clip_failed", 13) in told
        told.clear()
        make_film(run)
    assert [clip for event, clip in told if event == "clip_replayed"] == [8, 9, 10, 11, 12]
    assert bytes_of(run) == whole


@pytest.mark.parametrize("stage", ["denoise.0", "denoise.9", "decode.5", "decode.20", "inputs.0"])
def test_passing_fault_costs_one_try(
    begin: Begin, whole: dict[str, str], stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage that fails twice succeeds at the third try, also where the denoiser had run ahead to it."""
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / stage).write_text("2")
    monkeypatch.setenv("FAKE_FAIL", str(tmp_path / "faults"))
    run = begin(ahead=3, clip_batch_size=3)
    told = []
    with listen_to_events(lambda event, facts: told.append((event, facts))):
        make_film(run)
    clip = None if stage == "inputs.0" else int(stage.split(".")[1])
    retries = [facts for event, facts in told if event == "clip_retry"]
    assert [(each["clip"], each["attempt"]) for each in retries] == [(clip, 2), (clip, 3)]
    assert bytes_of(run) == whole


def test_other_bits_stop_the_film(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A replayed clip that comes out differently stops the run and is not tried again."""
    (tmp_path / "denoise.3").write_text("9")
    monkeypatch.setenv("FAKE_FAIL", str(tmp_path))
    run = begin(2.3)
    with pytest.raises(WorkFailed):
        make_film(run)
    monkeypatch.delenv("FAKE_FAIL")
    monkeypatch.setenv("FAKE_DRIFT", "1")
    with pytest.raises(NotReproduced, match="Clip 0 of"):
        make_film(run)


def test_other_numerics_are_refused_or_joined(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another kernel stops the run, and no clip is said to have failed; with accept_joint the film goes on from its newest carry and says where."""

    (tmp_path / "denoise.13").write_text("9")
    monkeypatch.setenv("FAKE_FAIL", str(tmp_path))
    run = begin()
    with pytest.raises(WorkFailed):
        make_film(run)
    monkeypatch.delenv("FAKE_FAIL")
    monkeypatch.setenv("FAKE_NUMERICS", "another")
    loaded_model._loaded.clear()
    told: list[tuple[str, Mapping[str, object]]] = []
    with (
        listen_to_events(lambda event, facts: told.append((event, facts))),
        pytest.raises(OtherNumerics, match="kernel was numpy, is another"),
    ):
        make_film(run)
    assert [event for event, _ in told if event in {"clip_failed", "run_refused"}] == [
        "run_refused"
    ]
    told.clear()
    with listen_to_events(lambda event, facts: told.append((event, facts))):
        make_film(run, FilmPart(accept_joint=True))
    assert not [event for event, _ in told if event == "clip_replayed"]
    assert ("joint_accepted", {"clip": 8, "redone": 5}) in told
    assert run.joints[0]["clip"] == 8


def test_parts_are_made_of_one_run(ask: Callable[..., object], tmp_path: Path) -> None:
    """Clips 5 and 6 alone, then the rest: one run, and the part has its own frames."""
    from tests.film_facts import inspect_film

    target = tmp_path / "part.mp4"
    request = ask(infer_frames=12, start_clip=5, num_clip=2, output_file=target)
    run = freeze_run(request)
    assert make_film(run, request.part) == target
    assert inspect_film(target).frames == 24
    made = [clip for clip in range(21) if run.records.complete("segment", clip)]
    assert made == [5, 6]
    assert [clip for clip in range(21) if run.latents.complete(clip)] == list(range(7))
    later = ask(infer_frames=12)
    make_film(freeze_run(later), later.part)
    assert inspect_film(run.video_path).frames == 250


def test_parts_one_by_one_replay_nothing(ask: Callable[..., Any], whole: dict[str, str]) -> None:
    """A film made in parts by one command each denoises every clip once, and is the same film."""
    told: list[str] = []
    with listen_to_events(lambda event, _: told.append(event)):
        for first in range(0, 21, 5):
            part = ask(infer_frames=12, start_clip=first, num_clip=5)
            make_film(freeze_run(part), part.part)
        make_film(freeze_run(ask(infer_frames=12)))
    assert told.count("clip_denoised") == 21
    assert "clip_replayed" not in told
    assert bytes_of(Run.open(part.run)) == whole


def test_carry_that_cannot_be_written_costs_no_clip(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The carry is a by-product: its fault is told, and the film is made."""
    from storage.carry import CarryStore

    def fail(*_: object) -> None:
        raise OSError("no carry today")

    monkeypatch.setattr(CarryStore, "publish", fail)
    told = []
    with listen_to_events(lambda event, facts: told.append((event, facts.get("next_clip")))):
        make_film(begin())
    assert ("carry_failed", 8) in told


def test_damaged_carry_is_passed_over(
    begin: Begin, whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newest carry with a flipped bit is discarded, and the one before it (or the beginning) serves."""
    (tmp_path / "denoise.19").write_text("3")
    monkeypatch.setenv("FAKE_FAIL", str(tmp_path))
    run = begin(carry_every=8)
    with pytest.raises(WorkFailed):
        make_film(run)
    newest = max(run.root.glob("carry/*/ring.1/c.*"))
    data = bytearray(newest.read_bytes())
    data[5] ^= 1
    newest.write_bytes(data)
    told = []
    with listen_to_events(
        lambda event, facts: told.append((event, facts.get("reason", facts.get("clip"))))
    ):
        make_film(run)
    assert ("damage_found", 16) in told
    assert ("replay_planned", "the state checkpoint before clip 16 is damaged") in told
    assert ("clip_replayed", 8) in told
    assert ("clip_replayed", 7) not in told
    assert bytes_of(run) == whole
