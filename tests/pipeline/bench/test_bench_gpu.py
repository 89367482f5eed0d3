"""The card's bench: figures follow from what happened, and its films are the product's."""

import json
from itertools import accumulate
from pathlib import Path

import pytest

from model.tools import make_checkpoint, precision_errors
from pipeline.bench import bench_gpu


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    make_checkpoint.main(["--out", str(folder), "--size", "tiny"])
    return folder


def test_the_rate_is_that_of_settled_clips() -> None:
    """The first clips fill the KV caches and have graphs captured, the last come out of the decoder's queue: those between count, and too few say nothing. A film of which half the laps seen were the queue's was once called half as quick again."""
    laps = [2.431, 5.019, 4.56, 3.494, 3.483, 3.463, 3.316, 1.217, 1.333]
    stamps = [0, *accumulate(laps)]
    assert bench_gpu.steady_rate(stamps, 48) == pytest.approx(48 / 3.421, rel=1e-3)
    assert bench_gpu.steady_rate(stamps[:5], 48) == 0


def test_films_are_grouped_by_their_bytes() -> None:
    """Those that are the same stand together."""
    assert bench_gpu.group_alike({"a": "1", "b": "2", "c": "1"}) == [["a", "c"], ["b"]]


def test_the_table_has_what_was_measured_beside_its_level() -> None:
    """The product over the bare loop, from both rates; nothing for what was not measured."""
    found = {
        "bare": {"fps": 20.6},
        "fp8": {"fps": 20.0, "card_gb": 44.4, "bytes": "x"},
        "24gb": {"fps": 12.0, "card_gb": 23.4, "host_gb": 27.0, "bytes": "x"},
    }
    said = bench_gpu.format_table(found)
    over = next(line for line in said.splitlines() if "over the bare loop" in line)
    assert over.split()[-3:] == ["1.03", "≤", "1.03"]
    assert "films of the same bytes: fp8 24gb" in said
    assert "16 GB" not in said


@pytest.mark.slow
def test_rows_are_films_of_the_product(weights: Path, tmp_path: Path) -> None:
    """Online and offline, in eight bits: the same film, and its rate."""
    told = tmp_path / "told.json"
    asked = ["--weights", str(weights), "--size", "64*64", "--clips", "8", "--json", str(told)]
    assert bench_gpu.main([*asked, "--rows", "fp8", "offline", "--folder", str(tmp_path)]) == 0
    found = json.loads(told.read_text())
    assert found["fp8"]["bytes"] == found["offline"]["bytes"]
    assert found["fp8"]["fps"] > 0


def test_errors_grow_as_precision_falls(weights: Path, tmp_path: Path) -> None:
    """Every way has a figure for each step; tokens in float32 are nearer than tokens that are rounded, and eight bits farther than sixteen."""
    told = tmp_path / "told.json"
    asked = ["--weights", str(weights), "--size", "64*64", "--device", "cpu", "--json", str(told)]
    assert precision_errors.main(asked) == 0
    found = {name: sum(row) for name, row in json.loads(told.read_text()).items()}
    assert 0 < found["bf16"] < found["bf16, tokens as published"] < found["fp8"]


def test_weights_that_are_not_there_are_told(tmp_path: Path, capsys) -> None:
    """In a line, before anything is measured."""
    with pytest.raises(SystemExit):
        bench_gpu.main(["--weights", str(tmp_path / "nothing"), "--rows", "bare"])
    assert "nothing" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--size", "7x4"], "'7x4' is no WIDTH*HEIGHT"),
        (["--clips", "7"], "fewer than 8 have no settled rate"),
        (["--rows"], "expected at least one argument"),
    ],
)
def test_what_cannot_be_measured_is_told(flags: list[str], line: str, capsys) -> None:
    """In a line, before anything is read."""
    with pytest.raises(SystemExit):
        bench_gpu.main(["--weights", "nothing", *flags])
    assert line in capsys.readouterr().err.splitlines()[-1]
