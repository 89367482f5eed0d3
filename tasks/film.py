"""The whole film: what a person names, the windows that Luigi sees, and the joining."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import luigi

from storage.digest import find_size_flaw, hash_file
from storage.errors import Interrupted, LongtakeError, Terminated
from storage.film_file import FilmSpan, mux_film
from storage.names import is_run
from storage.scan import RunScan
from storage.soundtrack import encode_soundtrack
from tasks.base import DAMAGE_ERRORS, FolderTask, RunTask, call_luigid
from tasks.clip import DecodeClip, segment_is_there
from tasks.damage import withdraw_damaged
from tasks.events import Fact, emit_event, listen_to_events
from tasks.film_part import FilmPart
from tasks.host_memory import host_bytes_peak
from tasks.inputs import EncodeInputs
from tasks.luigi_batches import clip_batches, luigi_settings, require_built
from tasks.options import OPTIONS, SWITCH, Option
from tasks.request import Request
from tasks.resolve import ResolvedRequest, freeze_resolved, resolve_request
from tasks.retention import prune_unwanted, withdraw_pruned_frames
from tasks.session import Session, open_session
from tasks.signals import Stopped, handle_signals

if TYPE_CHECKING:
    from storage.run import Run


DAMAGE_PASSES = 3


class EncodeSoundtrack(RunTask):
    """One AAC side-car of the whole sound."""

    stage = "soundtrack"
    doing = "encoding the soundtrack"

    def run(self) -> None:
        """Encode it once; parts and partial films cut their span out of it."""
        for attempt in self.attempts():
            with attempt as session:
                session.disk.free_for_soundtrack()
                run, path = session.run, session.run.soundtrack_path
                run.check_inputs()
                encode_soundtrack(run.audio_path, path, run.spec.reading, session.pulse)
                commit_file(run, self.stage, path)


class MuxVideo(RunTask):
    """The film: every segment and the soundtrack, joined by copying packets."""

    stage = "video"
    doing = "joining the film"

    def complete(self) -> bool:
        """True if the record says done and the film has its length."""
        facts, path = self.opened_run.records.vouched(self.stage), self.opened_run.video_path
        return facts is not None and find_size_flaw(path, facts["bytes"]) is None

    def requires(self) -> Iterator[luigi.Task]:
        """Every clip that is not there, not the last alone: Luigi looks no further back than a complete task.

        Those that are there are not named: Luigi would keep 16 kB of each.
        """
        yield EncodeSoundtrack(folder=self.folder)
        for clip in range(self.opened_run.spec.clips):
            if not segment_is_there(self.opened_run, clip):
                yield DecodeClip(folder=self.folder, clip=clip)

    def run(self) -> None:
        """Join every clip and the soundtrack."""
        for attempt in self.attempts():
            with attempt as session:
                session.disk.free_for_film()
                run, path, clips = session.run, session.run.video_path, session.run.spec.clips
                frames = join_clips(session, range(clips), path)
                commit_file(run, self.stage, path)
                emit_event("film_published", path=str(path), clips=clips, frames=frames)


def join_clips(session: Session, clips: range, target: Path) -> int:
    """Publish the film of these clips with their own span of the sound, times from 0; its number of frames."""
    run, spec = session.run, session.run.spec
    first = clips.start * spec.clip_frames
    frames = min(clips.stop * spec.clip_frames, spec.frames) - first
    span = FilmSpan(spec.fps, spec.clip_frames, frames, first, run.root.name)

    def paths() -> Iterator[Path]:
        for clip in clips:
            session.pulse()
            yield run.verified_path("segment", clip)

    mux_film(target, paths(), run.verified_path("soundtrack"), span)
    return frames


def commit_file(run: "Run", stage: str, path: Path) -> None:
    """Vouch for a file that is published."""
    run.records.commit(stage, sha256=hash_file(path), bytes=path.stat().st_size)


def make_film(
    run: "Run", part: FilmPart | None = None, *, local_scheduler: bool | None = True
) -> Path:
    """Make what the run lacks and return the film; `local_scheduler=None` takes Luigi's own command line's.

    Takes the run's lock, sweeps drafts, checks what is there, then drives Luigi window by window. Raises WorkFailed, StageFailed,
    Interrupted, RunLocked, OtherNumerics, NotReproduced, NoSpace. Ctrl-C and SIGTERM end it after the current write (main thread only).
    """
    part = part or FilmPart()
    with handle_signals() as stop:
        for left in reversed(range(DAMAGE_PASSES)):
            with open_session(run, part, stop) as session, film_pass(session, last=not left):
                for task in require_built(session, film_tasks(session)):
                    luigi.build([task], **luigi_settings(local_scheduler))
                return publish_film(session)
    raise AssertionError("the last pass returns or raises")


@contextmanager
def film_pass(session: Session, *, last: bool) -> Iterator[None]:
    """One pass over the film. Damage that a reader meets is withdrawn and ends the pass quietly: the next makes it again.

    Raises Interrupted or Terminated after a signal, and the damage where nothing is found to withdraw, or in the last pass.
    """
    with session.watchdog.watch("film"):
        try:
            yield
        except Stopped as stopped:
            raise _interruption(session.run, session.part, str(stopped)) from None
        except DAMAGE_ERRORS:
            # A quick look did not see it, the thorough one does. Damage that comes again and again is the disk's.
            if not withdraw_damaged(session.run, session.pulse, thorough=True) or last:
                raise


def film_tasks(session: Session) -> Iterator[luigi.Task]:
    """What Luigi is to make, each when the one before is made, and what is to be done in between. What is there is looked through first; in a run that was just made there is nothing."""
    run, part = session.run, session.part
    if (output := part.output(run.root, run.spec)) is not None:
        output.check()
    if not session.fresh:
        withdraw_damaged(run, session.pulse)
        withdraw_pruned_frames(run)
        prune_unwanted(run, session.pulse)
    if part.accept_joint:
        session.accept_joint()
    _emit_start(session)
    # Clips that are there ask no more for what is made once; those that were lost do.
    yield from missing_tasks(session, EncodeInputs)
    yield from clip_batches(session)
    _emit_memory_peak(session)
    yield from missing_tasks(session, EncodeSoundtrack)
    if len(part.span(run.spec.clips)) == run.spec.clips:
        yield from missing_tasks(session, MuxVideo)


def missing_tasks(session: Session, *kinds: type[RunTask]) -> Iterator[luigi.Task]:
    """The tasks of these kinds, made once a run, that are not complete."""
    for kind in kinds:
        if not (task := kind(folder=str(session.run.root))).complete():  # type: ignore[no-untyped-call]
            yield task


def publish_film(session: Session) -> Path:
    """Put the film, or the part of it that is asked for, where it is to lie; its path."""
    run, span = session.run, session.part.span(session.run.spec.clips)
    session.disk.free_for_film()
    if (output := session.part.output(run.root, run.spec)) is None:
        return run.video_path
    if len(span) < run.spec.clips:
        with output.write() as draft:
            frames = join_clips(session, span, draft)
        emit_event("film_published", path=str(output.path), clips=len(span), frames=frames)
    elif not output.is_done:
        film = run.verified_path("video")
        with output.write() as draft:
            shutil.copyfile(film, draft)
    return output.path


def _emit_start(session: Session) -> None:
    run, settings = session.run, session.run.settings
    span = session.part.span(run.spec.clips)
    folder = str(run.root)
    done = sum(segment_is_there(run, clip) for clip in span)
    emit_event(
        "run_started",
        run=folder,
        model=run.spec.model,
        first_clip=span.start,
        clips=len(span),
        done=done,
        offline=settings.offline,
        ahead=settings.ahead,
        clip_batch_size=settings.clip_batch_size,
    )
    session.lap_seconds()


def _emit_memory_peak(session: Session) -> None:
    """How much this process has taken at most; nothing where no model was needed."""
    if "avatar" not in session.__dict__:
        return
    emit_event("memory_peak", host=host_bytes_peak(), **session.avatar.peaks)


def _interruption(run: "Run", part: FilmPart, signal: str) -> Interrupted:
    whole = len(part.span(run.spec.clips)) == run.spec.clips
    command = part.resume_command(run.root) if whole else "the same command"
    emit_event("run_interrupted", signal=signal, resume=command)
    kind = Terminated if signal == "SIGTERM" else Interrupted
    return kind(signal, command)


class OptionParameter(luigi.Parameter[Any]):
    """An option as Luigi's parameter: a word, which Request.from_words reads, or the value itself; None where nothing is said."""

    def __init__(self, option: Option) -> None:
        more: dict[str, Any] = {} if option.name in {"image", "audio"} else {"default": None}
        super().__init__(description=option.help, **more)

    def serialize(self, x: Any) -> str:
        """The value as a word."""
        return "" if x is None else str(x)


