"""The verbs, as functions that return values; the command line, the page and Luigi are shells over them."""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.film import Film
from pipeline.logs import Journal, say

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.inspect import Inspection
    from pipeline.pace import Pace
    from pipeline.plan.estimate import Estimate
    from pipeline.plan.planning import How
    from pipeline.progress import OnClipComplete
    from pipeline.settings import Wishes
    from pipeline.status import Status
    from pipeline.verify import Verification
    from storage.run import Run
    from tasks.request import Part, Request


def new(
    request: "Request",
    on_clip_complete: "OnClipComplete | None" = None,
    console: "Console | None" = None,
    notices: Iterable[str] = (),
    *,
    break_lock: bool = False,
) -> Film:
    """Make the film that `request` asks for; the same request again goes on or finds it done.

    `on_clip_complete(clip_index, total_clips)` is called after each published clip; `notices` are said first.
    """
    from pipeline.plan.planning import told_before
    from pipeline.progress import Watching, followed
    from storage.lock import break_held
    from tasks.request import freeze_resolved, resolve

    begun = time.monotonic()
    resolved = resolve(request)
    if break_lock:
        break_held(resolved.root)
    watching = Watching(on_clip_complete, console)
    with Journal() as journal, followed(resolved.spec.clip_frames, watching) as pace:
        for notice in notices:
            say(notice, logging.WARNING)
        planned = tuple(told_before(resolved))
        run = freeze_resolved(resolved)
        for line in planned:
            say(line, logging.WARNING)
        if not run.events_path.exists():
            _say_once(run, begun)
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
    from pipeline.progress import Watching, followed
    from storage.run import Run
    from tasks.request import Part, change_settings

    if changes is not None and changes.fields:
        change_settings(Run.open(root), changes.fields, changes.sources)
    run, watching = Run.open(root), Watching(on_clip_complete, console)
    target = run.settings.output_file
    part = Part(output_file=Path(target) if target else None, accept_joint=accept_joint)
    with Journal() as journal, followed(run.spec.clip_frames, watching) as pace:
        return _make(run, part, journal, pace)


def _make(run: "Run", part: "Part", journal: Journal, pace: "Pace") -> Film:
    from tasks.film import make

    journal.open(run.log_path)
    path = make(run, part)
    clips = part.span(run.spec.clips)
    frames = sum(run.spec.frames_in(clip) for clip in clips)
    return Film(path, run.root, len(clips), frames, run.spec.fps, pace.made)


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
    from storage.run import Run

    return read(Run.open(root))


def mux(root: Path, *, partial: bool = False, output_file: Path | None = None) -> Film:
    """Join the finished clips and their sound into one file, without a lock and without a model.

    `partial`: the longest finished prefix, to RUN/partial.mp4 unless `output_file` says otherwise.
    """
    from pipeline.prefix import join
    from storage.run import Run

    return join(Run.open(root), partial=partial, output_file=output_file)


def inspect(
    root: Path, clip: int, *, step: int | None = None, output_file: Path | None = None
) -> "Inspection":
    """Pictures and numbers of one clip's latents after each step, from what is on disk. Takes no lock."""
    from pipeline.inspect import inspect_clip
    from storage.run import Run

    return inspect_clip(Run.open(root), clip, step=step, output_file=output_file)


def verify(root: Path, console: "Console | None" = None) -> "Verification":
    """Whether the run in `root` is whole, what is broken and what that costs. Takes no lock, loads no model, writes nothing."""
    from pipeline.verify import verify as look
    from storage.run import Run

    return look(Run.open(root), console)


def repair(
    root: Path,
    console: "Console | None" = None,
    tell: "Callable[[Verification], None]" = lambda _: None,
) -> "Verification":
    """Make again exactly what is broken in the run in `root`; `tell` hears the price before. A film that was not finished is not finished by it."""
    from pipeline.verify import repair as mend
    from storage.run import Run

    return mend(Run.open(root), console, tell)
