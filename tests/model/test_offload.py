"""What waits on the host gives the bytes of what stays on the device."""

import numpy as np
import pytest
import torch

from model.causal import CausalDenoiser
from model.draws import SeededDraws
from model.offload import linear_layers, offload_layers
from model.ring import Remembering
from model.schedule import flow_match
from tests.model.small import rounded, small_scene, small_transformer, sound

CLIPS, LATENTS = 4, 6


def film(*, layers: bool, rings: bool, bf16: bool) -> list[np.ndarray]:
    """Latents of some clips, and the carry behind them; the denoiser is taken up from its own carry half-way."""
    model = small_transformer()
    if bf16:
        rounded(model)
    if layers:
        offload_layers(model, torch.device("cpu"))
    made: list[np.ndarray] = []

    def begun() -> CausalDenoiser:
        schedule = flow_match(2, model.config.sigmas)
        draws = SeededDraws(3, model.config.roll)
        scene = small_scene(latents=LATENTS)
        return CausalDenoiser(model, schedule, scene, draws, Remembering(on_host=rings))

    loop = begun()
    for clip in range(CLIPS):
        made.append(loop.denoise(sound(LATENTS, seed=clip)).latents)
        if clip == 2:
            carry = [(name, bits.copy()) for name, bits in loop.carry()]
            loop = begun()
            loop.restore(3, carry)
    return [*made, *(bits for _, bits in loop.carry())]


@pytest.mark.parametrize("bf16", [True, False])
@pytest.mark.parametrize(("layers", "rings"), [(True, False), (False, True), (True, True)])
def test_offloaded_is_resident(layers: bool, rings: bool, bf16: bool) -> None:
    """Layers, rings or both on the host: every latent and every bit of the carry are the same."""
    whole = film(layers=False, rings=False, bf16=bf16)
    there = film(layers=layers, rings=rings, bf16=bf16)
    assert len(whole) == len(there)
    assert all(np.array_equal(a, b) for a, b in zip(whole, there, strict=True))


def test_offloaded_layers_are_nowhere_while_they_wait() -> None:
    """Between two products the device holds none of their numbers, and they are nearly all that there is."""
    model = small_transformer()
    before = sum(weight.numel() for weight in model.parameters())
    offload_layers(model, torch.device("cpu"))
    left = sum(weight.numel() for weight in model.parameters() if not weight.is_meta)
    assert all(layer.weight.is_meta for layer in linear_layers(model))
    assert left < before
