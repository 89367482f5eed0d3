"""How sound enters the transformer: the causal audio encoder and the injector of Wan2.2-S2V.

Module and parameter names are those of the published checkpoint (also its spelling "casual").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from model.ops import fused
from model.ops.operands import GatedResidual, Modulation
from model.s2v.attention import Attention, attend_all

# The first latent of a slice sees five frames before it; they are copies of the slice's first frame, as in the reference,
# which prepends 73 copies and drops 19 latents: the same numbers, as the convolutions pad by replication.
PREFIX_FRAMES, PREFIX_LATENTS = 5, 2


@dataclass(frozen=True)
class AudioStates:
    """What one injector layer needs of the sound, computed once a block and used at every step; [(b t), …]."""

    keys: Tensor
    values: Tensor
    shift: Tensor
    scale: Tensor

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """Its tensors."""
        return self.keys, self.values, self.shift, self.scale

    @classmethod
    def join(cls, states: "Sequence[AudioStates]", speakers: int) -> "AudioStates":
        """States of several runs of latents [(speaker t), …], one behind the other [(speaker run t), …]."""
        cut = [
            [rearrange(part, "(s t) ... -> s t ...", s=speakers) for part in one.parts]
            for one in states
        ]
        joined = (torch.cat(parts, 1) for parts in zip(*cut, strict=True))
        return cls(*(rearrange(part, "s t ... -> (s t) ...") for part in joined))

    @classmethod
    def from_parts(cls, parts: Sequence[Tensor]) -> "list[AudioStates]":
        """The states of several layers, from the tensors of one after the other."""
        return [cls(*four) for four in zip(*(parts[i::4] for i in range(4)), strict=True)]


class CausalConv(nn.Module):
    """A convolution in time over [b, c, t] that sees the past only; the first value is replicated."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        self.groups = groups
        self.conv: Any = nn.Conv1d(inputs, outputs, 3, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, t] → SiLU(LayerNorm(conv)) [(b group), c', 1 + (t-1)//stride]; each group is normalised alone."""
        weight, bias = self.conv.weight.to(x.dtype), self.conv.bias.to(x.dtype)
        seen = F.pad(x, (2, 0), mode="replicate").unfold(-1, 3, *self.conv.stride)
        # A product, as cuDNN would lay out the weights anew for each of these convolutions: 157 MB for a few rows.
        y = F.linear(rearrange(seen, "b c t k -> b t (c k)"), weight.flatten(1), bias)
        y = rearrange(y, "b t (n c) -> (b n) t c", n=self.groups)
        y = F.silu(F.layer_norm(y, y.shape[-1:], eps=1e-6))
        return rearrange(y, "b t c -> b c t")


class MotionEncoder(nn.Module):
    """Video-rate features [b, t, c] to local tokens (several a latent frame) and one global token, computed in the precision of the features."""

    def __init__(self, inputs: int, dim: int, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.conv1_local = CausalConv(inputs, dim // 4 * tokens, 1, groups=tokens)
        self.conv1_global = CausalConv(inputs, dim // 4, 1)
        self.conv2 = CausalConv(dim // 4, dim // 2, 2)
        self.conv3 = CausalConv(dim // 2, dim, 2)
        self.final_linear = nn.Linear(dim, dim)
        self.padding_tokens = nn.Parameter(torch.zeros(1, 1, 1, dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[b, t, c] → local [b, t', tokens + 1, dim], global [b, t', dim]."""
        x = rearrange(x, "b t c -> b c t")
        local = self.conv3(self.conv2(self.conv1_local(x)))
        local = rearrange(local, "(b n) c t -> b t n c", n=self.tokens)
        padding = self.padding_tokens.expand(*local.shape[:2], -1, -1)
        whole = rearrange(self.conv3(self.conv2(self.conv1_global(x))), "b c t -> b t c")
        weight, bias = self.final_linear.weight, self.final_linear.bias
        whole = F.linear(whole, weight.to(x.dtype), bias.to(x.dtype))
        return torch.cat([local, padding.to(x.dtype)], 2), whole


class CausalAudioEncoder(nn.Module):
    """The mix of the speech model's layers, then the motion encoder."""

    def __init__(self, layers: int, inputs: int, dim: int, tokens: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((1, layers, 1, 1), 0.01))
        self.encoder = MotionEncoder(inputs, dim, tokens)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features [b, layer, c, frame] of a slice → local [b, t, tokens, dim], global [b, t, dim] of its latents."""
        prefix = repeat(features[..., :1], "b l c 1 -> b l c f", f=PREFIX_FRAMES)
        weights = F.silu(self.weights.to(features.dtype))
        mixed = (torch.cat([prefix, features], -1) * weights).sum(1) / weights.sum(1)
        local, whole = self.encoder(rearrange(mixed, "b c t -> b t c"))
        return local[:, PREFIX_LATENTS:], whole[:, PREFIX_LATENTS:]


class AdaIn(nn.Module):
    """Shift and scale of the video tokens from the global audio token; the order is (shift, scale)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 2 * dim)

    def forward(self, whole: Tensor) -> tuple[Tensor, Tensor]:
        """SiLU of [(b t), 1, dim] → shift, scale of the same shape."""
        shift, scale = self.linear(whole).chunk(2, -1)
        return shift, scale


class AudioInjector(nn.Module):
    """Cross-attention from the tokens of each latent frame to the audio tokens of that frame."""

    def __init__(self, dim: int, heads: int, layers: int, eps: float) -> None:
        super().__init__()
        self.injector: Any = nn.ModuleList([Attention(dim, heads, eps) for _ in range(layers)])
        self.injector_adain_layers = nn.ModuleList([AdaIn(dim) for _ in range(layers)])

    def states(self, local: Tensor, whole: Tensor, layers: range) -> list[AudioStates]:
        """Keys, values, shift and scale of these of its layers, from tokens [b, t, n, dim] and [b, t, dim].

        Shift and scale come in the precision of the tokens, as the norm that they act on is then computed.
        """
        like = self.injector[layers[0]].norm_k.weight.dtype
        local = rearrange(local, "b t n d -> (b t) n d").to(like)
        embedded = F.silu(rearrange(whole, "b t d -> (b t) 1 d")).to(like)
        states = []
        for layer in layers:
            rows = self.injector_adain_layers[layer](embedded)
            shift, scale = (row.to(whole.dtype) for row in rows)
            keys, values = self.injector[layer].keys_values(local)
            states.append(AudioStates(keys, values, shift, scale))
        return states

    def forward(
        self,
        x: Tensor,
        added: GatedResidual | None,
        layer: int,
        states: AudioStates,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, GatedResidual]:
        """Video tokens [b, (t n), dim] with what the layer before adds; and what they hear, to be added to them.

        Of several speakers, whose states are [(speaker b t), …], each is heard where its mask [speaker, (t n)] says, and what is heard adds up.
        """
        attention, lengths = self.injector[layer], (x.shape[1],)
        if masks is None:
            x, heard = attend_to_audio(attention, x, added, states)
            return x, GatedResidual(heard, None, lengths)
        x = x if added is None else fused.add_residual(x, added)
        repeated = repeat(x, "b l d -> (s b) l d", s=len(masks))
        _, attended = attend_to_audio(attention, repeated, None, states)
        attended = rearrange(attended, "(s b) l d -> s b l d", s=len(masks))
        heard = (attended * masks[:, None, :, None].to(attended)).sum(0)
        return x, GatedResidual(heard, None, lengths)


def attend_to_audio(
    attention: Attention, x: Tensor, added: GatedResidual | None, states: AudioStates
) -> tuple[Tensor, Tensor]:
    """Tokens [b, (t n), dim] with what is added; and what they hear, normalised with eps 1e-5, unlike every other norm."""
    scale, shift = (
        rearrange(row, "(b t) 1 d -> b t d", b=len(x)) for row in (states.scale, states.shift)
    )
    frames = scale.shape[1]
    wide = x.to(torch.promote_types(x.dtype, scale.dtype))
    lengths = (x.shape[1] // frames,) * frames
    total, h = fused.add_norm_modulate(
        wide, added, Modulation(scale, shift, lengths, 1e-5), attention.q
    )
    q = rearrange(attention.queries(h), "b (t l) n d -> (b t) l n d", t=frames)
    attended = attend_all(q, states.keys, states.values)
    heard = attention.out(rearrange(attended, "(b t) l n d -> b (t l) n d", t=frames))
    return (x if added is None else total), heard
