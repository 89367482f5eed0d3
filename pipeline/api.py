"""The verbs that make films, as functions that return values: the command line and Luigi are shells over them.

The others have a function each, beside what they do; `open_run(path)` and the functions of this table can be had from here, too.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.monitor.held_run import hold_run
from pipeline.monitor.log_output import RunLog, log_line
from pipeline.monitor.progress import NOT_SHOWN, OnClipComplete, ProgressOptions, follow_progress
from pipeline.options.model_support import leave_out
from pipeline.push.publisher import push_live_film
from pipeline.results import FinishedFilm, RetakenFilm
from pipeline.sinks.connect import attach_sinks
from pipeline.upkeep.seam import measure_seams
from storage.disk import nearest_existing
from storage.lock import break_held_lock
from storage.scratch import sweep_scratch
from tasks import events

if TYPE_CHECKING:
    from pipeline.options.given_options import GivenOptions
    from storage.run import Run
    from tasks.film_part import FilmPart
    from tasks.request import Request
    from tasks.resolved_request import ResolvedRequest
    from tasks.retake import RetakePlan, RetakeRequest

_ELSEWHERE = {
    "open_run": "tasks.open_run",
    "plan_film": "pipeline.plan.planner",
    "read_status": "pipeline.monitor.status",
    "mux_finished": "pipeline.upkeep.partial_mux",
    "inspect_clip": "pipeline.inspection.clip",
    "survey_film": "pipeline.inspection.overview",
    "find_anomalies": "pipeline.inspection.hunt",
    "compare_runs": "pipeline.inspection.diff",
    "view_audio": "pipeline.inspection.audio_view",
    "verify_run": "pipeline.upkeep.verify",
    "repair_run": "pipeline.upkeep.verify",
    "read_film": "pipeline.report.reading",
    "write_report": "pipeline.report.write",
    "draw_presenters": "pipeline.avatar_pictures",
}


def __getattr__(name: str) -> object:
    """A function of `_ELSEWHERE`, whose file is imported when it is asked for."""
    if name in _ELSEWHERE:
        return getattr(import_module(_ELSEWHERE[name]), name)
    raise AttributeError(f"pipeline.api has no {name}")


def new(
    request: "Request",
    on_clip_complete: OnClipComplete | None = None,
    progress: ProgressOptions = NOT_SHOWN,
    notices: Iterable[str] = (),
    *,
    break_lock: bool = False,
) -> FinishedFilm:
    """Make the film that `request` asks for; the same request again goes on or finds it done.

    `on_clip_complete(clip_index, total_clips)` is called after each published clip; `notices` are said last of what comes before the work.
    """
    from tasks.film import make_film
    from tasks.resolve import freeze_resolved, resolve_request

    begun = time.monotonic()
    with (
        attach_sinks(progress.events_to),
        push_live_film(progress.push_to),
        hold_run(request.run, by_force=break_lock),
    ):
        resolved = resolve_request(request)
        sweep_scratch(nearest_existing(resolved.root.parent))
        if break_lock:
            break_held_lock(resolved.root)
        frames = resolved.spec.clip_frames
        with RunLog() as log, follow_progress(frames, on_clip_complete, progress.console) as seen:
            before = tuple(_lines_before(resolved))
            run = freeze_resolved(resolved)
            _print_warnings(before)
            if not run.events_path.exists():
                _emit_notices(run, begun)
            _print_warnings(notices)
            log.open(run.log_path)
            return _describe_film(run, request.part, make_film(run, request.part), seen.made)


def resume(
    root: Path,
    on_clip_complete: OnClipComplete | None = None,
    progress: ProgressOptions = NOT_SHOWN,
    *,
    accept_joint: bool = False,
    changes: "GivenOptions | None" = None,
) -> FinishedFilm:
    """Go on with the run in `root`, from what it has; `changes` are settings from now on."""
    from tasks.film import make_film
    from tasks.film_part import FilmPart
    from tasks.open_run import open_run
    from tasks.resolve import change_settings
    from tasks.retention import tell_gone

    fields = {} if changes is None else changes.fields
    target, overwrite = fields.get("output_file"), bool(fields.pop("overwrite", False))
    path = None if target is None else Path(str(target))
    part = FilmPart(output_file=path, overwrite=overwrite, accept_joint=accept_joint)
    with (
        attach_sinks(progress.events_to),
        push_live_film(progress.push_to),
        hold_run(root, begun=True),
    ):
        run = open_run(root)
        if (output := part.output(run.root, run.spec)) is not None:
            output.check()
        if changes is not None and fields:
            leave_out(changes, run.spec.model)
            change_settings(run, changes.fields, changes.sources)
        frames = run.spec.clip_frames
        with RunLog() as log, follow_progress(frames, on_clip_complete, progress.console) as seen:
            _say_where_else(run, part)
            if {"keep_frames", "keep_steps"}.intersection(fields):
                tell_gone(run)
            _print_warnings(changes.told if changes is not None else ())
            log.open(run.log_path)
            return _describe_film(run, part, make_film(run, part), seen.made)


def retake(
    root: Path,
    wish: "RetakeRequest",
    on_clip_complete: OnClipComplete | None = None,
    progress: ProgressOptions = NOT_SHOWN,
    *,
    tell: "Callable[[RetakePlan, float | None], None]" = lambda _plan, _seconds: None,
) -> RetakenFilm:
    """Make some clips of the film in `root` again, in a new run that shares the others; the same wish again goes on or finds it done.

    `tell` hears before any work what will be replayed and made, and in how many seconds, if the old run can say.
    """
    from pipeline.upkeep.verify import estimate_retake_seconds
    from tasks.film import make_film
    from tasks.film_part import FilmPart
    from tasks.open_run import open_run
    from tasks.retake import choose_retake_folder, plan_retake
    from tasks.retake_setup import begin_retake
    from tasks.run_folder import resolve_folder
    from tasks.store_run import EVERYTHING, look_at_store_run

    begun = time.monotonic()
    look_at_store_run(root, EVERYTHING)
    target = wish.run or choose_retake_folder(open_run(resolve_folder(root)), wish)
    with (
        attach_sinks(progress.events_to),
        push_live_film(progress.push_to),
        hold_run(target, by_force=wish.break_lock),
    ):
        plan = plan_retake(root, wish)
        tell(plan, estimate_retake_seconds(open_run(plan.old), plan))
        if wish.break_lock:
            break_held_lock(plan.root)
        frames, part = plan.spec.clip_frames, FilmPart(accept_joint=plan.accept_joint)
        with RunLog() as log, follow_progress(frames, on_clip_complete, progress.console) as seen:
            run = begin_retake(plan)
            if not plan.begun:
                _emit_notices(run, begun)
            log.open(run.log_path)
            film = _describe_film(run, part, make_film(run, part), seen.made)
        with run.lock():
            return RetakenFilm(film, measure_seams(open_run(run.root)))


def _describe_film(run: "Run", part: "FilmPart", path: Path, made: int) -> FinishedFilm:
    clips = part.span(run.spec.clips)
    frames = sum(run.spec.frames_in(clip) for clip in clips)
    return FinishedFilm(path, run.root, len(clips), frames, run.spec.fps, made)


def _print_warnings(lines: Iterable[str]) -> None:
    for line in lines:
        log_line(line, logging.WARNING)


def _lines_before(resolved: "ResolvedRequest") -> Iterator[str]:
    """What is said of a film before its run is there: another folder than was named, the plan, what was done to the inputs."""
    from pipeline.plan.planner import notices_before_film
    from tasks.run_folder import resolve_folder

    asked = resolved.request
    if (
        asked.run is None
        and asked.output_dir is not None
        and resolved.root.parent == resolve_folder(asked.output_dir)
    ):
        taken = "is another film's, or holds other things"
        yield f"{asked.output_dir} {taken}: this film's run is {resolved.root}"
    yield from notices_before_film(resolved)


def _say_where_else(run: "Run", part: "FilmPart") -> None:
    """A run's word alone takes no file out of it: it may be anybody's."""
    told = run.settings.output_file
    if told is not None and part.output_file is None and not Path(told).exists():
        log_line(
            f"`longtake new` was told to put the film at {told} as well: add --output-file",
            logging.WARNING,
        )


def _emit_notices(run: "Run", begun: float) -> None:
    """What a person must know of this run, once; and when it was asked for, from which its first playable clip counts."""
    with events.record_events(run.events_path):
        events.emit_event("run_asked", seconds=round(time.monotonic() - begun, 3))
    log_line("The film is tagged as AI-generated in its metadata.", logging.WARNING)
