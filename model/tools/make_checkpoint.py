"""A folder of random weights in the published layout, of any size: python -m model.tools.make_checkpoint --out DIR [--size tiny|14b] [--dim N] [--layers N] [--text-size tiny] [--seed N].

For tests and benchmarks: every file that a film needs, under its published name, with the published names inside. It draws noise.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model.tools.random_weights import WeightNoise, count_bytes, write_archive, write_safetensors
from model.weights import checkpoint, published_shapes
from model.weights.published_shapes import Shapes

LARGEST_SHARD, LEAST_SHARDS = 10_000_000_000, 4
PARTS = ("transformer", "lora", "vae", "text", "tokenizer", "speech")
SPECIAL = ("<pad>", "</s>", "<unk>")
LETTERS = "▁" + "".join(map(chr, range(33, 127)))
CONVOLUTIONS = (10, 3, 3, 3, 3, 2, 2)
"""Kernels of wav2vec 2.0's feature encoder; the strides are 5 and then 2, 320 in all."""


@dataclass(frozen=True)
class PartSizes:
    """How large each part is."""

    transformer: Mapping[str, Any]
    """What config.json says."""
    rank: int
    vae_width: int
    text: Mapping[str, int]
    speech: Mapping[str, int]
    """Width (of the convolutions), ffn_dim, heads, positions (kernel of their convolution), groups."""


TINY = PartSizes(
    {
        "dim": 48,
        "ffn_dim": 96,
        "freq_dim": 32,
        "num_heads": 2,
        "num_layers": 3,
        "in_dim": 16,
        "out_dim": 16,
        "text_dim": 32,
        "text_len": 64,
        "cond_dim": 16,
        "audio_dim": 32,
        "audio_layers": 4,
        "audio_inject_layers": [0, 2],
    },
    rank=8,
    vae_width=4,
    text={"vocabulary": 128, "inner": 32, "ffn_dim": 64, "heads": 2, "buckets": 32, "layers": 2},
    speech={"width": 16, "ffn_dim": 64, "heads": 2, "positions": 16, "groups": 4},
)
FULL = PartSizes(
    {**published_shapes.PUBLISHED, "patch_size": [1, 2, 2]},
    rank=published_shapes.RANK,
    vae_width=96,
    text={
        "vocabulary": 256_384,
        "inner": 4096,
        "ffn_dim": 10_240,
        "heads": 64,
        "buckets": 32,
        "layers": 24,
    },
    speech={"width": 512, "ffn_dim": 4096, "heads": 16, "positions": 128, "groups": 16},
)
SIZES = {"tiny": TINY, "14b": FULL}


def make_checkpoint(
    out: Path, sizes: PartSizes, *, seed: int = 0, parts: Sequence[str] = PARTS
) -> None:
    """Write the parts into `out`, which is made; what is there under their names is overwritten."""
    folder, noise = out / checkpoint.FOLDER, WeightNoise(seed)
    folder.mkdir(parents=True, exist_ok=True)
    config = published_shapes.build_config(sizes.transformer)
    whole = published_shapes.transformer_shapes(config)
    if "transformer" in parts:
        _write_json(folder / checkpoint.CONFIG, make_config(sizes))
        _write_shards(folder, whole, noise)
    if "lora" in parts:
        write_safetensors(
            out / checkpoint.LORA, published_shapes.lora_shapes(whole, sizes.rank), "BF16", noise
        )
    if "vae" in parts:
        vae = published_shapes.vae_shapes(sizes.vae_width, config["in_dim"])
        write_archive(folder / checkpoint.VAE, vae, "F32", noise)
    if "text" in parts:
        text = published_shapes.text_shapes({**sizes.text, "dim": config["text_dim"]})
        write_archive(folder / checkpoint.TEXT, text, "BF16", noise)
    if "tokenizer" in parts:
        _write_tokenizer(folder / checkpoint.TOKENIZER)
    if "speech" in parts:
        _write_speech(folder, speech_config(config, sizes.speech), noise)


