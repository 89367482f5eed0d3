"""The benchmarks do what they say: the same film as the product, in memory, and figures that follow from what happened."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.avatar import Options
from pipeline.bench import bench, bench_online, loops, process, product
from pipeline.bench.material import Material, prepare_material
from storage import segments

FACTS: dict[str, Any] = {
    "machine": {"processor": "x", "cores": 2, "load_before": 0.1, "file_system": "ext4"},
    "film": {"clips": 12, "width": 256, "height": 256, "steps": 4, "runs": 2},
    "fps": {name: [40.0, 50.0] for name in bench.FIGURES},
    "ratio_best": 1.2,
    "ratio_median": 1.1,
    "same_bytes": True,
    "ms_per_frame": {"audio": 0.1},
}


def cost(mode: str, clips: int, memory: int, seconds: float = 1.0) -> bench_online.FilmCost:
    return bench_online.FilmCost(mode, clips, memory, 1, 2.0, seconds)


def test_encodes_as_the_product() -> None:
    """The loops' x264 calls give the bytes of the product's segments."""
    frames = np.random.default_rng(0).integers(0, 256, (5, 64, 96, 3), np.uint8)
    for size, threads in (((384, 256), 1), ((704, 384), 4)):
        options = loops.encoding_of(*size)
        assert loops.encode_frames(frames, 25, options) == segments.encode_h264(
            frames, segments.EncoderConfig(25, 18, "veryfast", threads)
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Material, product.FilmOutcome]:
    folder = tmp_path_factory.mktemp("bench")
    film = prepare_material(folder, 2, Options(64, 64, 48, 1))
    return film, product.make_film(film, folder / "run")


def test_product_is_read_from_its_events(made: tuple[Material, product.FilmOutcome]) -> None:
    """What happened has the order that it must have, and both peaks are there."""
    _, outcome = made
    stamps = [outcome.started, outcome.begun, *outcome.published, outcome.ended]
    assert stamps == sorted(stamps)
    assert len(outcome.published) == len(outcome.digests) == 2
    assert outcome.peak > 100 * bench_online.MIB
    assert outcome.disk > 100_000


def test_bare_loop_makes_the_product_s_film(made: tuple[Material, product.FilmOutcome]) -> None:
    """The bare loop, in memory, makes the product's segments to the byte."""
    film, outcome = made
    words = loops.loop_command("bare", film, outcome.root)
    bare = json.loads(process.run_watched(words).stdout)
    assert bare["digests"] == outcome.digests
    assert bare["begun"] < bare["published"][0] < bare["published"][1] == bare["ended"]


def test_publishing_is_measured_on_a_finished_run(
    made: tuple[Material, product.FilmOutcome], tmp_path: Path
) -> None:
    """Every array of a finished run is published once more, and its seconds are told."""
    words = [sys.executable, "-m", "pipeline.bench.publish_cost", made[1].root, tmp_path / "again"]
    seconds = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    assert set(seconds) == {"audio", "latents", "steps", "frames", "segment"}
    assert min(seconds.values()) > 0


def test_keep_everything_loop_is_measured(
    made: tuple[Material, product.FilmOutcome], tmp_path: Path
) -> None:
    """The keep-everything loop has four costs, and the plot is a picture."""
    kept = bench_online.measure_film(made[0], "keep", tmp_path)
    assert kept.memory > 100 * bench_online.MIB
    assert 0 < kept.seconds_a_clip < kept.first_playable
    assert kept.disk > 0
    bench_online.plot_costs([kept], made[0], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_watch_counts_children() -> None:
    """The peak of a command holds what its child holds at the same time."""
    # Written pages: of a block of zeros that nobody touches none would count.
    hold = "held = b'1' * (100 << 20)"
    child = f"import time; {hold}; time.sleep(2)"
    parent = f"import subprocess, sys; {hold}; subprocess.run([sys.executable, '-c', {child!r}])"
    assert (
        200 << 20 < process.run_watched([sys.executable, "-c", parent], every=0.05).peak < 300 << 20
    )


def test_watch_names_what_failed() -> None:
    """A command that fails is an error with the end of what it said."""
    with pytest.raises(process.CommandFailedError, match="no such thing"):
        process.run_watched([sys.executable, "-c", "raise SystemExit('no such thing')"])


def test_levels_of_speed() -> None:
    """The best run is judged, and the ratio of the best."""
    speed, ratio = bench.check_levels(FACTS).values()
    assert speed == (50.0, "≥ 60 fps", False)
    assert ratio == (1.2, "≤ 1.10", False)
    assert "FAIL" in bench.format_table(FACTS)
    larger = {**FACTS, "film": {**FACTS["film"], "width": 512, "height": 384}}
    assert bench.check_levels(larger)["whole path, best"] == (50.0, "≥ 25 fps", True)


def test_levels_of_growth() -> None:
    """Ours may not grow with the film, the keep-everything loop must; the last two lengths tell whether time is linear."""
    costs = [
        *(cost("keep", clips, 100 + clips) for clips in (10, 1000)),
        *(cost("offline", clips, 100, seconds) for clips, seconds in ((10, 2), (100, 1), (1000, 1.2))),
        *(cost("online", clips, memory) for clips, memory in ((10, 100), (1000, 104))),
    ]  # fmt: skip
    passed = {one.name: one.passed for one in bench_online.check_levels(costs)}
    assert passed == {
        "keep everything: memory at 1000 over that at 10": True,
        "longtake --offline: memory at 1000 over that at 10": True,
        "longtake --offline: seconds a clip at 1000 over that at 100": False,
        "longtake (online): memory at 1000 over that at 10": False,
        "longtake (online): seconds a clip at 1000 over that at 10": True,
    }
