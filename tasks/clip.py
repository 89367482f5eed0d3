"""One clip: its latents, then its film. The two tasks stand in one file, as each may need the other's clip before."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import luigi

from storage.digest import find_size_flaw
from storage.errors import Damaged, NotMade, NotReproduced, Pruned
from storage.label import draw_label, label_of
from storage.refusals import describe_fault
from storage.segments import EncoderConfig, encode_segment
from storage.watermark import mark_frames
from tasks.audio import ExtractAudio
from tasks.base import ClipTask
from tasks.by_products import write_by_product
from tasks.clip_context import warm_up_clips
from tasks.clip_output import publish_made
from tasks.events import emit_event
from tasks.inputs import EncodeInputs
from tasks.loaded_model import model_traits_of
from tasks.retention import give_up, is_kept, prune_oldest
from tasks.session import Session

if TYPE_CHECKING:
    from model.avatar import Byte
    from storage.run import Run
    from storage.spec import Spec


class DenoiseClip(ClipTask):
    """Latents; by-products: those after each step, and the carry."""

    stage = "latents"
    doing = "denoising"
    order = 2

    def requires(self) -> Iterator[luigi.Task]:
        """The inputs, the sound, and the clip before: the KV cache, or what was seen last, goes from clip to clip."""
        yield EncodeInputs(folder=self.folder)
        yield ExtractAudio(folder=self.folder, clip=self.clip)
        if self.clip:
            kind = DecodeClip if self.opened_run.spec.motion_latents else DenoiseClip
            yield kind(folder=self.folder, clip=self.clip - 1)

    def run(self) -> None:
        """Take the clip from the denoiser, which is ahead, and publish it; lost latents come out of their steps, where these are there."""
        for attempt in self.attempts():
            with attempt as session:
                session.disk.check()
                run, clip = session.run, self.clip
                if was_made_before(run, clip) and restore_from_steps(run, clip):
                    continue
                session.agree()
                made = session.denoise_ahead.take(clip)
                publish_made(run, made)
                session.denoise_ahead.release(clip)
                if made.carry is not None:
                    session.checkpoints.write(clip + 1, made.carry)
                if session.part.alone:  # the process may end with this task
                    session.checkpoints.wait_until_written()


def was_made_before(run: "Run", clip: int) -> bool:
    """True if these latents were published before: their carry then was, too."""
    later = run.latents.complete(clip + 1) or run.records.complete("segment", clip)
    return later or run.latents.digest(clip) is not None


def restore_from_steps(run: "Run", clip: int) -> bool:
    """Publish lost latents out of their steps, whose last they are; False where those are not there, damaged or others."""
    try:
        steps = run.steps.read(clip)
        run.latents.publish(clip, steps[-1])
    except (Damaged, NotMade, NotReproduced, Pruned):
        return False
    emit_event("latents_restored", clip=clip)
    return True


class DecodeClip(ClipTask):
    """The clip as encoded video; by-product: its frames."""

    stage = "segment"
    doing = "decoding"
    order = 1

    def complete(self) -> bool:
        """True if the record says done and the file has its length."""
        return segment_is_there(self.opened_run, self.clip)

    def requires(self) -> Iterator[luigi.Task]:
        """Its latents and those that the decoder must see before; nothing where its frames are there already."""
        if self.opened_run.frames.complete(self.clip) and motion_is_there(
            self.opened_run, self.clip
        ):
            return
        yield DenoiseClip(folder=self.folder, clip=self.clip)
        if self.opened_run.latents.complete(self.clip):
            yield from self._lost_before()

    def _lost_before(self) -> Iterator[luigi.Task]:
        spec = self.opened_run.spec
        if spec.motion_latents:
            if self.clip:
                yield DecodeClip(folder=self.folder, clip=self.clip - 1)
            return
        for clip in warm_up_clips(spec, self.clip, model_traits_of(self.opened_run).decoder_memory):
            if not self.opened_run.latents.complete(clip):
                yield DenoiseClip(folder=self.folder, clip=clip)

    def run(self) -> None:
        """Decode, keep the frames if they are to be kept, encode."""
        for attempt in self.attempts():
            with attempt as session:
                session.disk.check()
                publish_segment(session, self.clip)


def publish_segment(session: Session, clip: int) -> None:
    """Take a clip's segment from a machine that has decoded it, or decode it here, and commit it."""
    run, shared = session.run, session.shared_decoding
    redone, digest = False, None if shared is None else shared.take(clip)
    if digest is None:
        redone, digest = encode_clip(session, clip)
    shown, size = run.spec.frames_in(clip), run.segment_path(clip).stat().st_size
    run.records.commit(DecodeClip.stage, clip, sha256=digest, bytes=size, frames=shown)
    session.disk.count(size)
    seconds = session.lap_seconds()
    emit_event("clip_published", clip=clip, frames=shown, redone=redone, seconds=seconds)
    session.live.extend()
    if device := session.read_device():
        emit_event("device_sampled", clip=clip, **device)


