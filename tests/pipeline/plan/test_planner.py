"""A request becomes a plan, by the arithmetic of the run; what does not fit gets a way out, and --fit takes it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import api
from pipeline.plan.planner import PlanOptions, plan_film
from storage.disk import read_file_system
from storage.errors import BadOption, NoSpace
from storage.run import Run
from tasks.request import Request
from tests.faults.disks import memory_disk

Longtake = Callable[..., tuple[int, str, str]]
BARE = PlanOptions(rehearse=False)


@pytest.fixture
def asked(face: Path, speech: Path, tmp_path: Path) -> Callable[..., Request]:
    """A request for a film of nine seconds."""

    def ask(**fields: object) -> Request:
        return Request(face, speech, run=tmp_path / "run", **fields)  # type: ignore[arg-type]

    return ask


def test_clips_minutes_frames(asked: Callable[..., Request]) -> None:
    """Nine seconds at 25 frames a second: 225 frames in five clips of 48."""
    film = plan_film(asked(), BARE)[1].film
    assert (film.clips, film.frames, film.clip_frames, film.seconds) == (5, 225, 48, 9.0)
    assert film.length == "0:00:09"


def test_the_disk_by_part_is_what_is_there_then(asked: Callable[..., Request]) -> None:
    """Every array to the block; with sizes that are only known afterwards left to their bounds."""
    request = asked(width=64, height=64, keep_frames="2", keep_steps="3")
    parts = plan_film(request, BARE)[1].disk.parts
    run = Run.open(api.new(request).run)
    for name in ("latents", "steps", "frames", "audio"):
        chunks = (path for path in (run.root / name).iterdir() if path.name.startswith("c."))
        assert parts[name] == sum(path.stat().st_blocks * 512 for path in chunks), name
    for part, path in (("film", run.video_path), ("soundtrack", run.soundtrack_path)):
        assert parts[part] >= path.stat().st_size


def test_nothing_is_written(asked: Callable[..., Request], tmp_path: Path) -> None:
    """Not even the run's folder."""
    before = set(tmp_path.iterdir())
    plan_film(asked(), BARE)
    assert set(tmp_path.iterdir()) == before


def test_where_the_disk_is_short_less_is_kept_first(
    asked: Callable[..., Request], tmp_path: Path
) -> None:
    """Frames and steps cost the film nothing; what turned out not to be needed is not given up."""
    with memory_disk(tmp_path / "disk", "size=9m") as disk:
        request = asked(width=256, height=256, keep_frames="all", carry_every=0)
        request = Request(**{**vars(request), "run": disk / "run"})
        found = plan_film(request, BARE)[1]
        assert found.short == ("disk",)
        assert not found.fits
        assert found.ways[0].flags == ("--keep-frames none",)
        with pytest.raises(NoSpace):
            api.new(request)
        fitted, found = plan_film(request, PlanOptions(rehearse=False, fit=True))
        assert found.changes == ("--keep-frames none",)
        assert api.new(fitted).path.exists()
        assert read_file_system(disk).free > 0


