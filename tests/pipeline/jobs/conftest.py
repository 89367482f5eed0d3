"""A folder of jobs whose processes have the fake model, and end with the test."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from waiting import wait_until

from pipeline.jobs.job_folder import JOBS, QUEUE
from pipeline.jobs.job_request import JobRequest
from pipeline.jobs.job_root import JobRoot
from storage.lock import find_local_holder

Ask = Callable[..., JobRequest]
SMALL = {"infer-frames": "12", "retry-delay": "0"}


@pytest.fixture
def jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_fork_server: Path
) -> Iterator[JobRoot]:
    """A folder of jobs."""
    monkeypatch.setenv("PYTHONPATH", str(fake_fork_server))
    root = JobRoot(tmp_path / "films")
    yield root
    end_all(root.root)


@pytest.fixture
def ask(face: Path, speech: Path) -> Ask:
    """A request for a small film."""

    def asked(title: str = "", **flags: str) -> JobRequest:
        given: Mapping[str, str] = {**SMALL, "num-clip": "3", **flags}
        return JobRequest(face, speech, given, title=title)

    return asked


def end_all(root: Path) -> None:
    """End the keeper of a folder, then its jobs."""
    folders = [root / JOBS / QUEUE, *(root / JOBS).glob("film-*")]
    for folder in folders:
        if (process := find_local_holder(folder)) is not None:
            os.kill(process, signal.SIGKILL)


def keeper_of(jobs: JobRoot) -> int | None:
    """The process that keeps the queue."""
    return find_local_holder(jobs.root / JOBS / QUEUE)


def worker_of(jobs: JobRoot, name: str) -> int | None:
    """The process that works on a job."""
    return find_local_holder(jobs.root / JOBS / name)


def wait_for(jobs: JobRoot, name: str, *states: str) -> None:
    """Until the job is in one of these states."""
    wait_until(lambda: jobs.view(name).state in states, every=0.1)
