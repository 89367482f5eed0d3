"""Every name and shape in the published files, as functions of a configuration. No torch: a folder is checked before any is loaded.

The names are those of Wan2.2-S2V-14B (`WanModel_S2V`), Wan2.1's VAE and umT5 as Wan publishes them. A test holds the first to model/s2v/transformer.py.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
ShapeEntries = Iterator[tuple[str, Shape]]

PUBLISHED: dict[str, Any] = {
    "dim": 5120,
    "ffn_dim": 13824,
    "freq_dim": 256,
    "num_heads": 40,
    "num_layers": 40,
    "in_dim": 16,
    "out_dim": 16,
    "patch_size": (1, 2, 2),
    "text_dim": 4096,
    "text_len": 512,
    "cond_dim": 16,
    "audio_dim": 1024,
    "audio_layers": 25,
    "num_audio_token": 4,
    "audio_inject_layers": (0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39),
    "eps": 1e-6,
}
"""Wan2.2-S2V-14B; also what a config.json means by saying nothing, as the published one leaves out text_dim and patch_size."""
REQUIRED_KEYS = ("dim", "ffn_dim", "num_heads", "num_layers")
FIXED_VALUES: dict[str, Any] = {
    "model_type": "s2v",
    "qk_norm": True,
    "cross_attn_norm": True,
    "enable_adain": True,
    "adain_mode": "attn_norm",
    "enable_motioner": False,
    "enable_tsm": False,
    "zero_timestep": True,
    "framepack_drop_mode": "padd",
    "trainable_token_pos_emb": False,
}
"""Switches of the published class that S2VTransformer has in this position only."""
RANK, ALPHA = 128, 64.0
"""Of the published LoRA, whose file does not say the second; a small checkpoint says its own in config.json."""
LORA_SUFFIXES = (
    ".q.weight",
    ".k.weight",
    ".v.weight",
    ".o.weight",
    ".ffn.0.weight",
    ".ffn.2.weight",
)
BUCKETS = {1: ("proj", (1, 2, 2)), 2: ("proj_2x", (2, 4, 4)), 16: ("proj_4x", (4, 8, 8))}
"""Latent frames in a bucket of the frame packer → its layer and that layer's kernel."""
VAE_WIDTHS, VAE_BLOCKS, VAE_HALVES_TIME = (1, 2, 4, 4), 2, (False, True, True)
"""Of Wan2.1's VAE: width of each level, residual blocks a level, which levels halve time."""


def build_config(told: Mapping[str, Any]) -> dict[str, Any]:
    """S2VTransformer's configuration from a published config.json; raises ValueError with what is wrong, all of it."""
    faults = [f"it does not say {name}" for name in REQUIRED_KEYS if name not in told]
    for name, value in FIXED_VALUES.items():
        if told.get(name, value) != value:
            faults.append(f"{name} is {told[name]!r} and not {value!r}")
    config = {name: told.get(name, value) for name, value in PUBLISHED.items()}
    faults += _find_faults(config)
    if not told.get("lora_rank", RANK):
        faults.append("lora_rank is 0")
    faults += [] if faults else _find_misfits(config)
    if faults:
        raise ValueError(", ".join(faults))
    for name in ("patch_size", "audio_inject_layers"):
        config[name] = tuple(config[name])
    config["cond_dim"] = config["cond_dim"] or None
    config["motion_buckets"] = tuple(BUCKETS) if told.get("enable_framepack", True) else ()
    return config


def _find_faults(config: Mapping[str, Any]) -> Iterator[str]:
    for name, value in config.items():
        if name in {"patch_size", "audio_inject_layers"}:
            sound = isinstance(value, list | tuple) and all(isinstance(one, int) for one in value)
        elif name == "cond_dim":
            sound = value is None or isinstance(value, int)
        else:
            sound = isinstance(value, float if name == "eps" else int) and value > 0
        if not sound:
            yield f"{name} is {value!r}"


def _find_misfits(config: Mapping[str, Any]) -> Iterator[str]:
    if config["dim"] % config["num_heads"]:
        yield f"dim {config['dim']} is not divisible by num_heads {config['num_heads']}"
    beyond = [i for i in config["audio_inject_layers"] if not 0 <= i < config["num_layers"]]
    if beyond:
        yield f"audio_inject_layers names {beyond} of {config['num_layers']} layers"


def transformer_shapes(config: Mapping[str, Any]) -> Shapes:
    """Names and shapes of the transformer with S2VTransformer's configuration `config`."""
    return dict(_transformer_entries(config))


