"""A whole film at a glance: pictures of some clips, and how its latents go from clip to clip: their norm, their drift, each channel."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.inspection.painter import painter_of
from pipeline.inspection.sheet import picture_of
from pipeline.jsontext import to_json
from storage.errors import Damaged, NotMade, Pruned

if TYPE_CHECKING:
    from pipeline.inspection.painter import Byte, Float
    from storage.output_file import OutputFile
    from storage.run import Run

SAMPLES, BYTES = 100, 512 << 20
"""Clips that are measured, and what of them is read at most; never fewer than LEAST."""
LEAST, CELLS = 24, 24


@dataclass(frozen=True)
class Sample:
    """One clip of many."""

    clip: int
    norm: float
    """Root of the mean square of its latents."""
    norms: tuple[float, ...]
    """The same after each step, where the steps are kept."""
    drift: float
    """How far its mean picture is from that of the first sample, in spreads of the latents."""
    means: tuple[float, ...]
    """Of each channel."""
    deviations: tuple[float, ...]
    nan: int


@dataclass(frozen=True)
class Course:
    """How the latents of a film go."""

    run: str
    clips: int
    made: int
    """Clips whose latents are there."""
    picture: str
    drawn: str
    samples: tuple[Sample, ...]

    def as_json(self) -> str:
        """The same, for machines."""
        return to_json(self)


def follow(
    run: "Run",
    output_file: Path | None = None,
    watch: Callable[[int], None] = lambda _: None,
    *,
    overwrite: bool = False,
) -> Course:
    """Measure clips evenly over what there is of a run, and draw them into one PNG. Raises NotMade where there is no clip yet, BadOutput."""
    target = picture_of(run, output_file or Path(f"{run.root.name}.png"), overwrite=overwrite)
    made = run.records.clips("latents", run.spec.clips)
    if not made:
        raise NotMade("the first clip's latents")
    steps = run.steps.complete(made[0])
    samples, cells, start = [], [], None
    chosen = spread(made, _count(run, steps=steps))
    shown = {chosen[n] for n in spread(range(len(chosen)), CELLS)}
    painter = None
    for clip in chosen:
        watch(clip)
        with suppress(NotMade, Damaged):
            latents = run.latents.view(clip)
            start = latents.mean(1) if start is None else start
            samples.append(measure(run, clip, latents, start))
            if clip in shown:
                painter = painter or painter_of(run, lambda latents=latents: latents)  # type: ignore[misc]
                cells.append(
                    (_when(run, clip), painter.paint(latents[:, latents.shape[1] // 2][:, None])[0])
                )
    if painter is None:
        raise Damaged("latents of every clip", "their hashes are other than their records'")
    draw(target, samples, cells)
    return Course(
        str(run.root),
        run.spec.clips,
        len(made),
        str(target.path),
        f"by {painter.says}",
        tuple(samples),
    )


def spread(items: "list[int] | range", count: int) -> list[int]:
    """As many of these, evenly from the first to the last."""
    places = np.linspace(0, len(items) - 1, min(count, len(items)))
    return [items[round(place)] for place in places]


def measure(run: "Run", clip: int, latents: "Float", start: "Float") -> Sample:
    """One clip's latents [c, t, h, w] against the mean picture [c, h, w] of the first."""
    channels = latents.reshape(len(latents), -1).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.sqrt(np.mean(np.square(latents.mean(1) - start))) / max(float(start.std()), 1e-9)
        return Sample(
            clip=clip,
            norm=_norm(latents),
            norms=tuple(_norms(run, clip)),
            drift=float(apart),
            means=tuple(map(float, channels.mean(1))),
            deviations=tuple(map(float, channels.std(1))),
            nan=int(np.count_nonzero(~np.isfinite(latents))),
        )


def _norm(latents: "Float") -> float:
    flat = np.asarray(latents).reshape(-1)
    return float(np.sqrt(np.dot(flat, flat) / flat.size))


def _norms(run: "Run", clip: int) -> Iterator[float]:
    try:
        # Their hash is not asked: the latents', which they end in, was.
        steps = run.steps.view(clip, checked=False)
    except (NotMade, Pruned, Damaged):
        return
    yield from map(_norm, steps)


def _count(run: "Run", *, steps: bool) -> int:
    each = 4 * int(np.prod(run.latents.shape)) * (1 + run.spec.steps * steps)
    return max(LEAST, min(SAMPLES, BYTES // each))


def _when(run: "Run", clip: int) -> str:
    second = int(clip * run.spec.clip_frames / run.spec.fps)
    return f"clip {clip}  {second // 60}:{second % 60:02d}"


def draw(target: "OutputFile", samples: list[Sample], cells: "list[tuple[str, Byte]]") -> None:
    """Pictures above, plots below, one PNG."""
    from PIL import Image

    from pipeline.inspection.plots import WIDTH, as_picture, figure_of_course
    from pipeline.inspection.sheet import GAP, PAPER, contact, save

    # A few are larger, and two rows of twelve fill the width.
    columns = min(12, max(6, len(cells)))
    sheet = contact(cells, columns, WIDTH // columns - GAP)
    plots = as_picture(figure_of_course(samples))
    whole = Image.new("RGB", (WIDTH, sheet.height + plots.height), PAPER)
    whole.paste(sheet, (0, 0))
    whole.paste(plots, (0, sheet.height))
    save(target, whole)


def sparkline(values: "list[float] | NDArray[np.float64]", width: int = 60) -> str:
    """Numbers as a line of small bars; what is no number is a blank."""
    bars = "▁▂▃▄▅▆▇█"
    several = np.asarray(values, np.float64)
    if len(several) > width:
        with np.errstate(invalid="ignore"):
            several = np.array([part.mean() for part in np.array_split(several, width)])
    fine = several[np.isfinite(several)]
    low, high = (fine.min(), fine.max()) if fine.size else (0.0, 0.0)
    height = (several - low) / (high - low) * 7 if high > low else np.zeros(len(several))
    return "".join(
        bars[round(float(each))] if np.isfinite(value) else " "
        for each, value in zip(height, several, strict=True)
    )
