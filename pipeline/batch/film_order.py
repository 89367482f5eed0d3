"""What a process is told to make one film of a table, and how that ended; both can be sent to another machine."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.upkeep.child_process import VARIABLE, read_last_line
from storage.lock import TOKENS_VARIABLE
from storage.publish import make_folder
from tasks.options import read_run

LOGS = ".batch"
"""The folder beside a run for what its process said; `longtake web` passes over it."""
_VARIABLES = ("LONGTAKE_", "OMP_")
"""What the environment says of films, by the beginnings of the names."""
_OWN = (TOKENS_VARIABLE, VARIABLE, "LONGTAKE_WEB_")


@dataclass(frozen=True)
class FilmOrder:
    """One film to be made."""

    place: str
    """Where it stands in the table, such as `films.csv:7`."""
    at: str
    """The folder of its run, absolute, or the URL of that."""
    words: tuple[str, ...]
    """Those of `longtake` that make it, or go on with it."""
    retries: int = 0
    """Further tries after one that ended without a new clip."""
    gpus: int = 0
    """Cards that it wants for itself."""
    directory: Path = field(default_factory=Path.cwd)
    """Where its longtake.toml is looked for."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """LONGTAKE_… and its like, where the command was given."""

    @property
    def run(self) -> Path:
        """The folder of its run on this machine."""
        return read_run(self.at)

    @property
    def log(self) -> Path:
        """The file for what its process says, of the last try; beside the run, by the run's name."""
        return self.run.parent / LOGS / f"{self.run.name}.txt"

    def prepare_log(self) -> Path:
        """The log, whose folder is made. Raises NotWritable."""
        make_folder(self.log.parent)
        return self.log

    def last_line(self) -> str:
        """Why its last try ended, in the one line that longtake ended with; empty where it said none."""
        return read_last_line(self.log)


@dataclass(frozen=True)
class FilmEnding:
    """How the making of one film ended."""

    code: int
    """The exit code (docs/cli.md), negative where a signal ended the process."""
    line: str = ""
    """The line that it ended with; empty where it ended well."""
    tries: int = 1
    seconds: float = 0.0


def films_environment() -> dict[str, str]:
    """What this process's environment says of films, for one on another machine; no locks, and no words that let somebody in."""
    told = {name: word for name, word in os.environ.items() if name.startswith(_VARIABLES)}
    return {name: word for name, word in told.items() if not name.startswith(_OWN)}
