"""A large model on this machine's card: python -m pipeline.bench.bench --model live-avatar --weights DIR [--rows ROW …] [--clips N] [--json FILE].

Each row is a process of its own. `bench_alone`: the transformer's clip loop behind full rings, and the VAE's stream, without the pipeline, with a profile of one clip.
`bench_bare`: the same calls as the product's in the same two threads, nothing written. The others are films through `longtake new`: frames a second from published clip
to published clip, and what the card's driver saw. `first` begins with empty caches of compiled kernels, `again` with those that `first` left.
"""

import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Any

from model.avatar import FP8, DeviceConfig, Options
from model.device import nvml
from model.live_avatar.model_traits import KIND
from model.loader import load_model
from model.sharding.protocols import PipelinedDenoiser
from model.weights.checks import check_weights, require_sound
from pipeline.bench import loops, product
from pipeline.bench.material import ROOT, Material, prepare_material
from pipeline.bench.process import run_watched
from storage.errors import LongtakeError

Facts = dict[str, Any]
WARM, TIMED = 4, 3
"""Clips: the first fill the KV caches and have graphs captured, those after them are settled."""
WAITING = 2
"""Clips that may wait for the decoder when the last is denoised."""
FEWEST = WARM + WAITING + 2
"""Clips of which one lap is settled."""
CACHES = ("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH")
KERNELS = {
    "attention": ("fmha", "flash", "attention", "sdpa", "_attend"),
    "products": ("gemm", "nvjet", "cutlass", "xmma", "matmul", "cublas", "_convolve"),
}
"""Words in the names of a card's kernels, looked for in this order."""


@dataclass(frozen=True)
class BenchRow:
    """One row of the table: a kind of measurement and its flags."""

    kind: str = "film"
    fp8: bool = True
    flags: tuple[str, ...] = ()
    clips: int = 0
    """0: as many as are asked for."""


ROWS = {
    "bf16-alone": BenchRow("alone", fp8=False),
    "fp8-alone": BenchRow("alone"),
    "bare": BenchRow("bare"),
    "bf16": BenchRow(fp8=False),
    "fp8": BenchRow(),
    "offline": BenchRow(flags=("--offline",)),
    "38gb": BenchRow(flags=("--device-memory", "38GB")),
    "24gb": BenchRow(flags=("--device-memory", "24GB")),
    "16gb": BenchRow(flags=("--device-memory", "16GB")),
    "batch2": BenchRow(flags=("--clip-batch-size", "2")),
    "batch4": BenchRow(flags=("--clip-batch-size", "4")),
    "first": BenchRow("first", clips=1),
    "again": BenchRow("first", clips=1),
}
LEVELS = {
    ("bf16-alone", "denoise_fps"): ("transformer alone, bf16, frames a second", "≥ 15"),
    ("fp8-alone", "denoise_fps"): ("transformer alone, fp8, frames a second", "≥ 22"),
    ("fp8-alone", "decode_card_ms_12_frames"): ("12 frames decoded, the card's ms", "≤ 60"),
    ("fp8-alone", "decode_ms_12_frames"): ("the same, to bytes on the host, ms", ""),
    ("bf16", "fps"): ("whole path, bf16, frames a second", ""),
    ("fp8", "fps"): ("whole path, fp8, frames a second", "≥ 20"),
    ("fp8", "card_gb"): ("the same: memory of the card, GB", ""),
    ("fp8", "over_bare"): ("the same: time over the bare loop", "≤ 1.03"),
    ("38gb", "fps"): ("38 GB, frames a second", "≥ 20"),
    ("38gb", "card_gb"): ("38 GB: memory of the card, GB", "≤ 38"),
    ("24gb", "fps"): ("24 GB, frames a second", "≥ 14"),
    ("24gb", "card_gb"): ("24 GB: memory of the card, GB", "≤ 24"),
    ("24gb", "host_gb"): ("24 GB: memory of the host, GB", "≤ 70"),
    ("16gb", "fps"): ("16 GB, frames a second", "≥ 9.5"),
    ("16gb", "card_gb"): ("16 GB: memory of the card, GB", "≤ 16"),
    ("16gb", "host_gb"): ("16 GB: memory of the host, GB", "≤ 70"),
    ("offline", "fps_whole"): ("decoded last, frames a second of all", ""),
    ("batch2", "fps"): ("clip_batch_size 2, frames a second", ""),
    ("batch2", "card_gb"): ("the same: memory of the card, GB", ""),
    ("batch4", "fps"): ("clip_batch_size 4, frames a second", ""),
    ("batch4", "card_gb"): ("the same: memory of the card, GB", ""),
    ("first", "first_seconds"): ("first clip after start, nothing compiled, s", "≤ 40"),
    ("again", "first_seconds"): ("first clip after start, kernels kept, s", "≤ 15"),
}
"""What is shown, and the level."""


