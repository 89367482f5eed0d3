"""Wan's VAE against golden tensors of Wan2.2 and LiveAvatar, computed from the reference on a CPU in float32."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.vae.wan_layout import VAELayout
from model.vae.wan_vae import WanFrameStream, WanVAE, load_vae


def check(told: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Encoding, decoding and LiveAvatar's primed stream, latent by latent, from a file under the published names."""
    given = {
        room: {k.removeprefix(room): v for k, v in tensors.items() if k.startswith(room)}
        for room in ("weights.", "inputs.", "outputs.")
    }
    truth, tolerance = given["outputs."], told["recommended_tolerance"]["max_abs"]
    vae = read(given["weights."], (told["mean"], told["std"]))
    wanted = told["config"]
    assert vae.modules.layout == VAELayout(
        tuple(wanted["dim"] * each for each in wanted["dim_mult"]),
        wanted["z_dim"],
        wanted["num_res_blocks"],
        tuple(wanted["temperal_downsample"]),
    )
    made = made_of(vae, given["inputs."], truth)
    assert made.keys() == truth.keys()
    for name, ours in made.items():
        assert ours.shape == truth[name].shape, name
        assert (ours - truth[name]).abs().max() <= tolerance, name


def read(weights: dict[str, Tensor], statistics: tuple[list[float], list[float]]) -> WanVAE:
    """The weights through a file, as they are published: float32, written by torch."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "Wan2.1_VAE.pth"
        torch.save({name: held.float() for name, held in weights.items()}, path)
        return load_vae(path, torch.float32, statistics=statistics)


def made_of(vae: WanVAE, inputs: dict[str, Tensor], truth: dict[str, Tensor]) -> dict[str, Tensor]:
    """What ours makes of the fixture's inputs, by the outputs' names; frames that the reference drops are dropped."""
    video, motion = inputs["video"], inputs["stream.motion_latents"]
    made = {
        "encode.latents": vae.encode(video),
        "encode_single_frame.latents": vae.encode(video[:, :, :1]),
        "decode.video": latent_by_latent(WanFrameStream(vae), inputs["decode_latents"]),
        "stream.prime_last4": WanFrameStream(vae).push(motion)[:, :, -vae.frames_per_latent :],
    }
    blocks = sorted(name for name in truth if name.startswith("stream.block"))
    stream = WanFrameStream(vae, motion)
    for name, latents in zip(
        blocks, inputs["stream.block_latents"].chunk(len(blocks), 2), strict=True
    ):
        made[name] = stream.push(latents)[:, :, -truth[name].shape[2] :]
    return made


def latent_by_latent(stream: WanFrameStream, latents: Tensor) -> Tensor:
    """Frames of latents that come one by one."""
    return torch.cat([stream.push(one) for one in latents.split(1, 2)], 2)
