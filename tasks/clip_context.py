"""What a clip takes from those before it, once they are published: of the decoder's memory, and of the motion of a clip-wise model.

Where an older take goes on (a join of the spec), that is not what the film shows before it, but what the older take had there.
"""

from typing import TYPE_CHECKING

from model.sampling.shard_plan import count_clips_ahead
from model.sharding.launcher_env import count_ranks, parse_gpus

if TYPE_CHECKING:
    from model.avatar import Float
    from storage.run import Run
    from storage.spec import Spec


PROCESSOR = "cpu"
"""The device of a run whose model computes on none."""


def warm_up_clips(spec: "Spec", clip: int, memory: int) -> range:
    """The clips whose latents a decoder must see before `clip`; where a cut is nearer, what comes before that is its past."""
    return range(max(spec.cut_before(clip), clip - -(-memory // spec.clip_latents)), clip)


def read_latents_before(run: "Run", clip: int, memory: int) -> "Float":
    """The latents that a decoder has seen last before a clip, of those that it remembers."""
    seen = [run.latents.read(each) for each in warm_up_clips(run.spec, clip, memory)]
    if (cut := run.spec.cut_before(clip)) and sum(each.shape[1] for each in seen) < memory:
        seen.insert(0, run.join_context(cut).read("latents"))
    import numpy as np

    return np.ascontiguousarray(np.concatenate(seen, 1)[:, -memory:])


def features_are_there(run: "Run", clip: int) -> bool:
    """True if all that a clip is made of besides those before it is published: what the model hears, and its poses where the film has some."""
    return run.audio.complete(clip) and (not run.spec.pose or run.pose.complete(clip))


def count_heard_ahead(run: "Run") -> int:
    """How many clips beyond the one whose turn it is are heard: those that the denoiser runs ahead, and what it begins behind them."""
    spec, ahead = run.spec, run.settings.ahead
    ranks = count_ranks(parse_gpus(run.settings.gpus))
    # Where a clip takes the motion of the decoded one before it, none is begun ahead; nor by one processor, where nothing is gained.
    alone = ranks == 1 and run.fingerprint.get("device", PROCESSOR) == PROCESSOR
    if not ahead or alone or spec.motion_latents:
        return ahead
    blocks = max(1, spec.clip_frames // spec.block_frames)
    return ahead + count_clips_ahead(ranks, spec.steps, blocks)


def read_motion_before(run: "Run", clip: int) -> "Float":
    """What a clip takes from the decoded one before it, where that is all that it takes."""
    if clip in run.spec.joins:
        motion: Float = run.join_context(clip).read("motion")
        return motion
    return run.motion.read(clip - 1)
