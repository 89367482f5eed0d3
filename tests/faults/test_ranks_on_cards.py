"""A film of the large model on two cards, a rank of which is killed at random instants: the bytes of one card (by heads, of an unbroken film), no process left, nothing left on a card. Skipped where there are no two cards."""

import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from films import ROOT, Tally
from test_ranks import SECONDS, harm_one, pieces, start

from model.device import nvml
from tests.waiting import wait_until

FAULTS, CLIPS = 4, 12
FLAGS = ("--model", "live-avatar", "--size", "384*256", "--num-clip", str(CLIPS), "--carry-every", "1", "--fp8")  # fmt: skip
INPUTS = ("examples/mila.png", "examples/harbour.wav")
WEIGHTS = ("--size", "14b", "--layers", "8", "--text-size", "tiny")
"""Of true width, so that every kernel is the real one; of few layers, so that it is soon loaded."""


BY_HEADS = ("--gpus", "2", "--parallel", "heads")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random ones."""
    with suppress(Exception):  # as in nvml: no library, no driver
        if len(nvml.list_gpus()) > 1:
            return make_weights(tmp_path_factory.mktemp("weights") / "ckpt")
    pytest.skip("no two cards")


def make_weights(folder: Path) -> Path:
    """Random ones, in a folder."""
    words = [sys.executable, "-m", "model.tools.make_checkpoint", "--out", str(folder), *WEIGHTS]
    subprocess.run(words, cwd=ROOT, check=True)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("ways", "last"),
    [(("steps", "layers"), ()), (("heads",), BY_HEADS)],
    ids=["pipelines", "heads"],
)
def test_a_rank_of_two_cards_may_die(
    ways: tuple[str, ...], last: tuple[str, ...], weights: Path, tmp_path: Path, tally: Tally
) -> None:
    """Killed behind each of the first clips, by steps and by layers in turn, the film goes on with the other way, and at last on one card; by heads it goes on by heads, whose bits are their own."""
    film, whole, chance = tmp_path / "film", tmp_path / "whole" / "film", random.Random(0)
    of = (*INPUTS, *FLAGS, "--weights", str(weights))
    assert start(whole, *last, of=of).wait() == 0
    longest = 0.0
    for number in range(FAULTS):
        worker = start(film, "--gpus", "2", "--parallel", ways[number % len(ways)], of=of)
        wait_until((film / "commits" / f"latents.{number:05d}.json").exists, of=worker)
        time.sleep(chance.uniform(0, 0.4))
        seconds = harm_one(worker, chance)
        assert seconds is not None, "the film was done too soon"
        longest = max(longest, seconds)
        # The driver may know a process for a moment after its end.
        wait_until(lambda: not nvml.read_processes())
    assert start(film, *last, of=of).wait() == 0
    differing = sum(pieces(film).get(name) != held for name, held in pieces(whole).items())
    tally(faults=FAULTS, differing=differing, seconds_to_end=round(longest, 1))
    assert not differing
    assert longest < SECONDS
