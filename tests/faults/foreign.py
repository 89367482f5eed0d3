"""A run of somebody else: links and hostile files in every place of it, by every verb, in forked children.

python tests/faults/foreign.py PICTURE SOUND FOLDER STRIDE [NAME]   every STRIDE-th pair of a harm and a verb; of one harm, all verbs

Nothing outside of the run may change, the end is one line and a code, within time and memory. Prints one line of JSON.
"""

import hashlib
import json
import os
import pickle
import re
import resource
import shutil
import signal
import stat
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
# The root first: tests/ has folders of the same names as the packages.
sys.path[:1] = [str(TESTS.parent), str(TESTS), str(TESTS / "faults")]

import av  # noqa: E402, F401 - once, before the forks, like what follows
import fake_avatar  # noqa: E402
import numpy as np  # noqa: E402
import rich.live  # noqa: E402, F401
import rich.progress  # noqa: E402, F401
from numcodecs import Zstd  # noqa: E402
from PIL import Image  # noqa: E402, F401

import pipeline.inspection.plots  # noqa: E402, F401
import storage.zarr_store  # noqa: E402, F401
import tasks.film  # noqa: E402, F401
from pipeline.cli import main as longtake  # noqa: E402
from storage import run_json  # noqa: E402
from storage.names import OWN  # noqa: E402
from storage.records import seal_facts, unseal_facts  # noqa: E402
from storage.spec import Spec  # noqa: E402

