"""Every verb that writes where a person says, against every kind of thing that may lie there, with and without --overwrite.

python tests/faults/outputs.py matrix FOLDER [few]   every kind with every second verb; few: every third kind with the next verb
python tests/faults/outputs.py names FOLDER [few]    a run is to be made in a folder that has, by each name that a run uses, a thing of somebody's

Forks, so it runs apart from the tests' own process; what is about rights is tried by nobody's user where this one is root. Prints one line of JSON.
"""

import codecs
import json
import os
import shutil
import socket
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import cycle, product
from pathlib import Path

TESTS = Path(__file__).parents[1]
# The root first: tests/ has folders of the same names as the packages.
sys.path[:1] = [str(TESTS.parent), str(TESTS), str(TESTS / "faults")]

import fake_avatar  # noqa: E402
import numpy as np  # noqa: E402
from forks import child  # noqa: E402
from PIL import Image  # noqa: E402
from wavefile import write_wave  # noqa: E402

from pipeline.cli import main  # noqa: E402
from storage.names import OWN  # noqa: E402

ONCE = (
    "pipeline.options.sources", "pipeline.inspection.overview", "pipeline.inspection.audio_view", "pipeline.inspection.plots",
    "pipeline.plan.planner", "pipeline.report.page", "pipeline.api", "pipeline.upkeep.verify",
    "storage.zarr_store", "tasks.film",
)  # fmt: skip
"""Imported before the forks: for speed, and as nobody may not be let into Python's own folder."""
NOBODY = 65534
IS_ROOT = os.geteuid() == 0
REFUSED = {2, 5}
TALK = ("face.png", "talk.mp4", "--num-clip", "2")


@dataclass(frozen=True)
class Verb:
    """A command line, without the file that it writes."""

    words: tuple[str, ...]
    suffix: str


VERBS = {
    "new": Verb(("new", *TALK, "--run", "run"), ".mp4"),
    "new, not made yet": Verb(("new", *TALK, "--run", "fresh"), ".mp4"),
    "part": Verb(
        ("new", *TALK[:2], "--run", "run", "--start-clip", "1", "--num-clip", "1"), ".mp4"
    ),
    "resume": Verb(("resume", "run"), ".mp4"),
    "mux": Verb(("mux", "run"), ".mp4"),
    "mux --partial": Verb(("mux", "run", "--partial"), ".mp4"),
    "report": Verb(("report", "run"), ".html"),
    "inspect": Verb(("inspect", "run"), ".png"),
    "inspect --clip": Verb(("inspect", "run", "--clip", "0"), ".png"),
    "inspect --audio": Verb(("inspect", "run", "--clip", "0", "--audio"), ".png"),
}


@dataclass(frozen=True)
class Kind:
    """What lies where the file is to go."""

    put: Callable[[Path, Verb], str]
    """Put it there; the name that is given, from the folder."""
    plain: bool
    """It may be written."""
    overwrite: bool
    """It may be, when --overwrite says so."""
    rights: bool = False
    """Tried as a user who is not root."""


def mine(name: str) -> Callable[[Path, Verb], str]:
    """Somebody's file."""

    def put(folder: Path, verb: Verb) -> str:
        path = folder / (name + verb.suffix)
        path.write_bytes(b"somebody's")
        return path.name

    return put


def after(*more: Callable[[Path], None]) -> Callable[[Path, Verb], str]:
    """Somebody's file, to which something is done."""

    def put(folder: Path, verb: Verb) -> str:
        name = mine("mine")(folder, verb)
        for act in more:
            act(folder / name)
        return name

    return put


def own(*more: Callable[[Path], None]) -> Callable[[Path, Verb], str]:
    """A file that the same command wrote before, to which something is done."""

    def put(folder: Path, verb: Verb) -> str:
        name = f"own{verb.suffix}"
        assert call(folder, (*verb.words, "--output-file", name)) == 0, said(folder)
        for act in more:
            act(folder / name)
        return name

    return put


def linked(to: str, hard: bool = False) -> Callable[[Path, Verb], str]:
    """A link to something."""

    def put(folder: Path, verb: Verb) -> str:
        path = folder / f"link{verb.suffix}"
        if hard:
            path.hardlink_to(folder / to)
        else:
            path.symlink_to(to.replace(".*", verb.suffix))
        return path.name

    return put


