"""The layers of wav2vec 2.0 (arXiv 2006.11477) in the kind that Wan2.2-S2V hears with, under the names that transformers gives them.

That kind normalises its convolutions over channels and each layer's input, not its output ("layer", "stable" in config.json). transformers' Wav2Vec2Model has
the same numbers (tests/model/encoders), and seconds of imports behind it where a file system is slow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

KIND = {
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "feat_extract_activation": "gelu",
    "hidden_act": "gelu",
    "add_adapter": False,
}
"""What config.json must say, where it says anything; the last three are what it means where it does not."""


@dataclass(frozen=True)
class SpeechSizes:
    """What decides the shapes of all tensors, by the names of config.json."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    conv_dim: Sequence[int]
    conv_kernel: Sequence[int]
    conv_stride: Sequence[int]
    conv_bias: bool = False
    num_conv_pos_embeddings: int = 128
    num_conv_pos_embedding_groups: int = 16
    layer_norm_eps: float = 1e-5

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "SpeechSizes":
        """From config.json. Raises ValueError where it is of another kind, TypeError where a size is missing."""
        for name, wanted in KIND.items():
            if (told := config.get(name, wanted)) != wanted:
                raise ValueError(f"{name} is {told}, not {wanted}")
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in config.items() if name in known})


class Wav2Vec2(nn.Module):
    """The whole of it, without a head."""

    def __init__(self, sizes: SpeechSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.feature_extractor = nn.ModuleDict({"conv_layers": _convolutions(sizes)})
        self.feature_projection = FeatureProjection(sizes)
        self.encoder = SpeechTransformer(sizes)

    def forward(self, sound: Tensor) -> Tensor:
        """Hidden states [layer + 1, state, channel] of normalised sound [sample]; the last one behind the final norm."""
        x = sound[None, None]
        for layer in self.feature_extractor["conv_layers"]:  # type: ignore[attr-defined] # a ModuleList
            x = layer(x)
        return self.encoder(self.feature_projection(rearrange(x, "1 c t -> 1 t c")))


class ConvolutionLayer(nn.Module):
    """A convolution, a norm over channels, a GELU."""

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self.conv = conv
        self.layer_norm = nn.LayerNorm(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """[1, c, t] → [1, o, t / stride]."""
        x = self.layer_norm(self.conv(x).transpose(1, 2)).transpose(1, 2)
        return F.gelu(x)


class FeatureProjection(nn.Module):
    """From the convolutions' channels to the transformer's."""

    def __init__(self, sizes: SpeechSizes) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(sizes.conv_dim[-1], eps=sizes.layer_norm_eps)
        self.projection = nn.Linear(sizes.conv_dim[-1], sizes.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """[1, t, c] → [1, t, hidden_size]."""
        return self.projection(self.layer_norm(x))


class PositionalConvolution(nn.Module):
    """Where a state stands, from its neighbours."""

    def __init__(self, sizes: SpeechSizes) -> None:
        super().__init__()
        width, kernel = sizes.hidden_size, sizes.num_conv_pos_embeddings
        groups = sizes.num_conv_pos_embedding_groups
        self.conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """[1, t, c] → the same; an even kernel makes one state too many."""
        seen = self.conv(x.transpose(1, 2))[..., : x.shape[1]]
        return F.gelu(seen).transpose(1, 2)


class SpeechTransformer(nn.Module):
    """Layers behind a positional convolution."""

    def __init__(self, sizes: SpeechSizes) -> None:
        super().__init__()
        self.pos_conv_embed = PositionalConvolution(sizes)
        self.layers = nn.ModuleList(SpeechLayer(sizes) for _ in range(sizes.num_hidden_layers))
        self.layer_norm = nn.LayerNorm(sizes.hidden_size, eps=sizes.layer_norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """[1, t, c] → [layer + 1, t, c]."""
        x = x + self.pos_conv_embed(x)
        states = []
        for layer in self.layers:
            states.append(x)
            x = layer(x)
        return torch.cat([*states, self.layer_norm(x)])


class SpeechLayer(nn.Module):
    """Attention and feed-forward, each behind a norm."""

    def __init__(self, sizes: SpeechSizes) -> None:
        super().__init__()
        width, eps = sizes.hidden_size, sizes.layer_norm_eps
        self.attention = SpeechAttention(width, sizes.num_attention_heads)
        self.layer_norm = nn.LayerNorm(width, eps=eps)
        self.feed_forward = SpeechFeedForward(width, sizes.intermediate_size)
        self.final_layer_norm = nn.LayerNorm(width, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """[1, t, c] → the same."""
        x = x + self.attention(self.layer_norm(x))
        return x + self.feed_forward(self.final_layer_norm(x))


class SpeechAttention(nn.Module):
    """Between all states."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (
            nn.Linear(width, width) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[1, t, c] → the same."""
        q, k, v = (
            rearrange(part(x), "1 t (head c) -> 1 head t c", head=self._heads)
            for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        seen = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(rearrange(seen, "1 head t c -> 1 t (head c)"))


class SpeechFeedForward(nn.Module):
    """Two products and a GELU."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(width, inner)
        self.output_dense = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """[1, t, c] → the same."""
        return self.output_dense(F.gelu(self.intermediate_dense(x)))


def _convolutions(sizes: SpeechSizes) -> nn.ModuleList:
    before = (1, *sizes.conv_dim)
    each = zip(before, sizes.conv_dim, sizes.conv_kernel, sizes.conv_stride, strict=False)
    return nn.ModuleList(
        ConvolutionLayer(nn.Conv1d(channels, out, kernel, stride, bias=sizes.conv_bias))
        for channels, out, kernel, stride in each
    )
