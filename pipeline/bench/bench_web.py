"""What `longtake web` takes and bears while a film is made: python -m pipeline.bench.bench_web [--only memory crowd speed].

memory: the server's memory after a tenth of the polls and after all of them, beside a film of many clips; also where streams of events are opened and closed.
crowd: many clients at once, ten uploads at once, two uploads of 2 GB (one says so, one does not), one that never ends; and the film that is made meanwhile against
the same film made alone, byte by byte. speed: frames a second with and without a page and five clients that look once a second, in pairs. One table; code 7
where a level is missed. The films are pocket's, small; all lies in a folder that is gone afterwards, and wants 1 GB of disk.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psutil

from model.avatar import Options
from pipeline.bench.material import Material, prepare_material
from pipeline.bench.page_browser import WebServer, serve_page
from pipeline.bench.product import read_outcome

MB = 1 << 20
PARTS = ("memory", "crowd", "speed")
FRAMES = 12
GROWTH, SHARE, CLIENTS, UPLOADS, HUGE = 8.0, 0.97, 50, 10, 2 << 30
"""Levels: MB that the server may grow, and the share of its speed that a watched film keeps. And how many there are at once; bytes of the largest upload."""
BOUNDARY = "longtake-bench"
KIND = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    what: str
    found: str
    level: str
    holds: bool


@dataclass
class Bench:
    """A server, the film that it is asked for, and what is asked of it."""

    server: WebServer
    film: Material
    rows: list[Row] = field(default_factory=list)

    @property
    def own_process(self) -> psutil.Process:
        """The server's own; films have others."""
        assert self.server.process is not None
        return psutil.Process(self.server.process.pid)

    @property
    def memory_held(self) -> float:
        """Megabytes of memory that the server holds."""
        return float(self.own_process.memory_info().rss) / MB

    def open_connection(self) -> HTTPConnection:
        """A connection of one client."""
        return HTTPConnection("127.0.0.1", self.server.port, timeout=300)

    def ask_server(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, bytes]:
        """The status and the body of one answer, on a connection of its own."""
        connection = self.open_connection()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def begin_film(self, clips: int) -> str:
        """Ask for a film of so many clips by an upload; its name once it is being made."""
        status, said = self.ask_server("POST", "/v1/runs", self.write_form(clips), **KIND)
        assert status == 201, said
        name = str(json.loads(said)["name"])
        while not (self.server.root / name / "live").exists():
            assert not self.has_ended(name), self.ask_server("GET", f"/v1/runs/{name}")
            time.sleep(0.05)
        return name

    def write_form(self, clips: int) -> bytes:
        """The form that asks for a film."""
        told = self.film.options
        words = {
            "size": f"{told.width}*{told.height}", "infer-frames": told.clip_frames, "sample-steps": told.steps,
            "num-clip": clips, "base-seed": 0,
        }  # fmt: skip
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{{}}"'
        parts = [f"{head.format(name)}\r\n\r\n{word}\r\n".encode() for name, word in words.items()]
        for name, path in (("picture", self.film.image), ("sound", self.film.audio)):
            begun = f'{head.format(name)}; filename="{path.name}"\r\n\r\n'
            parts += [begun.encode(), path.read_bytes(), b"\r\n"]
        return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])

    def has_ended(self, name: str) -> bool:
        """Whether a film's process has ended; the server is not asked."""
        return (self.server.root / ".jobs" / name / "ended.json").exists()

    def await_film(self, name: str) -> Path:
        """The run of a film, once that is finished."""
        while not self.has_ended(name):
            time.sleep(0.1)
        root = self.server.root / name
        assert (root / "video.mp4").exists(), self.ask_server("GET", f"/v1/runs/{name}")
        return root

    def add_row(self, what: str, found: str, level: str, *, holds: bool) -> None:
        """Keep a line of the table, and tell it on stderr meanwhile."""
        self.rows.append(Row(what, found, level, holds))
        print(f"{what}: {found}", file=sys.stderr, flush=True)