MINE = b"PS1='$ '\n" * 200
"""What somebody has outside."""
EVIL = "\x1b]0;owned\x07\x1b[31m<script>[bold]x[/]\r\n[SUCCESS] Clip 7 generated \u202egnp.exe"
WELL = {0, 2, 3, 5, 7, 75}
"""Codes that say something (docs/cli.md)."""
MOST_SECONDS, MOST_BYTES = 5.0, 10**9
"""Of one command: of the processor, with all that it does on a whole run; of memory."""
ACTS = re.compile(r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
VERBS = (
    "status",
    "status --json",
    "inspect --output-file cwd/a.png",
    "inspect --clip 1 --output-file cwd/b.png",
    "inspect --clip 0 --step 0 --output-file cwd/c.png",
    "inspect --hunt",
    "inspect --audio --clip 0 --output-file cwd/d.png",
    "inspect --diff base/film",
    "verify",
    "verify --json",
    "verify --repair",
    "resume",
    "resume --keep-frames none",
    "mux",
    "mux --partial",
    "report",
    "retake --clip 1 --until 2 --seed 5 --run cwd/take",
    "new",
    "plan --rehearse no",
)
FLAGS = ("--infer-frames", "12", "--carry-every", "1", "--retry-delay", "0", "--keep-steps", "2")

Harm = Callable[["World"], None]


@dataclass(frozen=True)
class World:
    """A folder with a foreign run, and all that it must not touch."""

    root: Path
    image: Path
    audio: Path

    @property
    def film(self) -> Path:
        """The run."""
        return self.root / "film"

    @property
    def other(self) -> Path:
        """What somebody has."""
        return self.root / "other"

    def make(self) -> None:
        """The film that is then harmed, with words in it that would do something on a terminal."""
        words = ["new", str(self.image), str(self.audio), "--prompt", EVIL, *FLAGS]
        assert longtake([*words, "--run", str(self.root / "base" / "film")]) == 0

    def renew(self) -> None:
        """As it is before each trial."""
        for name in ("film", "other", "cwd", "tmp", "home"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        shutil.copytree(self.root / "base" / "film", self.film)
        for name in ("other/folder/00001", "cwd", "tmp", "home"):
            (self.root / name).mkdir(parents=True)
        for name in ("other/file", "other/folder/file", "other/folder/00001/file", "home/.bashrc"):
            (self.root / name).write_bytes(MINE)
        (self.other / "picture.png").write_bytes(self.image.read_bytes())

    def path(self, name: str) -> Path:
        """Something in the run; @ stands for the newest carry, which is another each time."""
        carries = (self.root / "base" / "film" / "carry").iterdir()
        return self.film / name.replace("@", max(path.name for path in carries))

    def outside(self) -> dict[str, object]:
        """All of it, to be compared: content, kind and mode."""
        found: dict[str, object] = {}
        for name in ("other", "tmp", "home", "base"):
            for path in sorted((self.root / name).rglob("*")):
                mode = path.lstat().st_mode
                plain = stat.S_ISREG(mode)
                content = hashlib.sha256(path.read_bytes()).hexdigest() if plain else ""
                found[str(path.relative_to(self.root))] = (mode, content)
        # Steps that are made again for a look go there.
        return {n: v for n, v in found.items() if not n.startswith(f"tmp/longtake-{os.getuid()}")}

    def words(self, verb: str) -> list[str]:
        """A verb's command line."""
        name, *rest = verb.split()
        asked = {"new": FLAGS, "plan": FLAGS}.get(name)
        if asked:
            inputs = [str(self.image), str(self.audio), "--prompt", EVIL, "--run", "film"]
            return [name, *inputs, *asked, *rest]
        return [name, "film", *rest]


# What lies in a run: a link in its place.


def linked(name: str, leads: str) -> Harm:
    """A link to what it was (all else is right), to somebody's file or folder, or a pipe; a hard link where nothing else tells."""

    def harm(world: World) -> None:
        path = world.path(name)
        target = world.other / {"folder": "folder", "moved": "moved"}.get(leads, "file")
        if path.exists() and leads == "moved":
            path.rename(target)
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        if leads == "pipe":
            os.mkfifo(path)
        elif leads == "hard":
            path.hardlink_to(target)
        else:
            path.symlink_to(target)

    return harm


# What its files say.


def said(changes: dict[str, Any]) -> Harm:
    """Another run.json, sealed like ours, with records that go with it; `a.b` is the field b of a."""

    def harm(world: World) -> None:
        facts = json.loads((world.film / "run.json").read_text())
        before = Spec.from_facts(facts["spec"]).digest
        del facts["seal"]
        for name, value in changes.items():
            *way, last = name.split(".")
            place = facts
            for step in way:
                place = place[step]
            place[last] = value
        text = json.dumps({**facts, "seal": run_json._compute_seal(facts)})
        for name in ("run.json", "run.copy.json"):
            (world.film / name).write_text(text)
        for path in (world.film / "commits").iterdir():
            body = path.read_bytes().replace(before.encode(), _digest(facts["spec"]).encode())
            _seal(path, body)

    return harm


def _digest(spec: dict[str, Any]) -> str:
    try:
        return Spec.from_facts(spec).digest
    except ValueError:
        return "0" * 64


def _seal(path: Path, line: bytes) -> None:
    facts = json.loads(line)
    del facts["seal"]
    path.write_bytes(seal_facts(facts))


def recorded(name: str, **changes: Any) -> Harm:
    """Another record, sealed like ours; None stands for a field that is missing."""

    def harm(world: World) -> None:
        path = world.path(f"commits/{name}")
        facts = {**(unseal_facts(path.read_bytes()) or {}), **changes}
        path.write_bytes(seal_facts({n: v for n, v in facts.items() if v is not None}))

    return harm


def written(name: str, content: bytes | str) -> Harm:
    """Other bytes."""

    def harm(world: World) -> None:
        data = content if isinstance(content, bytes) else content.encode()
        world.path(name).write_bytes(data)

    return harm


def endless(name: str) -> Harm:
    """A file of a terabyte that takes no room."""

    def harm(world: World) -> None:
        path = world.path(name)
        path.touch()
        os.truncate(path, 1 << 40)

    return harm


class _Touch:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("other/pickled"),)


def old_zarr(world: World) -> None:
    """A piece as Zarr 2 with a filter that runs what the chunk says."""
    folder = world.film / "encoded" / "prompt"
    shutil.rmtree(folder)
    folder.mkdir()
    filters = [{"id": "pickle", "protocol": 5}]
    array = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "order": "C"}
    array |= {"compressor": None, "fill_value": None, "filters": filters}
    (folder / ".zarray").write_text(json.dumps(array))
    (folder / "0").write_bytes(pickle.dumps(_Touch()))


