"""The prompt encoder of Wan2.2-S2V and LiveAvatar: umT5 (arXiv 2304.09151), from the file that Wan publishes under names of its own."""

import html
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from model.avatar import Float
from model.weights.checkpoint import TEXT, TOKENIZER, missing_file
from model.weights.empty_modules import empty_modules
from model.weights.state_file import CPU, first_line, load_exactly, read_tensors
from storage.errors import OtherWeights, WeightsDamaged

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_FILE = "tokenizer.json"
TEXT_LEN = 512
"""Tokens that are kept of a prompt, its end of sequence among them."""
LARGEST_DISTANCE = 128
"""Tokens beyond which all distances have one bias; no tensor tells it."""

EPS = 1e-6


@dataclass(frozen=True)
class TextSizes:
    """What decides the shapes of all tensors of the file."""

    words: int
    dim: int
    inner: int
    """Numbers of all heads of an attention."""
    ffn_dim: int
    heads: int
    buckets: int
    """Of distances between tokens."""
    layers: int


class TextEncoder:
    """umT5's encoder with its weights and its tokenizer; `model` may be moved to a device."""

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        tokenize: Callable[[str], list[int]],
        dtype: torch.dtype,
        source: object = TEXT,
    ) -> None:
        """Weights under Wan's names, which tell every size; what makes ids of a cleaned prompt. Raises OtherWeights, naming `source`."""
        self.model = build_encoder(weights, source).to(dtype)
        self.tokenize = tokenize

    @classmethod
    def read(cls, folder: Path, dtype: torch.dtype, device: torch.device = CPU) -> "TextEncoder":
        """From a published folder; on the host, in the file's own bfloat16, nothing is copied. Raises WeightsMissing, WeightsDamaged, OtherWeights."""
        tokenizer, file = read_tokenizer(folder / TOKENIZER), folder / TEXT
        weights = read_tensors(file, device, dtype)
        encoder = cls(weights, lambda prompt: tokenizer.encode(prompt).ids, dtype, file)
        encoder.model.to(device)
        known, used = encoder.model.sizes.words, tokenizer.get_vocab_size()
        if used > known:
            raise OtherWeights(folder / TOKENIZER, f"it has {used} words, the encoder {known}")
        return encoder

    def encode_text(self, prompt: str, text_len: int = TEXT_LEN) -> Float:
        """States [text_len, dim] of a prompt, float32, zeros after its end."""
        states = self.states(torch.tensor(self.tokenize(clean_prompt(prompt))[:text_len]))
        told = states.float().cpu().numpy()
        return np.pad(told, ((0, text_len - len(told)), (0, 0)))

    @torch.inference_mode()
    def states(self, ids: Tensor) -> Tensor:
        """States [token, dim] of the ids [token] of one prompt, in the encoder's dtype.

        The reference pads first and masks the padding, which gives the same at the cost of text_len tokens.
        """
        states: Tensor = self.model(ids.to(self.model.norm.weight.device))
        return states


def clean_prompt(prompt: str) -> str:
    """A prompt as the reference reads it: repaired, HTML entities undone twice, every run of white space one space.

    The repair is ftfy's, where that is installed: text read in the wrong encoding (â€™ for ’), full-width letters and commas, curly quotes,
    ligatures, control characters. Without it such a prompt is read as it stands; plain prompts are the same.
    """
    text = html.unescape(html.unescape(fix_text_encoding(prompt)))
    return re.sub(r"\s+", " ", text).strip()


def fix_text_encoding(text: str) -> str:
    """What ftfy makes of a text; the text itself where there is no ftfy."""
    try:
        from ftfy import fix_text
    except ImportError:
        return text
    return fix_text(text)


def read_tokenizer(folder: Path) -> "Tokenizer":
    """The published tokenizer: the end of sequence is last, what is longer than TEXT_LEN is cut. Raises WeightsMissing, WeightsDamaged.

    As its file says, which is what transformers 4.51 did. From 5 on its class for T5 builds a pipeline of its own around the words: without
    the fallback to bytes, a rare sign is then one unknown word.
    """
    from tokenizers import Tokenizer

    file = folder / TOKENIZER_FILE
    if not file.is_file():
        raise missing_file(folder, TOKENIZER_FILE)
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as torn:  # the library raises nothing narrower
        raise WeightsDamaged(file, first_line(torn)) from torn
    tokenizer.no_padding()
    tokenizer.enable_truncation(TEXT_LEN)
    return tokenizer


