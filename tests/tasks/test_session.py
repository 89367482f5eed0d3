"""A machine that computes other bits is refused, and has published none of them by then."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model import registry
from storage import digest
from storage.errors import (
    NotReproduced,
    OtherNumerics,
    WeightsReplaced,
    WorkFailed,
    WrongPrecision,
)
from storage.run import Run
from tasks import cached_runs, loaded_model
from tasks.audio import ExtractAudio
from tasks.clip import DecodeClip
from tasks.film import make_film
from tasks.request import FilmPart
from tasks.resolve import freeze_run

Begin = Callable[..., Run]
SECONDS = 5.2
TOLD = ("events.jsonl", "inference.log", "run.lock")
"""What tells of a film and is no part of it."""


def files_of(run: Run) -> dict[str, str]:
    """The digest of everything that a run holds, but for what says that something was lost."""
    paths = [path for path in sorted(run.root.rglob("*")) if path.is_file()]
    paths = [path for path in paths if b'"state":"doubted"' not in path.read_bytes()]
    return {
        str(path.relative_to(run.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
        if path.name not in TOLD
    }


@pytest.fixture
def half(begin: Begin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """A film of 11 clips that stopped at clip 9, its newest carry being that before clip 8."""
    (tmp_path / "denoise.9").write_text("9")
    monkeypatch.setenv("FAKE_FAIL", str(tmp_path))
    run = begin(SECONDS)
    with pytest.raises(WorkFailed):
        make_film(run)
    monkeypatch.delenv("FAKE_FAIL")
    return run


_whole: list[str] = []


@pytest.fixture
def whole(begin: Begin, tmp_path: Path) -> str:
    """The digest of the same film, to which nothing happened; in another folder."""
    if not _whole:
        film = make_film(begin(SECONDS, run=tmp_path / "whole" / "run"))
        _whole.append(hashlib.sha256(film.read_bytes()).hexdigest())
    return _whole[0]


LOST = {
    "nothing": [],
    "features of a clip that is replayed": ["commits/audio.00008.json"],
    "features of the clips that come": ["commits/audio.00009.json", "commits/audio.00010.json"],
    "encoded inputs": ["commits/inputs.json"],
    "a segment and its frames": ["commits/segment.00008.json", "commits/frames.00008.json"],
}


@pytest.mark.parametrize(("lost", "ahead"), [*((lost, 3) for lost in LOST), ("nothing", 0)])
def test_refused_machine_has_published_nothing(
    half: Run, whole: str, monkeypatch: pytest.MonkeyPatch, lost: str, ahead: int
) -> None:
    """Where the replay finds other bits, no file is another, also running ahead; back on the first machine the film is the unbroken one's bytes."""
    for name in LOST[lost]:
        (half.root / name).unlink(missing_ok="audio" in name)
    cached_runs._runs.clear()
    run = freeze_again(half, ahead)
    before = files_of(run)
    monkeypatch.setenv("FAKE_DRIFT", "1")
    with pytest.raises(NotReproduced):
        make_film(run)
    assert files_of(run) == before
    monkeypatch.delenv("FAKE_DRIFT")
    assert hashlib.sha256(make_film(run).read_bytes()).hexdigest() == whole


def freeze_again(run: Run, ahead: int) -> Run:
    """The same run, opened anew by a session that has come to it once: what is swept at a start is gone."""
    from dataclasses import replace

    again = Run.open(run.root)
    with again.lock():
        again.update_settings(replace(again.settings, ahead=ahead), again.sources)
        again.sweep()
    return again


