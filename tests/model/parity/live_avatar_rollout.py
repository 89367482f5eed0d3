"""The causal loop against golden tensors of LiveAvatar, computed from the reference on a CPU in float32."""

from typing import Any

import numpy as np
import torch

from model.causal import CausalDenoiser, Scene
from model.schedule import flow_match
from model.transformer import S2VTransformer

SIZES = ("dim", "ffn_dim", "num_heads", "num_layers", "text_dim", "text_len", "audio_dim")


class Reference:
    """The reference's own noise and sink positions."""

    def __init__(self, noise: torch.Tensor, ahead: list[list[int]], blocks: int) -> None:
        self.whole, self.ahead, self.blocks = noise, ahead, blocks

    def noise(self, clip: int, block: int, shape: tuple[int, ...]) -> np.ndarray:
        start = (clip * self.blocks + block) * shape[1]
        return self.whole[:, start : start + shape[1]].numpy().copy()

    def sink(self, clip: int, block: int, step: int) -> int:
        return self.ahead[clip * self.blocks + block][step]


def check(told: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """Sink prefill, rings that wrap, a ring for each step, the rolling sink and its replacement give the reference's latents to 5e-5."""
    given = {
        name: {k.removeprefix(name): v.float() for k, v in tensors.items() if k.startswith(name)}
        for name in ("weights.", "inputs.", "outputs.")
    }
    inputs, config, blocks = given["inputs."], told["config"], told["blocks_per_clip"]
    model = S2VTransformer(
        **{size: config[size] for size in SIZES},
        audio_layers=inputs["audio"].shape[1],
        audio_inject_layers=tuple(config["audio_inject_layers"]),
    )
    model.load_state_dict(given["weights."])
    text = torch.zeros(1, config["text_len"], config["text_dim"])
    text[0, : len(inputs["context"])] = inputs["context"]
    size = told["num_frames_per_block"]
    scene = Scene(inputs["ref_latents"], inputs["motion_latents"], text, blocks * size)
    schedule = flow_match(told["denoising_steps"], model.config.sigmas)
    draws = Reference(inputs["noise"], told["rel"], blocks)
    loop = CausalDenoiser(model, schedule, scene, draws)
    poses = pose_blocks(inputs["pose"], size, told["denoising_steps"])
    embed = model.embed_pose
    model.embed_pose = lambda _: embed(next(poses))
    made = [loop.denoise(clip.numpy()).latents for clip in inputs["audio"]]
    truth = given["outputs."]["exact_rope.latents"].numpy()
    assert np.abs(np.concatenate(made, 1) - truth).max() < 5e-5


def pose_blocks(pose: torch.Tensor, size: int, steps: int):
    """The pose of each forward in turn: clip by clip, block by block, the same at every step."""
    for clip in pose:
        for block in clip.split(size, 1):
            yield from [block[None]] * steps
