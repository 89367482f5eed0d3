"""What golden tensors of a transformer have in common: their parts, and the model that they are of."""

from dataclasses import fields
from typing import Any

import numpy as np
import torch

from model.s2v.config import S2VConfig
from model.s2v.transformer import S2VTransformer

PROOF = "patch_embedding.weight"


def parts(tensors: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], ...]:
    """Weights, inputs and outputs, in float32, without these words in their names."""
    return tuple(
        {k.removeprefix(name): v.float() for k, v in tensors.items() if k.startswith(name)}
        for name in ("weights.", "inputs.", "outputs.")
    )


def transformer(
    told: dict[str, Any], weights: dict[str, torch.Tensor], **more: Any
) -> S2VTransformer:
    """Our class with the sizes and the weights of the fixture, whatever stands before the weights' names."""
    known = {each.name for each in fields(S2VConfig)}
    sizes = {name: value for name, value in told["config"].items() if name in known}
    layers = weights[next(k for k in weights if k.endswith("casual_audio_encoder.weights"))]
    model = S2VTransformer(S2VConfig(**sizes, audio_layers=layers.shape[1], **more))
    prefix = next(k for k in weights if k.endswith(PROOF)).removesuffix(PROOF)
    model.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items()})
    return model.eval()


def furthest(ours: Any, theirs: torch.Tensor) -> float:
    """The greatest difference of two arrays of one shape."""
    ours, truth = np.asarray(ours), theirs.numpy()
    assert ours.shape == truth.shape
    return float(np.abs(ours - truth).max())


class Written:
    """The reference's own noise [c, frame, h, w] and sink positions [block of the film][step]."""

    def __init__(self, noise: torch.Tensor, ahead: list[list[int]], blocks: int) -> None:
        self.whole, self.ahead, self.blocks = noise, ahead, blocks

    def noise(self, clip: int, block: int, shape: tuple[int, ...]) -> np.ndarray:
        start = (clip * self.blocks + block) * shape[1]
        return self.whole[:, start : start + shape[1]].numpy().copy()

    def sink(self, clip: int, block: int, step: int) -> int:
        return self.ahead[clip * self.blocks + block][step]
