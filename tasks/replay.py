"""What only the model can show of a run: pruned steps made again, latents decoded. Nothing of the run is written, and no lock is taken."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from storage.arrays import ClipArray
from storage.digest import hash_array
from storage.drafts import sweep_drafts
from storage.errors import Damaged, NotMade, NotReproduced, OtherNumerics, Pruned
from storage.names import OWN
from storage.publish import make_folder
from storage.records import Records
from storage.remote.address import name_run
from storage.scratch import private_folder
from tasks.denoise_ahead import check_finite
from tasks.hearing import hear_clip
from tasks.loaded_model import (
    describe_numerics_difference,
    load_avatar,
    position_decoder,
    require_own_weights,
)
from tasks.route import Route, find_route, restore_denoiser
from tasks.soft_join import soften_join

if TYPE_CHECKING:
    from model.avatar import Byte, Float
    from storage.run import Run

OnClipDenoised = Callable[[int], None]


def scratch_folder(run: "Run") -> Path:
    """Where steps that were made again are kept: beside no run, and gone when the machine is swept. Raises NotWritable."""
    return private_folder() / run.spec.digest[:12]


def kept_steps(run: "Run", scratch: Path) -> ClipArray:
    """The steps in a scratch folder, with records as a run has them."""
    records = Records(scratch, run.spec.digest)
    return ClipArray(scratch / "steps", records, run.steps.shape, run.steps.dtype, run.spec.clips)


def find_kept_steps(run: "Run", clip: int, scratch: Path) -> "Float | None":
    """The steps of a clip where they were made again before, and lead to the latents that the run has."""
    array = kept_steps(run, scratch)
    try:
        steps = array.view(clip)
    except (NotMade, Pruned, Damaged):
        return None
    return steps if hash_array(steps[-1]) == run.latents.digest(clip) else None


def route_to(run: "Run", clip: int) -> Route:
    """The clips that are denoised to have the steps of one again: from the newest carry that leads there. Raises NotMade."""
    if not run.latents.complete(clip):
        raise NotMade(f"latents of clip {clip}")
    return find_route(run.spec, clip, run.carry.complete)


def replay_steps(
    run: "Run", clip: int, scratch: Path, passed: OnClipDenoised = lambda _: None
) -> "tuple[Float, range]":
    """The steps of a clip, made again and kept in the scratch folder, and the clips that were denoised for it.

    `passed` hears of each clip that was denoised; each that the film shows is compared with what is published.
    Raises NotMade, OtherNumerics, WeightsReplaced, NotReproduced.
    """
    route = route_to(run, clip)
    begun = run.fingerprint_at(clip)
    avatar = load_avatar(run.spec, run.settings, int(begun.get("threads", 1)))
    if other := describe_numerics_difference(begun, avatar.numerics):
        require_own_weights(run)
        raise OtherNumerics(name_run(run.root), other)
    poses = run.pose.read if run.spec.pose else None
    inputs = run.inputs.read_all()
    fresh = partial(avatar.denoiser, inputs, poses=poses)
    denoiser, route = restore_denoiser(run, route, fresh)
    steps = None
    for each in route.clips:
        denoised = denoiser.denoise(hear_clip(run, avatar, inputs, each, route.sound_at(each)))
        check_finite(each, denoised)
        if route.shows(each):
            denoised = soften_join(run, each, denoised)
            if hash_array(denoised.latents) != run.latents.digest(each):
                raise NotReproduced(each, name_run(run.root))
        steps = denoised.steps
        passed(each)
    assert steps is not None
    make_folder(scratch / "commits")
    sweep_drafts(scratch, OWN)
    kept_steps(run, scratch).publish(clip, steps)
    return steps, route.clips


def decode_latents(run: "Run", clip: int, latents: "Float") -> "Byte":
    """Frames [frame, y, x, rgb] of latents [c, t, h, w] that stand in the place of a clip's, through the model's own decoder. Raises WeightsReplaced."""
    require_own_weights(run)
    avatar = load_avatar(run.spec, run.settings, int(run.fingerprint.get("threads", 1)))
    return position_decoder(run, avatar, clip).decode(latents)
