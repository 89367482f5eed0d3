"""A run on an object store while its film is made: held, and told of in words, before anything else is said of the film."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.monitor.log_output import log_line
from storage.disk import format_bytes
from tasks.events import Fact, listen_to_events


@contextmanager
def hold_run(root: Path | None, *, by_force: bool = False, begun: bool = False) -> Iterator[None]:
    """Hold the run that a folder is the working folder of; nothing for any other folder. `by_force`: from whoever has it; `begun`: it must be there. Raises RunLocked and what a store raises."""
    from tasks.store_run import hold_store_run

    held = hold_store_run(root, by_force=by_force, begun=begun)
    with listen_to_events(_say_event), held:
        yield


def decode_run(root: Path) -> int | None:
    """Decode clips of the run that a folder is the working folder of, for the machine that holds it; how many, or None where the film is whole already. Raises as decode_for_others does."""
    from tasks.decode_helper import decode_for_others

    with listen_to_events(_say_event):
        return decode_for_others(root)


def _say_event(event: str, facts: dict[str, Fact]) -> None:
    if event == "lease_awaited":
        words = f"{facts['holder']} holds the run: for {facts['seconds']:g} s it is seen whether it lives"
        log_line(f"[STORE] {words}", logging.WARNING)
    elif event == "beginning_awaited":
        words = (
            f"nobody has begun {facts['url']} yet: it is waited for, at most {facts['seconds']:g} s"
        )
        log_line(f"[STORE] {words}")
    elif event == "store_opened":
        size, took = format_bytes(int(facts["bytes"] or 0)), f"{facts['seconds']} s"
        words = f"{facts['records']} records there, {size} brought here in {took}"
        log_line(f"[STORE] {facts['url']}: {words}")
        if facts["aside"]:
            log_line(
                "[STORE] This machine held another film of that URL: it was set aside",
                logging.WARNING,
            )
