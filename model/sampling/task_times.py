"""When a rank waited for a task's tensors, computed it and was done: the bubbles of the pipeline, looked into where LONGTAKE_TASK_TIMES names a folder.

Each rank leaves rank-N.json there: a line for each task. model/tools/rank_timeline.py says what share of the time each rank computed.
"""

import json
import os
import time
from pathlib import Path

import torch

from model.sampling.causal_stage import BlockTask

VARIABLE = "LONGTAKE_TASK_TIMES"

_recorded: list["TaskTimes"] = []


class TaskTimes:
    """The times of one rank's tasks, by the clock of its device."""

    def __init__(self, rank: int, device: torch.device) -> None:
        self.rank, self._on_card = rank, device.type == "cuda"
        if self._on_card:
            torch.cuda.synchronize(device)
        self._epoch = time.time()
        self._marks: list[tuple[BlockTask, list[torch.cuda.Event | float]]] = []
        self._begun = self._now()

    def begin(self, task: BlockTask) -> None:
        """Note a task that is next; it may have to wait for what other ranks send."""
        self._marks.append((task, []))
        self.mark()

    def mark(self) -> None:
        """Note that the task is a stage on: its tensors are there, then it is done."""
        self._marks[-1][1].append(self._now())

    def save(self, folder: Path) -> None:
        """Leave a list of [clip, block, step, asked, begun, done], in seconds since 1970."""
        if self._on_card:
            torch.cuda.synchronize()
        rows = [
            [*task.order, *(self._epoch + self._seconds(mark) for mark in marks)]
            for task, marks in self._marks
        ]
        (folder / f"rank-{self.rank}.json").write_text(json.dumps(rows), encoding="utf-8")

    def _now(self) -> torch.cuda.Event | float:
        if not self._on_card:
            return time.monotonic()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _seconds(self, mark: torch.cuda.Event | float) -> float:
        if isinstance(mark, float):
            assert isinstance(self._begun, float)
            return mark - self._begun
        assert isinstance(self._begun, torch.cuda.Event)
        return self._begun.elapsed_time(mark) / 1000


def begin_task_times(rank: int, device: torch.device) -> TaskTimes | None:
    """The record of a rank's tasks; None where nobody asks for it."""
    if VARIABLE not in os.environ:
        return None
    _recorded.append(TaskTimes(rank, device))
    return _recorded[-1]


def save_task_times() -> None:
    """Leave what was recorded in the folder that the environment names."""
    while _recorded:
        _recorded.pop().save(Path(os.environ[VARIABLE]))