class PageVisitor:
    """A browser's looks at a film, as the page makes them."""

    def __init__(self, bench: Bench, name: str) -> None:
        self._bench, self._name = bench, name
        events = json.loads(bench.ask_server("GET", "/en/config")[1])["dependencies"]
        event = next(each for each in events if each["api_name"] == "look")
        self._words = {"fn_index": event["id"], "trigger_id": event["targets"][0][0]}

    def look_at_film(self) -> None:
        """Ask for what has changed, the playlist, the newest latents and their sound."""
        words = json.dumps({"data": [self._name, None], "session_hash": "bench", **self._words})
        kind = {"Content-Type": "application/json"}
        assert self._bench.ask_server("POST", "/en/gradio_api/run/predict", words, **kind)[0] == 200
        for path in ("live/film.m3u8", "latents.png?clip=0", "wave.svg?clip=0"):
            self._bench.ask_server("GET", f"/media/{self._name}/{path}")


@dataclass
class Clients:
    """Clients that do one thing again and again, each in a thread of its own."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def run_acts(self, *acts: Callable[[], object], every: float) -> Iterator[None]:
        """Let each act be done `every` so many seconds meanwhile."""
        threads = [threading.Thread(target=self._repeat, args=(act, every)) for act in acts]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            self._ended.set()
            for each in threads:
                each.join()

    def _repeat(self, act: Callable[[], object], every: float) -> None:
        while not self._ended.is_set():
            begun = time.monotonic()
            act()
            self._ended.wait(max(0.0, begun + every - time.monotonic()))

    def build_poller(self, bench: Bench, name: str) -> Callable[[], None]:
        """What asks for a run's status, and counts what comes."""

        def ask_status() -> None:
            begun = time.monotonic()
            self.statuses[bench.ask_server("GET", f"/v1/runs/{name}")[0]] += 1
            self.seconds.append(time.monotonic() - begun)

        return ask_status


def measure_memory(bench: Bench, clips: int, polls: int) -> None:
    """The server's memory while it is polled beside a film of many clips."""
    name, early = bench.begin_film(clips), 0.0
    visitor = PageVisitor(bench, name)
    for number in range(polls):
        visitor.look_at_film()
        for path in ("", f"/{name}", f"/{name}/preview.jpg"):
            status, said = bench.ask_server("GET", f"/v1/runs{path}")
            assert status in {200, 404}, said
        if number % 10 == 0:
            open_streams(bench, name)
        if number + 1 == polls // 10:
            early = bench.memory_held
    late, running = bench.memory_held, not bench.has_ended(name)
    bench.await_film(name)
    bench.ask_server("GET", f"/v1/runs/{name}")
    beside = "while it was made" if running else "the film was done before"
    found = f"{early:.0f} MB, {late:.0f} MB ({beside}), {bench.memory_held:.0f} MB at its end"
    grown = max(late, bench.memory_held) - early
    what = f"memory after {polls // 10} and {polls} polls, {clips} clips"
    bench.add_row(what, found, f"+{GROWTH:.0f} MB", holds=grown <= GROWTH)


def open_streams(bench: Bench, name: str) -> None:
    """Open a stream of events of each kind, take a word of it, and go away."""
    from websockets.sync.client import connect

    path, connection = f"/v1/runs/{name}/events", bench.open_connection()
    connection.request("GET", path)
    with connection.getresponse() as answer:
        assert answer.readline()
    connection.close()
    with connect(f"ws://127.0.0.1:{bench.server.port}{path}/ws", close_timeout=0.01) as stream:
        assert stream.recv(timeout=60)


