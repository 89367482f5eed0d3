"""A film at a URL, and machines that share nothing but that: each has a cache folder and a name of its own."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from films import TESTS, Film, Started, Tree, tree

from tests.network import Network

TTL = 1.0
SLOW = {"FAKE_DENOISE": "0.03", "FAKE_DECODE": "0.03"}
# What stays on its machine, or is not brought to another one.
LOCAL = ("frames/", "steps/", "commits/frames.", "commits/steps.", "carry/", "commits/carry.")
LOCAL += ("present/c.0",)
NUMBERS = count()


@dataclass
class Studio:
    """A film at a URL, and machines to make it."""

    film: Film
    environment: Mapping[str, str]
    """What leads to the store."""
    place: Path
    url: str
    network: Network | None = None
    """Each machine is one of its; else they are processes of this one."""

    def start(self, name: str, verb: str = "new", **more: str) -> Started:
        """Let a machine begin the film, or go on with it; `luigi` is a verb, too."""
        image, audio = str(self.film.image), str(self.film.audio)
        asked = ["--run", self.url, *self.film.flags]
        words = {
            "new": ["longtake", "new", image, audio, *asked],
            "resume": ["longtake", "resume", self.url],
            "decode": ["longtake", "resume", self.url, "--stages", "decode"],
            "luigi": ["luigi", "LongVideo", "--image", image, "--audio", audio, *asked],
        }[verb]
        words += ["--local-scheduler"] if verb == "luigi" else []
        return self.start_door(name, words, **more)

    def start_door(self, name: str, words: list[str], **more: str) -> Started:
        """Let a machine run such words of a command line; the first names which."""
        door = [sys.executable, str(TESTS / "faults" / "door.py"), *words]
        if self.film.shipped:
            door = [sys.executable, "-m", "pipeline", *words[1:]]
        lead = self.network.enter(self.place / name) if self.network else ()
        there = {
            **self.environment,
            "LONGTAKE_STORE_CACHE": str(self.place / name),
            "LONGTAKE_LEASE_TTL": str(TTL),
            "FAULT_HOST": f"machine-{name}",
        }
        return Started(
            [*lead, *door], self.place / f"{name}.{next(NUMBERS)}.said", {**there, **more}
        )

    def root(self, name: str) -> Path:
        """The working folder of a machine; one that is not there where it has none."""
        found = sorted((self.place / name).glob("*/film"))
        return found[0] if found else self.place / name / "none"

    def judge(self, expected: Tree) -> list[str]:
        """What a new machine brings of the film that is otherwise than it should be."""
        name = f"judge{next(NUMBERS)}"
        status, said = self.start(name, "resume").end()
        assert status == 0, said
        found = tree(self.root(name))
        return [
            path
            for path in sorted({*found, *expected})
            if not path.startswith(LOCAL) and found.get(path) != expected.get(path)
        ]
