"""torchrun and `accelerate launch` start this command several times: rank 0 makes the film, the others follow it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

_LAUNCHED = "WORLD_SIZE"
"""Set where a launcher may have started this process: without it nothing more is imported."""


def join_launched_ranks() -> None:
    """Be one of the ranks, to the end of this process; in rank 0, and where there is one process alone, nothing happens."""
    place = _read_place()
    if place is not None and place.rank > 0:
        import_module("model.sharding.rank_process").run_launched_rank(place)


@contextmanager
def launched_ranks_released() -> Iterator[None]:
    """Let the others end, too, where this command needed none of them: they wait for a film to come."""
    try:
        yield
    finally:
        if _read_place() is not None:
            import_module("model.sharding.rank_group").release_launched_ranks()


def _read_place() -> Any:
    if _LAUNCHED not in os.environ:
        return None
    return import_module("model.sharding.launcher_env").read_launched_place()
