"""What pocket's transformer is told beside sound and past: planes that say where the zones of the schematic face are, and what the presenter is asked to do."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor

from model.pocket.act_schedule import ActSchedule
from model.pocket.acts import ACTS
from model.pocket.curve_layout import LAYOUT, SIDE
from model.pocket.motion_curves import zone_map

PLANES = len(LAYOUT) + len(ACTS)
"""Channels of the planes that lie beside noisy latents."""


def make_planes(acts: Tensor, latents: int) -> Tensor:
    """Zones and acts [n, A] as planes [n, PLANES, latents, SIDE, SIDE], the same at every latent frame."""
    zones = F.one_hot(zone_map(acts.device), len(LAYOUT)).to(acts)
    where = repeat(zones, "h w z -> n z h w", n=len(acts))
    asked = rearrange(acts, "n a -> n a 1 1").expand(-1, -1, SIDE, SIDE)
    return repeat(torch.cat([where, asked], 1), "n c h w -> n c t h w", t=latents)


def follow_schedule(schedule: ActSchedule, blocks: int, latents: int) -> Callable[[int], Tensor]:
    """What gives a clip of `blocks` blocks, by its number, its planes [1, PLANES, blocks · latents, SIDE, SIDE]."""

    def planes_at(block: int) -> Tensor:
        return make_planes(torch.from_numpy(schedule.acts_at(block))[None], latents)

    if not schedule.changes:
        always = torch.cat([planes_at(0)] * blocks, 2)
        return lambda _: always
    return lambda clip: torch.cat([planes_at(clip * blocks + n) for n in range(blocks)], 2)
