"""One clip of latents."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import luigi

from storage.errors import Damaged, NotMade, NotReproduced, Pruned
from tasks.audio import ExtractAudio
from tasks.base import ClipTask, write_by_product
from tasks.denoise_ahead import DenoisedClip
from tasks.events import emit_event
from tasks.inputs import EncodeInputs
from tasks.retention import give_up, is_kept, parse_kept, prune_oldest
from tasks.session import Session

if TYPE_CHECKING:
    from storage.run import Run


class DenoiseClip(ClipTask):
    """Latents; by-products: those after each step, and the carry."""

    stage = "latents"
    doing = "denoising"
    order = 2

    def requires(self) -> Iterator[luigi.Task]:
        """The inputs, the sound, and the clip before: rings, or what was seen last, go from clip to clip."""
        from tasks.decode import DecodeClip

        yield EncodeInputs(run=self.folder)
        yield ExtractAudio(run=self.folder, clip=self.clip)
        if self.clip:
            kind = DecodeClip if self.opened_run.spec.motion_latents else DenoiseClip
            yield kind(run=self.folder, clip=self.clip - 1)

    def produce(self, session: Session) -> None:
        """Take the clip from the denoiser, which is ahead, and publish it."""
        if was_made_before(session.run, self.clip) and restore_from_steps(session.run, self.clip):
            return
        session.agree()
        made = session.denoise_ahead.take(self.clip)
        publish_made(session.run, made)
        session.denoise_ahead.release(self.clip)
        if made.carry is not None:
            session.checkpoints.write(self.clip + 1, made.carry)
        if (
            session.part.alone
        ):  # the process may end with this task, and nothing can be written then
            session.checkpoints.wait_until_written()


def publish_made(run: "Run", made: DenoisedClip) -> None:
    """Publish a clip out of the denoiser; the steps first: a clip that is complete then has them."""
    run.latents.expect(made.clip, made.denoised.latents)
    if is_kept(run.steps, made.clip, parse_kept(run.settings.keep_steps)):
        write_by_product("steps", made.clip, lambda: keep_steps(run, made))
    else:
        give_up(run.steps, made.clip)
    run.latents.publish(made.clip, made.denoised.latents)


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


def keep_steps(run: "Run", made: DenoisedClip) -> None:
    """Publish the latents after each step; those of a clip long past go."""
    run.steps.publish(made.clip, made.denoised.steps)
    prune_oldest(run.steps, made.clip, parse_kept(run.settings.keep_steps))
