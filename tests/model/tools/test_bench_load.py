"""The measure of loading: what it reads, what it says."""

import json
from pathlib import Path

import pytest
import torch

from model.tools import bench_load, make_checkpoint
from model.weights import checkpoint
from model.weights.loading import Placement


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint."""
    folder = tmp_path_factory.mktemp("weights")
    make_checkpoint.main(["--out", str(folder), "--parts", "transformer,lora"])
    return folder


def test_it_reads_every_file_and_loads_it(weights: Path) -> None:
    """The size is that of all shards and the LoRA; rates and memory are positive, and their ratio is that of the two rates."""
    place = checkpoint.locate_weights(str(weights))
    found = bench_load.measure_loading(place, Placement(torch.device("cpu"), torch.float32))
    files = [*place.shards, place.lora]
    assert found.gigabytes == sum(path.stat().st_size for path in files if path) / 1e9
    assert found.ratio == pytest.approx(found.loaded / found.read)
    assert 0 < found.host_before <= found.host


def test_the_highest_is_seen() -> None:
    """What is held only for a moment counts."""
    with bench_load.sample_peak(bench_load.anonymous_bytes, every=0.001) as seen:
        held = torch.ones(30_000_000)
        until = len(seen) + 3
        while len(seen) < until:
            pass
        del held
    assert max(seen) - seen[0] > 100_000_000


def test_the_command_prints_json(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that a program can read."""
    bench_load.main([str(weights), "--device", "cpu"])
    assert set(json.loads(capsys.readouterr().out)) >= {"read", "loaded", "ratio", "host"}
