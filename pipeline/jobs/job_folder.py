"""The files of one job beside its run: what was asked, and small marks that say how far it came.

ROOT/.jobs/NAME: order.json, the picture and the sound until the run has its own, started.json, ended.json, stop, log.txt, and run.lock, which the
job's process holds while it lives: a dead one is known by that, whatever killed it. ROOT/.jobs/.queue has an empty file for each turn.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.json_output import to_json
from pipeline.upkeep.child_process import read_last_line
from storage.errors import RunDamaged
from storage.lock import find_worker
from storage.names import is_run
from storage.publish import make_folder, publish_bytes, remove_path
from storage.schema import ListOf, Number, OneOf, TableOf, TableWith, Text, Unfit, Whole, read_json
from storage.speaker import MOST_SPEAKERS

JOBS, QUEUE = ".jobs", ".queue"
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
STOPPED_CODES = {130, 143}
_MOST = 1 << 20
_FILE = Text(100, r"(" + NAME + r")?")
_ORDER = TableWith(
    {
        "verb": OneOf(("new", "resume", "retake", "redub")),
        "made": Number(0, 1e12),
        "title": Text(1000),
        "flags": TableOf(Text(100_000), 1000),
        "picture": _FILE,
        "sound": _FILE,
        "parent": _FILE,
        "clips": ListOf(Whole(0, 1 << 40), 2),
        "notices": ListOf(Text(100_000), 1000),
    },
    {
        "film": Text(1000),
        "extras": TableOf(_FILE, 20),
        "speakers": ListOf(Text(200), MOST_SPEAKERS),
    },
)
_ENDED = TableWith({"code": Whole(-255, 255), "line": Text(100_000)})


@dataclass(frozen=True)
class Order:
    """What a job is to do."""

    verb: str
    """new, resume (a run that the command line made) retake or redub."""
    made: float
    title: str = ""
    flags: Mapping[str, str] = field(default_factory=dict)
    picture: str = ""
    """The name of its copy in the job's folder."""
    sound: str = ""
    parent: str = ""
    """Of a retake or a redub: the name of the job that it is taken from."""
    clips: tuple[int, ...] = ()
    """Of a retake: the first clip and the one after the last."""
    notices: tuple[str, ...] = ()
    film: str = ""
    """The title in the film's file; empty in orders that are older than that."""
    extras: Mapping[str, str] = field(default_factory=dict)
    """Further files by their fields (input_words.py): the names of their copies."""
    speakers: tuple[str, ...] = ()
    """The place of each of several speakers."""


@dataclass(frozen=True)
class Ending:
    """How a job's process ended: its exit code, and the line that it said."""

    code: int
    line: str


class JobFolder:
    """One job's files."""

    def __init__(self, root: Path, name: str) -> None:
        self.name, self.run = name, root / name
        self.path, self.queue = root / JOBS / name, root / JOBS / QUEUE

    @property
    def log(self) -> Path:
        """What its process said, of the last start."""
        return self.path / "log.txt"

    @property
    def is_there(self) -> bool:
        """True if it is a job of this root, or a run."""
        return (self.path / "order.json").is_file() or (
            is_run(self.run) and not self.run.is_symlink()
        )

    def read_order(self) -> Order | None:
        """What was asked; None of a run that the command line made. Raises RunDamaged."""
        try:
            found = read_json(self.path / "order.json", _MOST)
            _ORDER(found)
            lists = ("clips", "notices", "speakers")
            return Order(**{**found, **{name: tuple(found.get(name, ())) for name in lists}})
        except FileNotFoundError:
            return None
        except (Unfit, OSError, TypeError) as error:
            words = f"order.json cannot be read ({error})"
            raise RunDamaged(self.path, words, "copy it back from a backup") from error

    def read_ending(self) -> Ending | None:
        """How its process ended; None while it runs, where it died without a word, or where it never ran."""
        try:
            found = read_json(self.path / "ended.json", _MOST)
            _ENDED(found)
            return Ending(found["code"], found["line"])
        except (Unfit, OSError):
            return None

    def list_own_turns(self) -> list[Path]:
        """Its places in the queue."""
        return [each for each in list_turns(self.queue) if turn_name(each) == self.name]

    def take_turn(self) -> None:
        """Put it at the end of the queue, and forget how it ended before."""
        make_folder(self.queue)
        remove_path(self.path / "stop")
        publish_bytes(self.queue / f"{time.time_ns():020d}-{self.name}", b"")
        for mark in ("ended.json", "started.json"):
            remove_path(self.path / mark)

    def leave_queue(self) -> None:
        """Take it out of the queue."""
        for each in self.list_own_turns():
            each.unlink(missing_ok=True)

    def mark_started(self) -> None:
        """Say that its process has begun."""
        publish_bytes(self.path / "started.json", to_json({"time": time.time()}).encode())
        self.leave_queue()

    def mark_ended(self, code: int, line: str) -> None:
        """Say how it ended."""
        publish_bytes(self.path / "ended.json", to_json({"code": code, "line": line}).encode())
        self.leave_queue()

    def mark_stopping(self) -> None:
        """Say that it was told to stop."""
        make_folder(self.path)
        publish_bytes(self.path / "stop", b"")

    @property
    def was_told_to_stop(self) -> bool:
        """True from `mark_stopping` until it takes a turn again."""
        return (self.path / "stop").exists()

    @property
    def was_started(self) -> bool:
        """True if its process has begun, in the turn that it took last."""
        return (self.path / "started.json").exists()

    @property
    def is_alive(self) -> bool:
        """True while its own process lives."""
        return find_worker(self.path) is not None

    def write_order(self, order: Order) -> None:
        """Write down what it is to do."""
        make_folder(self.path)
        self.write_order_in(self.path, order)

    @staticmethod
    def write_order_in(folder: Path, order: Order) -> None:
        """Write down what a job is to do, in its folder or what is to become it."""
        publish_bytes(folder / "order.json", to_json(asdict(order)).encode())

    def drop_inputs(self, order: Order) -> None:
        """Remove its copies of what it is made of, where the run has its own by now."""
        if is_run(self.run):
            for each in filter(None, (order.picture, order.sound, *order.extras.values())):
                (self.path / each).unlink(missing_ok=True)

    def last_line(self) -> str:
        """The last line of longtake's own that its process said; empty if there is none."""
        return read_last_line(self.log)


def list_turns(queue: Path) -> list[Path]:
    """All places in the queue, the first one first."""
    try:
        return sorted(each for each in queue.iterdir() if each.name[:1].isdigit())
    except FileNotFoundError:
        return []


def turn_name(turn: Path) -> str:
    """The name of the job whose place it is."""
    return turn.name.partition("-")[2]
