"""From what the first clips took to what the film will take; the whole path is in tests/test_planned_film.py."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from model.prompt_schedule import PromptChange, format_changes
from pipeline.plan.rehearsal import RehearsalCosts, steady_events, write_script
from tasks.script_file import read_script
from tests.pipeline.monitor.test_screens import SPEC

Event = tuple[str, dict[str, Any], float]


def events(clips: int, *, denoise: float, rest: float, offline: bool = False) -> Iterator[Event]:
    """A run whose denoiser takes so long for a clip and whose decoder so long; both at once, but for offline."""
    yield "run_started", {"clips": clips, "done": 0, "offline": offline}, 100.0
    told: list[Event] = []
    ready = 100.0 + clips * denoise
    for clip in range(clips):
        done = 100.0 + (clip + 1) * denoise
        told.append(("clip_denoised", {"clip": clip, "seconds": denoise}, done))
        ready = max(done if not offline else ready, 100.0 if not told[1:] else ready)
    ready = 100.0 + (clips * denoise if offline else 0)
    for clip in range(clips):
        done = 100.0 + (clip + 1) * denoise
        ready = max(ready, done if not offline else 0) + rest
        told.append(("stage_seconds", {"stage": "segment", "clip": clip, "seconds": rest}, ready))
        told.append(("clip_published", {"clip": clip, "frames": 48}, ready))
    yield from sorted(told, key=lambda event: event[2])


def costs(told: Iterator[Event], **other: Any) -> RehearsalCosts:
    """What such a run showed."""
    facts: dict[str, Any] = {
        "clip_frames": 48,
        "start": 3.0,
        "stop": 0.0,
        "events": tuple(steady_events(list(told))),
        "once": 0.01,
        "listening": 0.002,
        "carry_seconds": 0.4,
        "carry_cost": 0.1,
        "carry": 100,
        "segment": 1000,
        "sound": 12_000.0,
        "log": 2000,
        "host": 10**9,
        "device": {},
        "took": 9.0,
    }
    return RehearsalCosts(**facts | other)


@pytest.mark.parametrize(("denoise", "rest"), [(1.0, 0.6), (0.6, 1.0), (0.8, 0.8)])
@pytest.mark.parametrize("clips", [5, 20, 1000])
def test_online_the_slower_of_two_sets_the_pace(denoise: float, rest: float, clips: int) -> None:
    """Start, first clip, then the slower one's beat, then what is done once: within 3 % of the same machine's whole film."""
    shown = costs(events(5, denoise=denoise, rest=rest))
    whole = [when for _, _, when in events(clips, denoise=denoise, rest=rest)][-1] - 100.0
    expected = 3.0 + whole + clips * 1.92 * 0.012
    assert shown.film_seconds(clips * 48, clips * 1.92) == pytest.approx(
        expected, rel=0.03, abs=0.5
    )
    assert shown.frame_seconds * 48 == pytest.approx(max(denoise, rest))
    assert shown.first_clip_seconds(clips * 48) == pytest.approx(3.0 + denoise + rest)


@pytest.mark.parametrize("clips", [5, 20, 1000])
def test_offline_both_are_paid_for(clips: int) -> None:
    """One after the other."""
    shown = costs(events(5, denoise=1.0, rest=0.6, offline=True))
    assert shown.film_seconds(clips * 48, 0) == pytest.approx(3.0 + clips * 1.6, rel=0.01)
    assert shown.first_clip_seconds(clips * 48) == pytest.approx(3.0 + clips * 1.0 + 0.6)


def test_a_short_film_is_its_own_rehearsal() -> None:
    """Nothing is left to be foretold."""
    shown = costs(events(2, denoise=1.0, rest=0.5))
    assert shown.film_seconds(96, 0) == pytest.approx(3.0 + 2.5)


def test_the_end_of_the_command_is_paid_for_once() -> None:
    """However long the film is."""
    for clips in (2, 1000):
        told = list(events(5, denoise=1.0, rest=0.5))
        shown, slow = (
            costs(iter(told), stop=stop).film_seconds(clips * 48, 0) for stop in (0.0, 1.25)
        )
        assert slow - shown == pytest.approx(1.25)


def test_clips_of_another_length_are_counted_in_frames() -> None:
    """Rehearsed in clips of 48 frames, a film of 480 is ten of them however long its own are."""
    shown = costs(events(5, denoise=1.0, rest=0.5))
    assert shown.film_seconds(480, 0) == pytest.approx(3.0 + 10.5, abs=0.5)


def test_what_the_decoder_does_alone_at_the_end_is_not_its_pace() -> None:
    """Events after the last denoised clip are left out: the machine was less busy then."""
    told = list(steady_events(list(events(6, denoise=1.0, rest=1.0))))
    assert told[0][0] == "run_started"
    assert told[-1][0] == "clip_denoised"
    late = list(steady_events(list(events(3, denoise=0.1, rest=1.0))))
    assert late[-1][0] == "clip_published"


def test_a_rehearsal_has_the_changes_of_prompt_that_lie_in_its_frames(tmp_path: Path) -> None:
    """To the block; what comes later would be past its end."""
    changes = (
        PromptChange(1, 0, 80, 100, "She is sad."),
        PromptChange(3, 2, 100, 129, "", 7),
        PromptChange(20, 0, 100, 100, "She nods."),
    )
    spec = replace(SPEC, script=format_changes(changes))
    path = tmp_path / "script.json"
    assert write_script(path, spec, 20 * spec.block_frames) == path
    times = [Fraction(each.block * spec.block_frames, spec.fps) for each in changes]
    read = read_script(path)
    assert [each.start for each in read] == times[:2]
    assert [(each.prompt, each.fade) for each in read] == [("She is sad.", 0), ("", 2)]
    assert [(each.expression, each.gesture) for each in read] == [(80, 100), (100, 129)]
    assert [each.seed for each in read] == [None, 7]
    assert write_script(path, spec, spec.block_frames) is None
