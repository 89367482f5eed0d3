"""What libav's WHIP muxer (RFC 9725) talks to instead of the server, in a process of its own, as the muxer holds Python's lock while it connects.

    python -m pipeline.push.whip_relay    with the server's URL, the token and how many seconds an answer may take on stdin, a line each

Says its port and where a certificate and its key lie on stdout, a line each, and at last what failed. It does what the muxer does not: it looks at the server's certificate before it shows the token,
follows a redirect, says what the server answered, and takes media to whichever of its addresses answers, as long as that does (media_relay.py).
When stdin ends it ends the session (DELETE), and itself.
"""

import signal
import sys
import tempfile
import threading
from http.client import responses
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests

from pipeline.push.certificate import make_certificate
from pipeline.push.media_relay import LOOPBACK, MediaRelay, Unreachable
from pipeline.push.session_description import (
    name_all_sources,
    read_candidates,
    read_names,
    refuses_picture,
    replace_candidates,
    say_baseline,
)
from pipeline.sinks.sink import describe_reason

LARGEST_ANSWER = 64 << 10
"""Bytes."""
GOODBYE = 5
"""Seconds that the end of a session may take."""
SESSION_KIND = "application/sdp"
_TOKEN, _PLACE = "the token is not the one that it wants", "nothing there takes a film by WHIP"
MEANING = {401: _TOKEN, 403: _TOKEN, 404: _PLACE, 405: _PLACE}
"""Of what a server answers."""


class NotTaken(Exception):  # noqa: N818 - of the film
    """What the server said, as words."""


class WhipSession:
    """One film on its way to a server, as HTTP knows it."""

    def __init__(self, url: str, token: str, seconds: float) -> None:
        self._url, self._token, self._seconds = url, token, seconds
        self._place: str | None = None

    def post_offer(self, offer: bytes) -> str:
        """The server's answer to a session description. Raises NotTaken, RequestException."""
        kind = {"Content-Type": SESSION_KIND}
        with requests.post(
            self._url,
            offer,
            headers=kind,
            auth=self._authorize,
            timeout=self._seconds,
            stream=True,
        ) as answer:
            if answer.status_code not in {200, 201}:
                raise NotTaken(_describe_status(answer.status_code))
            if (place := answer.headers.get("Location")) is not None:
                self._place = urljoin(answer.url, place)
            text = answer.raw.read(LARGEST_ANSWER, decode_content=True).decode(errors="replace")
        if not text.startswith("v=0"):
            raise NotTaken("what it answers is no session description, so it is no WHIP server")
        return str(text)

    def end_session(self) -> None:
        """Tell the server that the film has ended. Raises RequestException."""
        if self._place is None:
            return
        place, self._place = self._place, None
        known = urlsplit(place)[:2] == urlsplit(self._url)[:2]
        auth = self._authorize if known else _leave_as_it_is
        requests.delete(place, auth=auth, timeout=self._seconds).close()

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token into a request, if there is one, and nothing that a .netrc says."""
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _leave_as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _describe_status(code: int) -> str:
    words = f"it answered {code} {responses.get(code, '')}".rstrip()
    return f"{words}; {MEANING[code]}" if code in MEANING else words


class OfferHandler(BaseHTTPRequestHandler):
    """Takes the muxer's offer to the server and brings back an answer whose only address is here."""

    server: "RelayServer"

    def do_POST(self) -> None:
        """The offer."""
        offer = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            answer = self.server.open_session(offer.decode())
        except Exception as fault:  # noqa: BLE001 - whatever a network raises
            tell_failed(describe_refusal(fault))
            self.send_error(502)
            return
        self._answer(201, answer.encode())

    def do_DELETE(self) -> None:
        """The muxer's end; the server is told when this process ends, as it also does where the muxer is killed."""
        self._answer(200, b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""

    def _answer(self, code: int, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", SESSION_KIND)
        self.send_header("Location", "/session")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class RelayServer(HTTPServer):
    """Listens to this machine alone, for one muxer."""

    def __init__(self, session: WhipSession, folder: Path) -> None:
        """`folder`: for the muxer's certificate and key, which it reads twice."""
        super().__init__((LOOPBACK, 0), OfferHandler)
        self._session = session
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        for path, content in zip((self.certificate, self.key), make_certificate(), strict=True):
            path.write_text(content, encoding="ascii")

    def open_session(self, offer: str) -> str:
        """The answer to an offer, with the relay's address in place of the server's. Raises NotTaken, Unreachable, RequestException."""
        answer = self._post(name_all_sources(offer))
        names = (read_names(offer), read_names(answer))
        if not (candidates := read_candidates(answer)):
            raise NotTaken("its answer names no address for the media")
        relay = MediaRelay(names, candidates, tell_failed)
        return replace_candidates(answer, LOOPBACK, relay.port)

    def _post(self, offer: str) -> str:
        answer = self._session.post_offer(offer.encode())
        if refuses_picture(answer):
            # What films are is High. Chromium's library says Baseline alone where it decodes by itself, and takes High all the same.
            self._session.end_session()
            answer = self._session.post_offer(say_baseline(offer).encode())
        if refuses_picture(answer):
            raise NotTaken("it takes no H.264")
        return answer


def describe_refusal(fault: Exception) -> str:
    """Why a server does not take a film, without its URL."""
    if isinstance(fault, Unreachable):
        return "it takes the session, but none of its addresses for the media answers"
    if isinstance(fault, requests.exceptions.SSLError):
        return "its certificate is not one that this machine trusts"
    if isinstance(fault, requests.Timeout):
        return "no answer in time"
    return str(fault) if isinstance(fault, NotTaken) else describe_reason(fault)


def tell_failed(reason: str) -> None:
    """Say why the server does not take the film."""
    _tell_line(f"failed {reason}")


def _tell_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Relay until stdin ends."""
    url, token, seconds = (sys.stdin.readline().strip() for _ in range(3))
    session = WhipSession(url, token, float(seconds))
    with tempfile.TemporaryDirectory(prefix="longtake-") as folder:
        server = RelayServer(session, Path(folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _tell_line(f"{server.server_port}\n{server.certificate}\n{server.key}")
        sys.stdin.read()
    signal.alarm(GOODBYE)
    try:
        session.end_session()
    except requests.RequestException:  # it is gone itself
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