@pytest.mark.parametrize("kind", [ExtractAudio, DecodeClip])
def test_refused_machine_publishes_no_single_stage(
    half: Run, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    """A task that is asked for by itself waits for the replay, too."""
    run = freeze_again(half, 0)
    for stage in ("segment", "frames"):
        run.records.withdraw(stage, 5)
    cached_runs._runs.clear()
    before = files_of(run)
    monkeypatch.setenv("FAKE_DRIFT", "1")
    with pytest.raises(NotReproduced):
        kind(folder=str(run.root), clip={ExtractAudio: 10, DecodeClip: 5}[kind]).run()
    assert files_of(run) == before


def test_probe_is_asked_at_every_start(half: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another hash of the fixed computation is refused before anything else, with both hashes."""
    run, before = freeze_again(half, 2), files_of(half)
    monkeypatch.setenv("FAKE_PROBE", "fedcba9876543210")
    loaded_model._loaded.clear()
    with pytest.raises(OtherNumerics, match="probe was 0123456789abcdef, is fedcba9876543210"):
        make_film(run)
    assert files_of(run) == before


def test_run_of_other_weights_is_refused_even_with_a_joint(
    half: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the weights are no longer those of the spec, no flag lets the film go on: other latents mean something else."""
    run, before = freeze_again(half, 2), files_of(half)
    monkeypatch.setenv("FAKE_PROBE", "fedcba9876543210")
    monkeypatch.setattr(registry, "weights_digest", lambda *_, **__: "others")
    loaded_model._loaded.clear()
    with pytest.raises(WeightsReplaced, match="begun with other weights of"):
        make_film(run, FilmPart(accept_joint=True))
    assert files_of(run) == before


def test_run_of_other_weights_is_refused_before_its_model_is_loaded(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the weights alone, whatever the machine's numerics are; a film that is whole needs none, and is still there."""
    run = begin(SECONDS)
    make_film(run, FilmPart(clips=8))
    loaded_model._loaded.clear()
    with monkeypatch.context() as others:
        others.setattr(registry, "weights_digest", lambda *_, **__: "others")
        with pytest.raises(WeightsReplaced, match="begun with other weights of"):
            make_film(run)
    assert not loaded_model._loaded
    film = make_film(run)
    with monkeypatch.context() as others:
        others.setattr(registry, "weights_digest", lambda *_, **__: "others")
        assert make_film(run) == film


@pytest.mark.parametrize("joined", [False, True])
def test_older_run_is_given_the_probe_that_agrees(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, joined: bool
) -> None:
    """A run without a probe goes on, and what its replay agreed with is recorded; from then on it is compared. A machine that is refused is not recorded."""
    monkeypatch.setenv("FAKE_PROBE", "")
    run = begin(SECONDS)
    make_film(run, FilmPart(clips=8))
    if joined:
        monkeypatch.setenv("FAKE_NUMERICS", "another")
        loaded_model._loaded.clear()
        make_film(run, FilmPart(clips=9, accept_joint=True))
    monkeypatch.setenv("FAKE_PROBE", "0123456789abcdef")
    loaded_model._loaded.clear()
    monkeypatch.setenv("FAKE_DRIFT", "1")
    run.carry.discard(max(run.carry.complete))
    with pytest.raises(NotReproduced):
        make_film(run, FilmPart(clips=10))
    assert "probe" not in Run.open(run.root).fingerprint
    monkeypatch.delenv("FAKE_DRIFT")
    make_film(run, FilmPart(clips=10))
    told = json.loads((run.root / "run.json").read_text())
    assert told["fingerprint"].get("probe") == (None if joined else "0123456789abcdef")
    assert Run.open(run.root).fingerprint["probe"] == "0123456789abcdef"
    monkeypatch.setenv("FAKE_PROBE", "fedcba9876543210")
    loaded_model._loaded.clear()
    with pytest.raises(OtherNumerics):
        make_film(run)


def test_wrong_machine_is_told_before_a_folder_is_made(
    ask: Any, half: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A new film is refused where a layer computes wrongly, with a line; a run whose probe is the same was asked already."""
    monkeypatch.setenv("FAKE_WRONG", "0.83")
    loaded_model._loaded.clear()
    with pytest.raises(WrongPrecision, match=r"conv is off by 0\.83") as refused:
        freeze_run(ask(run=tmp_path / "other"))
    assert refused.value.exit_code == 2
    assert not (tmp_path / "other").exists()
    make_film(half)
    monkeypatch.setenv("FAKE_PROBE", "fedcba9876543210")
    loaded_model._loaded.clear()
    half.records.withdraw("latents", 10)
    half.records.withdraw("segment", 10)
    half.records.withdraw("frames", 10)
    with pytest.raises(WrongPrecision):
        make_film(half, FilmPart(accept_joint=True))


def test_inputs_are_hashed_once(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not again by the process that copied them; by another once, for both stages that read them; and one that was written since."""
    hashed, real = [], digest.hash_file
    monkeypatch.setattr(digest, "hash_file", lambda path: hashed.append(path) or real(path))
    run = begin(2.0)
    copies = [run.image_path, run.audio_path]
    make_film(run)
    assert not set(hashed) & set(copies)
    for again in (copies, [*copies, run.image_path]):
        for stage in ("inputs", "sound", "soundtrack"):
            run.records.withdraw(stage)
        if again != copies:
            run.image_path.touch()
        else:
            run = Run.open(run.root)
        make_film(run)
        assert [path for path in hashed if path in copies] == again
