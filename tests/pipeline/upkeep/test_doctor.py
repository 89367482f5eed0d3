"""longtake doctor: a line for each part, the way out, and a code."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from model.tools.make_checkpoint import FULL, TINY, make_checkpoint, resize_parts
from model.weights.checkpoint import FOLDER, LORA, VAE
from tests.waiting import processor_seconds

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A small checkpoint."""
    make_checkpoint(tmp_path / "ckpt", TINY)
    return tmp_path / "ckpt"


def test_a_whole_folder_is_well(weights: Path, longtake: Call):
    """Six parts, one line each, and code 0."""
    code, out, err = longtake("doctor", "--model", "live-avatar", "--weights", weights)
    assert code == 0
    assert not err
    lines = out.splitlines()
    assert len(lines) == 7
    assert all(line.startswith("ok ") for line in lines[:-1])
    assert "141 tensors in 4 files, BF16" in lines[0]
    assert lines[-1].startswith("live-avatar can be loaded; 2.")


def test_what_is_wrong_is_said_with_the_way_out(weights: Path, longtake: Call):
    """A missing LoRA and a torn VAE: two bad lines among six, and code 2."""
    (weights / LORA).unlink()
    os.truncate(weights / FOLDER / VAE, 1000)
    code, out, _ = longtake("doctor", "--model", "live-avatar", "--weights", weights)
    assert code == 2
    bad = [line for line in out.splitlines() if line.startswith("bad ")]
    assert len(bad) == 2
    assert f"lacks {LORA}. Fetch it from Quark-Vision/Live-Avatar" in bad[0]
    assert "is damaged: its end is missing. Fetch it again." in bad[1]
    assert "2 of 6 parts cannot be used" in out


def test_wan_s2v_has_no_lora(weights: Path, longtake: Call):
    """Five parts."""
    (weights / LORA).unlink()
    code, out, _ = longtake("doctor", "--model", "wan-s2v", "--weights", weights)
    assert code == 0
    assert "LoRA" not in out


def test_a_lora_elsewhere(weights: Path, tmp_path: Path, longtake: Call):
    """Named by --lora."""
    (weights / LORA).rename(tmp_path / "mine.safetensors")
    words = ("doctor", "--weights", weights, "--lora")
    assert longtake(*words, tmp_path / "mine.safetensors")[0] == 0
    assert longtake(*words, tmp_path / "other.safetensors")[0] == 2


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--model", "pocket"], "its weights are in the package, so there is nothing to check"),
        (["--model", "sora"], "--model sora cannot be used: there are live-avatar and wan-s2v"),
        ([], "live-avatar needs the folder of its weights: --weights DIR"),
        (["--weights", "nowhere"], "This machine lacks the folder nowhere. Fetch it from Wan-AI"),
        (["--weights", "a/b"], "lacks the folder a/b (nor was it fetched from the hub before)"),
    ],
)
def test_nothing_to_look_at_is_one_line(words: list[str], line: str, longtake: Call):
    """Code 2, nothing on stdout, one line that says what to do."""
    code, out, err = longtake("doctor", *words)
    assert code == 2
    assert not out
    assert line in err
    assert err.count("\n") == 1


def test_it_looks_and_does_not_load(tmp_path: Path):
    """200 MB of weights in a second of the processor, in a process that never imports torch."""
    make_checkpoint(tmp_path, resize_parts(FULL, 1024, 2), parts=("transformer", "lora"))
    import subprocess

    code = f"""
import sys
from pipeline.cli import main
main(["doctor", "--weights", {str(tmp_path)!r}])
print(sorted({{"torch", "diffusers", "transformers"}} & set(sys.modules)))
"""
    before = processor_seconds()
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert processor_seconds() - before < 3
    assert said.stdout.splitlines()[-1] == "[]"
    assert "ok   transformer" in said.stdout
