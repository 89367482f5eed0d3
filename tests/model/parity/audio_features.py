"""The speech encoder against golden tensors of Wan2.2's with transformers 4.51: hidden states, 30 frames a second, buckets of two paces."""

from typing import Any

import numpy as np
import torch

from model.avatar import AudioWindow, Float
from model.encoders.wav2vec2 import EPS, VIDEO_RATE, FilmRate, Wav2VecEncoder


def check(told: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """The whole-file mode gives the reference's buckets, zeros past the end included, and each step on the way its own tensor."""
    given = {
        name: {k.removeprefix(name): v for k, v in tensors.items() if k.startswith(name)}
        for name in ("weights.", "inputs.", "outputs.")
    }
    weights = {name: held.float() for name, held in given["weights."].items()}
    encoder = Wav2VecEncoder(told["wav2vec2_config"], weights, torch.float32)
    sound = given["inputs."]["waveform"].float().numpy()
    made = steps(encoder, sound)
    for name in given["outputs."]:
        if name.startswith("bucket_"):
            fps, frames = name.removeprefix("bucket_").split("fps_")
            made[name] = extract_whole(encoder, sound, FilmRate(int(fps), int(frames)))[None]
    tolerance = told["recommended_tolerance"]["max_abs"]
    for name, truth in given["outputs."].items():
        assert made[name].shape == tuple(truth.shape), name
        assert np.abs(made[name] - truth.numpy()).max() <= tolerance, name
        if name.startswith("bucket_"):
            assert (silent(made[name]) == silent(truth.numpy())).all(), name


def extract_whole(encoder: Wav2VecEncoder, sound: Float, rate: FilmRate) -> Float:
    """A whole sound [samples] in one pass, as the reference: features [layer, channel, frame] of all clips that it makes of it, one more than it fills."""
    mean, variance = sound.mean(dtype=np.float64), sound.var(dtype=np.float64)
    window = AudioWindow(sound, 0, len(sound), float(mean), float(variance))
    # In this order of operations: near exact multiples another order gives another clip.
    spoken = encoder.lengths(len(sound))[1] / (rate.clip_frames * (VIDEO_RATE / rate.fps))
    frames = rate.video_frames(0, (int(spoken) + 1) * rate.clip_frames)
    return encoder._extract_window(window, 0, frames)


def silent(features: np.ndarray) -> np.ndarray:
    """The frames past the end."""
    return (features == 0).all((0, 1, 2))


def steps(encoder: Wav2VecEncoder, sound: np.ndarray) -> dict[str, np.ndarray]:
    """What the reference has between the sound and the buckets."""
    normal = (sound - sound.mean()) / np.sqrt(sound.var() + EPS)
    states = encoder._states(normal).transpose(-1, -2).numpy()
    made = {f"hidden_state_{i}": state[None] for i, state in enumerate(states)}
    video = encoder.lengths(len(sound))[1]
    spoken = extract_whole(encoder, sound, FilmRate(30, video))[..., :video]
    return made | {"input_values": normal, "features_30fps": spoken.swapaxes(-1, -2)}
