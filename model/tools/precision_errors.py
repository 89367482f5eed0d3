"""How far the numbers of a precision are from float32: python -m model.tools.precision_errors --weights DIR [--size W*H] [--clips N] [--device cuda].

The same weights, noise, sound and memory each time, drawn at random. First single forwards of one block behind full rings, one for each step: the relative L2
difference of the velocity. With --clips, a film of so many from its beginning: that of the latents of each clip (meant for a checkpoint of few layers).
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.avatar import DeviceConfig, Options
from model.device.heap import release_memory
from model.kv.kv_cache import KVCache, KVCacheConfig
from model.live_avatar.model_traits import KIND
from model.s2v.conditioning import Conditioning
from model.sampling.causal import CausalDenoiser
from model.sampling.causal_stage import BlockTask, DenoisingSetup
from model.sampling.noise import SeededNoise
from model.sampling.schedule import make_schedule
from model.wan.parts import device_of
from model.weights import checkpoint
from model.weights.checks import check_transformer, require_sound
from model.weights.loading import Placement, load_transformer
from storage.errors import LongtakeError

STEPS, CLIP_LATENTS = 4, 12
MOST_BF16, MOST_FP8 = 1e-2, 5e-2
"""How far bfloat16 may be, where it is not nearer than the published program's own rounding, and eight bits."""


@dataclass(frozen=True)
class Precision:
    """One way to compute: precision of layers and of what is remembered."""

    name: str
    dtype: torch.dtype
    fp8: bool = False
    eight: bool = False
    on_host: bool = False
    rounding: str = "never"
    """Of tokens, to the precision of the layers: as the program has it, or after each "block", as the published one does."""


# The rings of float32 do not fit beside its weights, and wait on the host: the same bits.
EXACT = Precision("float32", torch.float32, on_host=True)
PUBLISHED = Precision("bf16, tokens as published", torch.bfloat16, rounding="block")
"""The yardstick: what the published program loses by itself."""
WAYS = (
    Precision("bf16", torch.bfloat16),
    PUBLISHED,
    Precision("fp8", torch.bfloat16, fp8=True),
    Precision("fp8, attention in eight bits", torch.bfloat16, fp8=True, eight=True),
)


@dataclass(frozen=True)
class Trial:
    """What is computed."""

    weights: str
    width: int
    height: int
    clips: int
    device: torch.device


def compute_outputs(way: Precision, trial: Trial) -> list[Tensor]:
    """The velocity of each step behind full rings, then the latents of each clip."""
    place = KIND.locate_weights(Options(weights=trial.weights))
    placement = Placement(trial.device, way.dtype, way.fp8)
    switches = KIND.switches | {"rounding": way.rounding}
    transformer = load_transformer(place, placement, **switches)
    schedule = make_schedule(STEPS, transformer.config.sigmas)
    how = KVCacheConfig(way.eight, way.on_host)
    scene, draws = noise_conditioning(trial, place), SeededNoise(0, transformer.config.roll)
    loop = CausalDenoiser(DenoisingSetup(transformer, schedule, scene, draws, how))
    loop.restore(1, ())
    fill_cache(loop.cache, trial.device)
    velocities = [velocity.float().cpu() for velocity in run_forwards(loop, place)]
    loop.restore(0, ())
    clips = [
        loop.denoise(noise_features(place, 4 * CLIP_LATENTS, clip)) for clip in range(trial.clips)
    ]
    return [*velocities, *(torch.from_numpy(clip.latents) for clip in clips)]


