"""The keeper of a queue: a process that starts the jobs of a folder one after the other, and ends when there are none.

`python -m pipeline.jobs.keeper ROOT`. Whoever puts a job into the queue starts one where there is none; of several, one gets the lock. Killed, it is started again by the next
look, and waits for the job that was running: that has a process of its own.
"""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from pipeline.jobs.job_folder import JOBS, QUEUE, JobFolder, list_turns, turn_name
from pipeline.upkeep.child_process import VARIABLE, module_command
from storage.errors import LongtakeError, RunLocked
from storage.lock import TOKENS_VARIABLE, find_worker, hold_lock
from storage.publish import make_folder

EVERY_SECONDS = 0.2
"""Seconds between two looks at a job that another keeper had started."""


_started: dict[Path, "subprocess.Popen[bytes]"] = {}
"""The keepers that this process started last, by their folder."""


def start_keeper_if_needed(root: Path) -> None:
    """Start a keeper where jobs wait and there is none; one at a time, as it takes a while until it has its lock."""
    before = _started.get(root)
    if before is not None and before.poll() is None:
        return
    if list_turns(root / JOBS / QUEUE) and find_worker(root / JOBS / QUEUE) is None:
        log = root / JOBS / "keeper.txt"
        _started[root] = _start_detached("pipeline.jobs.keeper", log, str(root))


def keep_queue(root: Path) -> None:
    """Start the jobs that wait, one after the other, until there are none. Raises RunLocked where another keeper does it."""
    queue = root / JOBS / QUEUE
    make_folder(queue)
    # Asked again once the lock is free: who came in between saw a keeper, and started none.
    while list_turns(queue):
        with hold_lock(queue):
            _wait_for_others(root)
            while turns := list_turns(queue):
                _start_job(JobFolder(root, turn_name(turns[0])), turns[0])


def _wait_for_others(root: Path) -> None:
    """Wait until no job's process is alive, as after a keeper that was killed."""
    for folder in sorted((root / JOBS).iterdir()):
        job = JobFolder(root, folder.name)
        while folder.name != QUEUE and job.is_alive:
            time.sleep(EVERY_SECONDS)


def _start_job(job: JobFolder, turn: Path) -> None:
    """Start a job's process and wait for its end."""
    try:
        there = job.read_order() is not None
    except LongtakeError:
        there = False
    if not there:  # removed, or damaged: nobody could do it
        turn.unlink(missing_ok=True)
        return
    words = (str(job.run.parent), job.name)
    code = _start_detached("pipeline.jobs.worker", job.log, *words).wait()
    if turn.exists() and not job.is_alive:
        # It never came to its work; the next try would end in the same way.
        job.mark_ended(code or 1, job.last_line() or f"Its process could not begin: {job.log}")


def _start_detached(module: str, log: Path, *words: str) -> "subprocess.Popen[bytes]":
    """Start a module of ours in a session of its own, with no pipe to anybody, nor our locks."""
    ours = (TOKENS_VARIABLE, VARIABLE)
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    with log.open("wb") as said:
        child = subprocess.Popen(
            module_command(module, *words),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=environment,
            start_new_session=True,
        )
    # Asked for its exit code by somebody, so that it does not stay as a zombie.
    threading.Thread(target=child.wait, name="keeper", daemon=True).start()
    return child


def run_keeper() -> int:
    """Keep the queue of the folder that the word names."""
    try:
        keep_queue(Path(sys.argv[1]))
    except RunLocked:
        return RunLocked.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(run_keeper())
