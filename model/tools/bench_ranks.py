"""How much sooner several ranks denoise than one: python -m model.tools.bench_ranks --weights ckpt --gpus 2.

live-avatar with the weights of a folder (random ones: python -m model.tools.make_checkpoint --out ckpt), noise for a picture and for sound; each clip is begun before the
one before it has come back, as in a film. Nothing is decoded or written. The bytes of each way are compared with those of one rank.
"""

import argparse
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from model.avatar import Denoiser, DeviceConfig, Float, Named, Options, load_model
from model.sharding.launcher_env import parse_gpus
from model.sharding.protocols import PipelinedDenoiser, SharedAvatar

FIRST = 2
"""Clips that are not counted: kernels are built, and behind clip 0 everything waits for the sink."""


@dataclass(frozen=True)
class BenchedWay:
    """One way to share out."""

    name: str
    seconds: float
    """Of a clip, the mean of those behind the first two."""
    digest: str


def main() -> None:
    """Measure one rank, then both ways with as many as asked; print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--gpus", default="2")
    parser.add_argument("--size", default="704*384")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    width, height = map(int, given.size.split("*"))
    options = Options(width, height, weights=given.weights)
    cards = parse_gpus(given.gpus)
    ways = [DeviceConfig(device=given.device)]
    ways += [DeviceConfig(device=given.device, gpus=cards, parallel=p) for p in ("steps", "layers")]
    print("| ranks | seconds a clip | against one | bytes |\n|---|---|---|---|")
    one: BenchedWay | None = None
    for machine in ways:
        way = measure_way(options, machine, given.clips)
        one = one or way
        same = "the same" if way.digest == one.digest else "OTHERS"
        print(f"| {way.name} | {way.seconds:.3f} | {one.seconds / way.seconds:.2f} | {same} |")


def measure_way(options: Options, machine: DeviceConfig, clips: int) -> BenchedWay:
    """Denoise so many clips."""
    avatar = load_model("live-avatar", options, machine)
    traits = avatar.traits
    draw = np.random.default_rng(0)
    shape = (traits.latent_channels, 1, traits.latent_height, traits.latent_width)
    inputs: Named = {
        "reference": draw.standard_normal(shape, np.float32),
        "motion": draw.standard_normal((shape[0], 19, *shape[2:]), np.float32),
        "text": draw.standard_normal(text_shape(options), np.float32),
    }
    heard = (traits.audio_layers, traits.audio_channels, traits.clip_frames)
    sounds = [draw.standard_normal(heard, np.float32) for _ in range(clips)]
    whole, stamps = hashlib.sha256(), []
    for latents in denoise_clips(avatar.denoiser(inputs, 0), sounds):
        whole.update(latents.tobytes())
        stamps.append(time.monotonic())
    name = "1"
    if isinstance(avatar, SharedAvatar):
        name = f"{avatar.sharing['ranks']} by {avatar.sharing['parallel']}"
        avatar.close()
    seconds = (stamps[-1] - stamps[FIRST - 1]) / (clips - FIRST)
    return BenchedWay(name, seconds, whole.hexdigest())


def text_shape(options: Options) -> tuple[int, int]:
    """States of a short prompt [token, dim]."""
    from model.live_avatar.model_traits import KIND

    config = KIND.config(options)
    return int(config["text_len"]) // 4, int(config["text_dim"])


def denoise_clips(denoiser: Denoiser, sounds: list[Float]) -> Iterator[Float]:
    """The latents of each clip, begun ahead where that is possible."""
    begun = 0
    for clip, sound in enumerate(sounds):
        if isinstance(denoiser, PipelinedDenoiser):
            while begun < len(sounds) and (begun == clip or denoiser.takes_ahead):
                denoiser.begin_clip(sounds[begun])
                begun += 1
        yield denoiser.denoise(sound).latents


if __name__ == "__main__":
    main()
