"""The films of a batch as jobs of Slurm, through submitit; all nodes see the table's files and the runs under the same paths."""

import logging
import os
import time
from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, UncompletedJobError

from pipeline.batch.engine import EngineOptions, Watch
from pipeline.batch.film_order import LOGS, FilmEnding, FilmOrder
from pipeline.batch.film_process import PATIENCE, make_film_here
from storage.errors import BadOption, Terminated
from storage.publish import make_folder
from tasks.signals import handle_signals
from tasks.store_run import find_run_worker

POLL_SECONDS = 2.0
"""Between two questions about a job; submitit itself asks Slurm for all of them at once, and seldom."""
MINUTES = 60 * 24
"""A job's limit of time; one that reaches it is put into the queue again, and goes on."""


class FilmJob:
    """A film as submitit sends it: done by a call, and asked for again where Slurm takes its node away."""

    def __call__(self, order: FilmOrder) -> FilmEnding:
        """Make it there; a job whose node is taken away ends without a word, and is begun again."""
        with handle_signals() as stop:
            ending = make_film_here(order, lambda: stop.signal is not None)
            if stop.signal is not None:
                os._exit(Terminated.exit_code)
        return ending

    def checkpoint(self, order: FilmOrder) -> Any:
        """What is put into the queue after a time limit or a preemption."""
        return submitit.helpers.DelayedSubmission(self, order)


def make_films(orders: Sequence[FilmOrder], options: EngineOptions, watch: Watch) -> None:
    """Make the films as Slurm gives them nodes, in the partition that the address names; a signal cancels those that are in the queue or at work."""
    waiting = deque(orders)
    making: list[tuple[FilmOrder, Any]] = []
    most, end = options.jobs or len(waiting), inf
    # It warns at every look where Slurm keeps no accounts: endings then come from the files of results.
    logging.getLogger("submitit").setLevel(logging.ERROR)
    while ((waiting and not watch.is_stopped()) or making) and time.monotonic() < end:
        while waiting and len(making) < most and not watch.is_stopped():
            order = waiting.popleft()
            making.append((order, _submit(order, options.address)))
        for order, job in [each for each in making if each[1].done()]:
            making.remove((order, job))
            watch.on_end(order, _read_ending(job))
        if watch.is_stopped() and end == inf:
            for _, job in making:
                job.cancel(check=False)
            end = time.monotonic() + PATIENCE
        if watch.is_stopped() and not any(find_run_worker(order.run) for order, _ in making):
            return  # nor is anything known of their ends, where Slurm keeps no accounts
        watch.on_wait()
        time.sleep(POLL_SECONDS if making else 0)


def _submit(order: FilmOrder, partition: str) -> Any:
    """The film's job. Raises BadOption where Slurm takes none."""
    folder = order.run.parent / LOGS / "slurm"
    make_folder(folder)
    executor = submitit.SlurmExecutor(folder=folder)
    more = {"requeue": True} | ({"partition": partition} if partition else {})
    try:
        executor.update_parameters(
            job_name=f"longtake-{order.run.name}",
            time=MINUTES,
            gpus_per_node=order.gpus or None,
            additional_parameters=more,
        )
        return executor.submit(FilmJob(), order)
    except (FailedJobError, RuntimeError) as error:
        reason = str(error).strip().splitlines() or ["it said nothing"]
        raise BadOption("--engine", "slurm", f"Slurm takes no job ({reason[-1]})") from None


def _read_ending(job: Any) -> FilmEnding:
    try:
        ending: FilmEnding = job.result()
    except (FailedJobError, UncompletedJobError) as error:
        state = str(job.state)
        if state.startswith("CANCELLED"):
            return FilmEnding(143)
        said = str(error).strip().splitlines() or [state]
        return FilmEnding(1, f"Slurm's job {job.job_id} is {state}: {said[-1]}")
    return ending
