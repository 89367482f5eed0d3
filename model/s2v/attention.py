"""Attention with normalised queries and keys, as Wan has it, and the transformer block round it."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from model.ops import fused
from model.ops.fp8 import Rows
from model.ops.operands import GatedResidual, Modulation

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Queries, keys, values [b, l, head, d] to the attended values [b, l, head, d]; rotation and memory are its business."""


PROJECTIONS = ("q", "k", "v")
"""Layers of a self-attention that read the same rows, in the order in which they are joined."""
SCORES_AT_ONCE = 1 << 22
"""Attention scores that a CPU may hold at a time."""


def attend_all(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention over all keys: [b, l, head, d] each."""
    q, k, v = (rearrange(x, "b l n d -> b n l d") for x in (q, k, v))
    return rearrange(attend_heads(q, k, v), "b n l d -> b l n d")


def attend_heads(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention over all keys: [b, head, l, d] each.

    In bfloat16 on a CPU, torch's fused attention takes 1.6 times as long as two products and a softmax.
    """
    few = q.shape[:-1].numel() * k.shape[-2] <= SCORES_AT_ONCE
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and few:
        scores = q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2)
        return scores.softmax(-1) @ v
    return F.scaled_dot_product_attention(q, k, v)


class RMSNorm(nn.Module):
    """Root-mean-square norm over the full width, rounded before the weight is applied (the reference's order)."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """[..., dim] → [..., dim]."""
        return fused.rms_norm(x, self.weight, self.eps)


class Attention(nn.Module):
    """Projections of an attention layer; who attends to what is passed in."""

    def __init__(self, dim: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = RMSNorm(dim, eps), RMSNorm(dim, eps)
        self.qkv: Any = None
        """The three projections as one product, where they are joined."""

    def join_projections(self) -> None:
        """Let one product make queries, keys and values of the same rows: a card that multiplies once for three has fewer tiles over at the end. Their layers are no more."""
        self.qkv = join_linears([getattr(self, name) for name in PROJECTIONS])
        for name in PROJECTIONS:
            delattr(self, name)

    def take_projection(self, part: str, numbers: Mapping[str, Tensor]) -> None:
        """Take one of PROJECTIONS for the joined layer: its rows of the tensors of these names."""
        for name, rows in numbers.items():
            whole = getattr(self.qkv, name)
            if whole.is_meta:
                whole = rows.new_empty(whole.shape)
                held = name in dict(self.qkv.named_parameters())
                setattr(self.qkv, name, nn.Parameter(whole, requires_grad=False) if held else whole)
            getattr(self.qkv, name).data.chunk(3)[PROJECTIONS.index(part)].copy_(rows)

    @property
    def reader(self) -> nn.Module:
        """The layer that rows are shaped for."""
        reader: nn.Module = self.q if self.qkv is None else self.qkv
        return reader

    def queries(self, x: Rows) -> Tensor:
        """[b, l, dim] → [b, l, head, d]."""
        return rearrange(self.norm_q(self.q(x)), "b l (n d) -> b l n d", n=self.heads)

    def keys_values(self, x: Rows) -> tuple[Tensor, Tensor]:
        """[b, l, dim] → keys and values [b, l, head, d]."""
        k, v = self.norm_k(self.k(x)), self.v(x)
        return (
            rearrange(k, "b l (n d) -> b l n d", n=self.heads),
            rearrange(v, "b l (n d) -> b l n d", n=self.heads),
        )

    def out(self, x: Tensor) -> Tensor:
        """[b, l, head, d] → [b, l, dim]."""
        projected: Tensor = self.o(
            fused.quantize_input(rearrange(x, "b l n d -> b l (n d)"), self.o)
        )
        return projected

    def forward(self, x: Rows, attend: Attend) -> Tensor:
        """Self-attention of [b, l, dim]."""
        if self.qkv is None:
            return self.out(attend(self.queries(x), *self.keys_values(x)))
        projected = self.qkv(x)
        q, k = fused.rms_norm_pair(
            projected, self.norm_q.weight, self.norm_k.weight, self.norm_q.eps
        )
        v = projected.chunk(3, -1)[2]
        heads = (rearrange(part, "b l (n d) -> b l n d", n=self.heads) for part in (q, k, v))
        return self.out(attend(*heads))

    def cross(self, x: Rows, keys: Tensor, values: Tensor) -> Tensor:
        """Cross-attention of [b, l, dim] to keys and values computed before."""
        return self.out(attend_all(self.queries(x), keys, values))


def join_linears(layers: Sequence[nn.Module]) -> nn.Module:
    """One linear layer that gives what several of a kind give of the same rows, one behind the other."""
    joined = deepcopy(layers[0])
    for name, tensor in (*joined.named_parameters(), *joined.named_buffers()):
        # Of weights, codes, scales and biases outputs are the first dimension.
        parts = [getattr(layer, name).data for layer in layers]
        # To join tensors without numbers torch imports half of its compiler.
        whole = parts[0].new_empty(len(parts) * len(tensor), *tensor.shape[1:])
        tensor.data = whole if tensor.is_meta else torch.cat(parts, out=whole)
    if isinstance(joined, nn.Linear):
        joined.out_features *= len(layers)
    return joined


@dataclass(frozen=True)
class BlockContext:
    """What one block takes beside the tokens."""

    modulations: list[Tensor]
    """Those of `Block.modulations`."""
    lengths: tuple[int, ...]
    """Tokens of each segment."""
    attend: Attend
    text: tuple[Tensor, Tensor] | None = None
    """The prompt's keys and values for this layer [b, l, head, d]."""


