"""The HTTP API: /v1/runs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response, WebSocket
from fastapi import Path as InPath
from fastapi.responses import StreamingResponse
from starlette.websockets import WebSocketDisconnect

from pipeline.jobs.job_folder import NAME
from pipeline.jobs.job_root import JobRoot
from pipeline.jobs.job_view import JobState
from pipeline.jobs.preview import draw_preview
from pipeline.web.error_bodies import RESPONSES, Unacceptable, describe_errors
from pipeline.web.file_answer import FOR_GOOD, FRESH, FileAnswer, give_file
from pipeline.web.run_bodies import (
    RetakeBody,
    RunBody,
    RunList,
    describe_form,
    describe_redub,
    describe_run,
)
from pipeline.web.run_creation import RunCreator
from pipeline.web.run_events import EventStream, StreamPlaces, Told, follow_events
from pipeline.web.slow_work import DRAWN_AT_ONCE, SlowWork
from storage.errors import LongtakeError

Name = Annotated[
    str, InPath(pattern=f"^{NAME}$", examples=["film-1f0c3a5b7d9e"], description="Of the run.")
]
LIVE_FILE = r"^(film\.m3u8|init\.mp4|film\.mp4|[0-9]{5,12}-[0-9a-f]{12}\.m4s)$"
TYPES = {".m3u8": "application/vnd.apple.mpegurl", ".m4s": "video/iso.segment"}
FILM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"video/mp4": {}}, "description": "The film"},
    206: {"content": {"video/mp4": {}}, "description": "A part of it, as Range asked for"},
    **describe_errors({416: "No such part"}),
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}},
    204: {"description": "No more"},
    **describe_errors({429: "Too many streams are open; Retry-After says when"}),
}
CREATE = describe_errors(
    {
        408: "It came too slowly",
        413: "It is too large",
        415: "It is neither a form nor JSON",
        429: "Too many at once; Retry-After says when",
        507: "There is no room for the film",
    }
)


def build_run_routes(jobs: JobRoot, creator: RunCreator) -> APIRouter:
    """Create, list, status, stop, resume, retake, redub, delete; what is to be watched is in the other routers."""
    routes = APIRouter(prefix="/v1/runs", tags=["runs"], responses=RESPONSES)

    @routes.post("", status_code=201, openapi_extra=describe_form(), responses=CREATE)
    async def create_run(
        request: Request,
        response: Response,
        idempotency_key: Annotated[str | None, Header(max_length=255, min_length=1)] = None,
    ) -> RunBody:
        """Ask for a film, by an upload or by paths on the server. The same Idempotency-Key again gives the same run back."""
        view = await creator.create(request, idempotency_key)
        response.headers["Location"] = f"/v1/runs/{view.name}"
        return describe_run(view)

    @routes.get("")
    def list_runs(
        state: Annotated[JobState | None, Query(description="Only those.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
    ) -> RunList:
        """All runs, the newest first."""
        views = [each for each in jobs.list_jobs() if state in {None, each.state}]
        shown = views[offset : offset + limit]
        return RunList(runs=[describe_run(each) for each in shown], total=len(views))

    @routes.get("/{name}")
    def read_run(name: Name) -> RunBody:
        """A run as it is now."""
        return describe_run(jobs.view(name))

    @routes.post("/{name}/stop")
    def stop_run(name: Name) -> RunBody:
        """Stop it after the current write, or take it out of the queue; `stopping` until it has stopped."""
        return describe_run(jobs.stop(name))

    @routes.post("/{name}/resume")
    def resume_run(name: Name) -> RunBody:
        """Put what stands still back into the queue."""
        return describe_run(jobs.resume(name))

    @routes.delete("/{name}", status_code=204)
    def delete_run(name: Name) -> None:
        """Remove it with all its files; 409 while it runs."""
        jobs.delete(name)

    add_retake_routes(routes, jobs, creator)
    return routes


def add_retake_routes(routes: APIRouter, jobs: JobRoot, creator: RunCreator) -> None:
    """Retake and redub."""

    @routes.post("/{name}/retake", status_code=201, responses=CREATE)
    async def retake_run(name: Name, body: RetakeBody) -> RunBody:
        """Make some clips again, in a new run that shares the rest."""

        def retake() -> RunBody:
            until = body.until or jobs.view(name).clips or body.clip + 1
            return describe_run(jobs.retake(name, range(body.clip, until), body.flags))

        creator.admit()
        return await creator.run_slowly(retake)

    @routes.post("/{name}/redub", status_code=201, responses=CREATE, openapi_extra=describe_redub())
    async def redub_run(name: Name, request: Request) -> RunBody:
        """Give a stretch of the film other words, in a new run that shares the rest."""
        return describe_run(await creator.redub(name, request))


def build_film_routes(jobs: JobRoot) -> APIRouter:
    """What of a run can be looked at."""
    routes = APIRouter(prefix="/v1/runs", tags=["films"], responses=RESPONSES)
    slow = SlowWork(DRAWN_AT_ONCE)

    @routes.head("/{name}/film.mp4", include_in_schema=False)
    @routes.get("/{name}/film.mp4", response_class=StreamingResponse, responses=FILM)
    def read_film(name: Name) -> FileAnswer:
        """The whole film; 404 before it is there."""
        return give_file(jobs.view(name).run, "video.mp4", "video/mp4")

    @routes.head("/{name}/partial.mp4", include_in_schema=False)
    @routes.get("/{name}/partial.mp4", response_class=StreamingResponse, responses=FILM)
    async def read_partial_film(name: Name) -> FileAnswer:
        """The film as far as it is finished; 404 before its first clip."""
        path = await slow.run_in_turn(partial(jobs.partial_film, name))
        return give_file(path.parent, path.name, "video/mp4")

    @routes.get(
        "/{name}/preview.jpg",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}},
    )
    async def read_preview(
        name: Name, clip: Annotated[int | None, Query(ge=0, le=1_000_000_000)] = None
    ) -> Response:
        """A frame of a clip, of the newest where none is named; before the first, the picture."""
        drawn = await slow.run_in_turn(lambda: draw_preview(jobs.view(name), clip))
        return Response(drawn, media_type="image/jpeg", headers=FRESH)

    @routes.head("/{name}/live/{file}", include_in_schema=False)
    @routes.get("/{name}/live/{file}", response_class=StreamingResponse, responses=FILM)
    def read_live_file(name: Name, file: Annotated[str, InPath(pattern=LIVE_FILE)]) -> FileAnswer:
        """A file of the live film: film.m3u8 and what it names (docs/live.md)."""
        headers = FOR_GOOD if file.endswith(".m4s") else FRESH
        kind = TYPES.get(Path(file).suffix, "video/mp4")
        return give_file(jobs.view(name).run, f"live/{file}", kind, headers)

    return routes


def build_event_routes(jobs: JobRoot) -> APIRouter:
    """What happens to a run, while it happens."""
    routes = APIRouter(prefix="/v1/runs", tags=["events"], responses=RESPONSES)
    places = StreamPlaces()

    @routes.get(
        "/{name}/events",
        response_class=StreamingResponse,
        responses=STREAM,
    )
    async def stream_events(
        name: Name, last_event_id: Annotated[str, Header(pattern="^[0-9]{0,18}$")] = ""
    ) -> Response:
        """Server-sent events: `run` (a line of events.jsonl, with an id), `view` (the run as it is now), `end` when it stands still.

        With the Last-Event-ID of the last that came, they go on after it; 204 where nothing will come.
        """
        with ExitStack() as held:
            held.enter_context(places.take_place())
            told = follow_events(jobs, name, int(last_event_id or 0))
            first = await read_first_events(told, goes_on=bool(last_event_id))
            if not first:
                return Response(status_code=204)
            return EventStream(write_events(first, told), held.pop_all())

    @routes.websocket("/{name}/events/ws")
    async def send_events(socket: WebSocket, name: str, last_event_id: int = 0) -> None:
        """All of that over a web socket, as JSON with `kind`, `id` and `data`; it is closed when the run stands still."""
        await socket.accept()
        try:
            with places.take_place():
                await send_events_to(socket, follow_events(jobs, name, last_event_id))
        except Unacceptable as refused:
            await socket.close(1013, str(refused))

    return routes


async def read_first_events(told: AsyncIterator[Told], *, goes_on: bool) -> list[Told]:
    """What is told at once; none for a client that goes on after its last event, where nothing came since and the run stands still."""
    first = [await anext(told)]
    if goes_on and first[0].kind == "view":
        first.append(await anext(told))
        if first[1].kind == "end":
            return []
    return first


async def write_events(first: Sequence[Told], told: AsyncIterator[Told]) -> AsyncIterator[str]:
    """Events as the text of a stream."""
    for each in first:
        yield each.as_sse()
    async for each in told:
        yield each.as_sse()


async def send_events_to(socket: WebSocket, told: AsyncIterator[Told]) -> None:
    """Send the events over a web socket until the run stands still or nobody is there any more."""
    try:
        async for each in told:
            await socket.send_text(each.as_json())
        await socket.close()
    except LongtakeError as error:
        await socket.close(1008, str(error)[:100])
    except (WebSocketDisconnect, RuntimeError):  # what starlette raises where it is closed already
        return
