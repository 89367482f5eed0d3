"""The runs that this process has opened, each read once."""

from storage.run import Run
from tasks.open_run import open_run
from tasks.options import read_run
from tasks.run_folder import resolve_folder
from tasks.store_run import FILM, look_at_store_run

_runs: dict[str, Run] = {}


def cached_run(folder: str) -> Run:
    """The run in a folder; read once a process."""
    if folder not in _runs:
        root = resolve_folder(read_run(folder))
        if str(root) not in _runs:
            look_at_store_run(root, FILM)
        _runs[folder] = _runs[str(root)] = _runs.get(str(root)) or open_run(root)
    return _runs[folder]


def keep_run(run: Run) -> None:
    """Have this run, with what it knows already, given to whoever asks for its folder in this process."""
    _runs[str(run.root)] = run
