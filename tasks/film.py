"""The whole film: what Luigi is to make of it, pass by pass, and the joining."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import luigi

from storage.digest import find_size_flaw, hash_file
from storage.dubbing import encode_film_sound
from storage.errors import Interrupted, Terminated
from storage.film_file import film_span, mux_film
from tasks.base import DAMAGE_ERRORS, RunTask
from tasks.clip import DecodeClip, segment_is_there
from tasks.damage import withdraw_damaged
from tasks.events import emit_event
from tasks.film_part import FilmPart
from tasks.host_memory import host_bytes_peak
from tasks.inputs import EncodeInputs
from tasks.loaded_model import require_own_weights
from tasks.luigi_batches import clip_batches, luigi_settings, require_built
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
                encode_film_sound(run.film_sound(), path, session.pulse)
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
    span = film_span(run, frames, first)

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
    Interrupted, RunLocked, OtherNumerics, WeightsReplaced, NotReproduced, NoSpace. Ctrl-C and SIGTERM end it after the current write (main thread only).
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
        if _count_done(session) < len(part.span(run.spec.clips)):
            require_own_weights(run)  # before anything is written, and by no clip's name
        withdraw_damaged(run, session.pulse)
        withdraw_pruned_frames(run)
        prune_unwanted(run, session.pulse)
    if part.accept_joint:
        session.accept_joint()
    _emit_start(session)
    # Clips that are there ask no more for what is made once; those that were lost do.
    yield from missing_tasks(session, EncodeInputs)
    session.live.start(session.disk.has_room_for)
    yield from clip_batches(session)
    _emit_memory_peak(session)
    session.live.wait_for_sound(session.pulse, session.stop.raise_if_stopped)
    yield from missing_tasks(session, EncodeSoundtrack)
    session.live.extend()
    if len(part.span(run.spec.clips)) == run.spec.clips:
        yield from missing_tasks(session, MuxVideo)
        if session.shared_decoding is not None:
            session.shared_decoding.finish()
    session.live.finish(session.pulse)


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


def _count_done(session: Session) -> int:
    """How many of the film's clips, of those that are asked for, are there."""
    run = session.run
    return sum(segment_is_there(run, clip) for clip in session.part.span(run.spec.clips))


def _emit_start(session: Session) -> None:
    run, settings = session.run, session.run.settings
    span = session.part.span(run.spec.clips)
    folder = str(run.root)
    done = _count_done(session)
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
