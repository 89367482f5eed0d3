"""Which clips of a film are the worst, by figures that are known."""

from dataclasses import replace

import pytest

from pipeline.quality.continuity import Moment, Repeat
from pipeline.quality.drift import ClipAppearance, Drift
from pipeline.quality.identity import Identity, RegionIdentity
from pipeline.quality.lip_sync import ClipSync, LipSync
from pipeline.quality.pauses import Pause, Pauses
from pipeline.quality.thresholds import FilmQuality
from pipeline.quality.worst_clips import find_worst_clips, measure_clips

FINE = tuple(ClipAppearance(clip, 1.0, 1.0, 0.98) for clip in range(6))
GOOD = FilmQuality(
    film="tea", seconds=11.52, frames=288, fps=25, clips=6, clip_frames=48, levels=(), mouth=None,
    sync=None, drift=Drift("the picture", FINE), seams=None, frozen=(), jumps=(), repeats=(), quiet=None, sound=None,
)  # fmt: skip


def looks(**clips: ClipAppearance) -> Drift:
    """The looks of a film of which these clips are others."""
    changed = {each.clip: each for each in clips.values()}
    return Drift("the picture", tuple(changed.get(each.clip, each) for each in FINE))


def test_a_good_film_has_none():
    """What is within its level is measured, and no reason."""
    near = replace(GOOD, drift=looks(one=ClipAppearance(3, 2.99, 1.24, 0.901)))
    assert find_worst_clips(near, 6) == []
    assert len([*measure_clips(near)]) == 18


def test_the_worst_comes_first_with_its_worst_measure():
    """How many times as far from what is perfect as the level allows: of clip 1 twice by its likeness (and 4/3 by its colour), of clip 4 four thirds."""
    drift = looks(one=ClipAppearance(1, 4.0, 1.0, 0.8), other=ClipAppearance(4, 4.0, 1.0, 0.98))
    first, second = find_worst_clips(replace(GOOD, drift=drift), 6)
    assert (first.clip, first.what, first.shown) == (1, "likeness to the picture", "0.80")
    assert first.badness == pytest.approx(2)
    assert (second.clip, second.what) == (4, "colour against the picture, of 255")
    assert [each.clip for each in find_worst_clips(replace(GOOD, drift=drift), 1)] == [1]


@pytest.mark.parametrize(
    ("harm", "clips"),
    [
        ({"sync": LipSync(0, 0.5, 0.4, (), (ClipSync(2, -3, 0.5, 0.4), ClipSync(3, None, 0.1, 0)))}, [2]),
        ({"drift": looks(one=ClipAppearance(5, 1.0, 0.5, 0.98))}, [5]),
        ({"jumps": (Moment(5.76, 0.04, 5.0),)}, [3]),
        ({"frozen": (Moment(3.0, 2.0, 50),)}, [1, 2]),
        ({"repeats": (Repeat(4, 1, 7.68, 0.0),)}, [4]),
        ({"quiet": Pauses((Pause(2.0, 1.0, 2, 0.3, 0.9),), 0.3, 0.9, 2)}, [1]),
        ({"quiet": Pauses((Pause(4.0, 5.0, 9, 0.01, 0.1),), 0.01, 0.1, 9)}, [2, 3, 4]),
        ({"identity": Identity((RegionIdentity("hair", 0.9, 0.5, 0.55, 0, 0, 1, 1, (0.9, 0.9, 0.5)),), None, 0)}, [2]),
    ],
)  # fmt: skip
def test_each_harm_is_found_in_its_clips(harm: dict[str, object], clips: list[int]):
    """And in no other one."""
    found = find_worst_clips(replace(GOOD, **harm), 6)
    assert sorted(each.clip for each in found) == clips
