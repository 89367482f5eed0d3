"""One frame of a run, as JPEG, to be shown while it is made."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipeline.jobs.job_view import JobView
from pipeline.report.pictures import read_frames_at
from storage.errors import NotMade, NotReadable
from storage.run import Run

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 640
"""Pixels of the longer side at most."""
REMEMBERED = 64
"""Frames that are kept, of about 50 kB: many clients ask for the same."""
_DRAWER = ThreadPoolExecutor(1, "drawer")
Drawn = TypeVar("Drawn")


def draw_in_turn(draw: Callable[[], Drawn]) -> Drawn:
    """Draw in the one thread that draws: each thread that decodes keeps memory for it, and of many that ask for one picture at once, one draws it."""
    return _DRAWER.submit(draw).result()


def draw_preview(view: JobView, clip: int | None = None) -> bytes:
    """A frame from the middle of a clip (None: of the newest), or else the picture that the film is made of; raises NotMade, NotReadable."""
    from PIL import Image

    if (drawn := _find_frame(view, clip)) is not None:
        return drawn
    if view.picture is None or clip is not None:
        raise NotMade(f"Clip {clip or 0} of {view.name}")
    try:
        made = view.picture.stat().st_mtime_ns
        return draw_in_turn(partial(_draw_picture, view.picture, made))
    except (OSError, Image.DecompressionBombError) as error:
        raise NotReadable(view.picture.name, str(error)) from None


def _find_frame(view: JobView, clip: int | None) -> bytes | None:
    if view.clips is None or not view.clips_done:
        return None
    run = Run.open(view.run)
    clip = view.clips_done - 1 if clip is None else clip
    if clip >= view.clips or not run.records.complete("segment", clip):
        return None
    middle, path = run.spec.clip_frames / run.spec.fps / 2, run.segment_path(clip)
    return draw_in_turn(partial(_draw_frame, path, path.stat().st_mtime_ns, middle))


@lru_cache(REMEMBERED)
def _draw_frame(segment: Path, _made: int, second: float) -> bytes | None:
    """The frame of a segment at a time; None where it has none. `_made` tells it from another of its name."""
    frame = next(iter(read_frames_at(segment, [second])), None)
    return None if frame is None else _encode_jpeg(frame)


@lru_cache(REMEMBERED)
def _draw_picture(path: Path, _made: int) -> bytes:
    from PIL import Image

    with Image.open(path) as picture:
        picture.draft("RGB", (SIDE, SIDE))
        return _encode_jpeg(picture.convert("RGB"))


def _encode_jpeg(image: "Image") -> bytes:
    image.thumbnail((SIDE, SIDE))
    written = io.BytesIO()
    image.save(written, "JPEG", quality=85)
    return written.getvalue()
