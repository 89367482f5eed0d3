"""What an attached sink costs a film: python -m pipeline.bench.bench_sinks [--json].

Films in fresh processes, turn by turn: nobody listens; a webhook that takes every event; an address where nobody is. Frames a second from the first denoise
until the film is published, and the seconds of processor that the whole process took, which other work on the machine does not change as much.
"""

import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from pipeline.bench import product
from pipeline.bench.film_kinds import children_cpu_seconds, run_bench
from pipeline.bench.material import Material


@dataclass(frozen=True)
class BenchFilm:
    """Speed and processor time of one film, and how many of its events arrived."""

    fps: float
    processor: float
    """Seconds, of user and system."""
    events: int
    """That its run tells."""
    arrived: int


class Listener(ThreadingHTTPServer):
    """A webhook that counts the events it gets."""

    daemon_threads = True
    count = 0


class _Hook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Listener

    def do_POST(self) -> None:
        """Count an event and answer 204."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.count += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def serve_webhook() -> Iterator[Listener]:
    """A webhook on this machine, as long as the block lasts."""
    with Listener(("127.0.0.1", 0), _Hook) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def make_film(film: Material, root: Path, server: Listener, url: str) -> BenchFilm:
    """Make one film whose events go to `url`, or to nobody where that is empty."""
    before, heard = children_cpu_seconds(), server.count
    made = product.make_film(film, root, *(["--events-to", url] if url else []))
    frames = film.clips * film.options.clip_frames
    told = len((root / "events.jsonl").read_text().splitlines())
    shutil.rmtree(root)
    fps = frames / (made.ended - made.begun)
    return BenchFilm(fps, children_cpu_seconds() - before, told, server.count - heard)


def measure_all(film: Material, runs: int, folder: Path) -> dict[str, list[BenchFilm]]:
    """All films by kind of sink; tells its progress on stderr."""
    found: dict[str, list[BenchFilm]] = {name: [] for name in WORDS}
    with serve_webhook() as server, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refused
        urls = {
            "nobody": "",
            "webhook": f"http://127.0.0.1:{server.server_port}/",
            "dead": f"http://127.0.0.1:{nobody.getsockname()[1]}/",
        }
        for number in range(runs):
            for name, url in urls.items():
                made = make_film(film, folder / f"{name}.{number}", server, url)
                found[name].append(made)
                print(
                    f"{number + 1}/{runs} {name}: {made.fps:.1f} fps, {made.processor:.2f} s",
                    file=sys.stderr,
                )
    return found


WORDS = {
    "nobody": "nobody listens",
    "webhook": "a webhook takes every event",
    "dead": "nobody is at the address",
}


def format_table(found: dict[str, list[BenchFilm]]) -> str:
    """All figures as a table for people."""
    best = {name: max(each.fps for each in films) for name, films in found.items()}
    work = {name: median(each.processor for each in films) for name, films in found.items()}
    lines = [f"{'':30}{'fps, best':>10}{'of nobody':>10}{'processor':>11}{'arrived':>14}"]
    for name, words in WORDS.items():
        last = found[name][-1]
        ratio = best[name] / best["nobody"]
        lines.append(
            f"{words:30}{best[name]:10.1f}{ratio:10.3f}{work[name]:9.2f} s{last.arrived:8} of {last.events}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_bench(__doc__, measure_all, format_table))
