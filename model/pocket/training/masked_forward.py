"""pocket's streaming loop as one forward: the same attention under a block-causal mask, for training."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor

from model.pocket.training.curve_clips import CLIP
from model.s2v.attention import Attend, attend_all
from model.s2v.rope import apply_rope
from model.s2v.transformer import REFERENCE, ForwardContext, S2VTransformer

BLOCK = 3
BLOCKS = CLIP // BLOCK


@dataclass(frozen=True)
class MaskedInputs:
    """Inputs of a masked forward: noisy [n,c,CLIP,h,w], sigma [n], reference [n,c,1,h,w], motion [n,block,c,WARM,h,w], ahead [n,block], planes [n,p,CLIP,h,w]."""

    noisy: Tensor
    sigma: Tensor
    reference: Tensor
    motion: Tensor
    ahead: Tensor
    planes: Tensor


def masked_forward(model: S2VTransformer, sight: MaskedInputs, features: Tensor) -> Tensor:
    """What the streaming loop computes block by block, in one forward: the velocity of a whole clip.

    Noisy tokens of block b attend to the blocks up to b and to the condition of b; each block's condition (reference and its own past) attends to itself alone.
    """
    t, h, w = sight.noisy.shape[2:]
    noisy = model.embed_noisy(sight.noisy, sight.planes)
    reference = repeat(
        model.embed_latents(sight.reference, REFERENCE), "n l d -> (n b) l d", b=BLOCKS
    )
    past = model.embed_motion(rearrange(sight.motion, "n b c t h w -> (n b) c t h w"))
    condition = rearrange(torch.cat([reference, past], 1), "(n b) l d -> n (b l) d", b=BLOCKS)
    audio = model.embed_audio(rearrange(features, "n l c (b t) -> (n b) l c t", b=BLOCKS))
    now, still = (
        model.embed_time(sight.sigma * 1000),
        model.embed_time(torch.zeros_like(sight.sigma)),
    )
    attend = attend_masked(rotary_factors(model, sight, (h, w)), noisy.shape[1])
    lengths = (noisy.shape[1], condition.shape[1])
    way = ForwardContext((now, still), lengths, [attend] * len(model.blocks), [], audio)
    x = model.through_blocks(torch.cat([noisy, condition], 1), way)
    return model.to_velocity(x[:, : noisy.shape[1]], now, (t, h, w))


@dataclass(frozen=True)
class RotaryFactors:
    """Rotary factors: of noisy tokens, of a condition among itself, of the conditions as the noisy tokens see them."""

    noisy: Tensor
    among: Tensor
    seen: Tensor


def rotary_factors(
    model: S2VTransformer, sight: MaskedInputs, size: tuple[int, int]
) -> RotaryFactors:
    """Where everything stands, for each clip's own draw of how far ahead the reference is."""
    device = sight.noisy.device
    noisy = model.latent_positions(0, CLIP, *size)
    still = model.latent_positions(0, 1, *size)
    among = torch.cat(
        [
            still + torch.tensor([model.config.reference_time, 0, 0]),
            model.motion_positions(0, *size),
        ]
    )
    start = torch.arange(BLOCKS, device=device) * BLOCK
    time = start + sight.ahead
    reference = still.to(device)[None, None] + F.pad(time[..., None, None], (0, 2))
    motion = model.motion_positions(0, *size).to(device)[None, None] + F.pad(
        start[None, :, None, None], (0, 2)
    )
    seen = torch.cat([reference, motion.expand(len(time), -1, -1, -1)], 2).flatten(1, 2)
    return RotaryFactors(*(model.rope.factors(p.to(device)) for p in (noisy, among, seen)))


def attend_masked(factors: RotaryFactors, split: int) -> Attend:
    """Block-causal attention of the first `split` tokens, and of each condition to itself."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        among = [rearrange(x[:, split:], "n (b l) h d -> (n b) l h d", b=BLOCKS) for x in (q, k, v)]
        own = attend_all(
            apply_rope(among[0], factors.among), apply_rope(among[1], factors.among), among[2]
        )
        queries, keys = (
            apply_rope(q[:, :split], factors.noisy),
            apply_rope(k[:, :split], factors.noisy),
        )
        seen, told = (
            apply_rope(k[:, split:], factors.seen).chunk(BLOCKS, 1),
            v[:, split:].chunk(BLOCKS, 1),
        )
        size, out = split // BLOCKS, []
        for b in range(BLOCKS):
            until = (b + 1) * size
            key = torch.cat([seen[b], keys[:, :until]], 1)
            value = torch.cat([told[b], v[:, :until]], 1)
            out.append(attend_all(queries[:, until - size : until], key, value))
        return torch.cat([*out, rearrange(own, "(n b) l h d -> n (b l) h d", b=BLOCKS)], 1)

    return attend
