"""Connections that do nothing come to an end, and small answers are sent at once."""

import asyncio
import socket
import time
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
from raw_client import ask, connect_to, read_answer, write_head
from waiting import wait_until

from pipeline.web import connection
from pipeline.web.server import open_port

LARGE = write_head("GET /v1/runs/tea/film.mp4")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(connection, "REST_SECONDS", 0.3)
    monkeypatch.setattr(connection, "STUCK_SECONDS", 0.3)


def is_broken_off(connection: socket.socket) -> bool:
    """Whether nothing can be sent any more."""
    try:
        connection.sendall(b"x")
    except OSError:
        return True
    return False


def count_rest(connection: socket.socket) -> int:
    """How many bytes still come."""
    taken = 0
    with suppress(ConnectionResetError):
        while more := connection.recv(1 << 20):
            taken += len(more)
    return taken


@pytest.mark.parametrize("sent", [b"", b"GET /v1/runs HTTP/1.1\r\nHost: 127.0"])
def test_request_that_never_ends_is_given_up(listening: int, sent: bytes):
    """A connection on which no request comes, or half of one, is closed; others are served meanwhile."""
    with ExitStack() as stack:
        begun = [stack.enter_context(connect_to(listening, sent)) for _ in range(50)]
        assert ask(listening, "GET /v1/runs/tea")[0] == 200
        assert [read_answer(each)[0] for each in begun] == [0] * 50


def test_idle_connections_keep_nobody_out(listening: int, monkeypatch: pytest.MonkeyPatch):
    """Where there are too many, the one that has been idle for longest goes, and who asks for something is served."""
    monkeypatch.setattr(connection, "SERVED", 6)
    monkeypatch.setattr(connection, "HEAD_SECONDS", 60.0)
    with ExitStack() as stack:
        idle = [stack.enter_context(connect_to(listening, b"GET /")) for _ in range(5)]
        assert ask(listening, "GET /v1/runs/tea")[0] == 200
        assert count_rest(idle[0]) == 0
        idle[1].sendall(b"v1/runs/tea HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert read_answer(idle[1])[0] == 200


def test_busy_connections_are_limited(listening: int, films: Path, monkeypatch: pytest.MonkeyPatch):
    """Where all of too many are at work, another is cut off, and served once they are done."""
    monkeypatch.setattr(connection, "STUCK_SECONDS", 60.0)
    make_large(films)
    with ExitStack() as stack:
        busy = [stack.enter_context(connect_to(listening, LARGE)) for _ in range(5)]
        assert all(each.recv(10) for each in busy)
        monkeypatch.setattr(connection, "SERVED", 3)
        monkeypatch.setattr(connection, "TOLD", 5)
        assert not is_served(listening)
    wait_until(lambda: is_served(listening))


def make_large(films: Path) -> None:
    """Let the film have 200 MB, more than a connection holds."""
    with (films / "tea/video.mp4").open("ab") as film:
        film.truncate(200 << 20)


def is_served(port: int) -> bool:
    """Whether a request is answered."""
    try:
        return ask(port, "GET /v1/runs/tea")[0] == 200
    except ConnectionError:
        return False


def test_next_request_may_take_its_time(listening: int):
    """A connection is kept for further requests, each of which has the same time."""
    with closing(HTTPConnection("127.0.0.1", listening, timeout=120)) as kept:
        for _ in range(3):
            kept.request("GET", "/v1/runs/tea")
            assert b"tea" in kept.getresponse().read()
        assert kept.sock is not None
        kept.sock.sendall(b"GET /v1/runs")
        assert kept.sock.recv(1) == b""


def test_rest_of_a_refused_body_is_not_awaited(listening: int):
    """Who goes on sending after the refusal, drop by drop, is not listened to for ever."""
    with connect_to(listening, write_head("POST /v1/runs", "Content-Length: 99999")) as slow:
        assert read_answer(slow)[0] == 415
        wait_until(lambda: is_broken_off(slow))


def test_client_that_takes_nothing_is_given_up(listening: int, films: Path):
    """A film that nobody takes is not held open: the connection is broken off, and others are served."""
    make_large(films)
    with connect_to(listening, LARGE) as stuck:
        assert stuck.recv(100).startswith(b"HTTP/1.1 200")
        assert ask(listening, "GET /v1/runs/tea")[0] == 200
        time.sleep(1)  # longer than it waits for who takes nothing
        assert count_rest(stuck) < 100 << 20


def test_small_answers_are_sent_at_once():
    """The sockets of the server do not wait for more to send, which costs 40 ms an answer."""

    async def look() -> int:
        found = asyncio.get_running_loop().create_future()
        with open_port("127.0.0.1", 0) as listening:

            async def meet(_reader: object, writer: asyncio.StreamWriter) -> None:
                peer = writer.get_extra_info("socket")
                found.set_result(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                writer.close()

            async with await asyncio.start_server(meet, sock=listening):
                _, writer = await asyncio.open_connection(*listening.getsockname())
                try:
                    return await found
                finally:
                    writer.close()

    assert asyncio.run(look()) != 0
