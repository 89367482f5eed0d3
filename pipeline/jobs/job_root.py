"""A folder of jobs: what is asked for, watched, stopped and removed; the command line, the page and the HTTP API are shells over it."""

import hashlib
import os
import re
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pipeline.jobs.asked_command import ask_longtake, find_notices
from pipeline.jobs.flag_words import check_weights, words_of_job, words_of_redub, words_of_retake
from pipeline.jobs.input_words import check_extras, words_of_inputs
from pipeline.jobs.job_folder import JOBS, NAME, JobFolder, Order
from pipeline.jobs.job_request import JobRequest
from pipeline.jobs.job_view import JobView
from pipeline.jobs.keeper import start_keeper_if_needed
from pipeline.jobs.view_reader import ViewReader
from pipeline.upkeep.partial_mux import mux_finished
from storage.drafts import sweep_drafts
from storage.errors import (
    BadInput,
    FilmNotMade,
    JobAwaited,
    JobRunning,
    LongtakeError,
    NoSuchJob,
    RunLocked,
)
from storage.film_title import LONGEST_TITLE, clean_title, title_of_sound
from storage.lock import find_local_holder, hold_lock
from storage.names import is_run
from storage.publish import make_folder, publish_folder, remove_path
from storage.run_paths import open_plain
from storage.schema import is_utf8
from tasks.open_run import open_run

_STANDS_STILL = {"stopped", "failed", "lost"}
_ALONE = threading.RLock()
"""A lock of storage/lock.py lets every thread of its holder in; this one does not."""

_SWEPT: set[Path] = set()


