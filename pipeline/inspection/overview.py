"""A whole film at a glance: pictures of some clips, and how its latents go from clip to clip: their norm, their drift, each channel."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.inspection.clip_sample import ClipSample
from pipeline.inspection.contact_sheet import (
    GAP,
    PAPER,
    draw_contact_sheet,
    prepare_picture,
    save_sheet,
)
from pipeline.inspection.latent_pictures import choose_painter
from pipeline.inspection.plots import WIDTH, plot_overview, render_figure
from pipeline.json_output import to_json
from storage.errors import Damaged, NotMade, Pruned

if TYPE_CHECKING:
    from pipeline.inspection.latent_pictures import Byte, Float
    from storage.output_file import OutputFile
    from storage.run import Run

SAMPLES, MOST_BYTES = 100, 512 << 20
"""Clips that are measured, and what of them is read at most; never fewer than LEAST."""
LEAST_SAMPLES, PICTURES = 24, 24


@dataclass(frozen=True)
class FilmOverview:
    """How a film's latents change from clip to clip, and the picture that was written."""

    run: str
    clips: int
    made: int
    """Clips whose latents are there."""
    picture: str
    drawn: str
    samples: tuple[ClipSample, ...]

    def as_json(self) -> str:
        """The overview as one JSON object, for machines."""
        return to_json(self)


def survey_film(
    run: "Run",
    output_file: Path | None = None,
    watch: Callable[[int], None] = lambda _: None,
    *,
    overwrite: bool = False,
) -> FilmOverview:
    """Measure clips evenly over what there is of a run, and draw them into one PNG. Raises NotMade where there is no clip yet, BadOutput."""
    target = prepare_picture(run, output_file or Path(f"{run.root.name}.png"), overwrite=overwrite)
    made = run.records.clips("latents", run.spec.clips)
    if not made:
        raise NotMade("the first clip's latents")
    steps = run.steps.complete(made[0])
    samples, cells, start = [], [], None
    chosen = choose_evenly(made, _count_samples(run, steps=steps))
    shown = {chosen[n] for n in choose_evenly(range(len(chosen)), PICTURES)}
    painter = None
    for clip in chosen:
        watch(clip)
        with suppress(NotMade, Damaged):
            latents = run.latents.view(clip)
            start = latents.mean(1) if start is None else start
            samples.append(measure_clip(run, clip, latents, start))
            if clip in shown:
                painter = painter or choose_painter(run, lambda latents=latents: latents)  # type: ignore[misc]
                cells.append(
                    (
                        _clip_label(run, clip),
                        painter.paint(latents[:, latents.shape[1] // 2][:, None])[0],
                    )
                )
    if painter is None:
        raise Damaged("latents of every clip", "their hashes are other than their records'")
    draw_overview(target, samples, cells)
    return FilmOverview(
        str(run.root),
        run.spec.clips,
        len(made),
        str(target.path),
        f"by {painter.says}",
        tuple(samples),
    )


def choose_evenly(items: "list[int] | range", count: int) -> list[int]:
    """At most `count` of these items, evenly from the first to the last."""
    places = np.linspace(0, len(items) - 1, min(count, len(items)))
    return [items[round(place)] for place in places]


def measure_clip(run: "Run", clip: int, latents: "Float", start: "Float") -> ClipSample:
    """Statistics of one clip's latents [c, t, h, w], and their drift from `start` [c, h, w], the mean over time of the first clip's."""
    channels = latents.reshape(len(latents), -1).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.sqrt(np.mean(np.square(latents.mean(1) - start))) / max(float(start.std()), 1e-9)
        return ClipSample(
            clip=clip,
            norm=_rms_norm(latents),
            norms=tuple(_step_norms(run, clip)),
            drift=float(apart),
            means=tuple(map(float, channels.mean(1))),
            deviations=tuple(map(float, channels.std(1))),
            nan=int(np.count_nonzero(~np.isfinite(latents))),
        )


def _rms_norm(latents: "Float") -> float:
    flat = np.asarray(latents).reshape(-1)
    return float(np.sqrt(np.dot(flat, flat) / flat.size))


def _step_norms(run: "Run", clip: int) -> Iterator[float]:
    try:
        # Their hash is not asked: the latents', which they end in, was.
        steps = run.steps.view(clip, checked=False)
    except (NotMade, Pruned, Damaged):
        return
    yield from map(_rms_norm, steps)


def _count_samples(run: "Run", *, steps: bool) -> int:
    each = 4 * int(np.prod(run.latents.shape)) * (1 + run.spec.steps * steps)
    return max(LEAST_SAMPLES, min(SAMPLES, MOST_BYTES // each))


def _clip_label(run: "Run", clip: int) -> str:
    second = int(clip * run.spec.clip_frames / run.spec.fps)
    return f"clip {clip}  {second // 60}:{second % 60:02d}"


def draw_overview(
    target: "OutputFile", samples: list[ClipSample], cells: "list[tuple[str, Byte]]"
) -> None:
    """Draw frames above, plots below, into one PNG."""
    from PIL import Image

    # A few are larger, and two rows of twelve fill the width.
    columns = min(12, max(6, len(cells)))
    sheet = draw_contact_sheet(cells, columns, WIDTH // columns - GAP)
    plots = render_figure(plot_overview(samples))
    whole = Image.new("RGB", (WIDTH, sheet.height + plots.height), PAPER)
    whole.paste(sheet, (0, 0))
    whole.paste(plots, (0, sheet.height))
    save_sheet(target, whole)


def draw_sparkline(values: "list[float] | NDArray[np.float64]", width: int = 60) -> str:
    """Numbers as a line of small bars at most `width` letters long; NaN is a blank."""
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
