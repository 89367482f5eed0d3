"""Which curves a page shows of a film; films beside each other have the same scales."""

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.quality import motion
from pipeline.quality.judgement import CLIP_OFFSET, COLOUR, LIKENESS, SHARPNESS
from pipeline.quality.timing import LAGS, Float
from pipeline.report.plots import Curve, Plot
from pipeline.report.reading import Reading

Titled = tuple[str, str, Plot | None]
"""Title, what it shows, and the plot; None where it was not measured."""


def plots_of(each: Reading, beside: Sequence[Reading]) -> list[Titled]:
    """All of them, always in the same order."""
    return [
        ("Mouth and sound", f"{_KEY.format('a', 'how far the mouth is open')} {_KEY.format('b', 'loudness')}, each against its most", _mouth(each)),
        ("Lips against sound", "Agreement (r) at each offset: a sharp peak at 0 is a mouth in time; right of it the mouth is late", _lags(each)),
        ("Frames by which the mouth is late, clip by clip", "Each clip with its neighbours; clips without enough sound have no dot", _offsets(each)),
        ("Change from frame to frame", "Mean difference of brightness, of 255", _changes(each, beside)),
        ("Colour", f"Mean colour of each clip against {each.quality.drift.reference}, worst channel, of 255", _colour(each, beside)),
        ("Sharpness", "Of each clip, against the first", _sharpness(each)),
        ("Likeness", f"Of each clip's nearest moments to {each.quality.drift.reference}, mouth and jaw left out", _likeness(each, beside)),
    ]  # fmt: skip


_KEY = '<span class="key {}">{}</span>'


def _mouth(each: Reading) -> Plot | None:
    sound = each.tracks.sound
    if sound is None or not len(each.opening):
        return None
    loud, track = np.sqrt(sound.loud), each.opening
    curves = [
        Curve("loudness", _times(each), _part(loud), "b"),
        Curve("mouth", _times(each), _part(track), "a"),
    ]
    return _timed(each, curves, (0, 1))


def _lags(each: Reading) -> Plot | None:
    if each.quality.sync is None:
        return None
    lags = np.array(list(LAGS), np.float32)
    curve = Curve("r", lags, np.array(each.quality.sync.profile, np.float32))
    ends = (float(lags[0]), float(lags[-1]))
    return Plot([curve], "r", -0.5, 1, ends, marks=[0.0], across="frames")


def _offsets(each: Reading) -> Plot | None:
    if each.quality.sync is None:
        return None
    told = [(c.clip, c.offset) for c in each.quality.sync.clips if c.offset is not None]
    middles = np.array([_middle(each, clip) for clip, _ in told], np.float32)
    curve = Curve("late", middles, np.array([late for _, late in told], np.float32), dots=True)
    return _timed(each, [curve], (-10, 10), (-CLIP_OFFSET, CLIP_OFFSET))


def _changes(each: Reading, beside: Sequence[Reading]) -> Plot:
    curve = Curve("change", _times(each), each.tracks.change)
    # A cut is far beyond everything else: the curve is cut off there, so that the rest can be seen.
    most = max(float(np.percentile(other.tracks.change, 99.5)) for other in beside) * 1.5
    return _timed(each, [curve], (0, max(most, 0.1)), (motion.STILL,))


def _colour(each: Reading, beside: Sequence[Reading]) -> Plot:
    most = max(COLOUR * 1.2, *(other.quality.drift.colour for other in beside))
    return _by_clip(each, lambda clip: each.quality.drift.clips[clip].colour, (0, most), (COLOUR,))


def _sharpness(each: Reading) -> Plot:
    return _by_clip(
        each, lambda clip: each.quality.drift.clips[clip].sharpness, (0.4, 1.4), SHARPNESS
    )


def _likeness(each: Reading, beside: Sequence[Reading]) -> Plot:
    least = min(0.8, *(other.quality.drift.likeness for other in beside))
    return _by_clip(
        each, lambda clip: each.quality.drift.clips[clip].likeness, (least, 1), (LIKENESS,)
    )


def _by_clip(
    each: Reading,
    value: Callable[[int], float],
    ends: tuple[float, float],
    levels: Sequence[float],
) -> Plot:
    clips = range(each.quality.clips)
    middles = np.array([_middle(each, clip) for clip in clips], np.float32)
    curve = Curve("", middles, np.array([value(clip) for clip in clips], np.float32))
    return _timed(each, [curve], ends, levels)


def _timed(
    each: Reading,
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


def _times(each: Reading) -> Float:
    return np.asarray(np.arange(each.tracks.frames) / each.quality.fps, np.float32)


def _middle(each: Reading, clip: int) -> float:
    span = each.tracks.span(clip)
    middle: float = (span.start + span.stop) / 2
    return middle / each.quality.fps


def _part(track: Float) -> Float:
    return np.asarray(track / max(float(track.max(initial=0)), 1e-6), np.float32)
