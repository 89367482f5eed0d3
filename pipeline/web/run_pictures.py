"""Small pictures of a run for the page: its film, its newest latents, and the sound of a clip; made from what lies on the disk when they are asked for."""

import io
from typing import TYPE_CHECKING

import numpy as np

from pipeline.inspection.latent_pictures import choose_painter
from pipeline.report.pictures import read_frames_at
from storage.errors import NotMade, Pruned
from tasks.timeline import sound_span

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from storage.run import Run

THUMBNAIL, STRIP = 320, 1280
"""Pixels of the longer side, and of a strip's width at most."""
CELLS = 12
"""Latent frames in a strip; of a clip with more, evenly spaced ones."""
ROWS = 4
"""Steps in a strip; of more, evenly spaced ones with the first and the last."""
BARS = 240


def draw_thumbnail(run: "Run") -> bytes:
    """A frame from the middle of the first clip, or else the picture that the film is made of, as JPEG."""
    from PIL import Image

    segment = run.segment_path(0)
    frames = (
        list(read_frames_at(segment, [run.spec.clip_frames / run.spec.fps / 2]))
        if segment.exists()
        else []
    )
    if frames:
        return to_bytes(frames[0], "JPEG")
    with Image.open(run.image_path) as picture:
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        return to_bytes(picture.convert("RGB"), "JPEG")


def draw_latents(run: "Run", clip: int) -> bytes:
    """A clip's latents as small pictures, a row a step and a column a latent frame, as PNG. Raises NotMade."""
    from PIL import Image

    steps = read_steps(run, clip)
    painter = choose_painter(run, lambda: steps[-1])
    rows = [painter.paint(steps[step]) for step in pick_evenly(len(steps), ROWS)]
    columns = pick_evenly(len(rows[0]), CELLS)
    whole = np.concatenate([np.concatenate(list(row[columns]), 1) for row in rows], 0)
    image = Image.fromarray(whole)
    image.thumbnail((STRIP, STRIP))
    return to_bytes(image, "PNG")


def read_steps(run: "Run", clip: int) -> "NDArray[np.float32]":
    """A clip's latents [step, c, t, h, w] after each step that is kept, or after the last alone. Raises NotMade."""
    try:
        return run.steps.view(clip)
    except (NotMade, Pruned):
        return run.latents.view(clip)[None]


def pick_evenly(count: int, most: int) -> list[int]:
    """At most so many numbers below `count`, evenly, with the first and the last."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most))})


def draw_wave(run: "Run", clip: int) -> str:
    """The sound of a clip as SVG: a bar for the loudest of each stretch. Raises NotMade."""
    spec = run.spec
    span = sound_span(clip, spec.clip_frames, spec.samples_per_frame, spec.audio_lead)
    loud = [
        float(np.abs(part).max(initial=0))
        for part in np.array_split(run.sound.read(span.start, span.stop), BARS)
    ]
    bars = "".join(
        f"M{place} {50 - 48 * min(1, peak):.1f}V{50 + 48 * min(1, peak) + 0.5:.1f}"
        for place, peak in enumerate(loud)
    )
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {BARS} 100' preserveAspectRatio='none'>"
        f"<path d='{bars}' stroke='#d9822b' stroke-width='.7' fill='none'/></svg>"
    )


def to_bytes(image: "Image", kind: str) -> bytes:
    """An image as the bytes of a file of this kind."""
    file = io.BytesIO()
    image.save(file, kind, quality=82)
    return file.getvalue()
