"""A clip out of the denoiser, published: its steps, then its latents."""

from typing import TYPE_CHECKING

from tasks.by_products import write_by_product
from tasks.denoise_ahead import DenoisedClip
from tasks.kept import parse_kept
from tasks.retention import give_up, is_kept, prune_oldest

if TYPE_CHECKING:
    from storage.run import Run


def publish_made(run: "Run", made: DenoisedClip) -> None:
    """Publish a clip out of the denoiser; the steps first: a clip that is complete then has them."""
    run.latents.expect(made.clip, made.denoised.latents)
    if is_kept(run.steps, made.clip, parse_kept(run.settings.keep_steps)):
        write_by_product("steps", made.clip, lambda: keep_steps(run, made))
    else:
        give_up(run.steps, made.clip)
    run.latents.publish(made.clip, made.denoised.latents)


def keep_steps(run: "Run", made: DenoisedClip) -> None:
    """Publish the latents after each step; those of a clip long past go."""
    run.steps.publish(made.clip, made.denoised.steps)
    prune_oldest(run.steps, made.clip, parse_kept(run.settings.keep_steps))
