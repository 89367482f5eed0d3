"""What leaves a run for a place that a person names: nothing that was there is harmed."""

import os
import signal
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from storage import publish
from storage.errors import BadOutput, NotWritable
from storage.output_file import FILM, PAGE, OutputFile, SourceRun
from storage.run import Run

Put = Callable[[Path], Path]


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A folder with a file of the user's in it."""
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "mine.mp4").write_bytes(b"mine")
    return folder


def output(run: Run, path: Path, **more: object) -> OutputFile:
    """A film of the run that is put somewhere."""
    return replace(OutputFile(path, FILM, SourceRun(run.root, run.spec)), **more)  # type: ignore[arg-type]


def write(target: OutputFile, content: bytes = b"film") -> None:
    """Put something there."""
    with target.write() as draft:
        draft.write_bytes(content)


def state_of(folder: Path) -> dict[str, tuple[object, ...]]:
    """Every entry below a folder: kind, mode, owner, inode, and what it holds or leads to."""
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        held = (
            str(path.readlink())
            if path.is_symlink()
            else path.read_bytes()
            if stat.S_ISREG(facts.st_mode)
            else b""
        )
        found[str(path)] = (facts.st_mode, facts.st_uid, facts.st_gid, facts.st_ino, held)
    return found


def link(path: Path, target: str) -> Path:
    path.symlink_to(target)
    return path


def node(path: Path, kind: int, device: int = 0) -> Path:
    os.mknod(path, kind | 0o666, device)
    return path


def read_only(path: Path) -> Path:
    path.chmod(0o444)
    return path