def bomb(world: World) -> None:
    """A piece whose metadata say zstd and two gigabytes, and whose chunk is that in 60 kB."""
    folder = world.film / "encoded" / "prompt"
    told = json.loads((folder / "zarr.json").read_text())
    told["shape"] = told["chunk_grid"]["configuration"]["chunk_shape"] = [1 << 29]
    told["codecs"] = [told["codecs"][0], {"name": "zstd", "configuration": {"level": 0}}]
    (folder / "zarr.json").write_text(json.dumps(told))
    # Frames of a stream may follow each other: 128 of 16 MB.
    (folder / "c.0").write_bytes(Zstd(level=3).encode(np.zeros(1 << 24, np.uint8)) * 128)


def wide(world: World) -> None:
    """Four gigabytes of shape, and a chunk of that length with nothing in it."""
    folder = world.film / "encoded" / "prompt"
    told = json.loads((folder / "zarr.json").read_text())
    told["shape"] = told["chunk_grid"]["configuration"]["chunk_shape"] = [1 << 30]
    (folder / "zarr.json").write_text(json.dumps(told))
    os.truncate(folder / "c.0", (1 << 32) + 4)


def strays(world: World) -> None:
    """Names that would do something on a terminal, that are no UTF-8, or that look like ours."""
    for name in (EVIL.replace("/", "|"), "caf\udce9", "[bold]", "-rf"):
        (world.film / name).write_bytes(b"")
        (world.film / "commits" / name).write_bytes(b"")


def crowded_tmp(world: World) -> None:
    """The scratch folder by our name, in which somebody else's links wait."""
    place = world.root / "tmp" / f"longtake-{os.getuid()}"
    place.symlink_to(world.other / "folder")


