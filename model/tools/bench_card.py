"""A large model on this machine's card: python -m model.tools.bench --model live-avatar --weights DIR [--rows ROW …] [--clips N].

Each row is a process of its own. `alone`: the transformer's clip loop behind full rings, and the VAE's stream, without the pipeline, with a profile of one clip.
The others are films through `longtake new`: frames a second from published clip to published clip, and what the card's driver saw of the process.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from model.avatar import FP8, Machine, Options, load
from model.live_avatar.card import KIND
from model.tools.material import ROOT

Facts = dict[str, Any]
WARM, TIMED = 2, 2
"""Clips: the first compiles and fills the rings, the second is settled."""
KERNELS = {
    "attention": ("fmha", "flash", "attention", "sdpa"),
    "products": ("gemm", "nvjet", "cutlass", "xmma", "matmul", "cublas", "scaled_mm"),
}
"""Words in the names of a card's kernels, looked for in this order."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    flags: tuple[str, ...] = ()
    alone: bool = False


ROWS = {
    "bf16-alone": Row("transformer and VAE alone, bf16", alone=True),
    "fp8-alone": Row("transformer and VAE alone, fp8", ("--fp8",), alone=True),
    "bf16": Row("film, bf16"),
    "fp8": Row("film, fp8", ("--fp8",)),
    "offline": Row("film, fp8, decoded last", ("--fp8", "--offline")),
    "24gb": Row("film, fp8, 24 GB", ("--fp8", "--device-memory", "24GB")),
    "16gb": Row("film, fp8, 16 GB", ("--fp8", "--device-memory", "16GB")),
    "batch2": Row("film, fp8, clip_batch_size 2", ("--fp8", "--clip-batch-size", "2")),
    "batch4": Row("film, fp8, clip_batch_size 4", ("--fp8", "--clip-batch-size", "4")),
}


@dataclass(frozen=True)
class Asked:
    """What is measured."""

    weights: str
    width: int
    height: int
    clips: int
    folder: Path

    @property
    def size(self) -> str:
        """As a flag has it."""
        return f"{self.width}*{self.height}"


def alone(asked: Asked, *, fp8: bool) -> Facts:
    """The clip loop and the decoder by themselves, in this process."""
    import numpy as np

    options = Options(
        asked.width, asked.height, weights=asked.weights, precision=FP8 if fp8 else ""
    )
    avatar = load("live-avatar", options, Machine())
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
    began = time.monotonic()
    denoiser, decoder = avatar.denoiser(inputs, 0), avatar.decoder(inputs)
    clips = [denoiser.denoise(heard).latents for _ in range(WARM)]
    first = time.monotonic() - began
    denoising = [seconds(lambda: denoiser.denoise(heard)) for _ in range(TIMED)]
    decoding = [seconds(lambda: decoder.decode(clips[-1])) for _ in range(WARM + TIMED)][WARM:]
    return {
        "first_clips_seconds": first,
        "denoise_fps": traits.clip_frames / median(denoising),
        "decode_ms_12_frames": 12e3 * median(decoding) / traits.clip_frames,
        "profile_ms_a_forward": profile(
            lambda: denoiser.denoise(heard), traits.clip_latents // 3 * traits.steps
        ),
        "peaks": dict(avatar.peaks),
    }


def seconds(act: Callable[[], object]) -> float:
    """How long it takes; what comes back is on the host, so the card is done."""
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def profile(act: Callable[[], object], forwards: int) -> dict[str, float]:
    """Milliseconds a forward in products, attention and all else, and in which the card did nothing."""
    import torch
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    if not torch.cuda.is_available():
        return {}
    wall = seconds(act)
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
    return {kind: 1e3 * value / forwards for kind, value in spent.items()}


def film(asked: Asked, row: Row) -> Facts:
    """A film through the command line: its steady rate, and its process on the card."""
    root = asked.folder / "film"
    words = ["new", str(ROOT / "examples/mila.png"), str(sound(asked)), "--run", str(root)]
    words += ["--model", "live-avatar", "--weights", asked.weights, "--size", asked.size]
    words += ["--carry-every", "0", "--keep-frames", "none", *row.flags]
    begun = time.time()
    most = watch([sys.executable, "-m", "pipeline", *words])
    events = [json.loads(line) for line in (root / "events.jsonl").read_text().splitlines()]
    stamps = [event["time"] for event in events if event["event"] == "clip_published"]
    peaks = [event for event in events if event["event"] == "memory_peak"][-1]
    steady = stamps[WARM:] if "--offline" not in row.flags else []
    rate = 48 * (len(steady) - 1) / (steady[-1] - steady[0]) if len(steady) > 1 else 0.0
    whole = 48 * len(stamps) / (events[-1]["time"] - begun)
    return {
        "fps": rate,
        "fps_with_start": whole,
        "first_clip_seconds": stamps[0] - begun,
        "nvml_bytes": most,
        "peaks": peaks,
    }


def sound(asked: Asked) -> Path:
    """So much of an example that the film has the clips."""
    import wave

    path = asked.folder / "sound.wav"
    with wave.open(str(ROOT / "examples/harbour.wav"), "rb") as file:
        rate, shape, whole = (
            file.getframerate(),
            file.getparams(),
            file.readframes(file.getnframes()),
        )
    wanted = round(asked.clips * 48 / 25 * rate) * shape.nchannels * shape.sampwidth
    with wave.open(str(path), "wb") as file:
        file.setparams(shape)
        file.writeframes((whole * (wanted // len(whole) + 1))[:wanted])
    return path


def watch(words: Sequence[str]) -> int:
    """Run a command; the most bytes that the card's driver saw of its process (NVML), 0 where there is none to ask. Raises CalledProcessError."""
    process = subprocess.Popen(words, stdout=sys.stderr)
    most = 0
    while process.poll() is None:
        most = max(most, seen(process.pid))
        time.sleep(0.2)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    return most


def seen(pid: int) -> int:
    """Bytes that the driver sees of a process; in a container it may know it by another number, so where there is one process it is that one."""
    query = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    rows = [line.split(",") for line in told.splitlines() if "," in line]
    sizes = {int(row[0]): int(row[1]) * (1 << 20) for row in rows if row[1].strip().isdecimal()}
    return sizes.get(pid, next(iter(sizes.values()), 0) if len(sizes) == 1 else 0)


def measure(name: str, asked: Asked) -> Facts:
    """One row, in a process of its own where it is not one anyway."""
    row = ROWS[name]
    if not row.alone:
        return film(asked, row)
    words = [sys.executable, "-m", "model.tools.bench_card", "--weights", asked.weights]
    words += ["--size", asked.size, "--only", name]
    told = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    facts: Facts = json.loads(told.splitlines()[-1])
    return facts


def main(words: Sequence[str] | None = None) -> int:
    """Measure the rows; print each as it comes, then all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--size", default="704*384")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--folder", type=Path, default=ROOT / "runs")
    parser.add_argument("--only", choices=list(ROWS), help=argparse.SUPPRESS)
    told = parser.parse_args(words)
    width, height = map(int, told.size.split("*"))
    found: dict[str, Facts] = {}
    for name in [told.only] if told.only else told.rows:
        with tempfile.TemporaryDirectory(dir=told.folder, prefix="bench.") as place:
            asked = Asked(told.weights, width, height, told.clips, Path(place))
            if told.only:
                print(json.dumps(alone(asked, fp8="--fp8" in ROWS[name].flags)))
                return 0
            found[name] = measure(name, asked)
        print(f"{ROWS[name].name:<36}{json.dumps(found[name])}", file=sys.stderr, flush=True)
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
