"""A retake or a redub, made and looked at as a new process does it."""

from pathlib import Path
from typing import Any

from storage.run import Run
from storage.scan import RunScan
from tasks import cached_runs, loaded_model
from tasks.film import make_film
from tasks.film_part import FilmPart


def opened(root: Path) -> Run:
    """The run as a new process finds it."""
    cached_runs._runs.clear()
    loaded_model._loaded.clear()
    return Run.open(root)


def made(run: Run) -> Run:
    """The run as a new process makes it."""
    run = opened(run.root)
    make_film(run, FilmPart())
    return run


def same_files(one: Run, other: Run, pattern: str) -> set[str]:
    """The files that both runs have under one inode."""
    paths = {str(path.relative_to(one.root)) for path in one.root.glob(pattern) if path.is_file()}
    return {
        name
        for name in paths
        if (other.root / name).exists() and (one.root / name).samefile(other.root / name)
    }


def broken(run: Run) -> list[Any]:
    return [found for found in RunScan(run, thorough=True).findings() if found.damage]
