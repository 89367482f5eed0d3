"""The shipped model, planned and then made: what was said of memory and disk is so within a tenth."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = (str(ROOT / "examples" / "mila.png"), str(ROOT / "examples" / "harbour.wav"))
SMALL = ("--size", "128*64", "--sample-steps", "1", "--infer-frames", "12", "--num-clip", "12")


def longtake(verb: str, *words: str) -> str:
    line = [sys.executable, "-m", "pipeline", verb, *FILES, *words]
    return subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_a_film_with_a_script_is_planned(tmp_path: Path) -> None:
    """Also where its entries lie behind what is rehearsed."""
    script = tmp_path / "film.toml"
    script.write_text(
        '[[entry]]\nfrom = "1s"\nprompt = "She smiles."\n[[entry]]\nfrom = "5s"\nprompt = ""\n'
    )
    plan = json.loads(longtake("plan", *SMALL, "--script", str(script), "--json"))
    assert plan["time"]["film"] > plan["time"]["first"] > 0


def test_a_plan_holds(tmp_path: Path) -> None:
    """Memory and disk within 10 %; a time that is no guess; nothing of the rehearsal stays."""
    # How often the state is saved is else chosen by what that costs, which other work on the machine decides.
    words = (*SMALL, "--carry-every", "2", "--run", str(tmp_path / "run"))
    plan = json.loads(longtake("plan", *words, "--json"))
    assert list(tmp_path.iterdir()) == []
    longtake("new", *words)
    run = tmp_path / "run"
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    told = next(each for each in events if each["event"] == "memory_peak")
    taken = sum(each.lstat().st_blocks * 512 for each in (run, *run.rglob("*")))
    assert plan["host"]["total"] == pytest.approx(told["host"], rel=0.1)
    assert plan["disk"]["total"] == pytest.approx(taken, rel=0.1)
    assert plan["time"]["film"] > plan["time"]["first"] > 0
    assert plan["time"]["frames_a_second"] > 0