class UMT5Encoder(nn.Module):
    """The layers of umT5's encoder, under the names of Wan's file (github.com/Wan-Video/Wan2.2, wan/modules/t5.py)."""

    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.token_embedding = nn.Embedding(sizes.words, sizes.dim)
        self.blocks = nn.ModuleList(TextBlock(sizes) for _ in range(sizes.layers))
        self.norm = RMSNorm(sizes.dim)

    def forward(self, ids: Tensor) -> Tensor:
        """States [token, dim] of the ids [token] of one prompt."""
        x = self.token_embedding(ids)
        distances = bucket_distances(len(ids), self.sizes.buckets).to(ids.device)
        for block in self.blocks:
            x = block(x, distances)
        return self.norm(x)


class TextBlock(nn.Module):
    """An attention whose scores have a bias by distance, and a gated feed-forward."""

    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        self.norm1, self.norm2 = RMSNorm(sizes.dim), RMSNorm(sizes.dim)
        self.attn = TextAttention(sizes)
        self.ffn = GatedFeedForward(sizes.dim, sizes.ffn_dim)
        self.pos_embedding = nn.ModuleDict({"embedding": nn.Embedding(sizes.buckets, sizes.heads)})

    def forward(self, x: Tensor, distances: Tensor) -> Tensor:
        """[token, dim] and the bucket of each distance [token, token] → [token, dim]."""
        bias = rearrange(self.pos_embedding["embedding"](distances), "q k head -> head q k")
        x = x + self.attn(self.norm1(x), bias)
        return x + self.ffn(self.norm2(x))


class TextAttention(nn.Module):
    """Between all tokens; products of queries and keys are not scaled."""

    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        self._heads = sizes.heads
        self.q, self.k, self.v = (nn.Linear(sizes.dim, sizes.inner, bias=False) for _ in range(3))
        self.o = nn.Linear(sizes.inner, sizes.dim, bias=False)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """[token, dim] and [head, token, token] → [token, dim]."""
        q, k, v = (
            rearrange(part(x), "t (head c) -> 1 head t c", head=self._heads)
            for part in (self.q, self.k, self.v)
        )
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None], scale=1.0)
        return self.o(rearrange(seen, "1 head t c -> t (head c)"))


class GatedFeedForward(nn.Module):
    """Two products, one of them behind a GELU (by tanh), multiplied."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        gate = nn.Linear(dim, inner, bias=False)
        self.gate = nn.Sequential(gate, nn.GELU(approximate="tanh"))
        self.fc1 = nn.Linear(dim, inner, bias=False)
        self.fc2 = nn.Linear(inner, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[token, dim] → the same."""
        return self.fc2(self.fc1(x) * self.gate(x))


class RMSNorm(nn.Module):
    """Each token's root mean square, taken in float32, is one; times a weight."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """[token, dim] → the same."""
        scale = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + EPS)
        return self.weight * (x * scale).to(self.weight.dtype)


def bucket_distances(tokens: int, buckets: int) -> Tensor:
    """The bucket of each distance [query, key]: one for each of the shortest, wider ones up to LARGEST_DISTANCE, and as many again for keys that follow (arXiv 1910.10683, section 2.1)."""
    places = torch.arange(tokens)
    distance = places[None, :] - places[:, None]
    half = buckets // 2
    exact, apart = half // 2, distance.abs()
    grown = torch.log(apart.float() / exact) / math.log(LARGEST_DISTANCE / exact)
    wide = (exact + (grown * (half - exact)).long()).clamp(max=half - 1)
    return torch.where(apart < exact, apart, wide) + half * (distance > 0)


def build_encoder(weights: Mapping[str, Tensor], source: object) -> UMT5Encoder:
    """The encoder with these very tensors, in evaluation. Raises OtherWeights."""
    try:
        sizes = read_sizes(weights)
    except KeyError as lost:
        raise OtherWeights(source, f"{lost.args[0]} is missing") from lost
    with empty_modules():
        model = UMT5Encoder(sizes)
    load_exactly(model, weights, source)
    return model


def read_sizes(state: Mapping[str, Tensor]) -> TextSizes:
    """From the shapes. Raises KeyError."""
    words, dim = state["token_embedding.weight"].shape
    buckets, heads = state["blocks.0.pos_embedding.embedding.weight"].shape
    return TextSizes(
        words,
        dim,
        inner=state["blocks.0.attn.q.weight"].shape[0],
        ffn_dim=state["blocks.0.ffn.fc2.weight"].shape[1],
        heads=heads,
        buckets=buckets,
        layers=len({name for name in state if name.endswith("pos_embedding.embedding.weight")}),
    )
