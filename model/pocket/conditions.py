"""What pocket's transformer is told beside sound and past: the picture as reference latents, and planes that say where the face is and what it is asked to do."""

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from model.pocket.acts import ACTS
from model.pocket.motion_autoencoder import BOXES, Residual, box_planes, scaled_conv

PLANES = BOXES + len(ACTS)
"""Channels of the planes that lie beside noisy latents."""


class ReferenceEncoder(nn.Module):
    """The picture with the planes of its boxes to reference latents, by what the transformer wants to know of it: learnt with it."""

    def __init__(self, latent_channels: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(4), scaled_conv(16 * (3 + BOXES), 48), Residual(48), scaled_conv(48, 64, 3, 2), Residual(64),
            scaled_conv(64, 80, 3, 2), Residual(80), scaled_conv(80, latent_channels),
        )  # fmt: skip

    def forward(self, picture: Tensor, planes: Tensor) -> Tensor:
        """Pictures [n, 3, y, x] in -1..1 and planes [n, BOXES, y, x] to reference latents [n, c, 1, y/16, x/16]."""
        latents: Tensor = self.layers(torch.cat([picture, planes], 1))
        return latents[:, :, None]


def make_planes(boxes: Tensor, acts: Tensor, latents: int, height: int, width: int) -> Tensor:
    """Boxes [n, 3, 4] and acts [n, A] as planes [n, PLANES, latents, height, width], the same at every latent frame."""
    where = box_planes(boxes, height, width)
    asked = rearrange(acts, "n a -> n a 1 1").expand(-1, -1, height, width)
    return repeat(torch.cat([where, asked.to(where)], 1), "n c y x -> n c t y x", t=latents)
