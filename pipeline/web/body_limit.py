"""Bodies of requests, with limits on their size and their time, before anything of the API or the page reads them into memory."""

import asyncio
import time
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from pipeline.web.error_bodies import Unacceptable, error_body
from pipeline.web.guard import App, Receive, Scope, Send
from pipeline.web.settings import WebSettings

SMALL_BYTES = 1_000_000
"""Of a body that is no upload."""
SLOWEST = 8192
"""Bytes a second that a body must have, after its first `upload_seconds`."""
PAGE_UPLOAD = "/gradio_api/upload"
_OWN_LIMITS = {"/v1/runs", "/v1/videos"}
"""Whose routes read their bodies bit by bit, and limit those themselves."""
_UNREAD = {"GET", "HEAD", "OPTIONS"}
"""Methods whose bodies nobody reads."""
_REST = "http.request"


class Pace:
    """How fast a body comes."""

    def __init__(self, patience: float) -> None:
        """`patience`: seconds that may pass without a byte."""
        self._patience = patience
        self._begun, self._seen = time.monotonic(), 0

    async def next_part(self, receive: Receive) -> MutableMapping[str, Any]:
        """The next message of a request; raises Unacceptable (408) where it comes too slowly."""
        try:
            message = await asyncio.wait_for(receive(), self._patience)
        except TimeoutError:
            raise Unacceptable(408, f"Nothing came for {self._patience:g} s.") from None
        self._seen += len(message.get("body", b""))
        if time.monotonic() - self._begun > self._patience + self._seen / SLOWEST:
            raise Unacceptable(408, f"It comes more slowly than {SLOWEST} bytes a second.")
        return message


class BodyLimit:
    """An ASGI app round another that lets no large or endless body through."""

    def __init__(self, app: App, settings: WebSettings) -> None:
        self._app, self._settings, self._uploads = app, settings, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its body where that is small; or answer 408, 413 or 429."""
        if (
            scope["type"] != "http"
            or scope["method"] in _UNREAD
            or (scope["method"] == "POST" and scope["path"] in _OWN_LIMITS)
        ):
            await self._app(scope, receive, send)
            return
        pace = Pace(self._settings.upload_seconds)
        try:
            if scope["path"].endswith(PAGE_UPLOAD):
                async with self._take_place():
                    await self._app(scope, self._receive_upload(scope, receive, pace), send)
            else:
                body = await read_small_body(receive, pace)
                await self._app(scope, _give_again(body, receive), send)
        except Unacceptable as refused:
            await _answer_refusal(refused)(scope, receive, send)

    @asynccontextmanager
    async def _take_place(self) -> AsyncIterator[None]:
        """One of the places for uploads of the page; raises Unacceptable (429) where there is none."""
        if self._uploads >= self._settings.uploads_at_once:
            raise Unacceptable(429, "Too many uploads at once; try again.", 5)
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1

    def _receive_upload(self, scope: Scope, receive: Receive, pace: Pace) -> Receive:
        """What the page receives of an upload; raises HTTPException, which Gradio answers in its own shape."""
        told = dict(scope["headers"]).get(b"content-length", b"")
        most = self._settings.upload_bytes + SMALL_BYTES
        if told.isdigit() and int(told) > most:
            raise Unacceptable(413, f"At most {most} bytes are taken.")

        async def receive_part() -> MutableMapping[str, Any]:
            try:
                return await pace.next_part(receive)
            except Unacceptable as refused:
                raise HTTPException(refused.status, str(refused)) from None

        return receive_part


async def read_small_body(receive: Receive, pace: Pace) -> bytes | None:
    """The whole body; None where the client went away. Raises Unacceptable (408, 413)."""
    body, more = bytearray(), True
    while more:
        message = await pace.next_part(receive)
        if message["type"] != _REST:
            return None
        body += message.get("body", b"")
        if len(body) > SMALL_BYTES:
            raise Unacceptable(413, f"At most {SMALL_BYTES} bytes are taken here.")
        more = bool(message.get("more_body"))
    return bytes(body)


def _give_again(body: bytes | None, receive: Receive) -> Receive:
    """What gives the body that was read already, once, and then what else comes."""
    waiting = [{"type": "http.disconnect"} if body is None else {"type": _REST, "body": body}]

    async def receive_part() -> MutableMapping[str, Any]:
        return waiting.pop() if waiting else await receive()

    return receive_part


def _answer_refusal(refused: Unacceptable) -> JSONResponse:
    return JSONResponse(error_body(str(refused), "Refused", 2), refused.status, refused.headers)
