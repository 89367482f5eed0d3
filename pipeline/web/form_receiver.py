"""Uploads: a form of multipart/form-data written to the disk while it comes, with limits on its size, its parts and its time."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import anyio
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from pipeline.jobs.input_words import EXTRA_FILES
from pipeline.web.body_limit import Pace
from pipeline.web.error_bodies import Unacceptable
from pipeline.web.settings import WebSettings
from storage.disk import DISK_FULL_ERRORS, read_file_system
from storage.errors import NoSpace, NotWritable

FIELD_BYTES = 100_000
PARTS = 200
FILE_FIELDS = ("picture", "sound", "input_reference", "audio", *EXTRA_FILES)
"""The third and the fourth are OpenAI's words for the first two."""
TAKEN_AT_ONCE = 1 << 18
"""Bytes that are gathered before they are taken apart and written, in a thread: a slow disk holds nobody else up."""
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")


@dataclass
class ReceivedForm:
    """What came: text by the name of its field, and files."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """As their senders call the files."""


class FormReceiver:
    """Takes a form apart while it comes; files go into a folder, under names of ours."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """Only FILE_FIELDS may be files, each of at most `most_bytes`."""
        self._folder, self._most = folder, most_bytes
        self.form = ReceivedForm()
        self._headers: dict[str, str] = {}
        self._header = ["", ""]
        self._name, self._text = "", bytearray()
        self._size = self._parts = 0
        self._file: BinaryIO | None = None
        self.is_whole = False
        """True once the last boundary has come."""

    def callbacks(self) -> Any:
        """What python-multipart calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._add_header(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._add_header(1, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": lambda data, start, end: self._take(data[start:end]),
            "on_part_end": self._end,
            "on_end": self._end_form,
        }

    def close(self) -> None:
        """Close what was being written."""
        if self._file is not None:
            self._file.close()

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > PARTS:
            raise Unacceptable(413, f"A form has at most {PARTS} parts.")
        self._headers, self._text, self._size = {}, bytearray(), 0

    def _add_header(self, which: int, data: bytes) -> None:
        self._header[which] += data.decode("latin-1")

    def _end_header(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = ["", ""]

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", ""))
        self._name = options.get(b"name", b"").decode(errors="replace")
        if b"filename" not in options:
            return
        if self._name not in FILE_FIELDS or self._name in self.form.files:
            wanted = ", ".join(FILE_FIELDS)
            raise Unacceptable(422, f"One file each is taken as {wanted}, no other.")
        told = options[b"filename"].decode(errors="replace")
        suffix = Path(told).suffix
        path = self._folder / f"{self._name}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
        self.form.files[self._name] = path
        self.form.names[self._name] = told
        self._file = path.open("xb")

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        if self._file is not None:
            if self._size > self._most:
                raise Unacceptable(413, f"{self._name} is larger than {self._most} bytes.")
            self._file.write(data)
        elif self._size > FIELD_BYTES:
            raise Unacceptable(413, f"{self._name} is longer than {FIELD_BYTES} bytes.")
        else:
            self._text += data

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        else:
            self.form.fields[self._name] = self._text.decode(errors="replace")

    def _end_form(self) -> None:
        self.is_whole = True


async def receive_form(request: Request, folder: Path, settings: WebSettings) -> ReceivedForm:
    """The form that a request brings, its files in `folder`; raises Unacceptable (400, 408, 413, 415, 422), NoSpace, NotWritable."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise Unacceptable(415, "multipart/form-data with a boundary is needed.")
    most = 2 * settings.upload_bytes + PARTS * FIELD_BYTES
    _check_length(request, most, folder)
    receiver = FormReceiver(folder, settings.upload_bytes)
    try:
        parser = MultipartParser(options[b"boundary"], receiver.callbacks(), max_size=most)
        await _feed(request, parser, Pace(settings.upload_seconds))
    except FormParserError as error:
        raise Unacceptable(400, f"The form cannot be read: {error}.") from None
    except OSError as error:
        if error.errno in DISK_FULL_ERRORS:
            raise NoSpace("the upload") from None
        raise NotWritable(folder.parent, error.strerror) from None
    finally:
        receiver.close()
    if not receiver.is_whole:
        raise Unacceptable(400, "The form has no end: its last boundary did not come.")
    return receiver.form


def _check_length(request: Request, most: int, folder: Path) -> None:
    """Refuse what says beforehand that it is too large, for the limit (Unacceptable) or for the disk (NoSpace)."""
    told = request.headers.get("content-length", "")
    length = int(told) if told.isdecimal() else 0
    if length > most:
        raise Unacceptable(413, f"At most {most} bytes are taken.")
    if length > read_file_system(folder).free:
        raise NoSpace("the upload")


async def _feed(request: Request, parser: MultipartParser, pace: Pace) -> None:
    """Take the body apart while it comes. Raises Unacceptable, FormParserError, OSError."""
    gathered, more = bytearray(), True
    while more:
        message = await pace.next_part(request.receive)
        if message["type"] != "http.request":
            raise Unacceptable(400, "The client went away.")
        gathered += message.get("body", b"")
        more = bool(message.get("more_body"))
        if gathered and (not more or len(gathered) >= TAKEN_AT_ONCE):
            await anyio.to_thread.run_sync(parser.write, bytes(gathered))
            gathered.clear()
    parser.finalize()
