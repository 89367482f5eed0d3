"""Who may speak with the server: its own name in the request, no other site's page, a token or a password; and how often films may be asked for."""

import base64
import hmac
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse

from pipeline.web.error_bodies import error_body
from pipeline.web.settings import LOCAL, WebSettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SAFE = {"GET", "HEAD", "OPTIONS"}


class Guard:
    """An ASGI app round another that refuses what must not come through, web sockets as well."""

    def __init__(self, app: App, settings: WebSettings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, or answer 401 or 403."""
        if scope["type"] in {"http", "websocket"} and (found := self._refuse(scope)) is not None:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1008})
            else:
                await found(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refuse(self, scope: Scope) -> JSONResponse | None:
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        host = headers.get("host", "")
        if self._settings.host in LOCAL and _host_name(host) not in LOCAL:
            # A name that somebody else points to this machine would make their page ours.
            return _refusal(
                403, f"This server is asked for as {self._settings.host}, not as {host}."
            )
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if changes and not _is_own_page(headers.get("origin"), host):
            return _refusal(403, "A page of another site may not ask for this.")
        if not self._is_known(headers.get("authorization", "")):
            told = "The token or the password is missing or wrong: Authorization: Bearer TOKEN."
            return _refusal(401, told, {"WWW-Authenticate": 'Basic realm="longtake"'})
        return None

    def _is_known(self, said: str) -> bool:
        settings = self._settings
        if settings.token is None and settings.password is None:
            return True
        kind, _, words = said.partition(" ")
        user, _, password = _decode_basic(words) if kind.lower() == "basic" else ("", "", words)
        # Both are compared, whatever the first says: time tells nothing.
        by_token = kind.lower() in {"bearer", "basic"} and _are_equal(password, settings.token)
        named = _are_equal(user, settings.user or "")
        by_password = kind.lower() == "basic" and _are_equal(password, settings.password) and named
        return by_token or by_password


class RateLimit:
    """At most so many in a minute, whoever asks."""

    def __init__(self, most: int) -> None:
        self._most, self._times = most, deque[float]()

    def seconds_to_wait(self) -> int:
        """0, and it counts; or after how many seconds it may be asked again."""
        now = time.monotonic()
        while self._times and now - self._times[0] >= 60:
            self._times.popleft()
        if len(self._times) >= self._most:
            return max(1, round(60 - (now - self._times[0])))
        self._times.append(now)
        return 0


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_own_page(origin: str | None, host: str) -> bool:
    """True of what no page sends, and of a page that came from here."""
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


def _are_equal(said: str, kept: str | None) -> bool:
    return kept is not None and hmac.compare_digest(said.encode(), kept.encode())


def _decode_basic(words: str) -> tuple[str, str, str]:
    try:
        return base64.b64decode(words, validate=True).decode().partition(":")
    except ValueError:  # binascii.Error and UnicodeDecodeError, and what is no ASCII
        return "", "", ""


def _refusal(status: int, line: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(error_body(line, "Refused", 2), status, headers)
