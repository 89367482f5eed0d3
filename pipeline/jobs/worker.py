"""The process of one job: `longtake new`, `resume`, `retake` or `redub` in a folder of jobs, and a word about how it ended.

`python -m pipeline.jobs.worker ROOT NAME`, as the keeper of the queue starts it: in a session of its own, so that nothing ends with it and it ends with nothing.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.cli import main as call_longtake
from pipeline.jobs.flag_words import words_of_job, words_of_redub, words_of_retake
from pipeline.jobs.input_words import words_of_inputs
from pipeline.jobs.job_folder import JobFolder, Order
from storage.errors import RunLocked
from storage.lock import hold_lock
from storage.names import is_run


def work_on_job(job: JobFolder, call: Callable[[Sequence[str]], int] = call_longtake) -> int:
    """Do what the job is to do, while its lock is held; the exit code. Raises RunLocked where another process does it already."""
    with hold_lock(job.path):
        if not job.list_own_turns():  # somebody was faster, and has ended
            return 0
        if job.was_told_to_stop:
            job.mark_ended(143, "Stopped before it began.")
            return 143
        order = job.read_order()
        assert order is not None
        job.mark_started()
        code = call(words_of_order(job, order))
        job.drop_inputs(order)
        job.mark_ended(code, "" if code == 0 else job.last_line())
        return code


def words_of_order(job: JobFolder, order: Order) -> list[str]:
    """The words of longtake for it now: where the run is there, those that go on with it."""
    if is_run(job.run) or order.verb == "resume":
        live = [] if order.flags.get("live") in {"no", "false", "0", "off"} else ["--live"]
        return ["resume", str(job.run), *live]
    if order.verb == "redub":
        parent, sound = job.run.parent / order.parent, job.path / order.sound
        flags = words_of_redub(order.flags)
        return ["redub", str(parent), f"--run={job.run}", f"--audio={sound}", *flags]
    if order.verb == "retake":
        clip, until = order.clips
        old = str(job.run.parent / order.parent)
        flags = words_of_retake(order.flags)
        return ["retake", old, f"--run={job.run}", f"--clip={clip}", f"--until={until}", *flags]
    extras = {name: job.path / file for name, file in order.extras.items()}
    files = job.path / order.picture, job.path / order.sound
    inputs = words_of_inputs(*files, extras, order.speakers)
    title = [f"--title={order.film}"] if order.film else []
    return ["new", *inputs, f"--run={job.run}", *title, *words_of_job(order.flags)]


def run_worker() -> int:
    """The job that the words name."""
    root, name = sys.argv[1:]
    try:
        return work_on_job(JobFolder(Path(root), name))
    except RunLocked as error:
        return error.exit_code


if __name__ == "__main__":
    sys.exit(run_worker())