def encode_clip(session: Session, clip: int) -> tuple[bool, str]:
    """Decode a clip or take its stored frames, and publish its segment: whether its frames were there, and the SHA-256; by-product: the frames."""
    run, spec = session.run, session.run.spec
    frames = read_stored_frames(session, clip)
    redone = frames is not None
    if frames is None:
        frames = session.decode(clip)
    path = run.segment_path(clip)
    # Frames go to the disk, which mostly waits, while the encoder works; the record is written when both are there.
    with ThreadPoolExecutor(1, "frames") as beside:
        kept = beside.submit(keep_frames, session, clip, None if redone else frames)
        shown = draw_marks(spec, clip, frames)
        digest = encode_segment(path, shown, EncoderConfig.of_spec(spec))
    kept.result()
    return redone, digest


def draw_marks(spec: "Spec", clip: int, frames: "Byte") -> "Byte":
    """The frames of a clip that the film shows, with its label and its watermark where it has them: they are no part of the frames that are kept."""
    shown, label = frames[: spec.frames_in(clip)], label_of(spec)
    if label is not None:
        shown = draw_label(shown, label, spec.clip_span(clip).start)
    return mark_frames(shown, spec.watermark) if spec.watermark else shown


def segment_is_there(run: "Run", clip: int) -> bool:
    """True if a clip's record says done, its file has its length, and what the next clip takes from it is published. Makes no task of it: Luigi keeps those."""
    facts = run.records.vouched(DecodeClip.stage, clip)
    if facts is None or not motion_is_there(run, clip):
        return False
    return find_size_flaw(run.segment_path(clip), facts["bytes"]) is None


def motion_is_there(run: "Run", clip: int) -> bool:
    """True if what the next clip takes from this one is published, or if it takes nothing."""
    return not run.spec.motion_latents or run.motion.complete(clip)


def read_stored_frames(session: Session, clip: int) -> "Byte | None":
    """The frames of a clip where they are kept and whole."""
    if not session.run.frames.complete(clip) or not motion_is_there(session.run, clip):
        return None
    try:
        return session.run.frames.read(clip)
    except (Damaged, NotMade, Pruned) as error:
        emit_event("damage_found", stage="frames", clip=clip, flaw=describe_fault(error))
        session.run.records.doubt("frames", clip)
        return None


def keep_frames(session: Session, clip: int, frames: "Byte | None") -> None:
    """Publish the frames, unless none are kept or None says that they are there; those of a clip long past go."""
    clips = session.disk.frames_kept
    if not is_kept(session.run.frames, clip, clips):
        give_up(session.run.frames, clip)
        return

    def write() -> None:
        if frames is not None:
            session.run.frames.publish(clip, frames)
        # Also where they are there: a crash may have come between the two.
        prune_oldest(session.run.frames, clip, clips)

    write_by_product("frames", clip, write)
