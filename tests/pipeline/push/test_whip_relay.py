"""The process between libav's WHIP muxer and a server: what it shows the server, what it says of it, and what it leaves."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from pipeline.push.certificate import make_certificate
from pipeline.push.session_description import read_candidates
from pipeline.push.whip import VARIABLE, ServerFault, split_token, start_whip_relay
from tests.live_server import free_port
from tests.pipeline.push.test_media_relay import Peer
from tests.waiting import LONG, wait_until

OFFER = "v=0\r\na=ice-ufrag:mine\r\na=ice-pwd:m\r\n"
ANSWER = (
    "v=0\r\na=ice-ufrag:yours\r\na=ice-pwd:y\r\na=candidate:1 1 udp 1 127.0.0.1 {} typ host\r\n"
)


class Handler(BaseHTTPRequestHandler):
    """A server that answers as its path says."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.headers["Authorization"]))
        code, text, place = self.server.answers[self.path]
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        if place:
            self.send_header("Location", place)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_DELETE(self) -> None:
        self.server.seen.append((f"DELETE {self.path}", self.headers["Authorization"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        pass

    server: "FakeServer"


class FakeServer(ThreadingHTTPServer):
    """By path: a code, what is answered, and the Location."""

    answers: dict[str, tuple[int, str, str]]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str | None]] = []

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as there:
        thread = threading.Thread(target=there.serve_forever)
        thread.start()
        yield there
        there.shutdown()
        thread.join()


@pytest.fixture
def peer() -> Iterator[Peer]:
    there = Peer()
    yield there
    there.end()


def offer_to(url: str, seconds: int = 5) -> str:
    """What the muxer would get for its offer; raises ServerFault where it gets nothing."""
    with start_whip_relay(url, seconds) as muxer:
        answer = requests.post(muxer.url, OFFER, timeout=LONG)
        answer.raise_for_status()
    return answer.text


def test_a_session_is_opened_and_ended(server: FakeServer, peer: Peer) -> None:
    """The server sees the token, the muxer an address of this machine; when the muxer ends, the server is told, with the token again."""
    server.answers = {"/live": (201, ANSWER.format(peer.address[1]), "/session/7")}
    answer = offer_to(f"whip://s%20t@{server.place}/live")
    ((host, port),) = read_candidates(answer)
    assert host == "127.0.0.1"
    assert port != peer.address[1]
    assert server.seen == [("/live", "Bearer s t"), ("DELETE /session/7", "Bearer s t")]


def test_a_redirect_is_followed_and_the_token_stays_at_home(server: FakeServer, peer: Peer) -> None:
    """A server may send the film to another of its places; to another server the token is not shown, nor where the session's place is one."""
    elsewhere = f"http://localhost:{server.server_port}"
    server.answers = {
        "/one": (307, "", "/live"),
        "/two": (307, "", f"{elsewhere}/live"),
        "/live": (201, ANSWER.format(peer.address[1]), f"{elsewhere}/session"),
    }
    offer_to(f"whip://secret@{server.place}/one")
    assert server.seen[1:] == [("/live", "Bearer secret"), ("DELETE /session", None)]
    server.seen.clear()
    offer_to(f"whip://secret@{server.place}/two")
    assert server.seen[1:] == [("/live", None), ("DELETE /session", None)]


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        (401, "no", "it answered 401 Unauthorized; the token is not the one that it wants"),
        (404, "no", "it answered 404 Not Found; nothing there takes a film by WHIP"),
        (503, "no", "it answered 503 Service Unavailable"),
        (799, "no", "it answered 799"),
        (200, "<html>", "what it answers is no session description, so it is no WHIP server"),
        (201, "v=0\r\n", "its answer names no address for the media"),
        (201, "v=0\r\n" + "x" * 200_000, "its answer names no address for the media"),
    ],
)
def test_what_a_server_says_is_said(server: FakeServer, code: int, text: str, said: str) -> None:
    """A server that does not take the film is answered for in words, without the URL or the token."""
    server.answers = {"/SECRET": (code, text, "")}
    with pytest.raises(ServerFault) as fault:
        offer_to(f"whip://SECRET@{server.place}/SECRET")
    assert str(fault.value) == said


def test_media_that_nobody_takes(server: FakeServer) -> None:
    """A server whose session is there and whose media is not, as behind a firewall, is told from one that refuses; the session is ended."""
    server.answers = {"/live": (201, ANSWER.format(free_port(socket.SOCK_DGRAM)), "/session")}
    with pytest.raises(ServerFault, match="none of its addresses for the media answers"):
        offer_to(f"whip://{server.place}/live")
    assert server.seen[-1][0] == "DELETE /session"


def test_a_port_that_hangs_or_is_closed() -> None:
    """One that takes the connection and says nothing is given up in time; one at which nobody listens is named so."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(ServerFault, match="no answer in time"):
            offer_to(f"whip://127.0.0.1:{silent.getsockname()[1]}/x", 1)
    with pytest.raises(ServerFault, match="Connection refused"):
        offer_to(f"whip://127.0.0.1:{free_port()}/x")


@contextmanager
def secured(server: FakeServer, folder: Path) -> Iterator[None]:
    """The server by https, with a certificate that nobody vouches for."""
    import ssl

    (folder / "both.pem").write_text("".join(make_certificate()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    yield


def test_a_server_that_nobody_vouches_for_sees_nothing(server: FakeServer, tmp_path: Path) -> None:
    """A certificate that this machine does not trust is refused before the token is shown."""
    server.answers = {}
    with secured(server, tmp_path), pytest.raises(ServerFault, match="certificate"):
        offer_to(f"whips://secret@{server.place}/live")
    assert server.seen == []


def test_a_muxer_that_is_killed(server: FakeServer, peer: Peer, tmp_path: Path) -> None:
    """Where stdin ends without a word of the muxer, as after a kill, the server is told all the same, and neither key nor process stays."""
    server.answers = {"/live": (201, ANSWER.format(peer.address[1]), "/session")}
    with start_whip_relay(f"whip://{server.place}/live", 5) as muxer:
        key = Path(muxer.options["key_file"])
        assert key.parent.stat().st_mode & 0o777 == 0o700
        requests.post(muxer.url, OFFER, timeout=LONG).raise_for_status()
        begun = time.monotonic()
    assert time.monotonic() - begun < LONG / 4
    wait_until(lambda: ("DELETE /session", None) in server.seen)
    assert not key.parent.exists()


def test_a_token_stands_in_the_address_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What stands before the @, as a name or as a password, or else what the environment says."""
    assert split_token("whip+https://T@h:1/a?b=c") == ("https://h:1/a?b=c", "T")
    assert split_token("whips://name:T%40@h/a") == ("https://h/a", "T@")
    assert split_token("whip://h/a") == ("http://h/a", "")
    monkeypatch.setenv(VARIABLE, "E")
    assert split_token("whip+http://h/a") == ("http://h/a", "E")
    assert split_token("whip+http://T@h/a") == ("http://h/a", "T")
