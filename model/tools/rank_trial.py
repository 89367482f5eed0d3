"""One way to share live-avatar out, tried in a process of its own, which prints lines of JSON as it goes: what python -m model.tools.bench_ranks starts.

Noise stands for picture, prompt and sound; each clip is begun before the one before it has come back, as in a film. With `whole`, rank 0 also hears and decodes, as a film's does.
"""

import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from model.avatar import (
    FP8,
    AudioWindow,
    Avatar,
    Byte,
    Denoiser,
    DeviceConfig,
    Float,
    ModelTraits,
    Named,
    Options,
)
from model.device import nvml
from model.estimates import MachineSpeed
from model.loader import load_model
from model.registry import estimate_time
from model.sampling.task_times import save_task_times
from model.sharding.plan_choice import ROOM
from model.sharding.protocols import PipelinedDenoiser, SharedAvatar

MOTION_LATENTS = 19
SPEED = MachineSpeed()
"""That of one with an H200, which was timed."""
AHEAD = 2
"""Clips that may wait for the decoder before the denoiser waits for it, as in a film."""
LOOKS = 5
"""A second, at what the driver says of each process."""


@dataclass(frozen=True)
class RankTrial:
    """What is tried."""

    weights: str
    ranks: int = 1
    parallel: str = "auto"
    clips: int = 8
    size: str = "704*384"
    device: str = "auto"
    fp8: bool = False
    memory: int | None = None
    """Bytes of the card that each rank may take."""
    one_card: bool = False
    """All ranks are on the first card; else each has its own."""
    whole: bool = False
    """Rank 0 also hears and decodes."""
    kept: str = ""
    """The folder where the latents of each clip are left; empty: nowhere."""

    @property
    def name(self) -> str:
        """`1`, or `4 by layers`."""
        return "1" if self.ranks == 1 else f"{self.ranks} by {self.parallel}"

    @property
    def options(self) -> Options:
        """What is asked of the model."""
        width, height = map(int, self.size.split("*"))
        return Options(width, height, weights=self.weights, precision=FP8 if self.fp8 else "")

    @property
    def machine(self) -> DeviceConfig:
        """Where it is put."""
        cards = (0,) * self.ranks if self.one_card else tuple(range(self.ranks))
        return DeviceConfig(
            device=self.device,
            memory=self.memory,
            gpus=cards if self.ranks > 1 else (),
            parallel=self.parallel,
        )

    def encode(self) -> str:
        """As one word for a command line."""
        return json.dumps(asdict(self))


def main(words: Sequence[str] | None = None) -> None:
    """Try what the one argument says."""
    given = sys.argv[1:] if words is None else words
    run_trial(RankTrial(**json.loads(given[0])), partial(print, flush=True))


def run_trial(trial: RankTrial, say: Callable[[str], None]) -> None:
    """Load, denoise, and say each thing when it is known: `loaded` (seconds), then of each clip `seconds`, `digest` and `memory`."""

    def tell_facts(**facts: object) -> None:
        say(json.dumps({"way": trial.name, "size": trial.size, **facts}))

    begun = time.monotonic()
    avatar = load_model("live-avatar", trial.options, trial.machine)
    ranks = avatar.processes if isinstance(avatar, SharedAvatar) else {0: os.getpid()}
    inputs = draw_inputs(avatar.traits, trial.options)
    sounds = draw_sounds(avatar.traits, trial.clips)
    with (
        watch_processes(ranks) as most,
        decoding_beside(avatar, inputs, at_all=trial.whole) as decode,
    ):
        denoiser = avatar.denoiser(inputs, 0)
        before = time.monotonic()
        tell_facts(loaded=round(before - begun, 2), planned=plan_seconds(trial, avatar))
        for clip, latents in enumerate(denoise_clips(denoiser, sounds)):
            now = time.monotonic()
            digest = hashlib.sha256(latents.tobytes()).hexdigest()
            tell_facts(
                clip=clip, seconds=round(now - before, 3), digest=digest[:16], memory=dict(most)
            )
            decode(latents)
            if trial.kept:
                np.save(Path(trial.kept) / f"{clip}.npy", latents)
            before = now
    save_task_times()
    tell_facts(ended=True, memory=dict(most), said=dict(avatar.peaks))
    if isinstance(avatar, SharedAvatar):
        avatar.close()


