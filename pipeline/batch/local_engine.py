"""The films of a batch on this machine, so many at once."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from pipeline.batch.engine import EngineOptions, Watch
from pipeline.batch.film_order import FilmEnding, FilmOrder
from pipeline.batch.film_process import EVERY_SECONDS, make_ordered_film


def make_films(orders: Sequence[FilmOrder], options: EngineOptions, watch: Watch) -> None:
    """Make the films in their order; once a signal has come no more begin, and those at work end after their current write."""
    waiting, at_once = deque(orders), options.jobs or 1
    making: dict[Future[FilmEnding], FilmOrder] = {}
    with ThreadPoolExecutor(at_once, "film") as pool:
        while waiting or making:
            while waiting and len(making) < at_once and not watch.is_stopped():
                order = waiting.popleft()
                watch.on_start(order)
                making[pool.submit(make_ordered_film, order, watch.is_stopped)] = order
            ended, _ = wait(making, EVERY_SECONDS, FIRST_COMPLETED)
            for each in ended:
                watch.on_end(making.pop(each), each.result())
            watch.on_wait()
            if watch.is_stopped() and not making:
                return
