"""The verbs, as functions that return values; the command line and Luigi are shells over them."""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.film import Film, Retaken
from pipeline.logs import Journal, say

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.inspection.clip import Inspection, Look
    from pipeline.inspection.diff import Comparison
    from pipeline.inspection.film import Course
    from pipeline.inspection.hearing import Hearing
    from pipeline.inspection.hunt import Hunt
    from pipeline.pace import Pace
    from pipeline.plan.estimate import Estimate
    from pipeline.plan.planning import How
    from pipeline.progress import OnClipComplete
    from pipeline.quality.judgement import Quality
    from pipeline.quality.judges import Judges
    from pipeline.report.reading import Report
    from pipeline.settings import Wishes
    from pipeline.status import Status
    from pipeline.verify import Verification
    from storage.run import Run
    from tasks.part import Part
    from tasks.request import Request
    from tasks.retake import Plan, Wish


def new(
    request: "Request",
    on_clip_complete: "OnClipComplete | None" = None,
    console: "Console | None" = None,
    notices: Iterable[str] = (),
    *,
    break_lock: bool = False,
) -> Film:
    """Make the film that `request` asks for; the same request again goes on or finds it done.

    `on_clip_complete(clip_index, total_clips)` is called after each published clip; `notices` are said last of what comes before the work.
    """
    from pipeline.plan.planning import told_before
    from pipeline.progress import Watching, followed
    from storage.disk import nearest
    from storage.lock import break_held
    from storage.scratch import sweep_scratch
    from tasks.request import freeze_resolved, resolve

    begun = time.monotonic()
    resolved = resolve(request)
    sweep_scratch(nearest(resolved.root.parent))
    if break_lock:
        break_held(resolved.root)
    watching = Watching(on_clip_complete, console)
    with Journal() as journal, followed(resolved.spec.clip_frames, watching) as pace:
        place = request.output_dir if request.run is None else None
        if place is not None and resolved.root.parent == place.resolve():
            taken = "is another film's, or holds other things"
            say(f"{place} {taken}: this film's run is {resolved.root}", logging.WARNING)
        planned = tuple(told_before(resolved))
        run = freeze_resolved(resolved)
        for line in planned:
            say(line, logging.WARNING)
        if not run.events_path.exists():
            _say_once(run, begun)
        for notice in notices:
            say(notice, logging.WARNING)
        return _make(run, request.part, journal, pace)


def resume(
    root: Path,
    on_clip_complete: "OnClipComplete | None" = None,
    console: "Console | None" = None,
    *,
    accept_joint: bool = False,
    changes: "Wishes | None" = None,
) -> Film:
    """Go on with the run in `root`, from what it has; `changes` are settings from now on."""
    from pipeline.fitting import leave_out
    from pipeline.progress import Watching, followed
    from tasks.opening import open_run
    from tasks.part import Part
    from tasks.request import change_settings
    from tasks.retention import tell_gone

    fields = {} if changes is None else changes.fields
    target, overwrite = fields.get("output_file"), bool(fields.pop("overwrite", False))
    path = None if target is None else Path(str(target))
    part = Part(output_file=path, overwrite=overwrite, accept_joint=accept_joint)
    run, watching = open_run(root), Watching(on_clip_complete, console)
    if (output := part.output(run.root, run.spec)) is not None:
        output.check()
    if changes is not None and fields:
        leave_out(changes, run.spec.model)
        change_settings(run, changes.fields, changes.sources)
    with Journal() as journal, followed(run.spec.clip_frames, watching) as pace:
        _say_where_else(run, part)
        if {"keep_frames", "keep_steps"}.intersection(fields):
            tell_gone(run)
        for notice in changes.told if changes is not None else ():
            say(notice, logging.WARNING)
        return _make(run, part, journal, pace)


def retake(
    root: Path,
    wish: "Wish",
    on_clip_complete: "OnClipComplete | None" = None,
    console: "Console | None" = None,
    *,
    tell: "Callable[[Plan, float | None], None]" = lambda _plan, _seconds: None,
) -> Retaken:
    """Make some clips of the film in `root` again, in a new run that shares the others; the same wish again goes on or finds it done.

    `tell` hears before any work what will be replayed and made, and in how many seconds, if the old run can say.
    """
    from pipeline.progress import Watching, followed
    from pipeline.seam import seams_of
    from pipeline.verify import retake_seconds
    from storage.lock import break_held
    from tasks.opening import open_run
    from tasks.origin import begin
    from tasks.part import Part
    from tasks.retake import plan

    begun = time.monotonic()
    found = plan(root, wish)
    tell(found, retake_seconds(open_run(found.old), found))
    if wish.break_lock:
        break_held(found.root)
    watching = Watching(on_clip_complete, console)
    with Journal() as journal, followed(found.spec.clip_frames, watching) as pace:
        run = begin(found)
        if not found.begun:
            _say_once(run, begun)
        film = _make(run, Part(accept_joint=found.accept_joint), journal, pace)
    with run.lock():
        return Retaken(film, seams_of(open_run(run.root)))


def _make(run: "Run", part: "Part", journal: Journal, pace: "Pace") -> Film:
    from tasks.film import make

    journal.open(run.log_path)
    path = make(run, part)
    clips = part.span(run.spec.clips)
    frames = sum(run.spec.frames_in(clip) for clip in clips)
    return Film(path, run.root, len(clips), frames, run.spec.fps, pace.made)


