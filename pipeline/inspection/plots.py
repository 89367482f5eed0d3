"""Plots as pictures: how a film's latents go, and what the model hears beside the wave. matplotlib, without a window."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

    from pipeline.inspection.clip_sample import ClipSample

WIDTH, DPI = 1200, 100
BLUE, GREY = "#2a6fb0", "#8a93a3"


def render_figure(figure: "Figure") -> "Image.Image":
    """A matplotlib figure as an image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def plot_overview(samples: "Sequence[ClipSample]") -> "Figure":
    """A figure over the clips: norm after each step, drift from the first clip, each channel's mean."""
    from matplotlib import colormaps

    mark = "." if len(samples) <= 60 else ""
    figure, (norm, drift, channels) = _stack_axes((2.2, 1.6, 2.6))
    clips = [sample.clip for sample in samples]
    steps = max(len(sample.norms) for sample in samples)
    # Of very many steps a few tell the story.
    for step in sorted({round(n) for n in np.linspace(0, steps - 1, min(steps, 6))}):
        heights = [s.norms[step] if len(s.norms) > step else np.nan for s in samples]
        shade = colormaps["viridis"](0.9 - 0.9 * step / max(1, steps - 1))
        norm.plot(clips, heights, color=shade, marker=mark, label=f"after step {step}")
    if not steps:
        norm.plot(clips, [each.norm for each in samples], color=BLUE, marker=mark, label="latents")
    norm.legend(loc="lower left", fontsize=7, frameon=False, ncols=6)
    norm.set_ylabel("norm")
    norm.set_ylim(0, 1.1 * norm.get_ylim()[1])
    drift.plot(clips, [each.drift for each in samples], color=BLUE, marker=mark)
    drift.set_ylabel("drift from\nthe first clip")
    drift.set_ylim(bottom=0)
    means = np.array([sample.means for sample in samples]).T
    _draw_heatmap(
        figure, channels, means, (clips[0] - 0.5, clips[-1] + 0.5), "mean of\neach channel"
    )
    channels.set_xlabel("clip")
    for axes in (norm, drift, channels):
        axes.set_xlim(clips[0] - 0.5, clips[-1] + 0.5)
        _mark_bad_clips(axes, samples)
    return figure


def _mark_bad_clips(axes: "Axes", samples: "Sequence[ClipSample]") -> None:
    for sample in samples:
        if sample.nan:
            axes.axvline(sample.clip, color="#c02626", linewidth=1.5)


def plot_audio(
    wave: NDArray[Any], features: NDArray[Any], first: float, seconds: float
) -> "Figure":
    """A figure of a clip's wave [sample] above its features [layer, channel, frame], a panel a layer."""
    layers = _choose_layers(len(features))
    figure, axes = _stack_axes((1.4, *[1.6] * len(layers)))
    times = first + np.arange(len(wave)) / len(wave) * seconds
    axes[0].fill_between(times, *_wave_envelope(wave), color=BLUE, linewidth=0)
    axes[0].set_ylabel("sound")
    axes[0].set_xlim(first, first + seconds)
    for place, layer in zip(axes[1:], layers, strict=True):
        rows = features[layer][_order_by_likeness(features[layer])]
        _draw_heatmap(
            figure, place, rows, (first, first + seconds), f"layer {layer}\n{len(rows)} channels"
        )
        place.set_yticks([])
    axes[-1].set_xlabel("seconds of the film")
    return figure


def _order_by_likeness(layer: NDArray[Any]) -> NDArray[Any]:
    """A layer's channels in an order in which those that move alike are neighbours: in their own order nothing is to be seen."""
    finite = np.where(np.isfinite(layer), layer, 0).astype(np.float64)
    rows = finite - finite.mean(1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    two = np.linalg.svd(rows, full_matrices=False)[0][:, :2]
    return np.argsort(np.arctan2(two[:, -1], two[:, 0]), kind="stable")


def _choose_layers(layers: int) -> list[int]:
    """Indices of at most four layers: the first, the last and two between."""
    return sorted({round(n) for n in np.linspace(0, layers - 1, min(4, layers))})


def _wave_envelope(wave: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The lowest and the highest value around each sample: a line through all samples would be a smear."""
    reach = max(1, len(wave) // 2000)
    padded = np.pad(wave, (0, -len(wave) % reach), mode="edge").reshape(-1, reach)
    return tuple(np.repeat(edge, reach)[: len(wave)] for edge in (padded.min(1), padded.max(1)))  # type: ignore[return-value]


def _stack_axes(heights: Sequence[float]) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure((WIDTH / DPI, sum(heights) + 0.4), DPI, layout="constrained")
    axes = figure.subplots(len(heights), 1, gridspec_kw={"height_ratios": heights})
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=8, colors="#444444")
        each.grid(visible=True, axis="y", color="#e3e6ea", linewidth=0.6)
        each.set_axisbelow(True)
    return figure, list(axes)


def _draw_heatmap(
    figure: "Figure", axes: "Axes", rows: NDArray[Any], span: tuple[float, float], name: str
) -> None:
    """Draw rows as colours: blue below a row's usual value, red above, black where it is no number."""
    middle = np.nanmedian(np.where(np.isfinite(rows), rows, np.nan), 1, keepdims=True)
    apart = np.where(np.isfinite(rows), rows - middle, np.nan)
    most = float(np.nanpercentile(np.abs(apart), 99)) or 1.0
    from matplotlib import colormaps

    colours = colormaps["RdBu_r"].with_extremes(bad="black")
    extent = (*span, len(rows) - 0.5, -0.5)
    drawn = axes.imshow(
        apart,
        aspect="auto",
        extent=extent,
        cmap=colours,
        vmin=-most,
        vmax=most,
        interpolation="nearest",
    )
    axes.grid(visible=False)
    axes.set_ylabel(name)
    bar = figure.colorbar(drawn, ax=axes, pad=0.01, fraction=0.02)
    bar.ax.tick_params(labelsize=7)
