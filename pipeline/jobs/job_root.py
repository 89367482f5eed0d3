"""A folder of jobs: what is asked for, watched, stopped and removed; the command line, the page and the HTTP API are shells over it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.jobs.job_request import JobRequest
from pipeline.jobs.job_view import JobView


class JobRoot:
    """The runs of one folder and the queue of those to be made, one after the other.

    All of it lies in files, so every object of this class, in whichever process, sees the same. Calls from several threads are fine.
    A job belongs to its run's folder and to a process of its own, which nothing here ends but `stop`.
    """

    def __init__(self, root: Path, places: Sequence[Path] = ()) -> None:
        """`root` is made when it is first needed. Weights that flags name must lie in the root or in one of `places`."""
        self.root, self._places = root.absolute(), tuple(places)

    def submit(self, request: JobRequest, *, key: str | None = None) -> JobView:
        """Put a film into the queue, once all is checked that `longtake new` checks before any work (a second or two).

        The same `key` again gives the same job back, whatever else is asked. Raises the errors of the one tree (storage/errors.py), and then nothing is
        left of it.
        """
        raise NotImplementedError

    def plan(self, request: JobRequest) -> Mapping[str, object]:
        """What the film would take, as `longtake plan --json --rehearse no` says it; raises as `submit` does."""
        raise NotImplementedError

    def list_jobs(self) -> list[JobView]:
        """All jobs, the newest first; also the runs in the root that the command line made."""
        raise NotImplementedError

    def view(self, name: str) -> JobView:
        """A job as it is now; raises NoSuchJob. Costs what is new since the last look through this object."""
        raise NotImplementedError

    def stop(self, name: str) -> JobView:
        """Take a job out of the queue, or tell its process to stop after the current write (`stopping`); one that stands still is left as it is."""
        raise NotImplementedError

    def resume(self, name: str) -> JobView:
        """Put a job that stands still back into the queue: it goes on from what it has. One that waits, runs or is finished is left as it is."""
        raise NotImplementedError

    def retake(self, name: str, clips: range, flags: Mapping[str, str] | None = None) -> JobView:
        """Put a new job into the queue that makes `clips` of a job again and shares the rest; its view, under another name.

        `flags`: `seed` (drawn where it is not said), `redecode`, `accept-joint`, and settings as `longtake retake` takes them.
        Raises NotRetakable, BadOption.
        """
        raise NotImplementedError

    def partial_film(self, name: str) -> Path:
        """The film as far as it is finished, joined now into the run's partial.mp4 where that is older; the whole film where it is there. Raises NotMade before the first clip."""
        raise NotImplementedError

    def delete(self, name: str) -> None:
        """Remove a job and its run; raises JobRunning while a process works on it."""
        raise NotImplementedError