def _say_where_else(run: "Run", part: "Part") -> None:
    """A run's word alone takes no file out of it: it may be anybody's."""
    told = run.settings.output_file
    if told is not None and part.output_file is None and not Path(told).exists():
        say(
            f"`longtake new` was told to put the film at {told} as well: add --output-file",
            logging.WARNING,
        )


def _say_once(run: "Run", begun: float) -> None:
    """What a person must know of this run, once; and when it was asked for, from which its first playable clip counts."""
    from tasks import events
    from tasks.session import traits_of

    with events.recorded(run.events_path):
        events.emit("run_asked", seconds=round(time.monotonic() - begun, 3))
    spec = run.spec
    say("The film is tagged as AI-generated in its metadata.", logging.WARNING)
    if spec.prompt and not traits_of(run).prompt_acts:
        say(f"{spec.model} ignores the prompt: picture and sound alone decide.", logging.WARNING)


def plan(request: "Request", how: "How | None" = None) -> "Estimate":
    """What the film of `request` will take, and what would make it fit. Its first clips are made where that takes seconds; nothing of them stays."""
    from pipeline.plan.planning import How, planned

    return planned(request, how or How())[1]


def fit(request: "Request") -> "tuple[Request, tuple[str, ...]]":
    """The request, where there is no room for it with the first of the ways that fit, and their flags; makes nothing."""
    from pipeline.plan.planning import How, planned

    fitted, found = planned(request, How(rehearse=False, fit=True))
    return fitted, found.changes


def status(root: Path) -> "Status":
    """What the run in `root` has, how fast it goes and where each setting came from. Takes no lock."""
    from pipeline.status import read
    from tasks.opening import open_run

    return read(open_run(root))


def mux(
    root: Path, *, partial: bool = False, output_file: Path | None = None, overwrite: bool = False
) -> Film:
    """Join the finished clips and their sound into one file, without a lock and without a model.

    `partial`: the longest finished prefix, to RUN/partial.mp4 unless `output_file` says otherwise, which may take another file's place by `overwrite`.
    Raises NotMade, BadOutput, NotWritable.
    """
    from pipeline.prefix import join
    from tasks.opening import open_run

    return join(open_run(root), partial=partial, output_file=output_file, overwrite=overwrite)


def inspect(
    root: Path, look: "Look", tell: "Callable[[str], None]" = lambda _: None
) -> "Inspection":
    """Pictures and numbers of one clip's latents after each step, from what is on disk. Takes no lock.

    Steps that are not kept are made again where the look asks for them; `tell` hears the price before.
    """
    from pipeline.inspection.clip import inspect_clip
    from storage.run import Run

    return inspect_clip(Run.open(root), look, tell)


def follow(
    root: Path,
    output_file: Path | None = None,
    watch: "Callable[[int], None]" = lambda _: None,
    *,
    overwrite: bool = False,
) -> "Course":
    """How the latents go from clip to clip over the whole film: some clips as pictures, norm, drift and each channel. Takes no lock."""
    from pipeline.inspection.film import follow as look
    from storage.run import Run

    return look(Run.open(root), output_file, watch, overwrite=overwrite)


def hunt(root: Path, watch: "Callable[[int], None]" = lambda _: None) -> "Hunt":
    """NaN and outliers of the whole run, each with its place. Takes no lock, writes nothing."""
    from pipeline.inspection.hunt import hunt as look
    from storage.run import Run

    return look(Run.open(root), watch)


def diff(root: Path, other: Path, watch: "Callable[[int], None]" = lambda _: None) -> "Comparison":
    """Where two runs first differ and by how much, stage by stage. Takes no lock, writes nothing."""
    from pipeline.inspection.diff import compare
    from storage.run import Run

    return compare(Run.open(root), Run.open(other), watch)


def hear(
    root: Path, clip: int, output_file: Path | None = None, *, overwrite: bool = False
) -> "Hearing":
    """What the model hears of a clip, beside the wave. Takes no lock."""
    from pipeline.inspection.hearing import hear as look
    from storage.run import Run

    return look(Run.open(root), clip, output_file, overwrite=overwrite)


def verify(root: Path, console: "Console | None" = None) -> "Verification":
    """Whether the run in `root` is whole, what is broken and what that costs. Takes no lock, loads no model, writes nothing."""
    from pipeline.verify import verify as look
    from tasks.opening import open_run

    return look(open_run(root), console)


def repair(
    root: Path,
    console: "Console | None" = None,
    tell: "Callable[[Verification], None]" = lambda _: None,
) -> "Verification":
    """Make again exactly what is broken in the run in `root`; `tell` hears the price before. A film that was not finished is not finished by it."""
    from pipeline.verify import repair as mend
    from tasks.opening import open_run

    return mend(open_run(root), console, tell)


def quality(root: Path, judges: "Judges | None" = None) -> "Quality":
    """What the film of the run in `root`, or a film's file, is like, from its own frames and samples. Takes no lock, writes nothing."""
    from pipeline.report.reading import read

    return read(root, judges=judges).quality


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
    from pipeline.report.reading import report as write

    target = Target(output_file, overwrite)
    return write(list(films), target, judges=judges, console=console)


def judges_of(syncnet: Path | None, likeness: Path | None) -> "Judges":
    """Networks that are asked as well, by their weights."""
    from pipeline.quality.judges import Judges

    return Judges(syncnet, likeness)