def _transformer_entries(config: Mapping[str, Any]) -> ShapeEntries:
    dim, channels, patch = config["dim"], config["in_dim"], config["patch_size"]
    yield from _layer_entries("patch_embedding", dim, channels, *patch)
    if config["cond_dim"] is not None:
        yield from _layer_entries("cond_encoder", dim, config["cond_dim"], *patch)
    yield from _layer_entries("text_embedding.0", dim, config["text_dim"])
    yield from _layer_entries("text_embedding.2", dim, dim)
    yield from _layer_entries("time_embedding.0", dim, config["freq_dim"])
    yield from _layer_entries("time_embedding.2", dim, dim)
    yield from _layer_entries("time_projection.1", 6 * dim, dim)
    yield "trainable_cond_mask.weight", (3, dim)
    for i in range(config["num_layers"]):
        yield from _block_entries(f"blocks.{i}", dim, config["ffn_dim"])
    yield "head.modulation", (1, 2, dim)
    pt, ph, pw = patch
    yield from _layer_entries("head.head", config["out_dim"] * pt * ph * pw, dim)
    yield from _audio_entries(config)
    for name, kernel in map(BUCKETS.__getitem__, config["motion_buckets"]):
        yield from _layer_entries(f"frame_packer.{name}", dim, channels, *kernel)


def _block_entries(name: str, dim: int, ffn_dim: int) -> ShapeEntries:
    yield f"{name}.modulation", (1, 6, dim)
    for attention in ("self_attn", "cross_attn"):
        yield from _attention_entries(f"{name}.{attention}", dim)
    yield from _norm_entries(f"{name}.norm3", dim)
    yield from _layer_entries(f"{name}.ffn.0", ffn_dim, dim)
    yield from _layer_entries(f"{name}.ffn.2", dim, ffn_dim)


