"""What makes the films of a batch, here or elsewhere: one function an engine, over the same order of a film."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec

from pipeline.batch.film_order import FilmEnding, FilmOrder
from storage.errors import BadOption
from tasks.signals import StopFlag

ENGINES = {"local": "", "luigi": "luigi", "ray": "ray", "slurm": "submitit"}
"""Each engine with the package that it needs."""


@dataclass(frozen=True)
class EngineOptions:
    """How an engine is to work."""

    name: str = "local"
    jobs: int | None = None
    """Films at once; None: one (local, luigi), or as many as the engine has room for."""
    address: str = ""
    """Where the engine is, as it calls that; empty: on this machine, or where its own settings say."""

    @property
    def makes_several(self) -> bool:
        """Whether films are made beside each other, as far as this command knows."""
        return (self.jobs is not None and self.jobs > 1) or self.name != "local"


@dataclass
class Watch:
    """What an engine tells of its films, and asks."""

    stop: StopFlag = field(default_factory=StopFlag)
    on_start: Callable[[FilmOrder], None] = lambda _: None
    on_end: Callable[[FilmOrder, FilmEnding], None] = lambda _order, _ending: None
    on_wait: Callable[[], None] = lambda: None
    """Called a few times a second."""

    def is_stopped(self) -> bool:
        """Whether a signal has come, after which no film begins."""
        return self.stop.signal is not None


MakeFilms = Callable[[Sequence[FilmOrder], EngineOptions, Watch], None]


def load_engine(name: str) -> MakeFilms:
    """The function of an engine, which returns when all films are made or it was told to stop. Raises BadOption where there is none, or its package is missing."""
    if name not in ENGINES:
        raise BadOption("--engine", name, f"there are {', '.join(ENGINES)}")
    if (package := ENGINES[name]) and find_spec(package) is None:
        way = f"in longtake's folder: pip install '.[{name}]'"
        raise BadOption(
            "--engine", name, f"it needs the package {package}, which is missing ({way})"
        )
    make: MakeFilms = import_module(f"pipeline.batch.{name}_engine").make_films
    return make
