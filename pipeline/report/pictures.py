"""Frames of a film inside the page: a contact sheet, and what the worst moments look like."""

import base64
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.quality.mouth import Mouth
from pipeline.quality.video_reader import frame_pixels, open_video

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 150
COLUMNS, ROWS = 6, 2
_QUALITY = 78


def draw_contact_sheet(path: Path, seconds: float, fps: float, mouth: Mouth | None) -> str:
    """A dozen frames, evenly over the film, as a data URL; the first has the mouth's box drawn in."""
    from PIL import Image, ImageDraw

    count = COLUMNS * ROWS
    last = max(seconds - 1 / fps, 0)
    shown = list(read_frames_at(path, [last * place / (count - 1) for place in range(count)]))
    if not shown:
        return ""
    if mouth is not None:
        left, top, right, bottom = mouth.box(*shown[0].size)
        ImageDraw.Draw(shown[0]).rectangle((left, top, right, bottom), outline="#e8590c", width=2)
    wide, tall = shown[0].size
    whole = Image.new("RGB", (COLUMNS * wide, ROWS * tall))
    for place, frame in enumerate(shown):
        row, column = divmod(place, COLUMNS)
        whole.paste(frame, (column * wide, row * tall))
    return to_data_url(whole)


def render_frame(path: Path, second: float) -> str:
    """The frame at a time in seconds, as a data URL."""
    return "".join(to_data_url(frame) for frame in read_frames_at(path, [second]))


def render_pair(path: Path, before: float, second: float) -> str:
    """The frames at two times in seconds, beside each other, as a data URL."""
    from PIL import Image

    both = list(read_frames_at(path, [before, second]))
    if not both:
        return ""
    wide, tall = both[0].size
    whole = Image.new("RGB", (len(both) * wide, tall))
    for place, frame in enumerate(both):
        whole.paste(frame, (place * wide, 0))
    return to_data_url(whole)


def read_frames_at(path: Path, times: Iterable[float]) -> "Iterator[Image]":
    """Images of the frames that are shown at these times in seconds, scaled down; a time behind the end shows the last one."""
    from PIL import Image

    for time in times:
        with open_video(path) as container:
            video = container.streams.video[0]
            base = video.time_base
            assert base is not None, "a video stream counts time"
            start = float((video.start_time or 0) * base)
            # To the key frame before it: of a film of hours, two seconds are decoded.
            container.seek(max(0, int((start + time) / base)), stream=video)
            found = None
            for frame in container.decode(video):
                if found is not None and (frame.time or 0.0) - start > time + 1e-3:
                    break
                found = frame
            if found is not None:
                image = Image.fromarray(frame_pixels(found, "rgb24"))
                image.thumbnail((SIDE, SIDE))
                yield image


def to_data_url(image: "Image") -> str:
    """An image as a data URL."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
