"""The API asked at random as its own description says, in this process.

    PYTHONPATH=tests/pipeline/jobs/fake_site python -m tests.pipeline.web.fuzz FOLDER [EXAMPLES]

FOLDER is one of films. EXAMPLES (118: some 2000 requests) is how often each operation is asked; half of them about a film that is there, and of those that ask
for a film a few with a picture and a sound that are. Code 1 where an answer is a fault of the server, or refuses and does not say why, where the server opened
a file outside of the folder that is neither a program's nor the system's, or where what lies beside the folder was changed.
"""

import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.web.server import make_app
from pipeline.web.settings import WebSettings
from tests.pipeline.jobs.conftest import end_all

HOST = {"Host": "127.0.0.1"}
"""The server is asked by no other name."""
ROOT = Path(__file__).parents[3]
SYSTEM = tuple(
    map(
        Path,
        (
            *filter(None, sys.path),
            sys.prefix,
            sys.base_prefix,
            "/proc",
            "/dev",
            "/usr",
            "/etc",
            "/sys",
            ROOT,
        ),
    )
)
"""What programs read of themselves and of the system."""
SECRET = b"nothing of this is for a client"
PATIENCE = 60.0
"""Seconds that an answer may take: streams of films that are made go on for longer."""
CREATES = {"POST /v1/runs", "POST /v1/videos", "POST /v1/runs/{name}/retake"}
"""What starts a process for what it checks, where it comes so far."""
RARELY = 8
"""Of so many requests that could start one, one does."""


@dataclass
class Fuzz:
    """A server of a folder of films, and what was wrong with its answers."""

    folder: Path
    film: Path
    """A finished one, of which a copy is in the folder for each request."""
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def ask(self, operation: Any, examples: int) -> None:
        """Ask an operation so many times, and look at each answer."""

        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(case=operation.as_strategy(), known=st.booleans(), rare=st.integers(1, RARELY))
        def ask(case: Any, known: bool, rare: int) -> None:
            starts = operation.label in CREATES
            if "name" in (case.path_parameters or {}) and known and (not starts or rare == 1):
                case.path_parameters["name"] = "tea"
            if starts and rare == 1 and isinstance(case.body, dict) and "picture" in case.body:
                case.body |= {"picture": "face.png", "sound": "speech.wav"}
            self.renew_film()
            begun = time.monotonic()
            self.judge(operation.label, case, case.call(headers=HOST, timeout=PATIENCE))
            self.slowest = max(self.slowest, time.monotonic() - begun)

        ask()

    def judge(self, label: str, case: Any, answer: Any) -> None:
        """Count an answer, and say what is wrong with it."""
        self.answers[f"{label} {answer.status_code}"] += 1
        silent = answer.status_code >= 400 and b"message" not in answer.content
        if answer.status_code >= 500 or silent or SECRET in answer.content:
            self.wrong.append(f"{answer.status_code} {case.as_curl_command()}")

    def renew_film(self) -> None:
        """Put the film back where a request has removed it."""
        if not (self.folder / "tea/run.json").exists():
            shutil.copytree(self.film, self.folder / "tea", dirs_exist_ok=True)


@contextmanager
def watch_files(places: tuple[Path, ...]) -> Iterator[set[str]]:
    """The files outside of these places that this process opens meanwhile."""
    allowed = tuple(str(each.resolve()) for each in places)
    opened: set[str] = set()
    watching = True

    def hear(event: str, facts: tuple[Any, ...]) -> None:
        if watching and event == "open" and isinstance(facts[0], str | bytes):
            path = os.path.realpath(os.fsdecode(facts[0]))
            if not path.startswith(allowed) and path != gettempdir():  # a file without a name
                opened.add(path)

    sys.addaudithook(hear)
    try:
        yield opened
    finally:
        watching = False


def list_files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all that lies in a folder, by path."""
    found = ((each, each.lstat()) for each in folder.rglob("*"))
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in found}


def fuzz_copy(films: Path, place: Path, examples: int) -> Fuzz:
    """Fuzz a server over a copy of the folder's first film, in a place where a secret lies beside it."""
    film = next(each for each in sorted(films.iterdir()) if (each / "run.json").exists())
    fuzz = Fuzz(place / "films", film)
    (place / "films").mkdir()
    (place / "beside").mkdir()
    for name in ("secret", "secret.png", "video.mp4"):
        (place / "beside" / name).write_bytes(SECRET)
    picture, sound = (film / "inputs").glob("image.*"), (film / "inputs").glob("audio.*")
    shutil.copy(next(picture), fuzz.folder / "face.png")
    shutil.copy(next(sound), fuzz.folder / "speech.wav")
    app = make_app(WebSettings(fuzz.folder, creates_a_minute=1_000_000), page=False)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers=HOST)
    before = list_files(place / "beside")
    with watch_files((fuzz.folder, film, Path(gettempdir()) / f"longtake-{os.getuid()}", *SYSTEM)) as opened:  # fmt: skip
        for each in schema.get_all_operations():
            fuzz.ask(each.ok(), examples)  # type: ignore[union-attr]
    end_all(fuzz.folder)
    fuzz.wrong += [f"opened {each}" for each in sorted(opened)]
    fuzz.wrong += ["changed what lies beside"] if list_files(place / "beside") != before else []
    return fuzz


def main() -> int:
    """Ask all; how often each answer came, and what was wrong."""
    with TemporaryDirectory() as place:
        fuzz = fuzz_copy(Path(sys.argv[1]).absolute(), Path(place), int([*sys.argv, "118"][2]))
    for what, count in sorted(fuzz.answers.items()):
        print(f"{count:6} {what}")
    print(f"{sum(fuzz.answers.values())} requests, the slowest {fuzz.slowest:.1f} s")
    print(f"{len(fuzz.wrong)} wrong", *fuzz.wrong[:10], sep="\n")
    return int(bool(fuzz.wrong))


if __name__ == "__main__":
    sys.exit(main())
