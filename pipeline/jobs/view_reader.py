"""Views of jobs, read again and again: a look at one that is running costs what is new, and at one that stands still a few stats."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.jobs.job_folder import STOPPED_CODES, Ending, JobFolder, Order, list_turns, turn_name
from pipeline.jobs.job_view import JobState, JobView
from pipeline.monitor.status import Status, StatusReader
from storage.errors import LongtakeError
from storage.names import is_run
from storage.run import Run
from storage.run_paths import path_inside
from tasks.open_run import open_run

FRESH_SECONDS = 0.5
"""How old a view of a running job may be."""
LOST = "Its process died without a word: it was killed, or the machine went down. What is finished is kept."


@dataclass
class _Kept:
    reader: StatusReader | None = None
    run: Run | None = None
    identity: object = None
    """Of run.json: another run in the same folder has another."""
    view: JobView | None = None
    signature: object = None
    at: float = 0.0


class ViewReader:
    """Reads views of jobs by name; one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def read(self, job: JobFolder) -> JobView:
        """The job as it is now. It is there."""
        with self._lock:
            kept = self._kept.setdefault(job.name, _Kept())
            signature, now = _sign_files(job), time.monotonic()
            if (seen := kept.view) is not None:
                still = seen.state != "running" and kept.signature == signature
                if still or (seen.state == "running" and now - kept.at < FRESH_SECONDS):
                    return seen
            kept.view = _build_view(job, kept)
            kept.signature, kept.at = signature, now
            return kept.view

    def read_now(self, job: JobFolder) -> JobView:
        """The job as it is now, whenever it was looked at last."""
        with self._lock:
            if (kept := self._kept.get(job.name)) is not None:
                kept.view = None
        return self.read(job)

    def forget(self, name: str) -> None:
        """Forget a job that was changed or removed."""
        with self._lock:
            self._kept.pop(name, None)


def _sign_files(job: JobFolder) -> object:
    """What changes when anything that a job that stands still is seen by does."""
    run = job.run
    files = (
        "events.jsonl",
        "run.json",
        "run.copy.json",
        "commits",
        "video.mp4",
        "run.lock",
        "live",
    )
    paths = (job.path, job.path / "run.lock", job.queue, run, *(run / each for each in files))
    return tuple(map(_stat_time, paths))


def _stat_time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _build_view(job: JobFolder, kept: _Kept) -> JobView:
    error: str | None = None
    order, status = None, None
    files: dict[str, Any] = {}
    try:
        order = job.read_order()
        status = _read_status(job, kept)
        files = _find_files(job, order, kept)
    except LongtakeError as damaged:
        error = str(damaged)
    ending, waits = job.read_ending(), bool(job.list_own_turns())
    state = _derive_state(job, status, ending, waits=waits, broken=error is not None)
    if state in {"failed", "lost"}:
        error = error or (LOST if state == "lost" else _why_failed(status, ending))
    return JobView(
        name=job.name,
        state=state,
        title=order.title if order else "",
        made=order.made if order else _stat_time(job.run / "inputs") / 1e9,
        run=job.run,
        place=_find_place(job) if state == "queued" else None,
        stopping=state == "running" and job.was_told_to_stop,
        flags=dict(order.flags) if order else {},
        notices=order.notices if order else (),
        error=error,
        way_out=_find_way_out(job, state),
        **files,
        **(_facts_of(status, kept, state) if status else {}),
    )


def _read_status(job: JobFolder, kept: _Kept) -> Status | None:
    """The status of a job's run; None before it is there. Raises the errors of a run that cannot be read."""
    if job.run.is_symlink() or not is_run(job.run):
        kept.reader = kept.run = None
        return None
    identity = _identify_run(job.run)
    if kept.reader is None or kept.identity != identity:
        kept.run, kept.identity = open_run(job.run), identity
        kept.reader = StatusReader(kept.run)
    return kept.reader.read()


def _identify_run(run: Path) -> object:
    try:
        found = (run / "run.json").stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _derive_state(
    job: JobFolder, status: Status | None, ending: Ending | None, *, waits: bool, broken: bool
) -> JobState:
    run = status.state if status is not None else ""
    if job.is_alive or run == "working":
        return "running"
    if waits:
        return "queued"
    if not broken and (run == "finished" or (ending is not None and ending.code == 0)):
        return "finished"
    if ending is not None and ending.code in STOPPED_CODES:
        return "stopped"
    if broken or ending is not None or run == "failed":
        return "failed"
    return "lost" if job.was_started and not job.was_told_to_stop else "stopped"


def _why_failed(status: Status | None, ending: Ending | None) -> str:
    if ending is not None and ending.line:
        return ending.line
    if status is not None and status.fault:
        return status.fault
    return f"It ended with code {ending.code if ending else 1}, and said nothing."


def _find_place(job: JobFolder) -> int:
    names = [turn_name(each) for each in list_turns(job.queue)]
    return names.index(job.name) if job.name in names else 0


def _find_way_out(job: JobFolder, state: JobState) -> str | None:
    """The command that goes on with a job that stands still."""
    goes_on = state in {"stopped", "failed", "lost"} and is_run(job.run)
    return f"longtake resume {job.run}" if goes_on else None


def _find_files(job: JobFolder, order: Order | None, kept: _Kept) -> dict[str, Any]:
    run = kept.run
    copies = {"picture": order.picture, "sound": order.sound} if order else {}
    own = {"picture": run.image_path, "sound": run.audio_path} if run else {}
    found = {what: job.path / name for what, name in copies.items() if name} | own
    live = {"playlist": "live/film.m3u8", "growing_film": "live/film.mp4", "film": "video.mp4"}
    found |= {what: path_inside(job.run, name) for what, name in live.items()} if run else {}
    return {what: path for what, path in found.items() if path.is_file()}


def _facts_of(status: Status, kept: _Kept, state: JobState) -> dict[str, Any]:
    assert kept.run is not None
    spec, runs = kept.run.spec, state == "running"
    return {
        "model": spec.model,
        "width": spec.width,
        "height": spec.height,
        "clips": status.clips,
        "clips_done": status.clips_done,
        "clips_denoised": status.clips_denoised,
        "frames": status.frames,
        "seconds": status.seconds,
        "fps": status.fps,
        "frames_a_second": status.frames_a_second,
        "seconds_a_clip": status.seconds_a_clip,
        "eta": status.eta if runs else None,
        "stages": dict(status.stages),
        "device": dict(status.device),
        "device_name": str(kept.run.fingerprint.get("device", "")) or None,
        "last_event": status.last_event,
        "quiet": status.quiet if runs else None,
        "stall": status.stall if runs else None,
        "parent": status.parent,
        "bytes_on_disk": status.bytes_on_disk or 0,
    }
