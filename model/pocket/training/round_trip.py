"""What pocket's latents and its decoder can show at best: true motion through them, against the true film."""

from collections.abc import Sequence

import numpy as np

from model.avatar import Avatar, Named
from model.pocket.avatar import PocketAvatar
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
        made = _play_motion(avatar, who, true)
        weight = pixel_weights(who.identity, motion, true.shape[1])[0, :, 0].numpy() - 1
        whole.append(compute_psnr(made, true))
        features.append(compute_psnr(made, true, weight))
    return {"all": float(np.mean(whole)), "mouth_eyes": float(np.mean(features))}


def _play_motion(avatar: Avatar, who: Presenter, true: Byte) -> Byte:
    """The film that the decoder makes of the true film's latents."""
    clip = avatar.traits.clip_frames
    inputs = avatar.encode_inputs(who.picture, "", who.face)
    decoder = avatar.decoder(inputs)
    return np.concatenate(
        [
            decoder.decode(_encode_motion(avatar, inputs, true[at : at + clip]))
            for at in range(0, len(true), clip)
        ]
    )


def _encode_motion(avatar: Avatar, inputs: Named, true: Byte) -> Float:
    assert isinstance(avatar, PocketAvatar)
    return avatar.encode_frames(inputs, true)
