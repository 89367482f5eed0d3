"""Which curves a page shows of a film; films beside each other have the same scales."""

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.quality import continuity, identity
from pipeline.quality.lag_correlation import LAGS, Float
from pipeline.quality.thresholds import CLIP_OFFSET, COLOUR, LIKENESS, SHARPNESS
from pipeline.report.plots import Curve, Plot
from pipeline.report.reading import FilmReading

Titled = tuple[str, str, Plot | None]
"""Title, what it shows, and the plot; None where it was not measured."""


def build_film_plots(each: FilmReading, beside: Sequence[FilmReading]) -> list[Titled]:
    """The plots of a film with their titles, always in the same order; films beside each other share scales."""
    return [
        ("Mouth and sound", f"{_KEY.format('a', 'how far the mouth is open')} {_KEY.format('b', 'loudness')}, each against its most", _mouth_plot(each)),
        ("Lips against sound", "Agreement (r) at each offset: a sharp peak at 0 is a mouth in time; right of it the mouth is late", _lag_plot(each)),
        ("Frames by which the mouth is late, clip by clip", "Each clip with its neighbours; clips without enough sound have no dot", _offset_plot(each)),
        ("Change from frame to frame", "Mean difference of brightness, of 255", _change_plot(each, beside)),
        ("Colour", f"Mean colour of each clip against {each.quality.drift.reference}, worst channel, of 255", _colour_plot(each, beside)),
        ("Sharpness", "Of each clip, against the first", _sharpness_plot(each)),
        ("Likeness", f"Of each clip's nearest moments to {each.quality.drift.reference}, mouth and jaw left out", _likeness_plot(each, beside)),
        ("The face", f"{_KEY.format('a', 'the part that kept least')} {_KEY.format('b', 'the middle one of all parts')}: likeness to the picture after the motion is undone, of what it was in the first second", _face_plot(each, beside)),
    ]  # fmt: skip


_KEY = '<span class="key {}">{}</span>'


def _mouth_plot(each: FilmReading) -> Plot | None:
    sound = each.tracks.sound
    if sound is None or not len(each.opening):
        return None
    loud, track = np.sqrt(sound.loudness), each.opening
    curves = [
        Curve("loudness", _frame_times(each), _normalize_track(loud), "b"),
        Curve("mouth", _frame_times(each), _normalize_track(track), "a"),
    ]
    return _plot_over_time(each, curves, (0, 1))


def _lag_plot(each: FilmReading) -> Plot | None:
    if each.quality.sync is None:
        return None
    lags = np.array(list(LAGS), np.float32)
    curve = Curve("r", lags, np.array(each.quality.sync.profile, np.float32))
    ends = (float(lags[0]), float(lags[-1]))
    return Plot([curve], "r", -0.5, 1, ends, marks=[0.0], across="frames")


def _offset_plot(each: FilmReading) -> Plot | None:
    if each.quality.sync is None:
        return None
    known = [(c.clip, c.offset) for c in each.quality.sync.clips if c.offset is not None]
    middles = np.array([_clip_middle(each, clip) for clip, _ in known], np.float32)
    curve = Curve("late", middles, np.array([late for _, late in known], np.float32), dots=True)
    return _plot_over_time(each, [curve], (-10, 10), (-CLIP_OFFSET, CLIP_OFFSET))


def _change_plot(each: FilmReading, beside: Sequence[FilmReading]) -> Plot:
    curve = Curve("change", _frame_times(each), each.tracks.change)
    # A cut is far beyond everything else: the curve is cut off there, so that the rest can be seen.
    most = max(float(np.percentile(other.tracks.change, 99.5)) for other in beside) * 1.5
    return _plot_over_time(each, [curve], (0, max(most, 0.1)), (continuity.STILL,))


def _colour_plot(each: FilmReading, beside: Sequence[FilmReading]) -> Plot:
    most = max(COLOUR * 1.2, *(other.quality.drift.colour for other in beside))
    return _plot_by_clip(
        each, lambda clip: each.quality.drift.clips[clip].colour, (0, most), (COLOUR,)
    )


def _sharpness_plot(each: FilmReading) -> Plot:
    return _plot_by_clip(
        each, lambda clip: each.quality.drift.clips[clip].sharpness, (0.4, 1.4), SHARPNESS
    )


def _likeness_plot(each: FilmReading, beside: Sequence[FilmReading]) -> Plot:
    least = min(0.8, *(other.quality.drift.likeness for other in beside))
    return _plot_by_clip(
        each, lambda clip: each.quality.drift.clips[clip].likeness, (least, 1), (LIKENESS,)
    )


def _face_plot(each: FilmReading, beside: Sequence[FilmReading]) -> Plot | None:
    face = each.quality.identity
    if face is None or face.worst is None:
        return None
    faces = [other.quality.identity for other in beside]
    least = min(0.7, *(one.worst.kept for one in faces if one and one.worst))
    kept = np.array([np.array(part.clips) / part.first for part in face.regions], np.float32)
    worst = face.regions.index(face.worst)
    middles = np.array([_clip_middle(each, clip) for clip in range(kept.shape[1])], np.float32)
    curves = [
        Curve("middle", middles, np.median(kept, 0), "b"),
        Curve("worst", middles, kept[worst], "a"),
    ]
    return _plot_over_time(each, curves, (least, 1.02), (identity.KEPT,))


def _plot_by_clip(
    each: FilmReading,
    value: Callable[[int], float],
    ends: tuple[float, float],
    levels: Sequence[float],
) -> Plot:
    clips = range(each.quality.clips)
    middles = np.array([_clip_middle(each, clip) for clip in clips], np.float32)
    curve = Curve("", middles, np.array([value(clip) for clip in clips], np.float32))
    return _plot_over_time(each, [curve], ends, levels)


def _plot_over_time(
    each: FilmReading,
    curves: Sequence[Curve],
    ends: tuple[float, float],
    levels: Sequence[float] = (),
) -> Plot:
    quiet = each.quality.quiet
    pauses = quiet.pauses if quiet else ()
    shades = [(pause.second, pause.second + pause.seconds) for pause in pauses]
    step = each.quality.clip_frames / each.quality.fps
    # Of a thousand clips the ticks would be a bar.
    joints = each.quality.clips if each.tracks.joints and each.quality.clips <= 60 else 0
    marks = [clip * step for clip in range(1, joints)]
    return Plot(
        curves,
        "over time",
        ends[0],
        ends[1],
        (0.0, each.quality.seconds),
        levels=levels,
        shades=shades,
        marks=marks,
    )


def _frame_times(each: FilmReading) -> Float:
    return np.asarray(np.arange(each.tracks.frames) / each.quality.fps, np.float32)


def _clip_middle(each: FilmReading, clip: int) -> float:
    span = each.tracks.span(clip)
    middle: float = (span.start + span.stop) / 2
    return middle / each.quality.fps


def _normalize_track(track: Float) -> Float:
    return np.asarray(track / max(float(track.max(initial=0)), 1e-6), np.float32)
