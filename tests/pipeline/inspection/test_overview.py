"""A whole film at a glance."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.inspection import overview
from pipeline.inspection.overview import choose_evenly, draw_sparkline, survey_film
from storage.errors import NotMade
from storage.run import Run

Call = Callable[..., tuple[int, str, str]]


def test_each_clip_is_measured(run: Run, tmp_path: Path):
    """Norm, the norm after each step, drift from the first clip and each channel, of the clips that are there."""
    course = survey_film(run, tmp_path / "film.png")
    assert (course.clips, course.made) == (5, 3)
    assert [sample.clip for sample in course.samples] == [0, 1, 2]
    latents = run.latents.read(2).astype(np.float64)
    last = course.samples[-1]
    assert last.norm == pytest.approx(np.sqrt(np.mean(latents**2)), rel=1e-5)
    assert last.norms[-1] == pytest.approx(last.norm, rel=1e-5)
    assert len(last.norms) == 4
    assert last.means == pytest.approx(latents.mean((1, 2, 3)), abs=1e-6)
    assert course.samples[0].drift == 0 < last.drift < 0.3
    with Image.open(course.picture) as picture:
        assert picture.width == 1200


def test_a_slow_drift_is_seen(run: Run, tmp_path: Path):
    """A channel that wanders from clip to clip raises the drift, and its own line."""
    for clip in range(3):
        latents = run.latents.read(clip).copy()
        latents[7] += 2 * clip
        run.records.withdraw("latents", clip)
        run.latents.publish(clip, latents)
    course = survey_film(run, tmp_path / "film.png")
    drifts = [sample.drift for sample in course.samples]
    assert drifts == sorted(drifts)
    assert drifts[-1] > 0.5
    assert np.diff([sample.means[7] for sample in course.samples]).min() > 1.5


def test_a_long_film_is_sampled(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """So many clips are read and no more, the first and the last among them."""
    monkeypatch.setattr(overview, "SAMPLES", 2)
    monkeypatch.setattr(overview, "LEAST_SAMPLES", 1)
    seen: list[int] = []
    course = survey_film(run, tmp_path / "film.png", seen.append)
    assert seen == [0, 2]
    assert len(course.samples) == 2
    assert choose_evenly(range(1000), 5) == [0, 250, 500, 749, 999]


def test_the_terminal_has_lines_of_bars(run: Run, longtake: Call):
    """The norm, the drift and every channel, over the clips; a NaN is named with the way on."""
    latents = run.latents.read(1).copy()
    latents[3, 0, 0, 0] = np.nan
    run.records.withdraw("latents", 1)
    run.latents.publish(1, latents)
    code, out, err = longtake("inspect", run.root)
    assert code == 0, err
    assert Path("drawn.png").is_file()
    for name in ("norm", "drift", "channel 0", "channel 15"):
        line = next(line for line in out.splitlines() if line.strip().startswith(name))
        assert set(line) & set("▁█")
    assert "clip 1 has values that are no number" in out
    assert "--hunt" in out


def test_json_has_no_nan(run: Run, longtake: Call):
    """What is no number is null."""
    latents = run.latents.read(1).copy()
    latents[3] = np.inf
    run.records.withdraw("latents", 1)
    run.latents.publish(1, latents)
    code, out, err = longtake("inspect", run.root, "--json")
    assert code == 0, err
    sample = json.loads(out, parse_constant=pytest.fail)["samples"][1]
    assert sample["means"][3] is None
    assert sample["nan"] == 12 * 64


def test_a_film_without_a_clip_says_so(run: Run):
    """Nothing is drawn of nothing."""
    for clip in range(3):
        run.records.withdraw("latents", clip)
    with pytest.raises(NotMade):
        survey_film(run)


def test_a_line_of_bars():
    """The lowest and the highest bar, a blank for what is no number, never wider than asked; a flat line is low."""
    assert draw_sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert draw_sparkline([1.0, float("nan"), 2.0]) == "▁ █"
    assert draw_sparkline([3.0, 3.0]) == "▁▁"
    assert len(draw_sparkline(list(range(1000)), 60)) == 60
