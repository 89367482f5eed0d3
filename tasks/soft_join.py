"""The join of a retake: its last latents are led back to the old film's, so that the clip after them, which is the old film's, goes on where they end."""

from dataclasses import replace
from typing import TYPE_CHECKING

from storage.seed_history import is_dubbed_last
from tasks.loaded_model import model_traits_of

if TYPE_CHECKING:
    from model.avatar import Denoised, Float
    from storage.run import Run


def soften_join(run: "Run", clip: int, denoised: "Denoised") -> "Denoised":
    """A clip out of the denoiser as the film shows it: where an older take goes on after it, its last latents move to those that stood there before. Raises Damaged, NotMade."""
    many = run.spec.softened.get(clip, 0)
    if not many:
        return denoised
    old = run.join_context(clip + 1).read("latents")[:, -many:]
    latents = lead_back(denoised.latents, old)
    if is_dubbed_last(run.spec.takes, clip) and (heard := model_traits_of(run).heard_latents):
        # What the sound decides is another than it was.
        spoken = tuple(slice(each.start, each.stop) for each in heard)
        latents[spoken] = denoised.latents[spoken]
    steps = denoised.steps.copy()
    steps[-1] = latents
    return replace(denoised, latents=latents, steps=steps)


def lead_back(new: "Float", old: "Float") -> "Float":
    """Latents [c, t, h, w] whose last ones move to `old` [c, ≤ t, h, w]: slowly at first, and slowly at last."""
    import numpy as np

    way = np.arange(1, old.shape[1] + 1, dtype=np.float32) / old.shape[1]
    share = (way * way * (3 - 2 * way))[:, None, None]
    latents = new.copy()
    latents[:, -old.shape[1] :] += share * (old - latents[:, -old.shape[1] :])
    return latents
