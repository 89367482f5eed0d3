"""The prompt encoder of Wan2.2-S2V and LiveAvatar: umT5 (arXiv 2304.09151), from the file that Wan publishes under names of its own."""

import html
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from model.avatar import Float
from model.weights.checkpoint import TEXT, TOKENIZER, missing_file
from model.weights.state_file import CPU, first_line, load_exactly, read_tensors
from storage.errors import OtherWeights, WeightsDamaged

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_FILE = "tokenizer.json"
TEXT_LEN = 512
"""Tokens that are kept of a prompt, its end of sequence among them."""
LARGEST_DISTANCE = 128
"""Tokens beyond which all distances have one bias; no tensor tells it."""

RENAMED_LAYERS = {
    "token_embedding": "shared",
    "norm": "encoder.final_layer_norm",
    "attn.q": "layer.0.SelfAttention.q",
    "attn.k": "layer.0.SelfAttention.k",
    "attn.v": "layer.0.SelfAttention.v",
    "attn.o": "layer.0.SelfAttention.o",
    "pos_embedding.embedding": "layer.0.SelfAttention.relative_attention_bias",
    "norm1": "layer.0.layer_norm",
    "ffn.gate.0": "layer.1.DenseReluDense.wi_0",
    "ffn.fc1": "layer.1.DenseReluDense.wi_1",
    "ffn.fc2": "layer.1.DenseReluDense.wo",
    "norm2": "layer.1.layer_norm",
}
"""Wan's name of a layer → that of transformers; those of a block without its number."""


class TextEncoder:
    """umT5's encoder with its weights and its tokenizer; `model` is a UMT5EncoderModel of transformers, which may be moved to a device."""

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
        known, used = encoder.model.config.vocab_size, tokenizer.get_vocab_size()
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
        device = self.model.shared.weight.device
        states: Tensor = self.model(input_ids=ids[None].to(device)).last_hidden_state[0]
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


def build_encoder(weights: Mapping[str, Tensor], source: object) -> Any:
    """UMT5EncoderModel of transformers with these very tensors, in evaluation. Raises OtherWeights."""
    from transformers import UMT5Config, UMT5EncoderModel

    state = {rename_weight(name): held for name, held in weights.items()}
    try:
        config = UMT5Config(**read_sizes(state))
    except KeyError as lost:
        raise OtherWeights(source, f"{lost.args[0]} is missing") from lost
    with torch.device("meta"):
        model = UMT5EncoderModel(config)
    # One module and not two: else the largest tensor is twice in memory once it is converted or moved.
    model.encoder.set_input_embeddings(model.shared)
    load_exactly(model, state | {"encoder.embed_tokens.weight": state["shared.weight"]}, source)
    return model


def rename_weight(name: str) -> str:
    """A name of Wan's as transformers has it; an unknown one stays."""
    found = re.fullmatch(r"(?:blocks\.(\d+)\.)?(.+)\.weight", name)
    if found is None or found[2] not in RENAMED_LAYERS:
        return name
    block = f"encoder.block.{found[1]}." if found[1] else ""
    return f"{block}{RENAMED_LAYERS[found[2]]}.weight"


def read_sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What UMT5Config asks for, read from the shapes. Raises KeyError."""
    first = "encoder.block.0.layer"
    vocabulary, dim = state["shared.weight"].shape
    buckets, heads = state[f"{first}.0.SelfAttention.relative_attention_bias.weight"].shape
    return {
        "vocab_size": vocabulary,
        "d_model": dim,
        "d_kv": state[f"{first}.0.SelfAttention.q.weight"].shape[0] // heads,
        "d_ff": state[f"{first}.1.DenseReluDense.wo.weight"].shape[1],
        "num_heads": heads,
        "num_layers": len(
            {name for name in state if name.endswith("relative_attention_bias.weight")}
        ),
        "relative_attention_num_buckets": buckets,
        "relative_attention_max_distance": LARGEST_DISTANCE,
    }
