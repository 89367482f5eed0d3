"""A film on its way to a live server: a connection that is made again and again, beside the film and never in its way.

The live film on the disk is the queue, so nothing that the server does not take is lost while the film is made: it goes on, in order, where it stood. Only
at the end somebody must give up: what was not taken by then is counted and told.
"""

import hashlib
import logging
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.monitor.log_output import log_line
from pipeline.push.address import PushAddress
from pipeline.upkeep.child_process import module_command, tie_to_parent
from storage.errors import count_noun
from storage.live_playlist import read_playlist
from storage.run_paths import read_plain, replace_content
from tasks import events

LAST_SENT = 64
"""Clips of which it is remembered when they were sent."""


NO_ANSWER = "no answer in time"
LONGEST_POSITION = 32
"""Bytes."""


@dataclass(frozen=True)
class PushLimits:
    """How long a server is tried."""

    first_pause: float = 0.5
    """Seconds before a connection is made again; each time twice as many."""
    longest_pause: float = 10.0
    stall: int = 10
    """Seconds that it may take for a packet, or for the connection."""
    patience: float = 30.0
    """Seconds without a clip, once the film is whole, after which it is given up."""


class Publisher:
    """Pushes the live film of a run to one server, from the clip at which the server was left the last time."""

    def __init__(self, server: PushAddress, limits: PushLimits | None = None) -> None:
        self._server, self._limits = server, limits or PushLimits()
        self._folder: Path | None = None
        self._clip = 0
        """The next one to be sent."""
        self._moved = time.monotonic()
        self._sent: deque[tuple[float, int]] = deque(maxlen=LAST_SENT)
        """When each of the last clips was sent."""
        self._reason = NO_ANSWER
        self._failing = False
        self._ended = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._work, name="push", daemon=True)

    def add_event(self, event: str, facts: Mapping[str, object]) -> None:
        """Begin when there is a live film."""
        if event == "live_started" and self._folder is None:
            self._folder = Path(str(facts["path"])).parent
            self._clip = self._read_position()
            self._thread.start()

    def wait_until_sent(self) -> None:
        """Wait until all of a live film that grows no more is sent, or the server has taken nothing for too long; count what is lost."""
        if self._folder is None:
            log_line(f"[WARN] There is no live film for {self._server.name}", logging.WARNING)
            return
        self._announce_rest()
        self._moved = time.monotonic()
        while self._thread.is_alive() and self._is_worth_waiting():
            self._thread.join(0.1)
        self.stop()
        self._tell_end()

    def stop(self) -> None:
        """End it now."""
        self._ended.set()
        if (process := self._process) is not None:
            process.kill()
        if self._thread.is_alive():
            self._thread.join()

    def _is_worth_waiting(self) -> bool:
        names, whole = self._read_playlist()
        if not whole and self._clip >= len(names):  # the live film was given up
            return False
        return time.monotonic() - self._moved < self._limits.patience

    def _work(self) -> None:
        pause = self._limits.first_pause
        while not self._ended.is_set():
            before = self._clip
            if self._connect() == 0:
                return
            pause = self._limits.first_pause if self._clip > before else pause
            self._step_back()
            self._tell_failing()
            self._ended.wait(pause)
            pause = min(2 * pause, self._limits.longest_pause)

    def _connect(self) -> int:
        """Push by one connection until it ends; its exit code."""
        server = self._server
        stall = str(self._limits.stall)
        words = (str(self._folder), str(self._clip), server.format, server.name, stall)
        command = module_command("pipeline.push.connection", *words)
        with (
            tie_to_parent() as tied,
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                **tied,
            ) as process,
        ):
            self._process = process
            if self._ended.is_set():  # stop has seen none
                process.kill()
            self._follow(process)
            code = process.wait()
        self._process = None
        if code == -signal.SIGALRM:
            self._reason = NO_ANSWER
        return code

    def _follow(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.write(f"{self._server.url}\n")
            process.stdin.close()
        self._reason = "its process ended"
        for line in process.stdout:
            word, _, reason = line.strip().partition(" ")
            if word == "failed":
                self._reason = reason
            else:
                self._note_sent(int(word))

    def _note_sent(self, clip: int) -> None:
        if self._failing or not self._clip:
            self._failing = False
            self._record("push_connected", server=self._server.name, clip=clip)
        self._clip, self._moved = clip + 1, time.monotonic()
        self._sent.append((self._moved, clip))
        with suppress(OSError):  # then some of it comes twice
            replace_content(self._position_path, str(self._clip).encode())

    def _step_back(self) -> None:
        """Send again what may have gone to a server that was no more there."""
        since = time.monotonic() - self._server.notice_seconds
        self._clip = min((clip for sent, clip in self._sent if sent > since), default=self._clip)
        self._sent.clear()

    def _read_position(self) -> int:
        """The clip that comes next for this server."""
        try:
            return int(read_plain(self._position_path, LONGEST_POSITION))
        except (OSError, ValueError):
            return 0

    @property
    def _position_path(self) -> Path:
        assert self._folder is not None
        key = hashlib.sha256(self._server.url.encode()).hexdigest()[:12]
        return self._folder / f"pushed-{key}.txt"

    def _read_playlist(self) -> tuple[Sequence[str], bool]:
        assert self._folder is not None
        return read_playlist(self._folder)

    def _tell_failing(self) -> None:
        """Say that the server does not take the film, once until it does."""
        if self._failing or self._ended.is_set():
            return
        self._failing = True
        self._record("push_failing", server=self._server.name, error=self._reason)
        words = f"{self._server.name} does not take the film ({self._reason}); the film goes on"
        log_line(f"[WARN] {words}", logging.WARNING)

    def _announce_rest(self) -> None:
        names, _ = self._read_playlist()
        if left := len(names) - self._clip:
            words = f"still to be pushed to {self._server.name}: {count_noun(left, 'clip')}; Ctrl-C ends that"
            log_line(f"[INFO] The film is done; {words}", logging.WARNING)

    def _tell_end(self) -> None:
        names, _ = self._read_playlist()
        lost = len(names) - self._clip
        name, reason = self._server.name, self._reason
        self._record("push_ended", server=name, sent=self._clip, lost=lost)
        if lost:
            words = f"{lost} of {len(names)} clips did not reach {name} ({reason})"
            log_line(f"[WARN] {words}; `longtake resume` with --push goes on", logging.WARNING)

    def _record(self, event: str, **facts: str | int) -> None:
        """Emit an event into the run's own file, too, also when the session that had it open has ended."""
        assert self._folder is not None
        with events.record_events(self._folder.parent / "events.jsonl"):
            events.emit_event(event, **facts)


@contextmanager
def push_live_film(
    servers: Sequence[PushAddress], limits: PushLimits | None = None
) -> Iterator[None]:
    """Push the live film that comes to be in the block to these servers; after it, wait until all is sent, unless it was left by an exception."""
    publishers = [Publisher(server, limits) for server in servers]
    with ExitStack() as stack:
        for publisher in publishers:
            stack.callback(publisher.stop)
            stack.enter_context(events.listen_to_events(publisher.add_event))
        yield
        for publisher in publishers:
            publisher.wait_until_sent()