class Block(nn.Module):
    """Self-attention, text attention, feed-forward; modulated segment by segment.

    Wan2.2-S2V: tokens of the noisy latents follow the timestep, reference and motion tokens follow t = 0.
    """

    def __init__(self, dim: int, ffn_dim: int, heads: int, eps: float, *, text: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps, elementwise_affine=False)
        self.self_attn = Attention(dim, heads, eps)
        if text:
            self.norm3 = nn.LayerNorm(dim, eps)
            self.cross_attn = Attention(dim, heads, eps)
        self.norm2 = nn.LayerNorm(dim, eps, elementwise_affine=False)
        self.ffn = nn.Sequential(
            nn.Linear(dim, ffn_dim), nn.GELU(approximate="tanh"), nn.Linear(ffn_dim, dim)
        )
        self.modulation = nn.Parameter(nn.init.normal_(torch.empty(1, 6, dim), std=dim**-0.5))

    def modulations(self, time: Tensor, dtype: torch.dtype) -> list[Tensor]:
        """Shift, scale and gate for attention, then for the feed-forward, [b, segment, dim] each, from rows [b, segment, 6, dim]."""
        rows = (self.modulation.unsqueeze(1).float() + time).to(dtype)
        return list(rows.unbind(2))

    def forward(
        self,
        x: Tensor,
        added: GatedResidual | None,
        context: BlockContext,
    ) -> tuple[Tensor, GatedResidual]:
        """Tokens [b, l, dim], and what the layer before adds to them, to tokens and what this one adds: the next norm takes both in one pass over memory.

        Modulations in float32 carry the tokens in float32 to the end of the block; matrices multiply in the weights' precision either way.
        """
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = context.modulations
        lengths, text = context.lengths, context.text
        first, last = self.ffn[0], self.ffn[2]
        x, h = fused.add_norm_modulate(
            x, added, Modulation(scale_a, shift_a, lengths, self.norm1.eps), self.self_attn.reader
        )
        y = GatedResidual(self.self_attn(h, context.attend), gate_a, lengths)
        if text is not None:
            attention = self.cross_attn
            x, h = fused.add_norm_modulate(
                x, y, fused.affine_modulation(self.norm3, x.shape[1]), attention.q
            )
            y = GatedResidual(attention.cross(h, *text), None, lengths)
        x, h = fused.add_norm_modulate(
            x, y, Modulation(scale_f, shift_f, lengths, self.norm2.eps), first
        )
        return x, GatedResidual(last(fused.apply_gelu(first(h), last)), gate_f, lengths)
