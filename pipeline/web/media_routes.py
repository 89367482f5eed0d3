"""What the page shows of a run beside words: its live film, its film, small pictures, its report. Reads the run's folder, and no link in it."""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from pipeline.jobs.preview import draw_in_turn, draw_preview
from pipeline.web.file_answer import FOR_GOOD, FRESH, FileAnswer, give_file
from pipeline.web.run_pictures import draw_latents, draw_thumbnail, draw_wave
from pipeline.web.slow_work import DRAWN_AT_ONCE, SlowWork
from storage.errors import RunError
from storage.run import Run

if TYPE_CHECKING:
    from pipeline.jobs.job_root import JobRoot
    from pipeline.jobs.job_view import JobView

LIVE_FILE = re.compile(r"film\.m3u8|init\.mp4|film\.mp4|[0-9]{5,9}-[0-9a-f]{12}\.m4s")
TYPES = {".m3u8": "application/vnd.apple.mpegurl", ".m4s": "video/mp4", ".mp4": "video/mp4"}
REMEMBERED = 64
"""Pictures that are kept in memory: several browsers ask for the same."""


def build_media_routes(jobs: "JobRoot") -> APIRouter:
    """The routes below /media/RUN, each of which is 404 where there is nothing (yet)."""
    routes = APIRouter(prefix="/media", include_in_schema=False)
    slow = SlowWork(DRAWN_AT_ONCE)

    async def draw(run: str, what: str, clip: int, kind: str) -> Response:
        return await slow.run_in_turn(lambda: give_drawn(jobs.view(run).run, what, clip, kind))

    @routes.head("/{run}/live/{name}")
    @routes.get("/{run}/live/{name}")
    def give_live(run: str, name: str) -> FileAnswer:
        if not LIVE_FILE.fullmatch(name):
            raise HTTPException(404)
        headers = FOR_GOOD if name.endswith(".m4s") else FRESH
        return give_file(jobs.view(run).run, f"live/{name}", TYPES[Path(name).suffix], headers)

    @routes.head("/{run}/video.mp4")
    @routes.get("/{run}/video.mp4")
    def give_film(run: str) -> FileAnswer:
        return give_file(jobs.view(run).run, "video.mp4", "video/mp4")

    @routes.head("/{run}/report.html")
    @routes.get("/{run}/report.html")
    def give_report(run: str) -> FileAnswer:
        return give_file(jobs.view(run).run, "report.html", "text/html; charset=utf-8", FRESH)

    @routes.get("/{run}/thumbnail.jpg")
    async def give_thumbnail(run: str) -> Response:
        with suppress(HTTPException):
            return await draw(run, "thumbnail", 0, "image/jpeg")
        return await slow.run_in_turn(lambda: give_picture(jobs.view(run)))

    @routes.get("/{run}/latents.png")
    async def give_latents(run: str, clip: int) -> Response:
        return await draw(run, "latents", clip, "image/png")

    @routes.get("/{run}/wave.svg")
    async def give_wave(run: str, clip: int) -> Response:
        return await draw(run, "wave", clip, "image/svg+xml")

    return routes


def give_drawn(root: Path, what: str, clip: int, kind: str) -> Response:
    """A small picture of a run; 404 where there is nothing to draw it from yet."""
    try:
        drawn = draw_in_turn(partial(draw_remembered, root, what, clip, made_at(root)))
    except (RunError, OSError, ValueError):
        raise HTTPException(404) from None
    return Response(drawn, media_type=kind, headers=FRESH)


def give_picture(view: "JobView") -> Response:
    """The picture of a film that waits and has no run yet; 404 where there is none."""
    try:
        return Response(draw_preview(view), media_type="image/jpeg", headers=FRESH)
    except RunError:
        raise HTTPException(404) from None


def made_at(root: Path) -> int:
    """What tells a run from another one that had its folder before, in nanoseconds."""
    return (root / "run.json").stat().st_mtime_ns


@lru_cache(REMEMBERED)
def draw_remembered(root: Path, what: str, clip: int, _made: int) -> bytes:
    """A small picture of a run, drawn once. Raises RunError, OSError, ValueError where it cannot be."""
    run = Run.open(root)
    if not 0 <= clip < run.spec.clips:
        raise ValueError(clip)
    drawers: dict[str, Callable[[], bytes]] = {
        "thumbnail": lambda: draw_thumbnail(run),
        "latents": lambda: draw_latents(run, clip),
        "wave": lambda: draw_wave(run, clip).encode(),
    }
    return drawers[what]()