def test_a_card_that_is_too_small_gets_a_size_that_fits(
    asked: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest that does: one unit more does not fit."""
    monkeypatch.setenv("FAKE_BYTES", "4000000")
    request = asked(width=96, height=96)
    how = PlanOptions(gpu="4090x4", fit=True)
    first = plan_film(request, PlanOptions(gpu="4090x4"))[1]
    assert first.short == ("device",)
    fitted, found = plan_film(request, how)
    assert found.fits
    assert (fitted.width, fitted.height) == (64, 64)
    assert found.changes == ("--size 64*64",)
    assert fitted.asked_size == "96*96"
    assert fitted.sources["width"] == "--fit"


def test_what_nothing_helps_is_said(
    asked: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No way is made up."""
    monkeypatch.setenv("FAKE_BYTES", "100000000")
    found = plan_film(asked(width=64, height=64), PlanOptions(gpu="4090"))[1]
    assert not found.fits
    assert found.ways == ()


def test_hours_of_a_named_card(asked: Callable[..., Request]) -> None:
    """Loading once, then every clip with the decoder's share; offline one after the other; of several cards a model takes one that can take no more."""
    found = plan_film(asked(), PlanOptions(gpu="4090x4"))[1]
    assert found.time.film == pytest.approx(10 + 5 * 4.5 + 1)
    assert found.time.frames_a_second == pytest.approx(48 / 4.5)
    assert found.shared is None
    assert "pocket takes one card: 3 of these are idle." in found.notes
    slower = plan_film(asked(offline=True), PlanOptions(gpu="4090"))[1]
    assert slower.time.film == pytest.approx(10 + 5 * 5)
    assert slower.time.first == pytest.approx(10 + 5 * 4 + 1)


def test_a_card_without_eight_bit_floats(asked: Callable[..., Request]) -> None:
    """Is told before anything is reckoned; one that has them is not."""
    with pytest.raises(BadOption, match="on A100 80GB cannot be used: it has no eight-bit floats"):
        plan_film(asked(precision="fp8"), PlanOptions(gpu="a100"))
    assert plan_film(asked(precision="fp8"), PlanOptions(gpu="4090"))[1].fits


def test_the_command_line(longtake: Longtake, face: Path, speech: Path, tmp_path: Path) -> None:
    """A screen, JSON with every part, and an exit code that says whether it fits."""
    words = ("plan", face, speech, "--run", tmp_path / "run", "--rehearse", "no")
    code, out, _ = longtake(*words)
    assert code == 0
    assert "0:00:09: 225 frames at 25 fps in 5 clips" in out
    assert "It fits." in out
    code, out, _ = longtake(*words, "--json", "--what-if")
    facts = json.loads(out)
    assert facts["fits"]
    assert facts["disk"]["total"] == sum(facts["disk"]["parts"].values())
    told = {each["words"] for each in facts["what_if"]}
    assert {"as asked", "--sample-steps 3", "--infer-frames 96", "--size 64*64"} & told


def test_what_does_not_fit_ends_with_five(
    longtake: Longtake,
    face: Path,
    speech: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the screen has the ways."""
    monkeypatch.setenv("FAKE_BYTES", "4000000")
    words = ("plan", face, speech, "--run", tmp_path / "run", "--size", "96*96", "--gpu", "4090")
    code, out, _ = longtake(*words)
    assert code == 5
    assert "It does not fit: card." in out
    assert "  --size 64*64\n    costs: a smaller picture" in out
    code, out, _ = longtake(*words, "--fit")
    assert code == 0
    assert "It fits with --size 64*64." in out


def test_new_says_it_in_a_line(
    longtake: Longtake, face: Path, speech: Path, tmp_path: Path
) -> None:
    """Before the first clip, and not again where the film goes on."""
    words = ("new", face, speech, "--run", tmp_path / "run", "--num-clip", "2")
    _, _, err = longtake(*words)
    assert (
        "[PLAN] 0:00:03.84: 96 frames at 25 fps in 2 clips; pocket, 32*32, 4 steps; memory" in err
    )
    _, _, err = longtake(*words)
    assert "[PLAN]" not in err


def test_the_same_command_finds_the_film_that_was_fitted(
    longtake: Longtake, face: Path, speech: Path, tmp_path: Path
) -> None:
    """--fit made it smaller once; given again it goes on with that film, whatever is free by then."""
    with memory_disk(tmp_path / "disk", "size=5m") as disk:
        words = ("new", face, speech, "--run", disk / "run", "--size", "512*512", "--fit")
        words += ("--keep-steps", "none", "--carry-every", "0", "--keep-frames", "none")
        code, _, err = longtake(*words)
        assert code == 0, err
        assert "--fit takes --size" in err
        spec = Run.open(disk / "run").spec
        assert spec.width < 512
        code, _, err = longtake(*words)
        assert code == 0, err
