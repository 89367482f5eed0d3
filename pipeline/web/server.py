"""The server of `longtake web`: the HTTP API and the page over one folder of jobs. It holds nothing: ended and started again, it shows the same."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import uvicorn
from fastapi import FastAPI

from model.device.heap import trim_heap
from pipeline.jobs.job_root import JobRoot
from pipeline.upkeep.fork_server import FORK_SERVER
from pipeline.web.body_limit import BodyLimit
from pipeline.web.connection import SERVED, PatientConnection
from pipeline.web.error_bodies import add_error_handlers
from pipeline.web.guard import Guard
from pipeline.web.media_routes import build_media_routes
from pipeline.web.run_creation import RunCreator
from pipeline.web.run_routes import build_event_routes, build_film_routes, build_run_routes
from pipeline.web.settings import WebSettings
from pipeline.web.video_routes import build_video_routes
from storage.errors import BadInput

LOOK_SECONDS = 10.0
"""After which it is seen that nobody keeps the queue."""
WORDS_BYTES = 1 << 16
"""Of a message over a web socket: nobody has anything to say there."""
DESCRIPTION = "Films that are made of a picture and a sound. See docs/api.md."


def make_app(settings: WebSettings, *, page: bool = True) -> FastAPI:
    """The API, and the page unless that is switched off, guarded as the settings say."""
    jobs = JobRoot(settings.root, settings.places)

    @asynccontextmanager
    async def keep_queue(_app: FastAPI) -> AsyncIterator[None]:
        looking = asyncio.create_task(_look_after(jobs))
        yield
        looking.cancel()

    app = FastAPI(title="longtake", version="1", description=DESCRIPTION, lifespan=keep_queue)
    add_error_handlers(app)
    creator = RunCreator(jobs, settings)
    app.include_router(build_run_routes(jobs, creator))
    app.include_router(build_film_routes(jobs))
    app.include_router(build_event_routes(jobs))
    app.include_router(build_video_routes(jobs, creator))
    app.include_router(build_media_routes(jobs))
    if page:
        from pipeline.web.page import mount_page

        mount_page(app, jobs, settings.upload_bytes)
    app.add_middleware(BodyLimit, settings=settings)
    app.add_middleware(Guard, settings=settings)
    return app


async def _look_after(jobs: JobRoot) -> None:
    FORK_SERVER.launch()  # it imports while nobody waits for it
    while True:
        await anyio.to_thread.run_sync(jobs.keep_queue_going)
        await anyio.to_thread.run_sync(
            trim_heap
        )  # a large picture that was looked at leaves half a gigabyte
        await asyncio.sleep(LOOK_SECONDS)


def open_port(host: str, port: int) -> socket.socket:
    """A socket that listens there; raises BadInput where that cannot be."""
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by its number: only then asyncio lets small answers go at once; each would wait 40 ms for the client's word otherwise.
    listening = socket.socket(kind, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(
            f"Port {port} of {host} cannot be had: {reason}. Stop what has it, or name another with --port."
        ) from None
    return listening


def build_server(settings: WebSettings, *, page: bool = True) -> uvicorn.Server:
    """The server, with its limits on connections."""
    config = uvicorn.Config(
        make_app(settings, page=page),
        log_level="warning",
        http=PatientConnection,
        ws="websockets-sansio",
        ws_max_size=WORDS_BYTES,
        limit_concurrency=SERVED,
        timeout_graceful_shutdown=3,
        server_header=False,
    )
    return uvicorn.Server(config)


def serve_forever(settings: WebSettings, listening: socket.socket, *, page: bool = True) -> None:
    """Serve until a signal comes; no job ends with it."""
    build_server(settings, page=page).run(sockets=[listening])