def measure_crowd(bench: Bench, clips: int) -> None:
    """Everything at once beside a film, and that film against one that was made alone."""
    alone = bench.await_film(bench.begin_film(clips))
    name, clients = bench.begin_film(clips), Clients()
    with clients.run_acts(*(clients.build_poller(bench, name) for _ in range(CLIENTS)), every=0.5):
        measure_uploads(bench)
        slow = threading.Thread(target=measure_slow_upload, args=(bench,))
        slow.start()
        measure_huge_upload(bench, told=True)
        measure_huge_upload(bench, told=False)
        slow.join()
        crowded = bench.await_film(name)
    percents = quantiles(clients.seconds, n=100)
    times = f"median {percents[49] * 1000:.0f} ms, 99 % {percents[98] * 1000:.0f} ms"
    found = f"{dict(clients.statuses)}; {times}, longest {max(clients.seconds):.1f} s"
    holds = set(clients.statuses) == {200}
    bench.add_row(f"{CLIENTS} clients, 2 polls a second each", found, "all 200", holds=holds)
    same = read_outcome(alone, 0, 0).digests == read_outcome(crowded, 0, 0).digests
    found = "the same bytes" if same else "OTHER BYTES"
    bench.add_row(f"the film meanwhile, {clips} clips", found, "the same", holds=same)