def linked_to_mine(hard: bool) -> Callable[[Path, Verb], str]:
    def put(folder: Path, verb: Verb) -> str:
        mine("mine")(folder, verb)
        return linked(f"mine{verb.suffix}", hard)(folder, verb)

    return put


def node(kind: int, device: int = 0) -> Callable[[Path, Verb], str]:
    """A pipe or a device."""

    def put(folder: Path, verb: Verb) -> str:
        os.mknod(folder / f"node{verb.suffix}", kind | 0o666, device)
        return f"node{verb.suffix}"

    return put


def bound(folder: Path, verb: Verb) -> str:
    """A socket; by a short name from where it is, as its address may not be long."""
    with socket.socket(socket.AF_UNIX) as one:
        here = os.open(folder, os.O_RDONLY)
        one.bind(f"/proc/self/fd/{here}/node{verb.suffix}")
        os.close(here)
    return f"node{verb.suffix}"


def folder_of(mode: int, name: str) -> Callable[[Path, Verb], str]:
    """A folder, and perhaps a name in it."""

    def put(folder: Path, verb: Verb) -> str:
        path = folder / f"folder{verb.suffix}"
        path.mkdir()
        path.chmod(mode)
        return f"{path.name}/{name}{verb.suffix}" if name else path.name

    return put


def named(*names: str) -> Callable[[Path, Verb], str]:
    """The first of these names that ends as the verb's file, or one without an end, with it; nothing is put there."""

    def put(_: Path, verb: Verb) -> str:
        first = next((name for name in names if name.endswith(verb.suffix)), names[0])
        return first if "." in first else first + verb.suffix

    return put


def copied(folder: Path, verb: Verb) -> str:
    """The bytes of an input, elsewhere, by a name that the verb would take."""
    shutil.copy(
        folder / ("face.png" if verb.suffix == ".png" else "talk.mp4"),
        folder / f"copy{verb.suffix}",
    )
    return f"copy{verb.suffix}"


KINDS = {
    "nothing": Kind(named("film"), True, True),
    "a folder that is missing": Kind(named("a/b/film"), True, True),
    "a name that is no UTF-8": Kind(named(os.fsdecode(b"caf\xe9")), False, False),
    "a name as long as may be": Kind(lambda _, v: "a" * (255 - len(v.suffix)) + v.suffix, True, True),
    "a name that is too long": Kind(named("a" * 300), False, False),
    "somebody's file": Kind(mine("mine"), False, True),
    "its own": Kind(own(), True, True),
    "its own, mode 600": Kind(own(lambda path: path.chmod(0o600)), True, True),
    "its own, behind a link of another kind": Kind(own(lambda path: path.rename(path.with_name("x")) and path.symlink_to("x")), False, False),
    "its own, edited": Kind(own(lambda path: path.write_bytes(path.read_bytes() + b"!") and None), False, True),
    "an input": Kind(named("face.png", "talk.mp4"), False, False),
    "an input, by dots": Kind(lambda f, v: f"run/../{named('face.png', 'talk.mp4')(f, v)}", False, False),
    "an input, by dots through a folder that is not made yet": Kind(lambda f, v: f"nowhere/../{named('face.png', 'talk.mp4')(f, v)}", False, False),
    "an input, by a link": Kind(linked("talk.mp4"), False, False),
    "an input, by a hard link": Kind(linked("talk.mp4", hard=True), False, False),
    "an input's bytes": Kind(copied, False, False),
    "a link to somebody's file": Kind(linked_to_mine(hard=False), False, True),
    "a hard link of somebody's file": Kind(linked_to_mine(hard=True), False, True),
    "a link to nothing": Kind(linked("made.*"), True, True),
    "a link to another kind": Kind(linked("made.txt"), False, False),
    "a link in a circle": Kind(linked("link.*"), False, False),
    "a folder": Kind(folder_of(0o755, ""), False, False),
    "a pipe": Kind(node(stat.S_IFIFO), False, False),
    "a socket": Kind(bound, False, False),
    "below a file": Kind(lambda f, v: f"{mine('mine')(f, v)}/film{v.suffix}", False, False),
    "a read-only file": Kind(after(lambda path: path.chmod(0o444)), False, True),
    "a file of mode 600": Kind(after(lambda path: path.chmod(0o600)), False, True),
    "a file of this run": Kind(lambda _, v: f"run/segments/00000{v.suffix}", False, False),
    "a file of another run": Kind(lambda _, v: f"other/latents/00000{v.suffix}", False, False),
    "another run's film": Kind(named("other/video.mp4"), False, False),
    "a link to a file of another run": Kind(linked("other/segments/00000.*"), False, False),
    "a suffix of another kind": Kind(lambda _, __: "film.avi", False, False),
    "no suffix": Kind(lambda _, __: "film", False, False),
}  # fmt: skip
if IS_ROOT:
    KINDS |= {
        "a device": Kind(node(stat.S_IFCHR, os.makedev(1, 3)), False, False),
        "somebody else's file": Kind(after(lambda path: os.chown(path, 1234, 4321)), False, True),
        "somebody else's file, by a user": Kind(
            after(lambda path: os.chown(path, 1234, 4321), lambda path: path.chmod(0o666)),
            False, False, rights=True,
        ),
        "a file that nobody else may read": Kind(
            after(lambda path: path.chmod(0o600)), False, False, rights=True
        ),
    }  # fmt: skip