class JobRoot:
    """The runs of one folder and the queue of those to be made, one after the other.

    All of it lies in files, so every object of this class, in whichever process, sees the same. Calls from several threads are fine.
    A job belongs to its run's folder and to a process of its own, which nothing here ends but `stop`.
    """

    def __init__(self, root: Path, places: Sequence[Path] = ()) -> None:
        """`root` is made when it is first needed. Weights that flags name must lie in the root or in one of `places`."""
        self.root = root.resolve()
        self._places = (self.root, *(each.resolve() for each in places))
        self._views = ViewReader()
        self._joined: dict[str, int] = {}

    def submit(self, request: JobRequest, *, key: str | None = None) -> JobView:
        """Put a film into the queue, once all is checked that `longtake new` checks before any work (a second or two).

        The same `key` again gives the same job back, whatever else is asked. Raises the errors of the one tree (storage/errors.py), and then nothing is
        left of it.
        """
        job = JobFolder(self.root, _choose_name(key))
        if not (key is not None and job.is_there):
            try:
                self._create(job, request)
            except LongtakeError:
                if key is None or not job.is_there:  # else the same was asked at the same time
                    raise
        if not (job.list_own_turns() or job.is_alive or job.was_started or job.read_ending()):
            job.take_turn()
        return self.view(job.name)

    def _create(self, job: JobFolder, request: JobRequest) -> None:
        """Make a job's folder, whole or not at all; raises what stands in its way."""
        check_weights(request.flags, self._places)
        check_extras(request.extras, request.speakers)
        flags, title = words_of_job(request.flags), _check_title(request.title)
        self.prepare()
        with publish_folder(job.path) as draft:
            taken = {what: _take_input(path, draft, what) for what, path in _list_files(request)}
            picture, sound, *_ = taken.values()
            extras = {name: taken[name] for name in request.extras}
            words = words_of_inputs(
                draft / picture,
                draft / sound,
                {name: draft / file for name, file in extras.items()},
                request.speakers,
            )
            given = {draft / taken[what]: path.name for what, path in _list_files(request)}
            with _called_by_own_names(given):
                notices = find_notices(["new", *words, *flags, f"--run={job.run}"])
            order = Order("new", time.time(), title, dict(request.flags), picture, sound)
            order = replace(order, notices=tuple(notices), extras=extras, speakers=request.speakers)
            film = clean_title(title) or title_of_sound(request.sound)
            JobFolder.write_order_in(draft, replace(order, film=film))

    @property
    def uploads(self) -> Path:
        """Where files of a request may lie before it is submitted: from a folder in it they are linked, not copied. There after `prepare`."""
        return self.root / JOBS

    def prepare(self) -> None:
        """Make the folder of the jobs; the first time in this process, remove what killed processes left there."""
        make_folder(self.root / JOBS)
        with _ALONE:
            if self.root not in _SWEPT:  # later it would remove what other threads are at
                _SWEPT.add(self.root)
                sweep_drafts(self.root / JOBS, ())

    def plan(self, request: JobRequest) -> Mapping[str, object]:
        """What the film would take, as `longtake plan --json --rehearse no` says it, whether it fits or not; raises as `submit` does."""
        check_weights(request.flags, self._places)
        files = {what: path.absolute() for what, path in _list_files(request)}
        extras = {name: files[name] for name in request.extras}
        inputs = words_of_inputs(files["picture"], files["sound"], extras, request.speakers)
        asked = [*words_of_job(request.flags), f"--run={self.root / 'film-planned'}"]
        with _called_by_own_names({path: path.name for path in files.values()}):
            found = ask_longtake(["plan", *inputs, *asked, "--rehearse=no", "--json"])
        assert isinstance(found, dict)
        return found

    def keep_queue_going(self) -> None:
        """See that somebody keeps the queue, where jobs wait in it; called now and then by a server."""
        start_keeper_if_needed(self.root)

    def list_jobs(self) -> list[JobView]:
        """All jobs, the newest first; also the runs in the root that the command line made."""
        start_keeper_if_needed(self.root)
        views = []
        for name in sorted(_names_in(self.root) | _names_in(self.root / JOBS)):
            with suppress(NoSuchJob):
                views.append(self._views.read(self._find(name)))
        return sorted(views, key=lambda view: view.made, reverse=True)

    def view(self, name: str) -> JobView:
        """A job as it is now; raises NoSuchJob. Costs what is new since the last look through this object."""
        job = self._find(name)
        start_keeper_if_needed(self.root)
        return self._views.read(job)

    def stop(self, name: str) -> JobView:
        """Take a job out of the queue, or tell its process to stop after the current write (`stopping`); told again, or of one that stands still, nothing happens."""
        job = self._find(name)
        with _ALONE:
            if self._views.read_now(job).state in {"queued", "running"}:
                _stop_job(job)
        return self._views.read_now(job)

    def resume(self, name: str) -> JobView:
        """Put a job that stands still back into the queue: it goes on from what it has. One that waits, runs or is finished is left as it is."""
        job = self._find(name)
        with _ALONE:
            if self._views.read_now(job).state in _STANDS_STILL:
                if job.read_order() is None:
                    self.prepare()
                    job.write_order(Order("resume", time.time()))
                job.take_turn()
        start_keeper_if_needed(self.root)
        return self._views.read_now(job)

    def retake(self, name: str, clips: range, flags: Mapping[str, str] | None = None) -> JobView:
        """Put a new job into the queue that makes `clips` of a job again and shares the rest; its view, under another name.

        `flags`: `seed` (drawn where it is not said), `redecode`, `accept-joint`, and settings as `longtake retake` takes them.
        Raises NotRetakable, BadOption.
        """
        old, job = self._find(name), JobFolder(self.root, _choose_name(None))
        if not clips or clips.step != 1:
            raise BadInput(
                "The clips of a retake are the first and the one after the last of them."
            )
        order = old.read_order()
        given = {"seed": str(secrets.randbelow(1 << 31)), **(flags or {})}
        span = [f"--clip={clips.start}", f"--until={clips.stop}", *words_of_retake(given)]
        notices = find_notices(["retake", str(old.run), f"--run={job.run}", *span])
        title = order.title if order else ""
        asked = Order("retake", time.time(), title, given, parent=name, notices=tuple(notices))
        self.prepare()
        job.write_order(replace(asked, clips=(clips.start, clips.stop)))
        job.take_turn()
        return self.view(job.name)

    def redub(self, name: str, sound: Path, flags: Mapping[str, str]) -> JobView:
        """Put a new job into the queue in which a stretch of a job's film has another sound; its view, under another name.

        `flags`: `from`, `until`, and what else `longtake redub` takes. The sound is copied. Raises FilmNotMade with the line of what stands in its way, BadOption, BadInput.
        """
        old, job = self._find(name), JobFolder(self.root, _choose_name(None))
        words, order = words_of_redub(flags), old.read_order()
        self.prepare()
        with publish_folder(job.path) as draft:
            taken = _take_input(sound, draft, "sound")
            asked = ["redub", str(old.run), f"--run={job.run}", f"--audio={draft / taken}", *words]
            with _called_by_own_names({draft / taken: sound.name}):
                notices = tuple(find_notices(asked))
            title = order.title if order else ""
            made = Order("redub", time.time(), title, dict(flags), sound=taken, parent=name)
            JobFolder.write_order_in(draft, replace(made, notices=notices))
        job.take_turn()
        return self.view(job.name)

    def partial_film(self, name: str) -> Path:
        """The film as far as it is finished, joined now into the run's partial.mp4 where that is older; the whole film where it is there. Raises NotMade before the first clip."""
        view = self.view(name)
        if view.film is not None:
            return view.film
        with _ALONE:
            run = open_run(view.run)
            path = view.run / "partial.mp4"
            if self._joined.get(name) != view.clips_done or not path.exists():
                path = mux_finished(run, partial=True, output_file=None, overwrite=False).path
                self._joined[name] = view.clips_done
        return path

    def delete(self, name: str) -> None:
        """Remove a job and its run; raises JobRunning while a process works on it, JobAwaited while a retake of it waits."""
        job = self._find(name)
        with _ALONE:
            if waiting := self._find_waiting_retake(name):
                raise JobAwaited(name, waiting)
            make_folder(job.path)
            try:
                with hold_lock(job.path):
                    job.leave_queue()
                    if is_run(job.run):
                        with hold_lock(job.run):
                            remove_path(job.run)
                    remove_path(job.path)
            except RunLocked:
                raise JobRunning(name) from None
        self._views.forget(name)
        self._joined.pop(name, None)

    def _find_waiting_retake(self, name: str) -> str:
        """The name of a retake of a job that waits for its turn, and would have nothing to take from; empty where none does."""
        for other in sorted(_names_in(self.root / JOBS)):
            job = JobFolder(self.root, other)
            if not re.fullmatch(NAME, other) or not job.list_own_turns():
                continue
            order = job.read_order()
            if order and order.parent == name and self.view(other).state == "queued":
                return other
        return ""

    def _find(self, name: str) -> JobFolder:
        """The job of that name; raises NoSuchJob, whatever the name is."""
        if re.fullmatch(NAME, name):
            job = JobFolder(self.root, name)
            if job.is_there:
                return job
        raise NoSuchJob(self.root, name[:100].encode("ascii", "backslashreplace").decode())


