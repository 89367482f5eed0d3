"""What verify finds in a live film: every file harmed in every way is found and named, made again to the same bytes, and nothing else is told."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.run import Run
from storage.scan import Finding, RunScan
from tasks import cached_runs, loaded_model
from tasks.events import listen_to_events
from tasks.film import make_film
from tasks.repair import estimate_repair, repair_run
from tests.waiting import wait_until

Begin = Callable[..., Run]
CLIPS = 11


def opened(root: Path) -> Run:
    """The run as a new process finds it."""
    cached_runs._runs.clear()
    loaded_model._loaded.clear()
    return Run.open(root)


def look(root: Path) -> list[Finding]:
    return list(RunScan(opened(root), thorough=True).findings())


def live_files(root: Path) -> dict[str, bytes]:
    files = (path for path in sorted((root / "live").iterdir()) if path.is_file())
    return {path.name: path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a film lies that is made once and copied."""
    return tmp_path_factory.mktemp("kept") / "run"


@pytest.fixture
def film(kept: Path, begin: Begin, tmp_path: Path) -> Path:
    """A finished film of eleven clips with a live film, in a folder of its own."""
    if not kept.exists():
        make_film(begin(5.2, grow=True, run=kept))
    return Path(shutil.copytree(kept, tmp_path / "copy"))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def swell(path: Path) -> None:
    """A terabyte of nothing: who read it would not come back."""
    os.truncate(path, 1 << 40)


def replace(path: Path) -> None:
    """A folder of its name."""
    path.unlink()
    (path / "inside").mkdir(parents=True)


HARMS = (flip, cut, lengthen, empty, remove, swell, replace)


def names_of_each_kind(root: Path) -> Iterator[str]:
    """A playlist, a header, a growing film; the first, a middle and the last fragment."""
    yield from ("film.m3u8", "init.mp4", "film.mp4")
    fragments = sorted(path.name for path in (root / "live").glob("*.m4s"))
    yield from (fragments[0], fragments[len(fragments) // 2], fragments[-1])


@pytest.mark.parametrize("harm", HARMS)
def test_each_harm_of_each_file_is_found_and_mended(
    film: Path, harm: Callable[[Path], None]
) -> None:
    """The harmed file is named and no other; repair makes it again, to the same bytes, and nothing but it is in the price."""
    before = live_files(film)
    assert look(film) == []
    for name in names_of_each_kind(film):
        harm(film / "live" / name)
        found = look(film)
        assert {each.path for each in found} == {f"live/{name}"}
        assert [each.stage for each in found if each.damage] == ["live"]
        run = opened(film)
        price = estimate_repair(run, found)
        assert price.rewrite == (f"live/{name}",)
        assert not any((price.denoise, price.decode, price.encode, price.once, price.drop))
        repair_run(run, found)
        assert live_files(film) == before
        # What was in the way is put aside, as everywhere in a run.
        assert [each.path for each in look(film)] in ([], [f"live/{name}.aside"])
        shutil.rmtree(film / f"live/{name}.aside", ignore_errors=True)


def test_a_line_of_the_playlist(film: Path) -> None:
    """A line that names another length, a line too many and one too few are found: a player would believe them."""
    playlist = film / "live/film.m3u8"
    text = playlist.read_text()
    lines = text.splitlines(keepends=True)
    for other in (
        text.replace("#EXTINF:0.", "#EXTINF:1.", 1),
        text.replace("TYPE:VOD", "TYPE:EVENT"),
        "".join(lines[:-3] + lines[-1:]),
        "".join([*lines[:-1], *lines[-3:]]),
        text.replace("#EXT-X-ENDLIST\n", ""),
        "\ufffd\n",
    ):
        assert other != text
        playlist.write_text(other)
        assert [each.path for each in look(film)] == ["live/film.m3u8"]
    repair_run(opened(film), look(film))
    assert playlist.read_text() == text


def test_a_film_that_is_not_finished(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the middle, and torn as by a crash, nothing is damaged; a flipped byte is, and is mended as far as the film has come."""
    run = begin(5.2, grow=True)
    (tmp_path / "fail").mkdir()
    (tmp_path / "fail" / "denoise.6").write_text("9")
    monkeypatch.setenv("FAKE_FAIL", str(tmp_path / "fail"))

    def await_sound(event: str, _facts: dict[str, object]) -> None:
        # The encoder is another thread, and a film that fails gives its sound up where it is not whole.
        if event == "clip_published":
            wait_until(lambda: run.records.complete("soundtrack"))

    with listen_to_events(await_sound), pytest.raises(Exception, match=r"clip 6|denois"):
        make_film(run)
    monkeypatch.delenv("FAKE_FAIL")
    live = run.root / "live"
    before = live_files(run.root)
    assert sum(name.endswith(".m4s") for name in before) in range(1, 7)
    assert not any(each.damage for each in look(run.root))
    for name in ("film.m3u8", "film.mp4"):
        (live / name).write_bytes(before[name][:-9])
    assert not any(each.damage for each in look(run.root))
    for name, content in before.items():
        (live / name).write_bytes(content)
    flip(live / "film.mp4")
    fragment = sorted(live.glob("*.m4s"))[0]
    assert run.records.complete("soundtrack"), "else nobody knows what its fragments are"
    flip(fragment)
    found = [each for each in look(run.root) if each.damage]
    assert {each.stage for each in found} == {"live"}
    repair_run(opened(run.root), found)
    assert not any(each.damage for each in look(run.root))
    make_film(opened(run.root))
    assert look(run.root) == []


def test_what_it_is_made_of_is_damaged(film: Path) -> None:
    """A damaged segment or soundtrack is named, and the live film is not blamed for it; after the repair it is what it was."""
    before = live_files(film)
    for name in ("segments/00004.mp4", "soundtrack.m4a", "commits/segment.00004.json"):
        flip(film / name)
        found = [each for each in look(film) if each.damage]
        assert "live" not in {each.stage for each in found}, name
        for _ in range(3):
            repair_run(opened(film), [each for each in look(film) if each.damage])
        assert look(film) == []
        assert live_files(film) == before


def test_a_fragment_of_before(film: Path) -> None:
    """The fragment of a clip that has other bytes by now is told, and is no damage."""
    old = sorted((film / "live").glob("00003-*"))[0]
    (film / "live/00003-0123456789ab.m4s").write_bytes(old.read_bytes())
    (found,) = look(film)
    assert not found.damage
    assert found.path == "live/00003-0123456789ab.m4s"


def test_no_live_film_is_no_damage(film: Path) -> None:
    """Somebody may remove the folder: nothing is missing, and the next session makes it again."""
    before = live_files(film)
    shutil.rmtree(film / "live")
    assert look(film) == []
    make_film(opened(film))
    assert live_files(film) == before


def test_it_may_be_looked_at_while_it_is_made(begin: Begin) -> None:
    """Looked at after every clip of a film at work, no damage is told."""
    from tasks.events import listen_to_events

    run, told = begin(5.2, grow=True), []

    def scan(event: str, _facts: dict[str, object]) -> None:
        if event in {"live_extended", "clip_published", "live_finished"}:
            findings = RunScan(Run.open(run.root), thorough=True).findings()
            told.extend(each for each in findings if each.stage == "live" and each.damage)

    with listen_to_events(scan):
        make_film(run)
    assert told == []