def _audio_entries(config: Mapping[str, Any]) -> ShapeEntries:
    dim, inputs, top = config["dim"], config["audio_dim"], "casual_audio_encoder"
    yield f"{top}.weights", (1, config["audio_layers"], 1, 1)
    yield f"{top}.encoder.padding_tokens", (1, 1, 1, dim)
    local = dim // 4 * config["num_audio_token"]
    yield from _layer_entries(f"{top}.encoder.conv1_local.conv", local, inputs, 3)
    yield from _layer_entries(f"{top}.encoder.conv1_global.conv", dim // 4, inputs, 3)
    yield from _layer_entries(f"{top}.encoder.conv2.conv", dim // 2, dim // 4, 3)
    yield from _layer_entries(f"{top}.encoder.conv3.conv", dim, dim // 2, 3)
    yield from _layer_entries(f"{top}.encoder.final_linear", dim, dim)
    for j in range(len(config["audio_inject_layers"])):
        yield from _attention_entries(f"audio_injector.injector.{j}", dim)
        yield from _layer_entries(f"audio_injector.injector_adain_layers.{j}.linear", 2 * dim, dim)


def lora_targets(shapes: Shapes) -> list[str]:
    """The weights that the LoRA changes."""
    return [name for name in shapes if name.endswith(LORA_SUFFIXES)]


def is_linear(name: str) -> bool:
    """Whether a weight is of a linear layer of the blocks."""
    return name.startswith("blocks.") and name.endswith(LORA_SUFFIXES)


def lora_shapes(shapes: Shapes, rank: int) -> Shapes:
    """Names and shapes of the LoRA for a transformer of these shapes, named as it is published."""
    pairs: Shapes = {}
    for name in lora_targets(shapes):
        outputs, inputs = shapes[name]
        layer = name.removesuffix(".weight")
        pairs[f"{layer}.lora_A.default.weight"] = (rank, inputs)
        pairs[f"{layer}.lora_B.default.weight"] = (outputs, rank)
    return pairs


def vae_shapes(width: int, channels: int) -> Shapes:
    """Names and shapes of Wan2.1_VAE.pth, with `width` channels at the top (96 as published) and `channels` in a latent."""
    return dict(_vae_entries(width, channels))


def _vae_entries(width: int, channels: int) -> ShapeEntries:
    kernel = (3, 3, 3)
    widths = [width * each for each in VAE_WIDTHS]
    yield from _layer_entries("encoder.conv1", width, 3, *kernel)
    yield from _level_entries("encoder.downsamples", [width, *widths], VAE_BLOCKS, VAE_HALVES_TIME)
    yield from _end_entries("encoder", widths[-1], 2 * channels, widths[-1])
    yield from _layer_entries("conv1", 2 * channels, 2 * channels, 1, 1, 1)
    yield from _layer_entries("conv2", channels, channels, 1, 1, 1)
    yield from _layer_entries("decoder.conv1", widths[-1], channels, *kernel)
    up, doubles = [widths[-1], *widths[::-1]], VAE_HALVES_TIME[::-1]
    yield from _level_entries("decoder.upsamples", up, VAE_BLOCKS + 1, doubles)
    yield from _end_entries("decoder", widths[-1], 3, width)


def _level_entries(
    name: str, widths: list[int], blocks: int, in_time: tuple[bool, ...]
) -> ShapeEntries:
    """The levels of an encoder or decoder: residual blocks, then the layer that changes the size."""
    i, grows = 0, name.startswith("decoder")
    for level, (inputs, outputs) in enumerate(pairwise(widths)):
        # A layer that doubles the size has halved the channels.
        inputs = inputs // 2 if grows and level else inputs  # noqa: PLW2901
        for _ in range(blocks):
            yield from _residual_entries(f"{name}.{i}", inputs, outputs)
            inputs, i = outputs, i + 1  # noqa: PLW2901
        if level < len(in_time):
            resized = outputs // 2 if grows else outputs
            yield from _layer_entries(f"{name}.{i}.resample.1", resized, outputs, 3, 3)
            if in_time[level]:
                doubled = 2 * outputs if grows else outputs
                yield from _layer_entries(f"{name}.{i}.time_conv", doubled, outputs, 3, 1, 1)
            i += 1


def _residual_entries(name: str, inputs: int, outputs: int) -> ShapeEntries:
    yield f"{name}.residual.0.gamma", (inputs, 1, 1, 1)
    yield from _layer_entries(f"{name}.residual.2", outputs, inputs, 3, 3, 3)
    yield f"{name}.residual.3.gamma", (outputs, 1, 1, 1)
    yield from _layer_entries(f"{name}.residual.6", outputs, outputs, 3, 3, 3)
    if inputs != outputs:
        yield from _layer_entries(f"{name}.shortcut", outputs, inputs, 1, 1, 1)


def _end_entries(name: str, middle: int, outputs: int, last: int) -> ShapeEntries:
    for i in (0, 2):
        yield from _residual_entries(f"{name}.middle.{i}", middle, middle)
    yield f"{name}.middle.1.norm.gamma", (middle, 1, 1)
    yield from _layer_entries(f"{name}.middle.1.to_qkv", 3 * middle, middle, 1, 1)
    yield from _layer_entries(f"{name}.middle.1.proj", middle, middle, 1, 1)
    yield f"{name}.head.0.gamma", (last, 1, 1, 1)
    yield from _layer_entries(f"{name}.head.2", outputs, last, 3, 3, 3)


def text_shapes(sizes: Mapping[str, int]) -> Shapes:
    """Names and shapes of umT5's encoder as Wan names it; sizes: vocabulary, dim, inner (of attention), ffn_dim, heads, layers, buckets."""
    dim, inner, ffn = sizes["dim"], sizes["inner"], sizes["ffn_dim"]
    shapes: Shapes = {"token_embedding.weight": (sizes["vocabulary"], dim)}
    for i in range(sizes["layers"]):
        at = f"blocks.{i}"
        shapes |= {f"{at}.norm{n}.weight": (dim,) for n in (1, 2)}
        shapes |= {f"{at}.attn.{part}.weight": (inner, dim) for part in "qkv"}
        shapes[f"{at}.attn.o.weight"] = (dim, inner)
        shapes |= {f"{at}.ffn.{part}.weight": (ffn, dim) for part in ("gate.0", "fc1")}
        shapes[f"{at}.ffn.fc2.weight"] = (dim, ffn)
        shapes[f"{at}.pos_embedding.embedding.weight"] = (sizes["buckets"], sizes["heads"])
    return {**shapes, "norm.weight": (dim,)}


def _layer_entries(name: str, outputs: int, inputs: int, *kernel: int) -> ShapeEntries:
    yield f"{name}.weight", (outputs, inputs, *kernel)
    yield f"{name}.bias", (outputs,)


def _norm_entries(name: str, dim: int) -> ShapeEntries:
    yield f"{name}.weight", (dim,)
    yield f"{name}.bias", (dim,)


def _attention_entries(name: str, dim: int) -> ShapeEntries:
    for part in "qkvo":
        yield from _layer_entries(f"{name}.{part}", dim, dim)
    for norm in ("norm_q", "norm_k"):
        yield f"{name}.{norm}.weight", (dim,)
