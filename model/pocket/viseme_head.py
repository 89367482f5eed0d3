"""Pocket's viseme head: what lips do, read from the features of speech, frame by frame.

Everything else of a presenter could be otherwise and is denoised; lips could not, and of several that are drawn none is better than their mean.
"""

from functools import cache

import torch
from einops import rearrange
from torch import Tensor, nn

from model.motion_columns import MOTION, MOTION_COLUMNS
from model.pocket.curve_layout import MOUTH
from model.pocket.model_traits import AUDIO_CHANNELS, AUDIO_LAYERS
from model.pocket.motion_curves import encode_curves, list_slots, zone_map

LIPS = ("aperture", "width", "rounding")
_COLUMNS = [MOTION.index(name) for name in LIPS]


class VisemeHead(nn.Linear):
    """One linear layer from all that the speech encoder gives of a frame to its LIPS."""

    def __init__(self) -> None:
        super().__init__(AUDIO_LAYERS * AUDIO_CHANNELS, len(LIPS))

    def forward(self, features: Tensor) -> Tensor:
        """Features [n, layer, channel, frame] to LIPS [n, frame, 3], about 0..1."""
        return super().forward(rearrange(features, "n l c t -> n t (l c)"))


def put_lips(latents: Tensor, lips: Tensor) -> Tensor:
    """Latents [n, c, k, h, w] whose lips are as told [n, 4k, 3]; all else is as it was."""
    curves = lips.new_zeros(*lips.shape[:2], MOTION_COLUMNS)
    curves[..., _COLUMNS] = lips.clamp(0, 1)
    told = encode_curves(curves.float()).to(latents.dtype)
    return torch.where(find_lips(latents.device), told, latents)


@cache
@torch.inference_mode(mode=False)
def find_lips(device: torch.device) -> Tensor:
    """Where latents tell of lips [c, 1, h, w], on a device."""
    columns = rearrange(list_slots(device).column, "(z c) -> z c", z=3)[MOUTH]
    tells = torch.isin(columns, torch.tensor(_COLUMNS, device=device))
    return tells[:, None, None, None] & (zone_map(device) == MOUTH)