def luigi_parameters() -> dict[str, Any]:
    """One for each option by its name, but for the run's folder, which every task has."""
    return {
        name: luigi.BoolParameter(default=False, description=option.help)
        if option.kind is SWITCH
        else OptionParameter(option)
        for name, option in OPTIONS.items()
        if name != "run" and not option.cli_only
    }


class LongVideo(FolderTask):
    """A picture and a soundtrack become a film: what a person names on Luigi's command line. Freezes the spec, drives the rest."""

    folder: str = luigi.Parameter(default="", description="The run's folder.")
    locals().update(luigi_parameters())
    _made = False
    _count, _total = 0, 1

    @cached_property
    def request(self) -> Request:
        """These parameters as a Request; what was not given stays so."""
        return Request.from_words(self.param_kwargs, source="luigi")

    @cached_property
    def resolved(self) -> ResolvedRequest:
        """The request, checked."""
        return resolve_request(self.request)

    def complete(self) -> bool:
        """True if the film is there; False also where something stands in the way, which `run` then says."""
        try:
            resolved = self.resolved
        except LongtakeError:
            return False
        return self._made or is_done(resolved)

    def run(self) -> None:
        """Freeze the spec, make the film."""
        run = freeze_resolved(self.resolved)
        call_luigid(self.set_tracking_url, run.root.as_uri())
        with listen_to_events(self._show_progress):
            make_film(run, self.request.part, local_scheduler=None)
        self._made = True

    def _show_progress(self, event: str, facts: dict[str, Fact]) -> None:
        """Put progress on luigid's page."""
        if event == "run_started":
            self._count, self._total = int(facts["done"] or 0), int(facts["clips"] or 1)
        if event == "clip_published":
            self._count += 1
            call_luigid(self.set_progress_percentage, 100 * self._count // self._total)
            call_luigid(self.set_status_message, f"{self._count} of {self._total} clips")


def is_done(resolved: ResolvedRequest) -> bool:
    """True if the film of a request is there, whole: the film, every clip of it, and the copy that was asked for."""
    span = resolved.part.span(resolved.spec.clips)
    if not is_run(resolved.root) or len(span) < resolved.spec.clips:
        return False
    film, output = (
        MuxVideo(folder=str(resolved.root)),
        resolved.part.output(resolved.root, resolved.spec),
    )
    there = film.complete() and all(segment_is_there(film.opened_run, clip) for clip in span)
    damage = (
        found for found in RunScan(film.opened_run, thorough=False).findings() if found.damage
    )
    whole = there and next(damage, None) is None
    return whole and (output is None or output.is_done)
