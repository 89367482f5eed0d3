"""Real places that events go to: each has a URL, and can be asked what has arrived."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import LONG, wait_until

Message = dict[str, Any]


@dataclass
class Place:
    """Somewhere."""

    url: str
    received: Callable[[], list[Message]]


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class HookServer(ThreadingHTTPServer):
    """Keeps what is posted; `answers` are the next status codes, 204 after them."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Hook)
        self.messages: list[Message] = []
        self.paths: list[str] = []
        self.answers: list[int] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}/hook"


class Hook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HookServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        code = self.server.answers.pop(0) if self.server.answers else 204
        self.server.paths.append(self.path)
        if code == 204:
            self.server.messages.append(body)
        self.send_response(code)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(server: Any) -> Iterator[None]:
    """Serve meanwhile."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        if hasattr(server, "server_close"):
            server.server_close()
        thread.join()


@pytest.fixture
def hook() -> Iterator[HookServer]:
    """A web server."""
    server = HookServer()
    with serving(server):
        yield server


@pytest.fixture
def webhook(hook: HookServer) -> Place:
    return Place(hook.url, lambda: hook.messages)


@pytest.fixture
def websocket() -> Iterator[Place]:
    serve = pytest.importorskip("websockets.sync.server").serve
    messages: list[Message] = []

    def hear(connection: Any) -> None:
        for text in connection:
            messages.append(json.loads(text))

    with serve(hear, "127.0.0.1", 0) as server, serving(server):
        port = server.socket.getsockname()[1]
        yield Place(f"ws://127.0.0.1:{port}/events", lambda: messages)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Place]:
    """redis-server, with a password, on a port of its own."""
    library = pytest.importorskip("redis")
    if shutil.which("redis-server") is None:
        pytest.skip("there is no redis-server (Debian's package of that name)")
    port = free_port()
    words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    words += ["--requirepass", "open:sesame", "--dir", str(tmp_path)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    client = library.Redis(port=port, password="open:sesame")
    try:
        wait_for(client.ping)

        def received() -> list[Message]:
            return [json.loads(entry[b"data"]) for _, entry in client.xrange("film")]

        yield Place(f"redis://:open%3Asesame@127.0.0.1:{port}/0?stream=film", received)
    finally:
        client.close()
        server.kill()
        server.wait()


def rows_of(url: str) -> list[Message]:
    """What is in the table, as messages again."""
    import sqlalchemy as sql

    engine = sql.create_engine(url)
    try:
        with engine.connect() as there:
            rows = there.execute(sql.text("select * from longtake_events order by id")).mappings()
            found = [dict(row) for row in rows]
    finally:
        engine.dispose()
    for row in found:
        facts = row.pop("facts")
        row.update(json.loads(facts) if isinstance(facts, str) else facts)
    return found


@pytest.fixture
def sqlite(tmp_path: Path) -> Place:
    pytest.importorskip("sqlalchemy")
    url = f"sqlite:///{tmp_path / 'events.db'}"
    return Place(url, lambda: rows_of(url))


@pytest.fixture
def postgres() -> Iterator[Place]:
    """A PostgreSQL server with a folder, a socket and a port of its own."""
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("psycopg")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("there is no PostgreSQL server (Debian's package postgresql)")
    # It refuses to be root's.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if user:
        shutil.chown(folder, user)
    here: dict[str, Any] = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL}
    try:
        init = [str(programs[-1]), "-D", str(folder / "data"), "-A", "trust", "-U", "film", "-N"]
        subprocess.run(init, check=True, **here)
        port = free_port()
        words = [str(programs[-1].with_name("postgres")), "-D", str(folder / "data"), "-F"]
        words += ["-p", str(port), "-k", str(folder), "-h", "127.0.0.1"]
        server = subprocess.Popen(words, stderr=subprocess.DEVNULL, **here)
        try:
            url = f"postgresql+psycopg://film:sesame@127.0.0.1:{port}/postgres"
            wait_for(lambda: socket.create_connection(("127.0.0.1", port)).close())
            yield Place(url, lambda: rows_of(url))
        finally:
            server.terminate()
            server.wait()
    finally:
        shutil.rmtree(folder)


def wait_for(call: Callable[[], object]) -> None:
    """Until it raises nothing more."""

    def is_up() -> bool:
        try:
            call()
        except Exception:  # noqa: BLE001 - a server that is not up yet says so in many ways
            return False
        return True

    wait_until(is_up, every=0.05)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a film's end events have as long as this machine needs, and not five seconds."""
    from pipeline.sinks import sink

    monkeypatch.setattr(sink, "SinkLimits", partial(sink.SinkLimits, flush=LONG))


@pytest.fixture(params=["webhook", "websocket", "redis", "sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each of them."""
    found: Place = request.getfixturevalue(request.param)
    return found