def noise_conditioning(trial: Trial, place: checkpoint.WeightsLocation) -> Conditioning:
    """A picture, a past and a prompt of noise."""
    h, w, channels = trial.height // 8, trial.width // 8, place.config["in_dim"]
    there = trial.device
    return Conditioning(
        draw_normal(1, channels, 1, h, w, seed=1).to(there),
        draw_normal(1, channels, 19, h, w, seed=2).to(there),
        draw_normal(1, place.config["text_len"] // 4, place.config["text_dim"], seed=3).to(there),
        CLIP_LATENTS,
    )


def noise_features(place: checkpoint.WeightsLocation, frames: int, seed: int) -> np.ndarray:
    """Features of noise."""
    shape = (place.config["audio_layers"], place.config["audio_dim"], frames)
    return draw_normal(*shape, seed=100 + seed).numpy()


@torch.inference_mode()
def run_forwards(loop: CausalDenoiser, place: checkpoint.WeightsLocation) -> Iterator[Tensor]:
    """One forward for each step, of latents of noise."""
    stage = loop.stage
    stage.begin_clip(1, noise_features(place, 4 * stage.block * stage.blocks, 0))
    loop.runner.prefill()
    x = draw_normal(*stage.latents_like.shape, seed=4).to(stage.latents_like)
    for step in range(STEPS):
        task = BlockTask(1, 0, step)
        (tokens,) = stage.through_layers([task], [stage.embed_block(task, x)])
        yield stage.velocity(task, tokens)


@torch.inference_mode()
def fill_cache(cache: KVCache, device: torch.device) -> None:
    """Fill the KV cache with normal numbers, the same in every precision but for their rounding, wherever it lies: a card draws others than a host, and sooner."""
    shape = cache.shape
    sizes = (2, shape.batch, shape.own, shape.heads, shape.head_dim)
    for (step, layer), slots in zip(cache.places, cache.slots, strict=True):
        for slot, room in enumerate(slots):
            seed = 1000 * step + 10 * layer + slot
            k, v = draw_normal(*sizes, seed=seed, device=device).to(cache.dtype)
            cache.window.remember(k, v, room)


def draw_normal(*shape: int, seed: int, device: torch.device | str = "cpu") -> Tensor:
    """Normal numbers."""
    return torch.randn(shape, generator=torch.Generator(device).manual_seed(seed), device=device)


def measure_differences(trial: Trial) -> dict[str, list[float]]:
    """For each way, the relative L2 difference to float32: of each velocity, then of each clip."""
    made = {way.name: compute_telling(way, trial) for way in (EXACT, *WAYS)}
    exact = made.pop(EXACT.name)
    return {
        name: [float((a - b).norm() / b.norm()) for a, b in zip(outputs, exact, strict=True)]
        for name, outputs in made.items()
    }


def compute_telling(way: Precision, trial: Trial) -> list[Tensor]:
    """The outputs of one precision; on stderr how long that took."""
    release_memory()
    begun = time.monotonic()
    outputs = compute_outputs(way, trial)
    print(f"{way.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return outputs


def find_misses(found: dict[str, list[float]]) -> list[str]:
    """The ways that are farther from float32 than they may be, at their farthest."""
    most = {name: max(row) for name, row in found.items()}
    yardstick = max(MOST_BF16, most[PUBLISHED.name])
    bounds = {way.name: MOST_FP8 if way.fp8 else yardstick for way in WAYS}
    return [f"{name}: {most[name]:.2e} > {bounds[name]:.2e}" for name in most if most[name] > bounds[name]]  # fmt: skip


def format_table(found: dict[str, list[float]]) -> str:
    """For a person."""
    count = len(next(iter(found.values()))) - STEPS
    names = [*(f"step {s}" for s in range(STEPS)), *(f"clip {c}" for c in range(count))]
    lines = [" " * 34 + "".join(f"{name:>10}" for name in names)]
    lines += [f"{name:<34}" + "".join(f"{one:10.2e}" for one in row) for name, row in found.items()]
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Compute, and print one table; 1 if a way is farther than it may be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True, help="a folder in the published layout")
    parser.add_argument("--size", default="704*384")
    parser.add_argument("--clips", type=int, default=0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    asked = parser.parse_args(words)
    width, height = map(int, asked.size.split("*"))
    try:
        device = device_of(DeviceConfig(device=asked.device))
        require_sound([check_transformer(KIND.locate_weights(Options(weights=asked.weights)))])
    except LongtakeError as error:
        parser.error(str(error))
    found = measure_differences(Trial(asked.weights, width, height, asked.clips, device))
    if asked.json:
        asked.json.write_text(json.dumps(found))
    print(format_table(found))
    misses = find_misses(found)
    print("\n".join(["farther than it may be:", *misses] if misses else ["within the bounds"]))
    return int(bool(misses))


if __name__ == "__main__":
    raise SystemExit(main())
