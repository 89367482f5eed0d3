"""The verbs, as functions that return values; the command line, the page and Luigi are shells over them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from storage.errors import NotMade

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.inspect import Inspection
    from pipeline.status import Status
    from storage.run import Run
    from tasks.request import Part, Request

OnClipComplete = Callable[[int, int], None]


@dataclass(frozen=True)
class Film:
    """A film on disk, and the run that it came from."""

    path: Path
    run: Path
    clips: int
    """In the film."""
    frames: int
    fps: int
    made: int = 0
    """Clips that this call made; the others were there already."""


@dataclass(frozen=True)
class Watching:
    """Who is told while a film is made."""

    on_clip_complete: OnClipComplete | None = None
    """Called as (clip_index, total_clips) after each published clip."""
    console: "Console | None" = None
    """A terminal for the bar."""


def new(
    request: "Request",
    on_clip_complete: OnClipComplete | None = None,
    console: "Console | None" = None,
) -> Film:
    """Make the film that `request` asks for; the same request again goes on or finds it done.

    `on_clip_complete(clip_index, total_clips)` is called after each published clip.
    """
    from tasks.request import check, freeze

    check(request)
    return _make(freeze(request), request.part, Watching(on_clip_complete, console))


def resume(
    root: Path,
    on_clip_complete: OnClipComplete | None = None,
    console: "Console | None" = None,
    *,
    accept_joint: bool = False,
) -> Film:
    """Go on with the run in `root`, from what it has."""
    from storage.run import Run
    from tasks.request import Part

    part = Part(accept_joint=accept_joint)
    return _make(Run.open(root), part, Watching(on_clip_complete, console))


def _make(run: "Run", part: "Part", watching: Watching) -> Film:
    from pipeline import logs, progress
    from tasks.film import make

    with logs.recorded(run.log_path):
        if not run.events_path.exists():
            _say_once(run)
        with progress.followed(run.root, run.spec.clip_frames, watching) as pace:
            path = make(run, part)
    frames = [run.spec.frames_in(clip) for clip in part.span(run)]
    return Film(path, run.root, len(frames), sum(frames), run.spec.fps, pace.made)


def _say_once(run: "Run") -> None:
    """What a person must know of this run, once."""
    import logging

    from model.avatar import Options, describe
    from pipeline.logs import say

    spec = run.spec
    say("The film is tagged as AI-generated in its metadata.", logging.WARNING)
    traits = describe(spec.model, Options(spec.width, spec.height, spec.clip_frames, spec.steps))
    if spec.prompt and not traits.prompt_acts:
        say(f"{spec.model} ignores the prompt: picture and sound alone decide.", logging.WARNING)


def status(root: Path) -> "Status":
    """What the run in `root` has, how fast it goes and where each setting came from. Takes no lock."""
    from pipeline.status import read
    from storage.run import Run

    return read(Run.open(root))


def mux(root: Path, *, partial: bool = False, output_file: Path | None = None) -> Film:
    """Join the finished clips and their sound into one file, without a lock and without a model.

    `partial`: the longest finished prefix, to RUN/partial.mp4 unless `output_file` says otherwise.
    """
    raise NotImplementedError


def inspect(
    root: Path, clip: int, *, step: int | None = None, output_file: Path | None = None
) -> "Inspection":
    """Pictures and numbers of one clip's latents after each step, from what is on disk. Takes no lock."""
    from pipeline.inspect import inspect_clip
    from storage.run import Run

    return inspect_clip(Run.open(root), clip, step=step, output_file=output_file)
