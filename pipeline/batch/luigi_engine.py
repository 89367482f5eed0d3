"""The films of a batch given out by Luigi: to this command alone, or by a luigid to all commands that ask it about the same runs."""

import json
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from typing import Any, ClassVar

import luigi
from luigi.rpc import RPCError

from pipeline.batch.engine import EngineOptions, Watch
from pipeline.batch.film_order import FilmEnding, FilmOrder
from pipeline.batch.film_process import EVERY_SECONDS, PATIENCE, make_ordered_film
from pipeline.monitor.log_output import quiet_luigi
from storage.errors import BadOption
from storage.lock import find_local_holder
from tasks.base import show_status
from tasks.film_batch import film_is_there
from tasks.long_video import name_resource
from tasks.luigi_batches import SchedulerFactory
from tasks.options import read_run
from tasks.signals import Stopped

_PORT, _LAST_PORT = 8082, 65535
_ANSWER_SECONDS = 10.0
"""Within which a luigid is to answer before any film begins."""
Report = tuple[str, FilmEnding | None]
"""A run's folder, and how its film ended; None where it begins."""


class OrderedFilm(luigi.Task):
    """One film of a batch: done where its records say so, or where it has failed for good and that was told."""

    folder: str = luigi.Parameter(description="The folder or URL of the run.")
    orders: dict[str, FilmOrder] = {}  # noqa: RUF012 - what this process was asked for, by folder
    reports: "SimpleQueue[Report | None] | None" = None

    @property
    def resources(self) -> dict[str, int]:  # type: ignore[override]  # a plain attribute there, a property by Luigi's own manual
        """The run's folder, which luigid gives to one worker at a time."""
        return {name_resource(self.folder): 1}

    def complete(self) -> bool:
        """True if the film is there, or this process has tried it."""
        return self._ended or film_is_there(self.folder)

    _ended = False

    def run(self) -> None:
        """Make it, and tell how that ended."""
        assert self.reports is not None
        self.reports.put((self.folder, None))
        ending = make_ordered_film(self.orders[self.folder])
        self.reports.put((self.folder, ending))
        if ending.line:
            show_status(self, ending.line)
        # To luigid it is done: a film that fails is this command's to tell, and not luigid's to give out again.
        self._ended = True


class OrderedBatch(luigi.Task):
    """All films of a command. While this waits, so does the worker, also for a film that another command is at and may not come back from."""

    folders: tuple[str, ...] = luigi.ListParameter(description="The folders or URLs of the runs.")
    _ended = False

    def requires(self) -> list[luigi.Task]:
        """Each film."""
        return [OrderedFilm(folder=folder) for folder in self.folders]

    def complete(self) -> bool:
        """True once all films were tried: which of them are there is not luigid's to know."""
        return self._ended

    def run(self) -> None:
        """Come to the end."""
        self._ended = True


class BatchFactory(SchedulerFactory):
    """Workers that stay while others are at films of theirs, which may come back."""

    worker_settings: ClassVar[dict[str, Any]] = {
        "keep_alive": True,
        "ping_interval": 1.0,
        "wait_interval": 1.0,
        "check_unfulfilled_deps": False,
    }


def make_films(orders: Sequence[FilmOrder], options: EngineOptions, watch: Watch) -> None:
    """Make the films that luigid gives to this command, and wait for those that it gives to others. A signal ends those at work here.

    Raises BadOption where there is no luigid. Where it is lost meanwhile, those that are not there have failed by that.
    """
    OrderedFilm.orders = {order.at: order for order in orders}
    OrderedFilm.reports = reports = get_context("fork").SimpleQueue()
    settings = _read_address(options.address)
    follower = _Follower(OrderedFilm.orders, watch)
    thread = threading.Thread(target=follower.follow, args=(reports,), name="batch", daemon=True)
    thread.start()
    quiet_luigi()
    lost = ""
    try:
        with suppress(Stopped), watch.stop.interruptible():
            luigi.build(
                [OrderedBatch(folders=tuple(OrderedFilm.orders))],
                worker_scheduler_factory=BatchFactory(),
                workers=options.jobs or 1,
                **settings,
            )
    except RPCError:
        lost = f"The luigid at {options.address} answers no more. See to it, then give the same command again."
    _wait_for_ends(follower.at_work)
    reports.put(None)
    thread.join()
    follower.tell_others(lost)


class _Follower:
    """Hears from the processes of films, and tells the command."""

    def __init__(self, orders: dict[str, FilmOrder], watch: Watch) -> None:
        self._orders, self._watch = orders, watch
        self.at_work: set[str] = set()
        self._told: set[str] = set()

    def follow(self, reports: "SimpleQueue[Report | None]") -> None:
        """Tell what is reported, until nothing is."""
        while (report := reports.get()) is not None:
            folder, ending = report
            if ending is None:
                self.at_work.add(folder)
                self._watch.on_start(self._orders[folder])
            else:
                self.at_work.discard(folder)
                self._told.add(folder)
                self._watch.on_end(self._orders[folder], ending)

    def tell_others(self, lost: str) -> None:
        """Tell of the films that other commands have made, or failed to make; of all else where luigid was `lost`, that."""
        for folder, order in self._orders.items():
            if folder in self._told:
                continue
            if film_is_there(folder):
                self._watch.on_end(order, FilmEnding(0, tries=0))
            elif not self._watch.is_stopped() and (line := lost or order.last_line()):
                self._watch.on_end(order, FilmEnding(1, line, tries=0))


def _wait_for_ends(folders: set[str]) -> None:
    """Wait until no process of this machine is at the runs any more: they end after their current write."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and any(find_local_holder(read_run(each)) for each in folders):
        time.sleep(EVERY_SECONDS)


def _read_address(address: str) -> dict[str, Any]:
    """What luigi.build is told about the scheduler, which answers. Raises BadOption."""
    if not address:
        return {"local_scheduler": True}
    host, _, word = address.partition(":")
    port = int(word or _PORT) if (word or str(_PORT)).isdecimal() else 0
    if not host or not 0 < port <= _LAST_PORT:
        raise BadOption("--address", address, "HOST:PORT of a luigid is needed")
    if flaw := _find_flaw(HTTPConnection(host, port, timeout=_ANSWER_SECONDS)):
        raise BadOption("--address", address, flaw)
    return {"scheduler_host": host, "scheduler_port": port}


def _find_flaw(luigid: HTTPConnection) -> str:
    """Why films cannot be given out by what answers; empty where it is a luigid. It is asked what an old one does not know, and changes nothing."""
    try:
        luigid.request("GET", "/api/is_pause_enabled")
        found = json.load(luigid.getresponse())
        known = "enabled" in found["response"]
    except OSError as error:
        return f"no luigid answers there ({error.strerror or error})"
    except (HTTPException, ValueError, LookupError, TypeError):
        known = False
    finally:
        luigid.close()
    return "" if known else f"what answers there is no luigid of Luigi {luigi.__version__}"