NESTED = b"[" * 100_000 + b"]" * 100_000
LINES = [
    {"event": "clip_published", "time": 1e308, "clip": 0},
    {"event": "_init__", "time": 1, "clips": 7},
    {"event": "stage_seconds", "time": 2, "stage": EVIL, "seconds": 1e300, "clip": 0},
    {"event": "run_started", "time": -5, "clips": -7, "done": 10**300, "run": EVIL},
    {"event": "device_sampled", "time": 3, "card": EVIL, "used": "much", "total": [1]},
    {"event": "clip_failed", "time": 4, "clip": EVIL, "stage": EVIL, "error": EVIL},
    {"event": "carry_every_chosen", "time": 5, "every": "many"},
    {"event": EVIL, "time": 6},
]
HOLDER = {"host": EVIL, "process": 1, "since": EVIL, "token": "", "born": ""}
JSON_FILES = (
    "run.json",
    "run.copy.json",
    "begun.json",
    "zarr.json",
    "latents/zarr.json",
    "time/zarr.json",
    "encoded/zarr.json",
    "encoded/prompt/zarr.json",
    "sound/zarr.json",
    "commits/latents.00001.json",
    "commits/segment.00000.json",
    "commits/inputs.json",
    "commits/video.json",
    "run.lock",
    "run.lock.held",
    "events.jsonl",
)
DEEP = (
    "audio/c.0.0.0.0",
    "latents/c.1.0.0.0.0",
    "steps/c.3.0.0.0.0.0",
    "frames/c.3.0.0.0.0",
    "segments/00001.mp4",
    "commits/latents.00001.json",
    "commits/segment.00001.json",
    "commits/carry.@.json",
    "commits/inputs.json",
    "commits/video.json",
    "carry/@",
    "carry/@/ring.0",
    "carry/@/ring.0/zarr.json",
    "carry/00009",
    "encoded/prompt",
    "encoded/prompt/c.0",
    "sound/c.0",
    "present/c.0",
    "time/c.0.0",
    "inputs/image.png",
    "inputs/audio.wav",
    "partial.mp4",
    "report.html",
)
IN_PLACE = ("run.lock", "inference.log", "events.jsonl", "reserve.bin", "present/c.0")
SPECS: dict[str, dict[str, Any]] = {
    "a thousand million clips": {"spec.clips": 10**9, "spec.frames": 12 * 10**9},
    "a million clips": {"spec.clips": 10**6, "spec.frames": 12 * 10**6},
    "clips that do not fit": {"spec.clips": 5000},
    "a million pixels": {"spec.width": 10**6},
    "a large chunk": {"spec.width": 8192, "spec.height": 8192, "spec.clip_frames": 4096},
    "no frames": {"spec.fps": 0},
    "a model called os": {"spec.model": "os"},
    "a model called ..": {"spec.model": "../os"},
    "a prompt of numbers": {"spec.prompt": [1, 2]},
    "a prompt that is no text": {"spec.prompt": "caf\udce9"},
    "a field of another": {"spec.more": 1},
    "takes of nobody": {"spec.takes": [{"parent": "x", "clip": -1, "until": 10**9, "seed": 1}]},
    "inputs upwards": {"inputs.image": "inputs/../../other/picture.png"},
    "inputs from the root": {"inputs.audio": "/etc/passwd"},
    "inputs are the film": {"inputs.image": "video.mp4"},
    "output into a home": {"settings.output_file": "home/.bashrc"},
    "a new output": {"settings.output_file": "home/film.mp4"},
    "output upwards": {"settings.output_file": "film/../other/file"},
    "far ahead": {"settings.ahead": 10**9},
    "ahead of nothing": {"settings.ahead": None},
    "never again": {"settings.retry_delay": 1e308},
    "settings of text": {"settings": "all"},
    "many threads": {"fingerprint.threads": 10**9},
    "numerics of others": {"fingerprint": {"kernel": EVIL}},
    "joints of nothing": {"joints": [{}]},
    "a parent of nothing": {"parent": {}},
    "a parent with a name": {
        "parent": {
            "run": EVIL,
            "spec": "0" * 64,
            "clip": 0,
            "until": 1,
            "seed_before": 1,
            "seed": 2,
            "redecode": False,
        }
    },
    "a later format": {"format": 99},
    "a format of text": {"format": "1"},
    "weights of the hub": {"settings.weights": "somebody/something"},
}
RECORDS: dict[str, Harm] = {
    "a record without its stage": recorded("latents.00001.json", stage=None),
    "a record without its state": recorded("segment.00001.json", state=None),
    "a record without its hash": recorded("video.json", sha256=None),
    "a record of text": recorded("segment.00001.json", bytes="many"),
    "a piece upwards": recorded(
        "inputs.json", pieces=[{"name": "prompt", "folder": "..", "digest": "0" * 64}]
    ),
    "a piece from the root": recorded(
        "inputs.json", pieces=[{"name": "prompt", "folder": "/etc", "digest": "0" * 64}]
    ),
    "no pieces": recorded("carry.@.json", pieces={}),
    "a long sound": recorded("sound.json", samples=1 << 39),
    "a sound of nothing": recorded("sound.json", digests=None),
    "a command in a record": recorded("steps.00000.json", remake=f"rm -rf ~; {EVIL}"),
    "a state of its own": recorded("frames.00000.json", state=EVIL),
}
FILES: dict[str, Harm] = {
    "events of somebody": written("events.jsonl", "".join(json.dumps(e) + "\n" for e in LINES)),
    "a lock of somebody": written("run.lock", json.dumps(HOLDER)),
    "a lock elsewhere": written("run.lock.held", json.dumps({**HOLDER, "process": 10**30})),
    "Zarr 2 with a filter": old_zarr,
    "a zstd bomb": bomb,
    "four gigabytes of shape": wide,
    "stray names": strays,
    "a scratch folder of somebody": crowded_tmp,
}


def harms() -> dict[str, Harm]:
    """All of them by name."""
    links = {
        f"{name} links: {leads}": linked(name, leads)
        for name in (*sorted(OWN), *DEEP)
        for leads in ("moved", "file", "folder", "pipe")
    }
    hard = {f"{name} links: hard": linked(name, "hard") for name in IN_PLACE}
    nested = {f"{name} nested": written(name, NESTED) for name in JSON_FILES}
    large = {f"{name} endless": endless(name) for name in (*JSON_FILES, *IN_PLACE, *DEEP[:7])}
    specs = {name: said(changes) for name, changes in SPECS.items()}
    return {**links, **hard, **specs, **RECORDS, **FILES, **nested, **large}


