"""A file of a run as an answer, whole or the part that Range asks for: opened once, so that what is answered is one file, as long as it was then."""

import os
import re
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from io import BufferedReader
from pathlib import Path

from fastapi import HTTPException
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import iterate_in_threadpool
from starlette.types import Receive, Scope, Send

from pipeline.web.error_bodies import error_body
from storage.disk import SHORT
from storage.errors import LinkInRun
from storage.run_paths import open_plain, path_inside

CHUNK = 1 << 18
FRESH = {"Cache-Control": "no-cache"}
FOR_GOOD = {"Cache-Control": "private, max-age=86400, immutable"}
"""Of what never changes under its name."""
_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)


class FileAnswer(StreamingResponse):
    """An open file, as long as it was when it was opened; what is added meanwhile is for the next request."""

    def __init__(self, file: BufferedReader, kind: str, headers: Mapping[str, str]) -> None:
        found = os.fstat(file.fileno())
        self._file, self._size = file, found.st_size
        self._tag = f'"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"'
        self._changed = formatdate(found.st_mtime, usegmt=True)
        whole = {"Accept-Ranges": "bytes", "ETag": self._tag, "Last-Modified": self._changed}
        super().__init__((), headers={**whole, **headers}, media_type=kind)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200, 206, or 416 where there is no such part; the file is closed then."""
        with self._file:
            await self._answer_part(scope, receive, send)

    async def _answer_part(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = {name: text.decode("latin-1") for name, text in scope["headers"]}
        part = read_range(asked.get(b"range", ""), self._size)
        if asked.get(b"if-range", self._tag) not in {self._tag, self._changed}:
            part = range(self._size)
        if not part and self._size:
            await self._refuse_part()(scope, receive, send)
            return
        if len(part) < self._size:
            self.status_code = 206
            self.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{self._size}"
        self.headers["Content-Length"] = str(len(part))
        sent = range(0) if scope["method"] == "HEAD" else part
        self.body_iterator = iterate_in_threadpool(_read_part(self._file, sent))
        await super().__call__(scope, receive, send)

    def _refuse_part(self) -> JSONResponse:
        line = f"There is no such part: it has {self._size} bytes."
        headers = {"Content-Range": f"bytes */{self._size}"}
        return JSONResponse(error_body(line, "Refused", 2), 416, headers)


def give_file(root: Path, name: str, kind: str, headers: Mapping[str, str] = FRESH) -> FileAnswer:
    """A file of a run; 404 where it is not there, or is a link, 503 where no more files can be opened."""
    try:
        file = open_plain(path_inside(root, name), os.O_RDONLY)
    except (LinkInRun, OSError) as error:
        if isinstance(error, OSError) and error.errno in SHORT:
            raise HTTPException(503, f"The machine gives no more: {error.strerror}.") from None
        raise HTTPException(404, f"{name} is not there, or not yet.") from None
    return FileAnswer(os.fdopen(file, "rb"), kind, headers)


def read_range(asked: str, size: int) -> range:
    """The bytes that a Range asks for of a file: all of them where it asks for none, for several parts or nonsense; none where there is no such part."""
    found = _RANGE.fullmatch(asked)
    first, last = found.groups() if found else ("", "")
    if not first:
        return range(max(0, size - int(last)), size) if last else range(size)
    stop = min(size, int(last) + 1) if last else size
    if last and int(last) < int(first):
        return range(size)
    return range(int(first), stop) if int(first) < size else range(0)


def _read_part(file: BufferedReader, part: range) -> Iterator[bytes]:
    """The bytes of a part, in chunks. Raises OSError where the file has become shorter: the connection is broken off then."""
    file.seek(part.start)
    left = len(part)
    while left:
        chunk = file.read(min(CHUNK, left))
        if not chunk:
            raise OSError(f"{file.name} has become shorter")
        left -= len(chunk)
        yield chunk
