"""A real S3 server on loopback: moto's, with what it lacks for several writers. Its own process: `python -m tests.s3_server HOST PORT CONDITIONS`.

Moto keeps If-Match and If-None-Match, but looks and writes in two steps, and lets everybody in: here one request writes at a time, and only
the keys `testing` and (to read) `reading` may. What a test asks for: conditions that are ignored or refused (`CONDITIONS`), and how many requests there were (GET /-/requests).
"""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import LONG, wait_until

BUCKET = "films"
KEY, READER = "testing", "reading"
HAS_MOTO = all(importlib.util.find_spec(name) for name in ("moto", "flask", "flask_cors"))
Answer = Iterable[bytes]
Start = Callable[..., Any]

REFUSED = b"<Error><Code>NotImplemented</Code><Message>A header you provided implies functionality that is not implemented.</Message></Error>"
NO_RIGHT = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
SKEWED = b"<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current time is too large.</Message></Error>"
DENIED = b"<Error><Code>InvalidAccessKeyId</Code><Message>The AWS Access Key Id you provided does not exist in our records.</Message></Error>"


@dataclass(frozen=True)
class S3Server:
    """A server that answers."""

    address: str
    """Host and port."""
    process: subprocess.Popen[bytes]

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to come to it."""
        return {
            "AWS_ENDPOINT_URL": f"http://{self.address}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }

    def count_requests(self) -> dict[str, int]:
        """How many requests of each method there were."""
        address = f"http://{self.address}/-/requests"
        with urllib.request.urlopen(address, timeout=LONG) as answer:
            found: dict[str, int] = json.load(answer)
        return found


@contextmanager
def serving_s3(
    conditions: str = "kept", *, host: str = "127.0.0.1", lead: Sequence[str] = ()
) -> Iterator[S3Server]:
    """A server with one empty bucket, `films`. `lead`: the words before its command, as of another network's namespace."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    words = [*lead, sys.executable, "-m", "tests.s3_server", host, str(port), conditions]
    quiet: Any = {
        "cwd": Path(__file__).parents[1],
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    process = subprocess.Popen(words, env={**os.environ, "PYTHONWARNINGS": "ignore"}, **quiet)
    server = S3Server(f"{host}:{port}", process)
    try:
        wait_until(lambda: _is_up(server), of=process, every=0.05)
        yield server
    finally:
        process.kill()
        process.wait()


def _is_up(server: S3Server) -> bool:
    try:
        server.count_requests()
    except OSError:
        return False
    return True


class Gate:
    """What stands before moto."""

    def __init__(self, inner: Callable[[dict[str, Any], Start], Answer], conditions: str) -> None:
        self._inner, self._conditions = inner, conditions
        self._writing, self._counts = threading.Lock(), Counter[str]()

    def __call__(self, request: dict[str, Any], start: Start) -> Answer:
        """Answer a request."""
        method = str(request["REQUEST_METHOD"])
        if request["PATH_INFO"] == "/-/requests":
            start("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self._counts).encode()]
        self._counts[method] += 1
        who = request.get("HTTP_AUTHORIZATION", "")
        reads = f"Credential={READER}/" in who
        if f"Credential={KEY}/" not in who and not (reads and method in {"GET", "HEAD"}):
            start("403 Forbidden", [("Content-Type", "application/xml")])
            return [NO_RIGHT if reads else DENIED]
        if self._conditions == "skewed":
            start("403 Forbidden", [("Content-Type", "application/xml")])
            return [SKEWED]
        if self._conditions == "refused" and "HTTP_IF_NONE_MATCH" in request:
            start("501 Not Implemented", [("Content-Type", "application/xml")])
            return [REFUSED]
        if self._conditions == "ignored":
            request.pop("HTTP_IF_MATCH", None)
            request.pop("HTTP_IF_NONE_MATCH", None)
        if method == "GET":
            return self._inner(request, start)
        with self._writing:
            return list(self._inner(request, start))


def serve(host: str, port: int, conditions: str) -> None:
    """Serve until killed."""
    from moto.backends import get_backend
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, run_simple

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"  # connections stay open, as those of S3 do

    get_backend("s3")["123456789012"]["aws"].create_bucket(BUCKET, "us-east-1")
    app = Gate(DomainDispatcherApplication(create_backend_app), conditions)
    run_simple(host, port, app, threaded=True, request_handler=Handler)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3])
