"""The prompt encoder against golden tensors of Wan's own umT5, from weights under the published names."""

from typing import Any

import numpy as np
import torch

from model.encoders.umt5 import TextEncoder


def check(told: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """Every prompt has the reference's states up to its end, and zeros after it up to the text length."""
    prefix, tolerance = "weights.", told["recommended_tolerance"]["max_abs"]
    weights = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    ids, mask = tensors["inputs.ids"], tensors["inputs.mask"].bool()
    told_ids: list[int] = []
    encoder = TextEncoder(weights, lambda _: told_ids, torch.float32)
    for i in range(len(ids)):
        told_ids[:] = ids[i][mask[i]].tolist()
        made = encoder.encode_text("", told["text_len"])
        trimmed = tensors[f"outputs.trimmed{i}"].numpy()
        assert np.abs(made[: len(trimmed)] - trimmed).max() <= tolerance
        assert made.shape == (told["text_len"], trimmed.shape[1])
        assert not made[len(trimmed) :].any()
        padded = tensors.get(f"outputs.padded{i}")
        if padded is not None:
            assert np.abs(made - padded.numpy()).max() <= tolerance
