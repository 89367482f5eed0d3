"""One frame of a run, as JPEG, to be shown while it is made."""

import io
from typing import TYPE_CHECKING

from pipeline.jobs.job_view import JobView
from pipeline.report.pictures import read_frames_at
from storage.errors import NotMade, NotReadable
from storage.run import Run

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 640
"""Pixels of the longer side at most."""


def draw_preview(view: JobView, clip: int | None = None) -> bytes:
    """A frame from the middle of a clip (None: of the newest), or else the picture that the film is made of; raises NotMade, NotReadable."""
    from PIL import Image

    if (frame := _read_frame(view, clip)) is not None:
        return _encode_jpeg(frame)
    if view.picture is None or clip is not None:
        raise NotMade(f"Clip {clip or 0} of {view.name}")
    try:
        with Image.open(view.picture) as picture:
            picture.draft("RGB", (SIDE, SIDE))
            return _encode_jpeg(picture.convert("RGB"))
    except (OSError, Image.DecompressionBombError) as error:
        raise NotReadable(view.picture.name, str(error)) from None


def _read_frame(view: JobView, clip: int | None) -> "Image | None":
    if view.clips is None or not view.clips_done:
        return None
    run = Run.open(view.run)
    clip = view.clips_done - 1 if clip is None else clip
    if clip >= view.clips or not run.records.complete("segment", clip):
        return None
    middle = run.spec.clip_frames / run.spec.fps / 2
    return next(iter(read_frames_at(run.segment_path(clip), [middle])), None)


def _encode_jpeg(image: "Image") -> bytes:
    image.thumbnail((SIDE, SIDE))
    written = io.BytesIO()
    image.save(written, "JPEG", quality=85)
    return written.getvalue()