def plan_seconds(trial: RankTrial, avatar: Avatar) -> float | None:
    """Seconds of a clip by arithmetic, as `longtake plan` says: of the slowest rank, rank 0 decoding beside where it does. None where nothing was timed."""
    shards = avatar.plan.shards if isinstance(avatar, SharedAvatar) else (None,)
    found = []
    for rank, shard in enumerate(shards):
        placed = replace(trial.machine, shard=shard)
        took = estimate_time("live-avatar", trial.options, placed, trial.memory or ROOM, SPEED)
        if took is None:
            return None
        decoding = took.beside * took.decode if trial.whole and rank == 0 else 0.0
        found.append(max(took.host, took.denoise + decoding))
    return max(found)


def draw_inputs(traits: ModelTraits, options: Options) -> Named:
    """Noise for a picture and for a short prompt."""
    from model.live_avatar.model_traits import KIND

    draw, config = np.random.default_rng(0), KIND.config(options)
    c, h, w = traits.latent_channels, traits.latent_height, traits.latent_width
    return {
        "reference": draw.standard_normal((c, 1, h, w), np.float32),
        "motion": draw.standard_normal((c, MOTION_LATENTS, h, w), np.float32),
        "text": draw.standard_normal(
            (int(config["text_len"]) // 4, int(config["text_dim"])), np.float32
        ),
    }


def draw_sounds(traits: ModelTraits, clips: int) -> list[Float]:
    """Noise for the features [layer, channel, frame] of each clip."""
    draw = np.random.default_rng(1)
    shape = (traits.audio_layers, traits.audio_channels, traits.clip_frames)
    return [draw.standard_normal(shape, np.float32) for _ in range(clips)]


def hear_silence(avatar: Avatar) -> None:
    """Let the speech encoder be where it is in a film; what it hears is not used."""
    traits = avatar.traits
    samples = traits.clip_frames * traits.samples_per_frame + 2 * traits.audio_margin
    avatar.extract_audio(AudioWindow(np.zeros(samples, np.float32)))


@contextmanager
def decoding_beside(
    avatar: Avatar, inputs: Named, *, at_all: bool
) -> Iterator[Callable[[Float], Any]]:
    """What takes the latents of one clip after the other and decodes them beside the denoising; raises at the end what went wrong."""
    if not at_all:
        yield lambda _latents: None
        return
    hear_silence(avatar)
    decoder = avatar.decoder(inputs)
    made: list[Future[Byte]] = []

    def decode(latents: Float) -> None:
        made.append(beside.submit(decoder.decode, latents))
        if len(made) > AHEAD:
            made[-1 - AHEAD].result()

    with ThreadPoolExecutor(1, "frames") as beside:
        yield decode
    for future in made:
        future.result()


@contextmanager
def watch_processes(ranks: dict[int, int]) -> Iterator[dict[int, int]]:
    """The most bytes of a card that the driver has seen of each rank's process, by rank; nothing where there is no driver."""
    most: dict[int, int] = {}
    over = threading.Event()

    def look_once() -> None:
        while not over.wait(1 / LOOKS):
            there = nvml.read_processes()
            for rank, process in ranks.items():
                if process in there:
                    most[rank] = max(most.get(rank, 0), there[process])

    thread = threading.Thread(target=look_once, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def denoise_clips(denoiser: Denoiser, sounds: list[Float]) -> Iterator[Float]:
    """The latents of each clip, begun ahead where that is possible."""
    begun = 0
    for clip, sound in enumerate(sounds):
        if isinstance(denoiser, PipelinedDenoiser):
            while begun < len(sounds) and begun <= clip + denoiser.clips_ahead:
                denoiser.begin_clip(sounds[begun])
                begun += 1
        yield denoiser.denoise(sound).latents


if __name__ == "__main__":
    main()