@dataclass(frozen=True)
class BenchOptions:
    """The weights, size and length of the films that are measured."""

    weights: str
    width: int
    height: int
    clips: int
    folder: Path
    flags: tuple[str, ...] = ()
    """More of each film's, such as `--gpus 4`."""

    def material(self, row: BenchRow) -> Material:
        """Picture and sound of a row's film."""
        told = Options(
            self.width, self.height, weights=self.weights, precision=FP8 if row.fp8 else ""
        )
        return prepare_material(self.folder, row.clips or self.clips, told, "live-avatar")


def bench_alone(asked: BenchOptions, row: BenchRow) -> Facts:
    """Speed of the clip loop and of the decoder by themselves, in this process."""
    import numpy as np

    options = asked.material(row).options
    avatar = load_model("live-avatar", options, DeviceConfig())
    traits, chance = avatar.traits, np.random.default_rng(0)

    def noise(*shape: int) -> Any:
        return chance.standard_normal(shape, np.float32)

    latent = (traits.latent_height, traits.latent_width)
    inputs = {
        "reference": noise(traits.latent_channels, 1, *latent),
        "motion": noise(traits.latent_channels, 19, *latent),
        "text": noise(64, KIND.config(options)["text_dim"]),
    }
    heard = noise(traits.audio_layers, traits.audio_channels, traits.clip_frames)
    denoiser, decoder = avatar.denoiser(inputs, 0), avatar.decoder(inputs)
    assert isinstance(denoiser, PipelinedDenoiser)
    denoiser.begin_clip(heard)

    def denoise() -> Any:
        # As in a film, whose next clip is begun before this one is done.
        denoiser.begin_clip(heard)
        return denoiser.denoise(heard).latents

    clips = [denoise() for _ in range(WARM)]
    denoising = [time_call(denoise) for _ in range(TIMED)]
    decoding = [time_call(lambda: decoder.decode(clips[-1])) for _ in range(WARM + TIMED)][WARM:]
    forwards = traits.clip_latents // 3 * traits.steps
    decoded = profile_gpu(lambda: decoder.decode(clips[-1]), traits.clip_latents // 3)
    return {
        "denoise_fps": traits.clip_frames / median(denoising),
        "decode_ms_12_frames": 12e3 * median(decoding) / traits.clip_frames,
        "ms_a_forward": profile_gpu(denoise, forwards),
        "decode_card_ms_12_frames": sum(decoded.values()) - decoded.get("idle", 0.0),
        "ms_12_frames_decoded": decoded,
        "peaks": dict(avatar.peaks),
    }


def time_call(act: Callable[[], object]) -> float:
    """Seconds that a call takes; what it returns is on the host, so the GPU is done."""
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def profile_gpu(act: Callable[[], object], parts: int) -> dict[str, float]:
    """Milliseconds a part that the GPU spends in matrix products, in attention, in all else, and idle."""
    import torch
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    if not torch.cuda.is_available():
        return {}
    wall = time_call(act)
    with profiled(activities=[ProfilerActivity.CUDA]) as told:
        act()
    spent = dict.fromkeys((*KERNELS, "else"), 0.0)
    for event in told.key_averages():
        name = event.key.lower()
        kind = next(
            (kind for kind, words in KERNELS.items() if any(w in name for w in words)), "else"
        )
        spent[kind] += event.self_device_time_total / 1e6
    spent["idle"] = max(0.0, wall - sum(spent.values()))
    return {kind: 1e3 * value / parts for kind, value in spent.items()}


def bench_bare(asked: BenchOptions, row: BenchRow) -> Facts:
    """Speed of the product's calls in the product's two threads, with nothing written."""
    film = asked.material(row)
    told = json.loads(run_watched(loops.loop_command("bare", film, asked.folder)).stdout)
    return {"fps": steady_rate(told["published"], 48)}


def bench_film(asked: BenchOptions, row: BenchRow) -> Facts:
    """Steady speed of a film through the command line, and the memory of GPU and host that it took."""
    root = asked.folder / "film"
    flags = ("--carry-every", "0", "--keep-frames", "none", *row.flags, *asked.flags)
    with watch_gpu_memory() as card:
        made = product.make_film(asked.material(row), root, *flags)
    stamps = made.published
    return {
        "fps": 0.0 if "--offline" in flags else steady_rate(stamps, 48),
        "laps": [round(b - a, 3) for a, b in pairwise(stamps)],
        "fps_whole": 48 * len(stamps) / (made.ended - made.begun),
        "first_seconds": stamps[0] - made.started,
        "card_gb": (max(card, default=0) - card[0]) / 1e9 if card else 0.0,
        "host_gb": made.peak / 1e9,
        "bytes": hashlib.sha256("".join(made.digests).encode()).hexdigest()[:12],
    }


def steady_rate(stamps: Sequence[float], frames: int) -> float:
    """Frames a second from clip to clip, once the KV caches are full and as long as clips are denoised beside them; `stamps` are seconds.

    Not a median of laps: behind the last clip that is denoised, those that wait for the decoder come one upon the other, and half of few laps were theirs.
    """
    settled = stamps[WARM : len(stamps) - WAITING]
    clips = len(settled) - 1
    return frames * clips / (settled[-1] - settled[0]) if clips > 0 else 0.0


@contextmanager
def watch_gpu_memory() -> Iterator[list[int]]:
    """A list of the GPU's used bytes as the driver sees them, the first before the film; empty where no driver can be asked."""
    seen: list[int] = []
    ended = Event()

    def look() -> None:
        while card and not ended.wait(0.05):
            seen.append(gpu_bytes_used(card))

    try:
        card = nvml.list_gpus()[int(os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0])]
    except Exception:  # noqa: BLE001 - NVML's own tree is there only where the library is
        card = ""
    watcher = Thread(target=look, daemon=True)
    seen += [gpu_bytes_used(card)] * bool(card)
    watcher.start()
    yield seen
    ended.set()
    watcher.join()


