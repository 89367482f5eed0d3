"""When each task of a rank waited, computed and was done, where somebody asks."""

import json
from pathlib import Path

import pytest
import torch

from model.sampling.causal_stage import BlockTask
from model.sampling.task_times import VARIABLE, begin_task_times, save_task_times
from tests.model.sharding.ranks import make_clips, single

CPU = torch.device("cpu")


def test_nothing_is_noted_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No record is begun, and none is left."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert begin_task_times(0, CPU) is None
    save_task_times()
    assert not [*tmp_path.iterdir()]


def test_every_task_of_a_film_is_noted_once_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for, begun and done, one after the other; a file for the rank, when it ends."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    loop = single("live in float32")
    make_clips(loop, range(2))
    save_task_times()
    rows = json.loads((tmp_path / "rank-0.json").read_text())
    made = [BlockTask(*row[:3]) for row in rows]
    blocks, steps = loop.setup.blocks, loop.plan.steps
    assert sorted(task.order for task in made) == [
        (clip, block, step) for clip in range(2) for block in range(blocks) for step in range(steps)
    ]
    times = [moment for row in rows for moment in row[3:]]
    assert times == sorted(times)
    assert len(times) == 3 * len(made)
