"""One call of the system that fails once, while each kind of file that libav writes is made: python tests/faults/single_faults.py PICTURE SOUND FOLDER WHERE STRIDE.

WHERE is `drafts` or `all`: on what is being written, or on any file of the run.

Runs under LD_PRELOAD with tests/faults/failing_calls.c, and forks: imports are paid once. After the fault nothing torn lies there by a published name; the
next command then makes the same bytes. Prints what is not well, and one line of JSON.
"""

import ctypes
import errno
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
# The root first: tests/ has folders of the same names as the packages.
sys.path[:1] = [str(TESTS.parent), str(TESTS), str(TESTS / "faults")]

import fake_avatar  # noqa: E402
import structlog  # noqa: E402
from films import Tree, differing, tree  # noqa: E402
from forks import child  # noqa: E402

import storage.zarr_store  # noqa: E402, F401 - once, before the forks
from pipeline.upkeep.partial_mux import mux_finished  # noqa: E402
from storage.errors import LongtakeError  # noqa: E402
from storage.refusals import translate_refusal  # noqa: E402
from storage.run import Run  # noqa: E402
from tasks.film import make_film  # noqa: E402
from tasks.film_part import FilmPart  # noqa: E402
from tasks.request import Request  # noqa: E402
from tasks.resolve import freeze_run  # noqa: E402

CALLS = ("lseek", "write", "close", "fsync", "rename")
ERRORS = ("EIO", "ENOSPC")
CODES = range(3, 6)
"""Of our errors: of the run, of a clip, of the disk. Any other way to end is a fault of longtake."""
GOES = 100
"""What a child ends with that has come to its end."""


@dataclass(frozen=True)
class Kind:
    """A file that libav writes."""

    lacks: tuple[str, ...]
    """What a whole run is left without, for this one to be made."""
    act: Callable[[Run], object]


def _is_film(name: str) -> bool:
    """False of the note of what was put out, which holds what lay there before."""
    return not name.startswith("commits/output-")


def _partial(run: Run) -> object:
    return mux_finished(run, partial=True, output_file=None, overwrite=False)


KINDS = {
    "soundtrack": Kind(("soundtrack.m4a", "commits/soundtrack.json"), make_film),
    "segment": Kind(("segments/00001.mp4", "commits/segment.00001.json"), make_film),
    "film": Kind(("video.mp4", "commits/video.json"), make_film),
    "partial": Kind(("partial.mp4",), _partial),
    "part": Kind(("part.00000-00000.mp4",), lambda run: make_film(run, FilmPart(clips=1))),
}


class Trials:
    """A film of two clips, with all that is made beside it; each trial begins with a copy that lacks one file."""

    def __init__(self, request: Request, folder: Path, where: str) -> None:
        self.where = {"drafts": ".partial", "all": str(folder / "film")}[where]
        self.request, self.root, self.whole = request, folder / "film", folder / "whole"
        self.said, self.seen = folder / "said", folder / "seen"
        self.shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
        self.expected: Tree = {}

    def prepare(self) -> None:
        """Make the whole run, with a part and a partial film."""

        def work() -> None:
            run = freeze_run(self.request)
            for kind in KINDS.values():
                kind.act(run)

        assert child(work, self.said) == 0, self.said.read_text()
        self.root.rename(self.whole)
        self.expected = tree(self.whole)

    def begin(self, kind: Kind) -> None:
        """A run that lacks the file."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.whole, self.root)
        for name in kind.lacks:
            (self.root / name).unlink()

    def arm(self, call: str, number: int, error: int = 0) -> None:
        """Let a call on a file of the run fail; -1: count them."""
        self.shim.arm(call.encode(), ctypes.c_long(number), error, os.fsencode(self.where))

    def count(self, kind: Kind, call: str) -> int:
        """How many such calls there are on the way."""

        def work() -> None:
            self.arm(call, -1)
            kind.act(Run.open(self.root))
            self.seen.write_text(str(self.shim.passed()))

        self.begin(kind)
        assert child(work, self.said) == 0, self.said.read_text()
        return int(self.seen.read_text())

    def try_once(self, kind: Kind, call: str, number: int, error: str) -> tuple[str, list[str]]:
        """Fail, look, go on: how the first command ended, and what is not well."""
        self.begin(kind)
        code = child(lambda: self._fail(kind, call, number, error), self.said)
        how = "went on" if code == GOES else "told" if code in CODES else "a fault of longtake"
        wrong = [] if how != "a fault of longtake" else [f"code {code}: {self._last_words()}"]
        wrong += [f"{name} is torn" for name in self._torn()]
        if child(lambda: kind.act(Run.open(self.root)), self.said):
            wrong.append(f"not gone on: {self._last_words()}")
        elif other := [
            name for name in differing(tree(self.root), self.expected) if _is_film(name)
        ]:
            wrong.append(f"differing: {other}")
        return how, wrong

    def _fail(self, kind: Kind, call: str, number: int, error: str) -> None:
        self.arm(call, number, getattr(errno, error))
        try:
            kind.act(Run.open(self.root))
            code = GOES
        except LongtakeError as told:
            code = told.exit_code
        except Exception as fault:
            if (refused := translate_refusal(fault)) is None:
                raise
            code = refused.exit_code
        os._exit(code)

    def _torn(self) -> Iterator[str]:
        for name, digest in tree(self.root).items():
            if self.expected.get(name) not in (None, digest) and self._vouches(name):
                yield name

    def _vouches(self, name: str) -> bool:
        """False of a record that says that its work is to be done again, and of what the next sweep writes anew."""
        record = name.startswith("commits/") and json.loads((self.root / name).read_bytes())
        told = record and record["state"] != "done"
        return not told and not name.startswith("present/") and _is_film(name)

    def _last_words(self) -> str:
        return self.said.read_text()[-1500:]


def main(image: str, audio: str, folder: str, where: str, stride: str) -> None:
    """Every `stride`-th call of each kind, with each error."""
    fake_avatar.install()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    asked: dict[str, Any] = {"infer_frames": 12, "retry_delay": 0.0, "num_clip": 2}
    root = Path(folder, "film")
    trials = Trials(Request(Path(image), Path(audio), run=root, **asked), Path(folder), where)
    trials.prepare()
    found: Counter[str] = Counter(wrong=0)
    for (name, kind), call in product(KINDS.items(), CALLS):
        count = trials.count(kind, call)
        found[f"{call} calls"] += count
        for number, error in product(range(1, count + 1), ERRORS):
            found["seen"] += 1
            if found["seen"] % int(stride):
                continue
            how, wrong = trials.try_once(kind, call, number, error)
            found.update(("tried", how))
            found["wrong"] += bool(wrong)
            for line in wrong:
                print(f"{name}, {call} {number} {error}: {line}")
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