def _choose_name(key: str | None) -> str:
    token = secrets.token_bytes(16) if key is None else key.encode(errors="surrogatepass")
    return f"film-{hashlib.sha256(token).hexdigest()[:12]}"


def _check_title(title: str) -> str:
    if len(title) > LONGEST_TITLE or not is_utf8(title):
        raise BadInput(f"A title is text of at most {LONGEST_TITLE} characters.")
    return title


def _names_in(folder: Path) -> set[str]:
    try:
        return {each.name for each in os.scandir(folder) if each.is_dir(follow_symlinks=False)}
    except FileNotFoundError:
        return set()


def _list_files(request: JobRequest) -> tuple[tuple[str, Path], ...]:
    """Each file of a request with what it is called in the job's folder, without its suffix."""
    return ("picture", request.picture), ("sound", request.sound), *request.extras.items()


def _take_input(path: Path, folder: Path, name: str) -> str:
    """Copy a file into a job's folder, or link it there out of an upload; its name there. Raises BadInput."""
    suffix = path.suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,10}", path.suffix) else ""
    try:
        if path.parent.parent == folder.parent:
            with suppress(OSError):
                os.link(path, folder / f"{name}{suffix}", follow_symlinks=False)
                return f"{name}{suffix}"
        file = os.fdopen(open_plain(path.resolve(), os.O_RDONLY), "rb")
        with file as source, (folder / f"{name}{suffix}").open("xb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is none"
        raise BadInput(f"The {name} {path.name!r} cannot be read: {reason}.") from None
    return f"{name}{suffix}"


@contextmanager
def _called_by_own_names(given: Mapping[Path, str]) -> Iterator[None]:
    """Let an error name the files as whoever sent them knows them, and not by where they lie here."""
    try:
        yield
    except FilmNotMade as error:
        line = str(error)
        for path, name in given.items():
            line = line.replace(str(path), name)
        raise FilmNotMade(line, error.exit_code) from None


def _stop_job(job: JobFolder) -> None:
    """Tell a job's process to stop, once: a second signal would end it within its write. Where it has none, take it out of the queue."""
    make_folder(job.path)
    signalled = job.was_told_to_stop or _signal_process(job)
    job.mark_stopping()
    # It may have begun meanwhile, and have looked for the mark before that was there.
    if signalled or _signal_process(job):
        return
    with suppress(RunLocked), hold_lock(job.path):
        if job.list_own_turns():
            job.mark_ended(143, "Stopped before it began.")


def _signal_process(job: JobFolder) -> bool:
    """Send SIGTERM to whoever works on the job or its run; False where nobody does."""
    for folder in (job.path, job.run):
        process = find_local_holder(folder) if folder.is_dir() else None
        if process is not None:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
            return True
    return False
