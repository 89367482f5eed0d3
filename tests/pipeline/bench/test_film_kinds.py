"""The command of benchmarks that measure films of several kinds beside each other."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.bench.film_kinds import Found, children_cpu_seconds, run_bench
from pipeline.bench.material import Material


@dataclass(frozen=True)
class Cost:
    fps: float


def measure_all(film: Material, runs: int, folder: Path) -> Found[Cost]:
    """As many films as were asked for, of one kind; the folder is there meanwhile."""
    assert folder.is_dir()
    return {"plain": [Cost(float(film.clips))] * runs}


@pytest.mark.parametrize(("flags", "said"), [([], "2 films"), (["--json"], "")])
def test_it_prints_a_table_or_every_figure(
    flags: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One table for people, or with --json what each film took; nothing stays in the folder."""
    words = ["bench", "--runs", "2", "--clips", "1", "--size", "64", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*words, *flags])
    assert (
        run_bench("What it costs.", measure_all, lambda found: f"{len(found['plain'])} films") == 0
    )
    out = capsys.readouterr().out
    assert out.strip() == said if said else json.loads(out) == {"plain": [{"fps": 1.0}] * 2}
    assert not list(tmp_path.iterdir())


def test_processor_seconds_are_those_of_children() -> None:
    """What a child took is counted once it has ended."""
    before = children_cpu_seconds()
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    assert children_cpu_seconds() > before