def make_config(sizes: PartSizes) -> dict[str, Any]:
    """A config.json as published, with what a smaller checkpoint must say besides."""
    published = {
        "_class_name": "WanModel_S2V",
        "enable_framepack": True,
        "framepack_drop_mode": "padd",
        **published_shapes.FIXED_VALUES,
        **sizes.transformer,
    }
    if sizes.rank == published_shapes.RANK:
        return published
    # The published ratio, so that the published scale of 0.5 holds.
    alpha = sizes.rank * published_shapes.ALPHA / published_shapes.RANK
    return {**published, "lora_rank": sizes.rank, "lora_alpha": alpha}


def _write_shards(folder: Path, whole: Shapes, noise: WeightNoise) -> None:
    """As many files as the published checkpoint has, or more, all at once; and their index."""
    shards = split_shards(whole)
    weight_map: dict[str, str] = {}
    written: list[Future[None]] = []
    with ThreadPoolExecutor() as threads:
        for i, shard in enumerate(shards, 1):
            name = f"diffusion_pytorch_model-{i:05d}-of-{len(shards):05d}.safetensors"
            weight_map |= dict.fromkeys(shard, name)
            written.append(threads.submit(write_safetensors, folder / name, shard, "BF16", noise))
    for each in written:
        each.result()
    total = sum(count_bytes(shape, "BF16") for shape in whole.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    _write_json(folder / checkpoint.INDEX, index)


def split_shards(whole: Shapes) -> list[Shapes]:
    """Shards of at most LARGEST_SHARD bytes, LEAST_SHARDS of them if nothing asks for more."""
    total = sum(count_bytes(shape, "BF16") for shape in whole.values())
    limit = min(LARGEST_SHARD, total * 1.08 / LEAST_SHARDS)
    shards: list[Shapes] = [{}]
    filled = 0
    for name, shape in whole.items():
        more = count_bytes(shape, "BF16")
        if filled + more > limit and len(shards) * limit < total:
            shards.append({})
            filled = 0
        shards[-1][name] = shape
        filled += more
    return shards


def speech_config(config: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Any]:
    """wav2vec 2.0's config.json, as wide and deep as the transformer hears it."""
    return {
        "architectures": ["Wav2Vec2ForCTC"],
        "model_type": "wav2vec2",
        "hidden_size": config["audio_dim"],
        "num_hidden_layers": config["audio_layers"] - 1,
        "num_attention_heads": sizes["heads"],
        "intermediate_size": sizes["ffn_dim"],
        "conv_dim": [sizes["width"]] * len(CONVOLUTIONS),
        "conv_kernel": CONVOLUTIONS,
        "conv_stride": [5] + [2] * (len(CONVOLUTIONS) - 1),
        "conv_bias": True,
        "num_feat_extract_layers": len(CONVOLUTIONS),
        "num_conv_pos_embeddings": sizes["positions"],
        "num_conv_pos_embedding_groups": sizes["groups"],
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "vocab_size": 33,
        "pad_token_id": 0,
    }


def speech_shapes(config: Mapping[str, Any]) -> Shapes:
    """Names and shapes of wav2vec 2.0 with its head, as published."""
    width, ffn = config["hidden_size"], config["intermediate_size"]
    inputs = [1, *config["conv_dim"]]
    found: Shapes = {"wav2vec2.masked_spec_embed": (width,)}
    for i, kernel in enumerate(config["conv_kernel"]):
        at = f"wav2vec2.feature_extractor.conv_layers.{i}"
        found |= {f"{at}.conv.weight": (inputs[i + 1], inputs[i], kernel)}
        found |= {
            f"{at}.conv.bias": (inputs[i + 1],),
            **_norm_shapes(f"{at}.layer_norm", inputs[i + 1]),
        }
    at, top = "wav2vec2.feature_projection", "wav2vec2.encoder"
    found |= {
        **_norm_shapes(f"{at}.layer_norm", inputs[-1]),
        **_linear_shapes(f"{at}.projection", width, inputs[-1]),
    }
    kernel, groups = config["num_conv_pos_embeddings"], config["num_conv_pos_embedding_groups"]
    at = f"{top}.pos_conv_embed.conv"
    found |= {f"{at}.bias": (width,), f"{at}.weight_g": (1, 1, kernel)}
    found |= {
        f"{at}.weight_v": (width, width // groups, kernel),
        **_norm_shapes(f"{top}.layer_norm", width),
    }
    for i in range(config["num_hidden_layers"]):
        at = f"{top}.layers.{i}"
        for part in "kvq":
            found |= _linear_shapes(f"{at}.attention.{part}_proj", width, width)
        found |= _linear_shapes(f"{at}.attention.out_proj", width, width)
        found |= _norm_shapes(f"{at}.layer_norm", width) | _norm_shapes(
            f"{at}.final_layer_norm", width
        )
        found |= _linear_shapes(f"{at}.feed_forward.intermediate_dense", ffn, width)
        found |= _linear_shapes(f"{at}.feed_forward.output_dense", width, ffn)
    return found | _linear_shapes("lm_head", config["vocab_size"], width)


def _linear_shapes(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm_shapes(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _write_speech(folder: Path, config: Mapping[str, Any], noise: WeightNoise) -> None:
    (folder / checkpoint.SPEECH).mkdir(exist_ok=True)
    _write_json(folder / checkpoint.SPEECH_CONFIG, config)
    inputs = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "do_normalize": True,
        "feature_size": 1,
        "padding_value": 0.0,
        "return_attention_mask": True,
        "sampling_rate": 16_000,
    }
    _write_json(folder / checkpoint.SPEECH_INPUT, inputs)
    write_safetensors(folder / checkpoint.SPEECH_WEIGHTS[0], speech_shapes(config), "F32", noise)


def _write_tokenizer(folder: Path) -> None:
    """One that knows letters, not words: the published numbers for padding, end and unknown."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = [[word, 0.0] for word in SPECIAL] + [[letter, -1.0] for letter in LETTERS]
    added = [
        {
            "id": i, "content": word, "special": True,
            "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
        }
        for i, word in enumerate(SPECIAL)
    ]  # fmt: skip
    end = {"SpecialToken": {"id": SPECIAL[1], "type_id": 0}}
    space = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    table = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": space,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, end],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, end],
            "special_tokens": {SPECIAL[1]: {"id": SPECIAL[1], "ids": [1], "tokens": [SPECIAL[1]]}},
        },
        "decoder": space,
        "model": {"type": "Unigram", "unk_id": 2, "vocab": vocabulary, "byte_fallback": False},
    }
    _write_json(folder / "tokenizer.json", table)
    names = dict(zip(("pad_token", "eos_token", "unk_token"), SPECIAL, strict=True))
    _write_json(folder / "special_tokens_map.json", names)
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512}
    _write_json(folder / "tokenizer_config.json", {**kind, **names})


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def resize_parts(sizes: PartSizes, dim: int | None, layers: int | None) -> PartSizes:
    """With another width or depth of the transformer; the rest of it keeps its proportions."""
    told = dict(sizes.transformer)
    if dim is not None:
        told["ffn_dim"] = round(told["ffn_dim"] * dim / told["dim"])
        wanted = max(1, told["num_heads"] * dim // told["dim"])
        told["num_heads"] = next(n for n in range(wanted, 0, -1) if dim % (2 * n) == 0)
        told["dim"] = dim
    if layers is not None:
        heard = [i * layers // told["num_layers"] for i in told["audio_inject_layers"]]
        told |= {"num_layers": layers, "audio_inject_layers": sorted(set(heard))}
    return PartSizes(told, sizes.rank, sizes.vae_width, sizes.text, sizes.speech)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write it, and say how much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--dim", type=int, help="width of the transformer")
    parser.add_argument("--layers", type=int, help="depth of the transformer")
    parser.add_argument("--parts", default=",".join(PARTS), help="only these, by commas")
    parser.add_argument("--text-size", choices=SIZES, help="another size of the prompt's encoder")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    sizes = resize_parts(SIZES[given.size], given.dim, given.layers)
    sizes = replace(sizes, text=SIZES[given.text_size or given.size].text)
    make_checkpoint(given.out, sizes, seed=given.seed, parts=given.parts.split(","))
    total = sum(path.stat().st_size for path in given.out.rglob("*") if path.is_file())
    print(f"{given.out}: {total / 1e9:.3f} GB")


if __name__ == "__main__":
    main()