def has_card() -> bool:
    """Whether the driver knows of one."""
    try:
        return bool(nvml.list_gpus())
    except Exception:  # noqa: BLE001 - NVML's own tree is there only where the library is
        return False


def gpu_bytes_used(card: str) -> int:
    """Used bytes of a GPU, by whatever process; an idle one of ours had .64 GB."""
    reading = nvml.read_gpu(card)
    return (reading and reading.used) or 0


KINDS = {"alone": bench_alone, "bare": bench_bare, "film": bench_film, "first": bench_film}


def measure_row(name: str, asked: BenchOptions, caches: Path) -> Facts:
    """Measure one row; what would run in this process gets a process of its own."""
    row = ROWS[name]
    if row.kind == "first":
        os.environ |= {each: str(caches / each) for each in CACHES}
    if row.kind != "alone":
        return KINDS[row.kind](asked, row)
    words = [sys.executable, "-m", "pipeline.bench.bench_gpu", "--weights", asked.weights]
    words += ["--size", f"{asked.width}*{asked.height}", "--only", name]
    told = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    facts: Facts = json.loads(told.splitlines()[-1])
    return facts


def format_table(found: dict[str, Facts]) -> str:
    """All figures as a table for people, with the profiles below."""
    if "bare" in found and "fp8" in found and found["fp8"]["fps"]:
        found["fp8"]["over_bare"] = found["bare"]["fps"] / found["fp8"]["fps"]
    lines = [f"{'':<46}{'measured':>10}{'level':>9}"]
    for (name, key), (words, asked) in LEVELS.items():
        if key in found.get(name, {}):
            lines.append(f"{words:<46}{found[name][key]:10.2f}{asked:>9}")
    films = {name: facts["bytes"] for name, facts in found.items() if facts.get("bytes")}
    lines += [
        "films of the same bytes: " + "; ".join(" ".join(same) for same in group_alike(films))
    ]
    for name, facts in found.items():
        for key in ("ms_a_forward", "ms_12_frames_decoded"):
            parts = facts.get(key, {}).items()
            lines += [f"{name}: {key}: " + ", ".join(f"{k} {v:.1f}" for k, v in parts)] * bool(
                parts
            )
    return "\n".join(lines)


def group_alike(films: dict[str, str]) -> list[list[str]]:
    """Names in groups: those whose films have equal bytes."""
    groups: dict[str, list[str]] = {}
    for name, digest in films.items():
        groups.setdefault(digest, []).append(name)
    return list(groups.values())


def parse_size(text: str) -> tuple[int, int]:
    """A width and a height, from WIDTH*HEIGHT."""
    width, _, height = text.partition("*")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no WIDTH*HEIGHT, such as 704*384")
    return int(width), int(height)


def main(words: Sequence[str] | None = None) -> int:
    """Measure the rows; print each as it comes, then one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--size", type=parse_size, default=(704, 384), metavar="WIDTH*HEIGHT")
    parser.add_argument("--clips", type=int, default=12, help=f"{FEWEST} at least")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--folder", type=Path, default=ROOT / "runs", help="on the disk to measure")
    parser.add_argument(
        "--film", default="", help="more flags of each film, as one word: '--gpus 4'"
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--only", choices=list(ROWS), help=argparse.SUPPRESS)
    told = parser.parse_args(words)
    width, height = told.size
    if told.clips < FEWEST:
        parser.error(f"--clips {told.clips}: fewer than {FEWEST} have no settled rate")
    try:
        require_sound(check_weights(KIND.locate_weights(Options(weights=told.weights))))
    except LongtakeError as error:
        parser.error(str(error))
    if not has_card():
        print("No card here: every figure is this machine's processor's.", file=sys.stderr)
    found: dict[str, Facts] = {}
    told.folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=told.folder, prefix="bench.caches.") as caches:
        for name in [told.only] if told.only else told.rows:
            with tempfile.TemporaryDirectory(dir=told.folder, prefix="bench.") as place:
                asked = BenchOptions(
                    told.weights, width, height, told.clips, Path(place), (*shlex.split(told.film),)
                )
                if told.only:
                    print(json.dumps(bench_alone(asked, ROWS[name])))
                    return 0
                found[name] = measure_row(name, asked, Path(caches))
            print(f"{name:<12}{json.dumps(found[name])}", file=sys.stderr, flush=True)
    if told.json:
        told.json.write_text(json.dumps(found, indent=2))
    print(format_table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