KINDS["a folder that may not be written"] = Kind(
    folder_of(0o555, "film"), False, False, rights=True
)


def call(folder: Path, words: tuple[str, ...], *, user: int | None = None) -> int:
    """The command, in a process of its own; its code."""

    def act() -> None:
        if user is not None:
            for path in (folder, *folder.rglob("*")):
                if (
                    not path.is_symlink()
                    and path.stat().st_uid == 0
                    and not path.name.startswith(("mine", "folder"))
                ):
                    os.chown(path, user, user)
            os.setgroups([])
            os.setgid(user)
            codecs.lookup("ascii")  # read now: another user may not read where Python lies
            os.setuid(user)
        os.chdir(folder)
        code = main(list(words))
        sys.stdout.flush()
        os._exit(code)

    return child(act, folder.parent / f"{folder.name}.said")


def said(folder: Path) -> str:
    """What the last command said."""
    return (folder.parent / f"{folder.name}.said").read_text(errors="replace")


State = dict[str, tuple[object, ...]]


def state_of(folder: Path) -> State:
    """Every entry: kind, mode, owner, inode, and what it holds or leads to."""
    found: State = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        held: object = None
        if path.is_symlink():
            held = str(path.readlink())
        elif stat.S_ISREG(facts.st_mode):
            held = path.read_bytes()
        found[str(path.relative_to(folder))] = (
            facts.st_mode, facts.st_uid, facts.st_gid, facts.st_ino, held,
        )  # fmt: skip
    return found


def changed(before: State, after: State) -> list[str]:
    """What was there and is not as it was; whose inode alone is another was replaced."""
    return [name for name, facts in before.items() if after.get(name) != facts]


def harms(before: State, now: State, target: str, code: int) -> Iterator[str]:
    """What a command did that it may not: all of it, where it refused; beside its target and the run's own notes, where it did not."""
    notes = ("run/", "fresh/")
    for name in changed(before, now):
        if code or not (name == target or name.startswith(notes)):
            yield f"changed {name}"
        elif name == target and before[name][:3] != now.get(name, ())[:3]:
            yield f"mode or owner of {name}"
    for name in now.keys() - before.keys():
        if ".partial" in name or (code and not name.startswith("run/commits/output-")):
            yield f"left {name}"
    for name in ("run", "other"):
        for part in ("segments", "latents", "inputs"):
            same = [
                n for n in before if n.startswith(f"{name}/{part}/") and before[n] != now.get(n)
            ]
            yield from (f"of a run: {each}" for each in same)


