"""The merged LoRA against the reference's, through real files: shards, an index, a config.json, the stream onto a device."""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from model.weights.checkpoint import CONFIG, INDEX, LORA, WeightsLocation
from model.weights.loading import Placement, load_transformer
from tests.model.published import published_state

Tensors = dict[str, torch.Tensor]
AUDIO_MIX = "casual_audio_encoder.weights"


def check(told: dict[str, Any], tensors: Tensors) -> None:
    """Merged into bfloat16 and into float32 weights, every changed one is the reference's and every other is untouched."""
    base, lora = part(tensors, "weights.base."), part(tensors, "weights.lora.")
    with tempfile.TemporaryDirectory() as folder:
        place = write(Path(folder), told, base, lora)
        for name, kind in {"bf16": torch.bfloat16, "float32": torch.float32}.items():
            merged = part(tensors, f"outputs.merged_{name}.")
            model = load_transformer(place, Placement(torch.device("cpu"), kind))
            compare(told, published_state(model), base, merged)


def compare(told: dict[str, Any], made: Tensors, base: Tensors, merged: Tensors) -> None:
    """Within the fixture's tolerance where something was merged, and to the bit elsewhere."""
    assert set(made) == set(base)
    assert set(merged) == set(told["changed_keys"])
    for name, weight in made.items():
        if name not in merged:
            assert torch.equal(weight, base[name].to(weight.dtype)), name
        elif weight.dtype == torch.float32:
            worst = told["recommended_tolerance"]["merged_float32"]
            assert (weight - merged[name]).abs().max() <= worst, name
        else:
            # Neighbours in bfloat16 are neighbours as integers.
            steps = weight.view(torch.int16).int() - merged[name].view(torch.int16).int()
            assert steps.abs().max() <= 1, name


def write(folder: Path, told: dict[str, Any], base: Tensors, lora: Tensors) -> WeightsLocation:
    """The fixture's weights as published, in two shards."""
    config = {
        **told["config"],
        "audio_layers": base[AUDIO_MIX].shape[1],
        "lora_rank": told["rank"],
        "lora_alpha": told["alpha"],
    }
    (folder / CONFIG).write_text(json.dumps(config))
    weight_map = {name: f"part-{i % 2}.safetensors" for i, name in enumerate(base)}
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    for file in set(weight_map.values()):
        save_file({n: base[n] for n in base if weight_map[n] == file}, folder / file)
    save_file(lora, folder / LORA)
    return WeightsLocation(folder, folder / LORA)


def part(tensors: Tensors, prefix: str) -> Tensors:
    """The tensors whose names begin so, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