def measure_uploads(bench: Bench) -> None:
    """Ten uploads at once, each half there before the first ends."""
    statuses: Counter[int] = Counter()
    meet, form = threading.Barrier(UPLOADS), bench.write_form(1)

    def send_upload() -> None:
        def give_halves() -> Iterator[bytes]:
            yield form[: len(form) // 2]
            meet.wait(60)
            yield form[len(form) // 2 :]

        length = {"Content-Length": str(len(form))}
        status, said = bench.ask_server("POST", "/v1/runs", give_halves(), **KIND, **length)
        statuses[status] += 1
        if status == 201:
            bench.ask_server("POST", f"/v1/runs/{json.loads(said)['name']}/stop")

    threads = [threading.Thread(target=send_upload) for _ in range(UPLOADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    holds = statuses == {201: 8, 429: 2}
    bench.add_row(
        f"{UPLOADS} uploads at once", str(dict(statuses)), "8 × 201, 2 × 429", holds=holds
    )


def measure_huge_upload(bench: Bench, *, told: bool) -> None:
    """An upload of 2 GB, which says so at its head or does not: what is answered, and the most that the server held of it."""
    memory, disk, sent = bench.memory_held, 0.0, 0
    connection = bench.open_connection()
    connection.putrequest("POST", "/v1/runs")
    length = {"Content-Length": str(HUGE)} if told else {"Transfer-Encoding": "chunked"}
    for name, word in {**KIND, **length}.items():
        connection.putheader(name, word)
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=sound; filename=a.wav\r\n\r\n"
    most, begun = memory, time.monotonic()
    with suppress(ConnectionError):  # it has said enough
        connection.endheaders(head.encode() if told else None)
        if not told:
            connection.send(b"%x\r\n%b\r\n" % (len(head), head.encode()))
        while sent < HUGE:
            connection.send(bytes(MB) if told else b"%x\r\n%b\r\n" % (MB, bytes(MB)))
            sent += MB
            if sent % (16 * MB) == 0:
                most, disk = max(most, bench.memory_held), max(disk, count_uploads(bench))
    with suppress(ConnectionError):
        status = connection.getresponse().status
    seconds = time.monotonic() - begun
    connection.close()
    found = (
        f"{status} after {seconds:.1f} s; {disk:.0f} MB on the disk, memory +{most - memory:.0f} MB"
    )
    what = f"an upload of 2 GB that {'says so' if told else 'does not say so'}"
    holds = status == 413 and most - memory < 32 and disk < (1 if told else 560)
    bench.add_row(what, found, "413, < 32 MB" if told else "413 at 512 MB", holds=holds)


def count_uploads(bench: Bench) -> float:
    """Megabytes of uploads on the disk."""
    found = (bench.server.root / ".jobs").glob(".longtake-upload*/*")
    total = 0
    for each in found:
        with suppress(FileNotFoundError):
            total += each.stat().st_size
    return total / MB


def measure_slow_upload(bench: Bench) -> None:
    """An upload that sends a byte a second and never ends."""
    connection = bench.open_connection()
    connection.request("POST", "/v1/runs", b"-", {**KIND, "Content-Length": "100000"})
    assert connection.sock is not None
    connection.sock.settimeout(1.0)
    begun, answer = time.monotonic(), b""
    while not answer and time.monotonic() < begun + 120:
        with suppress(TimeoutError):
            connection.sock.sendall(b"-")
            answer = connection.sock.recv(4096)
    seconds = time.monotonic() - begun
    connection.close()
    found = f"{answer[9:12].decode()} after {seconds:.0f} s"
    holds = answer[9:12] == b"408" and seconds < 40
    bench.add_row("an upload of a byte a second", found, "408 after 30 s", holds=holds)


def measure_speed(bench: Bench, clips: int, pairs: int) -> None:
    """Frames a second with and without a page and five clients that look once a second; which of a pair comes first alternates."""
    ratios, shares = [], []
    for number in range(pairs):
        rates = {}
        for watched in (True, False) if number % 2 else (False, True):
            rates[watched], share = time_film(bench, clips, watched=watched)
            shares += [share] if watched else []
        ratios.append(rates[True] / rates[False])
        words = f"pair {number + 1}: {rates[False]:.1f} fps alone, {rates[True]:.1f} watched"
        print(words, file=sys.stderr, flush=True)
    found = f"median of {pairs} pairs {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
    holds = median(ratios) >= SHARE
    bench.add_row("a watched film's speed", found, f"{SHARE:.2f}", holds=holds)
    cores = os.cpu_count() or 1
    share = median(shares) / cores
    words = f"{100 * share:.1f} % of {cores} cores"
    bench.add_row("the server meanwhile", words, f"{1 - SHARE:.0%}", holds=share <= 1 - SHARE)


def time_film(bench: Bench, clips: int, *, watched: bool) -> tuple[float, float]:
    """Frames a second of one film, and the seconds of processor that the server took a second meanwhile."""
    name, clients = bench.begin_film(clips), Clients()
    before, begun = sum(bench.own_process.cpu_times()[:2]), time.monotonic()
    acts: list[Callable[[], object]] = []
    if watched:
        acts = [PageVisitor(bench, name).look_at_film, *(clients.build_poller(bench, name) for _ in range(5))]  # fmt: skip
    with clients.run_acts(*acts, every=1.0):
        made = read_outcome(bench.await_film(name), 0, 0)
    taken = sum(bench.own_process.cpu_times()[:2]) - before
    return clips * FRAMES / (made.ended - made.begun), taken / (time.monotonic() - begun)


def format_table(rows: Sequence[Row]) -> str:
    """All figures for people."""
    widths = [max(len(getattr(row, name)) for row in rows) for name in ("what", "found", "level")]
    lines = [
        f"{row.what:{widths[0]}}  {row.found:{widths[1]}}  {row.level:{widths[2]}}  {'holds' if row.holds else 'MISSED'}"
        for row in rows
    ]
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    return "\n".join([*lines, f"load {load} on {os.cpu_count()} cores"])


def main() -> int:
    """The command line; code 7 where a level is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--clips", type=int, default=200, help="of the film of memory (200)")
    parser.add_argument("--polls", type=int, default=1000, help="beside it (1000)")
    parser.add_argument("--few", type=int, default=100, help="clips of the other films (100)")
    parser.add_argument("--pairs", type=int, default=5, help="of films of speed (5)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench.web.") as folder:
        options = Options(128, 128, FRAMES, 1)
        film = prepare_material(Path(folder), max(asked.clips, asked.few), options)
        with serve_page(Path(folder) / "films") as server:
            bench = Bench(server, film)
            if "memory" in asked.only:
                measure_memory(bench, asked.clips, asked.polls)
            if "crowd" in asked.only:
                measure_crowd(bench, asked.few)
            if "speed" in asked.only:
                measure_speed(bench, asked.few, asked.pairs)
    print(format_table(bench.rows))
    return 0 if all(row.holds for row in bench.rows) else 7


if __name__ == "__main__":
    sys.exit(main())
