"""A run's events as they come, each with the place in the file from which one goes on: over server-sent events and over a web socket."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from pipeline.json_output import to_json
from pipeline.web.error_bodies import Unacceptable
from pipeline.web.file_answer import FRESH
from storage.errors import LinkInRun
from storage.run_paths import open_plain, path_inside

if TYPE_CHECKING:
    from pipeline.jobs.job_root import JobRoot

EVERY_SECONDS = 0.5
BEAT_SECONDS = 15.0
"""After which a connection on which nothing happens gets a comment, so that nobody between takes it for dead."""
LONGEST = 1 << 16
"""Bytes of a line; a longer one is none of ours."""
AT_ONCE = 1000
"""Lines that are read in one go."""
STREAMS = 100
"""That are open at once, of both kinds."""
_GOES_ON = {"queued", "running"}


class StreamPlaces:
    """How many streams may be open at once: each reads its run twice a second, and none may keep the others from being served."""

    def __init__(self, most: int = STREAMS) -> None:
        self._free = most

    @contextmanager
    def take_place(self) -> Iterator[None]:
        """One of the places; raises Unacceptable (429) where there is none."""
        if not self._free:
            raise Unacceptable(429, "Too many streams of events are open; ask again.", 5)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class EventStream(StreamingResponse):
    """Server-sent events; its place is held until it has ended, however that was."""

    def __init__(self, lines: AsyncIterator[str], place: ExitStack) -> None:
        super().__init__(lines, media_type="text/event-stream", headers=FRESH)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them until the run stands still or nobody is there any more."""
        with self._place:
            await super().__call__(scope, receive, send)


@dataclass(frozen=True)
class Told:
    """One thing that is told: an event of the run, or what can be seen of it."""

    kind: str
    """`run` for a line of events.jsonl, `view` for a view of the job, `end` when it stands still, `beat` for nothing."""
    data: str = "{}"
    place: int | None = None
    """Bytes of events.jsonl up to and with this line."""

    def as_sse(self) -> str:
        """As a server-sent event."""
        if self.kind == "beat":
            return ": still here\n\n"
        known = "" if self.place is None else f"id: {self.place}\n"
        return f"{known}event: {self.kind}\ndata: {self.data}\n\n"

    def as_json(self) -> str:
        """As the text of a web socket."""
        return json.dumps({"kind": self.kind, "id": self.place, "data": json.loads(self.data)})


async def follow_events(jobs: "JobRoot", name: str, after: int) -> AsyncIterator[Told]:
    """What happens to a job from a place of its events on, until it stands still; raises NoSuchJob at once."""
    shown, quiet = "", 0.0
    while True:
        view = await anyio.to_thread.run_sync(jobs.view, name)
        lines = await anyio.to_thread.run_sync(read_lines, view.run, after)
        for line, place in lines:
            after = place
            yield Told("run", line, place)
        if len(lines) == AT_ONCE:
            continue
        if (now := view.as_json(None)) != shown:
            yield Told("view", now)
        if view.state not in _GOES_ON:
            yield Told("end", json.dumps({"state": view.state}))
            return
        quiet = 0.0 if lines or now != shown else quiet + EVERY_SECONDS
        shown = now
        if quiet >= BEAT_SECONDS:
            quiet = 0.0
            yield Told("beat")
        await asyncio.sleep(EVERY_SECONDS)


def read_lines(run: Path, after: int) -> list[tuple[str, int]]:
    """The whole lines of a run's events from a place on, at most AT_ONCE, each with the place after it; from the beginning where the place is none."""
    try:
        file = open_plain(path_inside(run, "events.jsonl"), os.O_RDONLY)
    except (OSError, LinkInRun):
        return []
    with os.fdopen(file, "rb") as lines:
        end = lines.seek(0, os.SEEK_END)
        lines.seek(min(end, max(0, after - 1)))
        if not 0 <= after <= end or (after and lines.read(1) != b"\n"):
            lines.seek(0)
        found: list[tuple[str, int]] = []
        while len(found) < AT_ONCE and (line := lines.readline(LONGEST)).endswith(b"\n"):
            if (text := _as_event(line)) is not None:
                found.append((text, lines.tell()))
        return found


def _as_event(line: bytes) -> str | None:
    """The line as JSON in ASCII; None where it is torn or damaged."""
    try:
        found = json.loads(line)
        return to_json(found, indent=None) if isinstance(found, dict) else None
    except (ValueError, RecursionError):
        return None