REFUSED: dict[str, tuple[Put, str]] = {
    "somebody's file": (
        lambda f: f / "mine.mp4",
        "this run did not write it; name another file, or",
    ),
    "through a link": (lambda f: link(f / "a.mp4", "mine.mp4"), "this run did not write it"),
    "a link in a circle": (lambda f: link(f / "a.mp4", "a.mp4"), "name another file"),
    "a folder": (lambda f: f, "it is a folder"),
    "a pipe": (lambda f: node(f / "a.mp4", stat.S_IFIFO), "it is a device, a pipe"),
    "a socket": (lambda f: node(f / "a.mp4", stat.S_IFSOCK), "it is a device, a pipe"),
    "a device": (lambda _: Path("/dev/null"), "it is a device, a pipe"),
    "read-only": (lambda f: read_only(f / "mine.mp4"), "it is read-only"),
    "a suffix": (lambda f: f / "a.avi", "must end with .mp4"),
    "a link to a suffix": (lambda f: link(f / "a.mp4", "a.avi"), "must end with .mp4"),
    "below a file": (lambda f: f / "mine.mp4" / "a.mp4", "what should be its folder is a file"),
    "a long name": (lambda f: f / ("a" * 300 + ".mp4"), "name too long"),
    "no text": (lambda f: f / os.fsdecode(b"\xff.mp4"), "its name is no UTF-8"),
    "a NUL": (lambda f: f / "a\0.mp4", "null"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_place_for_a_film_is_refused_and_stays(kind: str, run: Run, there: Path) -> None:
    """Before any work, in one line with the way out; nothing is made, changed or moved."""
    put, says = REFUSED[kind]
    target = put(there)
    before = state_of(there)
    for ask in (output(run, target).check, lambda: write(output(run, target))):
        with pytest.raises(BadOutput, match=f"(?i){says}") as refused:
            ask()
        assert "name " in str(refused.value) or "must end" in str(refused.value)
    assert state_of(there) == before


@pytest.mark.parametrize("name", ["video.mp4", "segments/a.mp4", "Frames/a.mp4", "commits/x.mp4"])
@pytest.mark.parametrize("whose", ["its own", "another's"])
def test_a_run_keeps_its_names(name: str, whose: str, run: Run, tmp_path: Path) -> None:
    """Nothing is put among the files of a run, whatever is asked for; beside them it may."""
    maker = run if whose == "its own" else replace_root(run, tmp_path / "other")
    for way in (run.root / name, run.root / "x" / ".." / name):
        with pytest.raises(BadOutput, match="a file of the run"):
            output(maker, way, overwrite=True).check()
    write(output(maker, run.root / "film.mp4"))
    assert (run.root / "film.mp4").read_bytes() == b"film"


def replace_root(run: Run, root: Path) -> Run:
    """A run that is not there yet, as far as an output asks."""
    other = Run.open(run.root)
    other.root = root
    return other


def test_a_film_is_not_put_where_its_run_is_to_lie(run: Run, tmp_path: Path) -> None:
    """The folder of a run that does not exist yet, or one above it, is no file's name."""
    for root in (tmp_path / "new.mp4", tmp_path / "new.mp4" / "run"):
        with pytest.raises(BadOutput, match="the run's folder"):
            output(replace_root(run, root), tmp_path / "new.mp4").check()


@pytest.mark.parametrize("way", ["name", "dots", "dots to be", "link", "hard link", "copy"])
def test_an_input_is_never_written_over(way: str, run: Run, there: Path, tmp_path: Path) -> None:
    """By whichever name, and whatever is asked for: the file itself, and one that holds the same bytes as the run's."""
    source = there / "talk.mp4"
    source.write_bytes((tmp_path / "speech.wav").read_bytes())
    inputs = () if way == "copy" else (source,)
    folder = {"dots": "../there", "dots to be": "not made yet/.."}.get(way, ".")
    path = there / folder / ("talk.mp4" if "dots" in way else "a.mp4")
    if way == "hard link":
        path.hardlink_to(source)
    elif way == "link":
        path.symlink_to(source)
    elif way in {"name", "copy"}:
        path = source
    before = state_of(there)
    with pytest.raises(BadOutput, match="an input of the film"):
        write(output(run, path, inputs=inputs, overwrite=True))
    assert state_of(there) == before


def test_the_run_may_write_again_what_it_wrote(run: Run, there: Path) -> None:
    """Its own file is replaced; once somebody has changed it, it is theirs. A copy of it by another name is theirs, too."""
    target = output(run, there / "film.mp4")
    write(target, b"one")
    write(target, b"two")
    assert (there / "film.mp4").read_bytes() == b"two"
    (there / "copy.mp4").write_bytes(b"two")
    (there / "film.mp4").write_bytes(b"edited")
    for name in ("film.mp4", "copy.mp4"):
        with pytest.raises(BadOutput, match="did not write it"):
            write(output(run, there / name))
    write(output(run, there / "copy.mp4", overwrite=True), b"three")
    assert (there / "copy.mp4").read_bytes() == b"three"


def test_run_and_film_may_be_moved_together(run: Run, tmp_path: Path) -> None:
    """What the run remembers counts from its own folder."""
    write(output(run, tmp_path / "film.mp4"))
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("run", "film.mp4"):
        (tmp_path / name).rename(moved / name)
    write(output(Run.open(moved / "run"), moved / "film.mp4"), b"again")
    assert (moved / "film.mp4").read_bytes() == b"again"


def test_what_is_to_lie_there_already_is_done(run: Run, there: Path) -> None:
    """Whoever put it there, and also where nothing may be written: nothing is in the way, and nothing is done."""
    digest = publish_digest(there / "mine.mp4")
    read_only(there / "mine.mp4")
    target = output(run, there / "mine.mp4", content=digest)
    target.check()
    assert target.is_done
    assert not output(run, there / "new.mp4", content=digest).is_done


def publish_digest(path: Path) -> str:
    """The hash of a file."""
    from storage.digest import hash_file

    return hash_file(path)


def test_mode_and_owner_stay_and_a_link_is_followed(run: Run, there: Path) -> None:
    """A file that is replaced keeps who may read it and whose it is; a link stays one, also where it led nowhere."""
    film = there / "film.mp4"
    write(output(run, link(there / "link.mp4", "film.mp4")))
    film.chmod(0o640)
    owner = (1234, 4321) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(film, *owner)
    write(output(run, there / "link.mp4"), b"again")
    facts = film.stat()
    assert film.read_bytes() == b"again"
    assert (stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid) == (0o640, *owner)
    assert (there / "link.mp4").readlink() == Path("film.mp4")
    write(output(run, read_only(film), overwrite=True), b"third")
    assert (film.read_bytes(), stat.S_IMODE(film.stat().st_mode)) == (b"third", 0o444)


def test_a_folder_is_made_and_an_odd_name_is_kept(run: Run, there: Path) -> None:
    """Folders that are missing, names as long as the disk allows, and what is no protocol of libav's."""
    names = ["deep/er/film.mp4", "a" * 251 + ".mp4", "ä" * 125 + ".mp4", "at 12:30.MP4"]
    for name in names:
        for content in (b"one", b"two"):
            write(output(run, there / name), content)
        assert (there / name).read_bytes() == b"two"
    assert not list(there.rglob("*.partial*"))


def test_what_comes_meanwhile_is_not_replaced(run: Run, there: Path) -> None:
    """A file that appears while the film is joined stays, and so does the film that was there until then."""

    def write_slowly() -> None:
        with output(run, there / "film.mp4").write() as draft:
            draft.write_bytes(b"film")
            (there / "film.mp4").write_bytes(b"theirs")

    with pytest.raises(BadOutput, match="did not write it"):
        write_slowly()
    assert [path.name for path in there.iterdir() if path.name != "mine.mp4"] == ["film.mp4"]
    assert (there / "film.mp4").read_bytes() == b"theirs"


def test_killed_at_any_step_the_same_again_goes_on(run: Run, there: Path) -> None:
    """Before every step that the disk sees: old or new, whole; the next one sweeps the draft and asks for nothing."""
    film, steps = there / "film.mp4", 0
    write(output(run, film), b"old")
    for number in range(1, 99):
        child = os.fork()
        if not child:
            left = [number]

            def kill(_name: str, _path: Path, left: list[int] = left) -> None:
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

            publish.kill_point = kill
            write(output(run, film), b"new")
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            break
        steps = number
        assert film.read_bytes() in {b"old", b"new"}
        write(output(run, film), b"old")
        assert not list(there.glob(".*"))
    assert steps >= 8


def test_a_run_that_cannot_be_written_is_looked_into_all_the_same(
    run: Run, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is written; that the run cannot remember it costs a flag the next time."""

    def refuse(*_: object, **__: object) -> None:
        raise NotWritable(run.root, "read-only")

    monkeypatch.setattr("storage.records.Records.commit", refuse)
    page = OutputFile(there / "page.html", PAGE, SourceRun(run.root, run.spec))
    write(page)
    with pytest.raises(BadOutput, match="did not write it"):
        write(page)
