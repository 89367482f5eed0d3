"""The verbs, as functions that return values; the command line and Luigi are shells over them."""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.monitor.log_output import RunLog, log_line
from pipeline.monitor.progress import ProgressOptions, follow_progress
from pipeline.options.model_support import leave_out
from pipeline.results import FinishedFilm, RetakenFilm
from pipeline.upkeep.seam import measure_seams
from storage.disk import nearest_existing
from storage.scratch import sweep_scratch
from tasks import events

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.inspection.audio_view import AudioView
    from pipeline.inspection.clip import ClipInspection, ClipView
    from pipeline.inspection.diff import RunComparison
    from pipeline.inspection.hunt import AnomalyReport
    from pipeline.inspection.overview import FilmOverview
    from pipeline.monitor.eta import EtaEstimator
    from pipeline.monitor.progress import OnClipComplete
    from pipeline.monitor.status import Status
    from pipeline.options.sources import GivenOptions
    from pipeline.plan.estimate import Estimate
    from pipeline.plan.planner import PlanOptions
    from pipeline.quality.external_judges import Judges
    from pipeline.quality.thresholds import FilmQuality
    from pipeline.report.write import Report
    from pipeline.upkeep.verify import Verification
    from storage.run import Run
    from tasks.film_part import FilmPart
    from tasks.request import Request
    from tasks.retake import RetakePlan, RetakeRequest


def new(
    request: "Request",
    on_clip_complete: "OnClipComplete | None" = None,
    console: "Console | None" = None,
    notices: Iterable[str] = (),
    *,
    break_lock: bool = False,
) -> FinishedFilm:
    """Make the film that `request` asks for; the same request again goes on or finds it done.

    `on_clip_complete(clip_index, total_clips)` is called after each published clip; `notices` are said last of what comes before the work.
    """
    from pipeline.plan.planner import notices_before_film
    from storage.lock import break_held_lock
    from tasks.resolve import freeze_resolved, resolve_request

    begun = time.monotonic()
    resolved = resolve_request(request)
    sweep_scratch(nearest_existing(resolved.root.parent))
    if break_lock:
        break_held_lock(resolved.root)
    watching = ProgressOptions(on_clip_complete, console)
    with RunLog() as journal, follow_progress(resolved.spec.clip_frames, watching) as pace:
        place = request.output_dir if request.run is None else None
        if place is not None and resolved.root.parent == place.resolve():
            taken = "is another film's, or holds other things"
            log_line(f"{place} {taken}: this film's run is {resolved.root}", logging.WARNING)
        planned = tuple(notices_before_film(resolved))
        run = freeze_resolved(resolved)
        for line in planned:
            log_line(line, logging.WARNING)
        if not run.events_path.exists():
            _emit_notices(run, begun)
        for notice in notices:
            log_line(notice, logging.WARNING)
        return _make_film(run, request.part, journal, pace)


def resume(
    root: Path,
    on_clip_complete: "OnClipComplete | None" = None,
    console: "Console | None" = None,
    *,
    accept_joint: bool = False,
    changes: "GivenOptions | None" = None,
) -> FinishedFilm:
    """Go on with the run in `root`, from what it has; `changes` are settings from now on."""
    from tasks.film_part import FilmPart
    from tasks.open_run import open_run
    from tasks.resolve import change_settings
    from tasks.retention import tell_gone

    fields = {} if changes is None else changes.fields
    target, overwrite = fields.get("output_file"), bool(fields.pop("overwrite", False))
    path = None if target is None else Path(str(target))
    part = FilmPart(output_file=path, overwrite=overwrite, accept_joint=accept_joint)
    run, watching = open_run(root), ProgressOptions(on_clip_complete, console)
    if (output := part.output(run.root, run.spec)) is not None:
        output.check()
    if changes is not None and fields:
        leave_out(changes, run.spec.model)
        change_settings(run, changes.fields, changes.sources)
    with RunLog() as journal, follow_progress(run.spec.clip_frames, watching) as pace:
        _say_where_else(run, part)
        if {"keep_frames", "keep_steps"}.intersection(fields):
            tell_gone(run)
        for notice in changes.told if changes is not None else ():
            log_line(notice, logging.WARNING)
        return _make_film(run, part, journal, pace)


