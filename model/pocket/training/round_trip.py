"""What pocket's latents and its decoder can show at best: true motion through them, against the true film."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from model.avatar import Avatar
from model.pocket.motion_curves import encode_curves
from model.pocket.training.judged_presenters import Presenter, move_with_speech, render_film
from model.pocket.training.measures import Byte, Float, compute_psnr
from model.presenters.face import pixel_weights


def measure_round_trip(
    avatar: Avatar, presenters: Sequence[Presenter], curves: Float
) -> dict[str, float]:
    """PSNR of films whose motion is true, whole clips of it, against the true ones: everywhere, and on mouth and eyes."""
    whole, features = [], []
    for number, who in enumerate(presenters):
        motion = move_with_speech(curves, 900 + number)
        true = render_film(who, motion)
        made = _play_motion(avatar, who, motion)
        weight = pixel_weights(who.identity, motion, true.shape[1])[0, :, 0].numpy() - 1
        whole.append(compute_psnr(made, true))
        features.append(compute_psnr(made, true, weight))
    return {"all": float(np.mean(whole)), "mouth_eyes": float(np.mean(features))}


def _play_motion(avatar: Avatar, who: Presenter, motion: Tensor) -> Byte:
    """The film that the decoder makes of a motion [1, t, M]; a judged presenter's picture is at rest, from where the curves of latents count."""
    decoder = avatar.decoder(avatar.encode_inputs(who.picture, "", who.face))
    latents = encode_curves(motion)[0].numpy()
    clips = motion.shape[1] // avatar.traits.clip_frames
    return np.concatenate([decoder.decode(clip) for clip in np.split(latents, clips, 1)])
