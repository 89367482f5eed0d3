"""A run's events.jsonl on the store: what came since the last time, a piece now and then, so that no line is sent twice."""

import os
import threading
import time
from pathlib import Path

from storage.publish import publish_bytes
from storage.remote.run_store import RunStore
from storage.run_paths import open_plain

EVENTS = "events"
EVERY = 60.0
"""Seconds between two pieces, at least."""


class EventPieces:
    """Sends the lines that one holder writes."""

    def __init__(self, path: Path, store: RunStore, epoch: int) -> None:
        self._path, self._store, self._epoch = path, store, epoch
        self._sent = path.stat().st_size if path.is_file() else 0
        self._count, self._at = 0, time.monotonic()
        self._sending = threading.Lock()

    def send_when_due(self) -> None:
        """Send the new lines, where the last ones are old enough and no other thread is at it."""
        if time.monotonic() - self._at >= EVERY and self._sending.acquire(blocking=False):
            self._sending.release()
            self.send()

    def send(self) -> None:
        """Send the new whole lines, if there are any. Raises StoreUnreachable, StoreRefused."""
        with self._sending:
            self._at = time.monotonic()
            if lines := _read_lines(self._path, self._sent):
                self._store.put(f"{EVENTS}/{self._epoch:05d}-{self._count:05d}.jsonl", lines)
                self._sent, self._count = self._sent + len(lines), self._count + 1


def pull_events(path: Path, store: RunStore, *, always: bool) -> None:
    """Make a run's events of the pieces that the store has; where there are some here, only if `always`."""
    if path.exists() and not always:
        return
    pieces = (store.get(name) for name in sorted(store.list_names(EVENTS)))
    content = b"".join(piece.content for piece in pieces if piece is not None)
    if content:
        publish_bytes(path, content)


def _read_lines(path: Path, start: int) -> bytes:
    try:
        file = open_plain(path, os.O_RDONLY)
    except OSError:
        return b""
    with os.fdopen(file, "rb") as opened:
        opened.seek(start)
        content = opened.read()
    return content[: content.rfind(b"\n") + 1]
