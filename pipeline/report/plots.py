"""Curves as SVG, in the colours of the page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

from pipeline.quality.lag_correlation import Float

WIDTH, HEIGHT = 520, 150
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 8, 20
POINTS = 400
"""Of a curve: an hour is drawn with as many as a second."""


@dataclass(frozen=True)
class Curve:
    """One curve of a plot."""

    name: str
    x: Float
    y: Float
    colour: str = "a"
    """a or b: of the page's two."""
    dots: bool = False


@dataclass(frozen=True)
class Plot:
    """One picture: curves over a shared axis."""

    curves: Sequence[Curve]
    unit: str
    low: float
    high: float
    ends: tuple[float, float]
    """Of the axis across."""
    levels: Sequence[float] = ()
    """Lines that should not be crossed."""
    shades: Sequence[tuple[float, float]] = field(default=())
    """Spans across that are grey: pauses."""
    marks: Sequence[float] = field(default=())
    """Ticks above: where clips meet."""
    across: str = "s"


def draw_plot(plot: Plot) -> str:
    """The plot as an SVG element."""
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(plot.unit)}">']
    parts += [_draw_shade(plot, span) for span in plot.shades]
    parts += _draw_grid(plot)
    parts += [_draw_mark(plot, at) for at in plot.marks]
    parts += [_draw_level(plot, level) for level in plot.levels]
    parts += [_draw_curve(plot, curve) for curve in plot.curves]
    return "".join([*parts, "</svg>"])


def thin_track(x: Float, y: Float) -> tuple[Float, Float]:
    """A track thinned to few enough points that keep its peaks: of each span the lowest and the highest."""
    if len(y) <= POINTS:
        return x, y
    places: list[int] = []
    for span in np.array_split(np.arange(len(y)), POINTS // 2):
        places += sorted({int(span[y[span].argmin()]), int(span[y[span].argmax()])})
    return x[places], y[places]


def _to_pixels(plot: Plot, x: float, y: float) -> tuple[float, float]:
    wide = max(plot.ends[1] - plot.ends[0], 1e-9)
    across = LEFT + (x - plot.ends[0]) / wide * (WIDTH - LEFT - RIGHT)
    part = (min(max(y, plot.low), plot.high) - plot.low) / max(plot.high - plot.low, 1e-9)
    return round(across, 1), round(HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM), 1)


def _draw_curve(plot: Plot, curve: Curve) -> str:
    x, y = thin_track(curve.x, curve.y)
    spots = [_to_pixels(plot, float(a), float(b)) for a, b in zip(x, y, strict=True)]
    if curve.dots:
        dots = "".join(f'<circle cx="{a}" cy="{b}" r="2.5"/>' for a, b in spots)
        return f'<g class="dots {curve.colour}">{dots}</g>'
    line = " ".join(f"{a},{b}" for a, b in spots)
    return f'<polyline class="{curve.colour}" points="{line}"/>'


def _draw_grid(plot: Plot) -> list[str]:
    parts = []
    for value in (plot.low, (plot.low + plot.high) / 2, plot.high):
        _, y = _to_pixels(plot, plot.ends[0], value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:.3g}</text>')
    for part, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        value = plot.ends[0] + part * (plot.ends[1] - plot.ends[0])
        x, _ = _to_pixels(plot, value, plot.low)
        words = f"{value:.3g} {plot.across}"
        parts.append(f'<text x="{x}" y="{HEIGHT - 5}" text-anchor="{anchor}">{words}</text>')
    return [
        part.replace("-", "−") if part.startswith("<text") and ">-" in part else part
        for part in parts
    ]


def _draw_level(plot: Plot, level: float) -> str:
    if not plot.low <= level <= plot.high:
        return ""
    _, y = _to_pixels(plot, plot.ends[0], level)
    return f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'


def _draw_shade(plot: Plot, span: tuple[float, float]) -> str:
    (x, top), (end, _) = _to_pixels(plot, span[0], plot.high), _to_pixels(plot, span[1], plot.high)
    return f'<rect class="shade" x="{x}" y="{top}" width="{round(end - x, 1)}" height="{HEIGHT - TOP - BOTTOM}"/>'


def _draw_mark(plot: Plot, at: float) -> str:
    x, top = _to_pixels(plot, at, plot.high)
    return f'<line class="mark" x1="{x}" x2="{x}" y1="{top - 4}" y2="{top + 2}"/>'
