"""The keeper of a queue: a process that starts the jobs of a folder one after the other, and ends when there are none.

`python -m pipeline.jobs.keeper ROOT`. Whoever puts a job into the queue starts one where there is none; of several, one gets the lock. Killed, it is started again by the next
look, and waits for the job that was running: that has a process of its own, forked off a server (pipeline/upkeep/fork_server.py) that is the keeper's.
"""

import sys
import threading
import time
from pathlib import Path

from pipeline.jobs.job_folder import JOBS, QUEUE, JobFolder, list_turns, turn_name
from pipeline.upkeep.fork_server import FORK_SERVER, ForkedProcess, ForkServer, SplitForkServer
from storage.errors import LongtakeError, RunLocked
from storage.lock import find_worker, hold_lock
from storage.publish import make_folder

EVERY_SECONDS = 0.2
"""Seconds between two looks at a job that another keeper had started."""


_started: dict[Path, ForkedProcess] = {}
"""The keepers that this process started last, by their folder."""
_STARTING = threading.Lock()


def start_keeper_if_needed(root: Path) -> None:
    """Start a keeper where jobs wait and there is none; one at a time, as it takes a while until it has its lock."""
    with _STARTING:
        before = _started.get(root)
        if before is not None and before.wait(0) is None:
            return
        if list_turns(root / JOBS / QUEUE) and find_worker(root / JOBS / QUEUE) is None:
            log = root / JOBS / "keeper.txt"
            _started[root] = _start_detached(FORK_SERVER, "pipeline.jobs.keeper", log, str(root))


def keep_queue(root: Path, forks: ForkServer) -> None:
    """Start the jobs that wait, one after the other, until there are none. Raises RunLocked where another keeper does it."""
    queue = root / JOBS / QUEUE
    make_folder(queue)
    # Asked again once the lock is free: who came in between saw a keeper, and started none.
    while list_turns(queue):
        with hold_lock(queue):
            _wait_for_others(root)
            while turns := list_turns(queue):
                _start_job(forks, JobFolder(root, turn_name(turns[0])), turns[0])


def _wait_for_others(root: Path) -> None:
    """Wait until no job's process is alive, as after a keeper that was killed."""
    for folder in sorted((root / JOBS).iterdir()):
        if folder.name != QUEUE:
            _wait_for_end(JobFolder(root, folder.name))


def _wait_for_end(job: JobFolder) -> None:
    while job.is_alive:
        time.sleep(EVERY_SECONDS)


def _start_job(forks: ForkServer, job: JobFolder, turn: Path) -> None:
    """Start a job's process and wait for its end."""
    try:
        there = job.read_order() is not None
    except LongtakeError:
        there = False
    if not there:  # removed, or damaged: nobody could do it
        turn.unlink(missing_ok=True)
        return
    words = (str(job.run.parent), job.name)
    code = _start_detached(forks, "pipeline.jobs.worker", job.log, *words).wait()
    _wait_for_end(job)  # whoever would have told it may have been killed
    if turn.exists():
        # It never came to its work; the next try would end in the same way.
        job.mark_ended(code or 1, job.last_line() or f"Its process could not begin: {job.log}")


def _start_detached(forks: ForkServer, module: str, log: Path, *words: str) -> ForkedProcess:
    """Start a module of ours in a session of its own, which says what it says into a file."""
    with log.open("wb") as said:
        return forks.start(module, *words, stdout=said, stderr=said, detached=True)


def run_keeper() -> int:
    """Keep the queue of the folder that the word names."""
    forks = SplitForkServer()
    try:
        keep_queue(Path(sys.argv[1]), forks)
    except RunLocked:
        return RunLocked.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(run_keeper())