def retake(
    root: Path,
    wish: "RetakeRequest",
    on_clip_complete: "OnClipComplete | None" = None,
    console: "Console | None" = None,
    *,
    tell: "Callable[[RetakePlan, float | None], None]" = lambda _plan, _seconds: None,
) -> RetakenFilm:
    """Make some clips of the film in `root` again, in a new run that shares the others; the same wish again goes on or finds it done.

    `tell` hears before any work what will be replayed and made, and in how many seconds, if the old run can say.
    """
    from pipeline.upkeep.verify import estimate_retake_seconds
    from storage.lock import break_held_lock
    from tasks.film_part import FilmPart
    from tasks.open_run import open_run
    from tasks.retake import plan_retake
    from tasks.retake_setup import begin_retake

    begun = time.monotonic()
    found = plan_retake(root, wish)
    tell(found, estimate_retake_seconds(open_run(found.old), found))
    if wish.break_lock:
        break_held_lock(found.root)
    watching = ProgressOptions(on_clip_complete, console)
    with RunLog() as journal, follow_progress(found.spec.clip_frames, watching) as pace:
        run = begin_retake(found)
        if not found.begun:
            _emit_notices(run, begun)
        film = _make_film(run, FilmPart(accept_joint=found.accept_joint), journal, pace)
    with run.lock():
        return RetakenFilm(film, measure_seams(open_run(run.root)))


def _make_film(run: "Run", part: "FilmPart", journal: RunLog, pace: "EtaEstimator") -> FinishedFilm:
    from tasks.film import make_film

    journal.open(run.log_path)
    path = make_film(run, part)
    clips = part.span(run.spec.clips)
    frames = sum(run.spec.frames_in(clip) for clip in clips)
    return FinishedFilm(path, run.root, len(clips), frames, run.spec.fps, pace.made)


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
    from tasks.loaded_model import model_traits_of

    with events.record_events(run.events_path):
        events.emit_event("run_asked", seconds=round(time.monotonic() - begun, 3))
    spec = run.spec
    log_line("The film is tagged as AI-generated in its metadata.", logging.WARNING)
    if spec.prompt and not model_traits_of(run).prompt_acts:
        log_line(
            f"{spec.model} ignores the prompt: picture and sound alone decide.", logging.WARNING
        )


def plan(request: "Request", how: "PlanOptions | None" = None) -> "Estimate":
    """What the film of `request` will take, and what would make it fit. Its first clips are made where that takes seconds; nothing of them stays."""
    from pipeline.plan.planner import PlanOptions, plan_film

    return plan_film(request, how or PlanOptions())[1]


def fit_request(request: "Request") -> "tuple[Request, tuple[str, ...]]":
    """The request, where there is no room for it with the first of the ways that fit, and their flags; makes nothing."""
    from pipeline.plan.planner import PlanOptions, plan_film

    fitted, found = plan_film(request, PlanOptions(rehearse=False, fit=True))
    return fitted, found.changes


def status(root: Path) -> "Status":
    """What the run in `root` has, how fast it goes and where each setting came from. Takes no lock."""
    from pipeline.monitor.status import read_status
    from tasks.open_run import open_run

    return read_status(open_run(root))


def mux(
    root: Path, *, partial: bool = False, output_file: Path | None = None, overwrite: bool = False
) -> FinishedFilm:
    """Join the finished clips and their sound into one file, without a lock and without a model.

    `partial`: the longest finished prefix, to RUN/partial.mp4 unless `output_file` says otherwise, which may take another file's place by `overwrite`.
    Raises NotMade, BadOutput, NotWritable.
    """
    from pipeline.upkeep.partial_mux import mux_finished
    from tasks.open_run import open_run

    return mux_finished(
        open_run(root), partial=partial, output_file=output_file, overwrite=overwrite
    )