# One command in a child of its own.


@dataclass(frozen=True)
class End:
    """How a command ended."""

    code: int
    words: str
    seconds: float
    memory: int


def command(world: World, words: list[str]) -> End:
    """Run it in a forked child."""
    said_to = world.root / "said"
    pid = os.fork()
    if not pid:
        _child(world, words, said_to)
    status, used = os.wait4(pid, 0)[1:]
    code = os.waitstatus_to_exitcode(status)
    told = said_to.read_text(errors="surrogateescape")
    return End(code, told, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def _child(world: World, words: list[str], said_to: Path) -> None:
    code = 1
    try:
        out = os.open(said_to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number in (1, 2):
            os.dup2(out, number)
        os.chdir(world.root)
        os.environ.update(HOME=str(world.root / "home"), TMPDIR=str(world.root / "tmp"))
        os.environ["MPLCONFIGDIR"] = str(world.root / "cwd")
        resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
        signal.alarm(120)
        code = longtake(words)
    except BaseException:  # noqa: BLE001 - it ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def flaws(world: World, end: End, before: dict[str, object]) -> Iterator[str]:
    """What is not as it has to be."""
    if end.code not in WELL:
        yield f"code {end.code}"
    last = [line for line in end.words.splitlines() if line.startswith("longtake: ")]
    if "Traceback" in end.words or "fault of longtake" in end.words or len(last) > 1:
        yield "no line for people"
    if end.code in {2, 3, 5, 75} and not (last or end.code == 3):
        yield "no line"
    if found := ACTS.search(end.words):
        yield f"{found[0]!r} reached the terminal"
    if "rm -rf" in end.words:
        yield "a command out of a record"
    if end.seconds > MOST_SECONDS:
        yield f"{end.seconds:.1f} s"
    if end.memory > MOST_BYTES:
        yield f"{end.memory / 1e6:.0f} MB"
    after = world.outside()
    if changed := sorted(n for n in {*before, *after} if before.get(n) != after.get(n)):
        yield f"changed outside: {', '.join(changed)}"


def tried(world: World, name: str, harm: Harm, verb: str) -> tuple[End, list[str]]:
    """One harm, one verb."""
    world.renew()
    harm(world)
    before = world.outside()
    end = command(world, world.words(verb))
    return end, list(flaws(world, end, before))


def is_told(name: str, verb: str) -> bool:
    """False for a verb that would rightly work for days."""
    works = verb.startswith(("resume", "new", "retake")) or verb == "verify --repair"
    return not (works and name == "a million clips")


def main(image: str, audio: str, folder: str, stride: str, only: str = "") -> None:
    """Try them; what is not well is told."""
    fake_avatar.install()
    world = World(Path(folder).resolve(), Path(image).resolve(), Path(audio).resolve())
    pid = os.fork()
    if not pid:
        world.make()
        os._exit(0)
    assert os.wait4(pid, 0)[1] == 0
    pairs = [(n, h, v) for n, h in harms().items() for v in VERBS if only in n and is_told(n, v)]
    found, codes = Counter[str](), Counter[str]()
    begun, slowest, largest = time.monotonic(), 0.0, 0
    for number in range(0, len(pairs), int(stride)):
        name, harm, verb = pairs[number]
        end, wrong = tried(world, name, harm, verb)
        found["tried"] += 1
        found["differing"] += bool(wrong)
        codes[f"code_{end.code}"] += 1
        slowest, largest = max(slowest, end.seconds), max(largest, end.memory)
        if wrong:
            print(f"{name} | {verb}: {'; '.join(wrong)}\n{end.words[-1500:]}\n", flush=True)
    facts = {"seconds": round(time.monotonic() - begun), "slowest_seconds": round(slowest, 2)}
    print(json.dumps({**found, **codes, **facts, "megabytes": largest // 10**6}))


if __name__ == "__main__":
    main(*sys.argv[1:])
