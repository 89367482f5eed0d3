"""Films asked for over HTTP: an upload or paths become a job, within the limits of the server."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
from fastapi import Request
from pydantic import ValidationError

from pipeline.jobs.input_words import EXTRA_FILES, take_places
from pipeline.jobs.job_request import JobRequest
from pipeline.jobs.job_root import JobRoot
from pipeline.jobs.job_view import JobView
from pipeline.web.body_limit import Pace, read_small_body
from pipeline.web.error_bodies import Unacceptable
from pipeline.web.form_receiver import ReceivedForm, receive_form
from pipeline.web.guard import RateLimit
from pipeline.web.run_bodies import CreateBody
from pipeline.web.settings import WebSettings
from pipeline.web.slow_work import SlowWork
from storage.errors import BadInput
from storage.scratch import scratch_folder

AT_ONCE = 4
"""Films that are checked at once; the others wait, and no other request waits for them."""
Found = TypeVar("Found")


class RunCreator:
    """Takes requests for films."""

    def __init__(self, jobs: JobRoot, settings: WebSettings) -> None:
        self._jobs, self._settings = jobs, settings
        self._places = [each.resolve() for each in (settings.root, *settings.places)]
        self._rate, self._uploads = RateLimit(settings.creates_a_minute), 0
        self._checks = SlowWork(AT_ONCE)

    async def create(self, request: Request, key: str | None) -> JobView:
        """A job for a form or a JSON body. Raises Unacceptable, and what JobRoot.submit raises."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "application/json":
            return await self.create_from_form(
                request, key, partial(read_form, picture="picture", sound="sound")
            )
        self.admit()
        body = await read_small_body(request.receive, Pace(self._settings.upload_seconds))
        asked = self._read_json(body or b"")
        return await self._submit(asked, key)

    async def create_from_form(
        self, request: Request, key: str | None, read: Callable[[ReceivedForm], JobRequest]
    ) -> JobView:
        """A job for a form, which `read` makes sense of. Raises as `create` does."""
        self.admit()
        async with self._receive(request) as form:
            return await self._submit(read(form), key)

    async def redub(self, name: str, request: Request) -> JobView:
        """A job in which a stretch of a run's film has the sound of a form. Raises as `create` does."""
        self.admit()
        async with self._receive(request) as form:
            if set(form.files) != {"sound"}:
                raise BadInput("The form must have one file, sound.")
            redub = partial(self._jobs.redub, name, form.files["sound"], form.fields)
            return await self.run_slowly(redub)

    def admit(self) -> None:
        """Count a film that is asked for; raises Unacceptable (429) where too many are."""
        if wait := self._rate.seconds_to_wait():
            raise Unacceptable(429, f"Too many films at once; ask in {wait} s.", wait)

    async def _submit(self, asked: JobRequest, key: str | None) -> JobView:
        return await self.run_slowly(partial(self._jobs.submit, asked, key=key))

    async def run_slowly(self, work: Callable[[], Found]) -> Found:
        """Do what takes seconds in a thread, a few at a time."""
        return await self._checks.run_in_turn(work)

    @asynccontextmanager
    async def _receive(self, request: Request) -> AsyncIterator[ReceivedForm]:
        """The form of a request, whose files lie in a folder that is gone afterwards."""
        if self._uploads >= self._settings.uploads_at_once:
            raise Unacceptable(429, "Too many uploads at once; try again.", 5)
        self._uploads += 1
        try:
            await anyio.to_thread.run_sync(self._jobs.prepare)
            with scratch_folder(self._jobs.uploads, "upload") as folder:
                yield await receive_form(request, folder, self._settings)
        finally:
            self._uploads -= 1

    def _read_json(self, body: bytes) -> JobRequest:
        try:
            asked = CreateBody.model_validate_json(body)
        except ValidationError as error:
            found = error.errors()[0]
            raise BadInput(f"{'.'.join(map(str, found['loc']))}: {found['msg']}.") from None
        picture, sound = self._allow(asked.picture), self._allow(asked.sound)
        extras = {name: self._allow(word) for name, word in asked.files.items()}
        speakers = tuple(asked.speakers)
        return JobRequest(picture, sound, asked.flags, extras, speakers, asked.title)

    def _allow(self, word: str) -> Path:
        """The file that a path names, below the root or where it may lie otherwise; raises BadInput, the same whether it is there or not."""
        try:
            path = (self._places[0] / word).resolve()
            inside = any(path.is_relative_to(place) for place in self._places)
        except (ValueError, OSError, RuntimeError):
            inside = False
        if not inside:
            raise BadInput(f"{word[:200]!r} lies in no folder that requests may name files in.")
        return path


def read_form(form: ReceivedForm, picture: str, sound: str) -> JobRequest:
    """What a form asks for; its files stand in the fields of these names."""
    for name in (picture, sound):
        if name not in form.files:
            raise BadInput(f"The form has no file {name}.")
    fields = dict(form.fields)
    title, speakers = fields.pop("title", ""), take_places(fields)
    extras = {name: path for name, path in form.files.items() if name in EXTRA_FILES}
    return JobRequest(form.files[picture], form.files[sound], fields, extras, speakers, title)