def inspect(
    root: Path, look: "ClipView", tell: "Callable[[str], None]" = lambda _: None
) -> "ClipInspection":
    """Pictures and numbers of one clip's latents after each step, from what is on disk. Takes no lock.

    Steps that are not kept are made again where the look asks for them; `tell` hears the price before.
    """
    from pipeline.inspection.clip import inspect_clip
    from storage.run import Run

    return inspect_clip(Run.open(root), look, tell)


def inspect_film(
    root: Path,
    output_file: Path | None = None,
    watch: "Callable[[int], None]" = lambda _: None,
    *,
    overwrite: bool = False,
) -> "FilmOverview":
    """How the latents go from clip to clip over the whole film: some clips as pictures, norm, drift and each channel. Takes no lock."""
    from pipeline.inspection.overview import survey_film as look
    from storage.run import Run

    return look(Run.open(root), output_file, watch, overwrite=overwrite)


def find_anomalies(root: Path, watch: "Callable[[int], None]" = lambda _: None) -> "AnomalyReport":
    """NaN and outliers of the whole run, each with its place. Takes no lock, writes nothing."""
    from pipeline.inspection.hunt import find_anomalies as look
    from storage.run import Run

    return look(Run.open(root), watch)


def diff(
    root: Path, other: Path, watch: "Callable[[int], None]" = lambda _: None
) -> "RunComparison":
    """Where two runs first differ and by how much, stage by stage. Takes no lock, writes nothing."""
    from pipeline.inspection.diff import compare_runs
    from storage.run import Run

    return compare_runs(Run.open(root), Run.open(other), watch)


def inspect_audio(
    root: Path, clip: int, output_file: Path | None = None, *, overwrite: bool = False
) -> "AudioView":
    """What the model hears of a clip, beside the wave. Takes no lock."""
    from pipeline.inspection.audio_view import view_audio as look
    from storage.run import Run

    return look(Run.open(root), clip, output_file, overwrite=overwrite)


def verify(root: Path, console: "Console | None" = None) -> "Verification":
    """Whether the run in `root` is whole, what is broken and what that costs. Takes no lock, loads no model, writes nothing."""
    from pipeline.upkeep.verify import verify_run as look
    from tasks.open_run import open_run

    return look(open_run(root), console)


def repair(
    root: Path,
    console: "Console | None" = None,
    tell: "Callable[[Verification], None]" = lambda _: None,
) -> "Verification":
    """Make again exactly what is broken in the run in `root`; `tell` hears the price before. A film that was not finished is not finished by it."""
    from pipeline.upkeep.verify import repair_run as mend
    from tasks.open_run import open_run

    return mend(open_run(root), console, tell)


def quality(root: Path, judges: "Judges | None" = None) -> "FilmQuality":
    """What the film of the run in `root`, or a film's file, is like, from its own frames and samples. Takes no lock, writes nothing."""
    from pipeline.report.reading import read_film

    return read_film(root, judges=judges).quality


def report(
    films: Iterable[Path],
    output_file: Path | None = None,
    *,
    overwrite: bool = False,
    judges: "Judges | None" = None,
    console: "Console | None" = None,
) -> "Report":
    """One page about the films of runs, or about films' files, beside each other: report.html in the first run unless `output_file` says otherwise."""
    from pipeline.report.reading import Target
    from pipeline.report.write import write_report as write

    target = Target(output_file, overwrite)
    return write(list(films), target, judges=judges, console=console)


def choose_judges(syncnet: Path | None, likeness: Path | None) -> "Judges":
    """Networks that are asked as well, by their weights."""
    from pipeline.quality.external_judges import Judges

    return Judges(syncnet, likeness)