def tried(prepared: Path, folder: Path, kind: Kind, verb: Verb, *, overwrite: bool) -> list[str]:
    """One case; what is wrong with what came of it."""
    shutil.copytree(prepared, folder, symlinks=True)
    user = NOBODY if kind.rights and IS_ROOT else None
    name = kind.put(folder, verb)
    if user is not None:
        call(folder, ("--version",), user=user)
    before = state_of(folder)
    words = (*verb.words, "--output-file", name, *(("--overwrite",) if overwrite else ()))
    code = call(folder, words, user=user)
    now, lines = state_of(folder), said(folder).splitlines()
    may = kind.overwrite if overwrite else kind.plain
    target = os.path.relpath(os.path.realpath(folder / name), folder)
    wrong = [*harms(before, now, target, code)]
    if may and (code or not (folder / name).is_file()):
        wrong.append(f"code {code}, and it may be written: {lines[-1:]}")
    if not may and code not in REFUSED:
        wrong.append(f"code {code}, and it must be refused: {lines[-1:]}")
    if not may and len([line for line in lines if line.startswith("longtake: ")]) != 1:
        wrong.append(f"not one line: {lines}")
    if may and not overwrite and call(folder, words, user=user):
        wrong.append(f"the same again: {said(folder)}")
    shutil.rmtree(folder)
    return wrong


def prepare(folder: Path) -> Path:
    """A picture, a film that is heard, and two runs."""
    place = folder / "prepared"
    place.mkdir(parents=True)
    Image.fromarray(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)).save(
        place / "face.png"
    )
    write_wave(place / "speech.wav", 2.0)
    for words in (
        ("new", "face.png", "speech.wav", "--run", "first", "--output-file", "talk.mp4"),
        ("new", *TALK, "--run", "run"),
        ("new", *TALK, "--run", "other", "--base-seed", "7"),
    ):
        assert call(place, words) == 0, said(place)
    shutil.rmtree(place / "first")
    return place


def matrix(folder: Path, *, few: bool) -> dict[str, object]:
    """The cases, and what was wrong."""
    prepared, counts, wrong = prepare(folder), Counter[str](), []
    # Each kind with every second verb: they all write through one module.
    half = [
        (kind, verb) for a, kind in enumerate(KINDS) for b, verb in enumerate(VERBS) if (a + b) % 2
    ]
    cases = [*zip(KINDS, cycle(VERBS))][::3] if few else half
    for number, (kind, verb) in enumerate(cases):
        for overwrite in (False, True):
            counts["tried"] += 1
            case = folder / f"case{number}"
            for each in tried(prepared, case, KINDS[kind], VERBS[verb], overwrite=overwrite):
                wrong.append(f"{verb}, {kind}{', --overwrite' * overwrite}: {each}")
                print(wrong[-1], file=sys.stderr, flush=True)
    return {**counts, "lost": len(wrong), "wrong": wrong}


def names(folder: Path, *, few: bool) -> dict[str, object]:
    """By each name that a run uses, a file, a link or a folder of somebody's: no run is made there, and nothing of it is touched."""
    prepared, counts, wrong = prepare(folder), Counter[str](), []
    things = ("file", "link", "folder")
    cases = [*zip(sorted(OWN), cycle(things))][::5] if few else [*product(sorted(OWN), things)]
    for number, (name, what) in enumerate(cases):
        place = folder / f"case{number}"
        (place / "mine").mkdir(parents=True)
        for each in ("face.png", "talk.mp4"):
            shutil.copy(prepared / each, place)
        put_name(place, name, what)
        before = state_of(place)
        code = call(place, ("new", *TALK, "--run", "mine"))
        counts["tried"] += 1
        harmed = changed(before, state_of(place))
        if harmed or code not in {2, 3, 5, 75}:
            wrong.append(f"{name}, a {what}: code {code}, changed {harmed}")
        shutil.rmtree(place)
    return {**counts, "lost": len(wrong), "wrong": wrong}


def put_name(place: Path, name: str, what: str) -> None:
    """A thing of somebody's, in the folder of the run that is to be made."""
    path, other = place / "mine" / name, place / "somewhere"
    if what == "folder":
        path.mkdir()
        (path / "mine.txt").write_text("somebody's")
    elif what == "file":
        path.write_text("somebody's")
    else:
        other.write_text("somebody's")
        path.symlink_to("../somewhere")


if __name__ == "__main__":
    for name in ONCE:
        import_module(name)
    fake_avatar.install()
    os.umask(0o022)
    act = {"matrix": matrix, "names": names}[sys.argv[1]]
    print(json.dumps(act(Path(sys.argv[2]), few="few" in sys.argv[3:])))
