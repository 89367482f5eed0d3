"""The films of a batch as tasks of a Ray cluster, whose nodes see the table's files and the runs under the same paths."""

import logging
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import ray
from ray.exceptions import RayError

from pipeline.batch.engine import EngineOptions, Watch
from pipeline.batch.film_order import FilmEnding, FilmOrder
from pipeline.batch.film_process import EVERY_SECONDS, make_film_here
from storage.errors import BadOption
from storage.refusals import describe_fault

LOST_TRIES = -1
"""A film whose node is lost is given to another as often as that happens: each goes on from what is there."""


def make_films(orders: Sequence[FilmOrder], options: EngineOptions, watch: Watch) -> None:
    """Make the films where Ray has room for them; a signal ends those at work after their current write."""
    waiting = deque(orders)
    # Ray prints what happens to its nodes, and stdout is for the result.
    with redirect_stdout(sys.stderr), _connected(options.address):
        making: dict[Any, FilmOrder] = {}
        most, cancelled = options.jobs or len(waiting), False
        while (waiting and not watch.is_stopped()) or making:
            while waiting and len(making) < most and not watch.is_stopped():
                order = waiting.popleft()
                making[_submit(order)] = order
            ended, _ = ray.wait(list(making), num_returns=1, timeout=EVERY_SECONDS)
            for each in ended:
                order = making.pop(each)
                watch.on_end(order, _read_ending(each))
            watch.on_wait()
            if watch.is_stopped() and not cancelled:
                # Once: a second time would end the wait for the current write.
                cancelled = True
                for each in making:
                    ray.cancel(each)


def _submit(order: FilmOrder) -> Any:
    """A film handed to Ray; what stands for its ending."""
    task = ray.remote(make_film_here).options(
        name=f"longtake {order.place}", num_cpus=1, num_gpus=order.gpus, max_retries=LOST_TRIES
    )
    return task.remote(order)


def _read_ending(film: Any) -> FilmEnding:
    try:
        ending: FilmEnding = ray.get(film)
    except ray.exceptions.TaskCancelledError:
        return FilmEnding(143)
    except RayError as error:
        return FilmEnding(1, f"Ray could not make it: {describe_fault(error)}")
    return ending


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """A connection to the cluster at an address, to the one that RAY_ADDRESS names, or to one of this machine's own."""
    place = address or os.environ.get("RAY_ADDRESS")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ray.init(address=place, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise BadOption("--address", place, f"Ray does not answer there ({error})") from None
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():  # in their place Ray puts what ends this process
            signal.signal(number, handler)
    try:
        yield
    finally:
        ray.shutdown()
