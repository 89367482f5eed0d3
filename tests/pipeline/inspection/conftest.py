"""A short run of pocket's shapes whose latents are drawn, not denoised."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from storage.run import NewRun, Run
from storage.spec import Settings
from tasks.request import Request
from tasks.resolve import resolve_request

MADE = 3
"""Clips of five that are there."""


@pytest.fixture
def run(face: Path, speech: Path, tmp_path: Path) -> Run:
    """A crashed run: three clips of five, whose steps go from noise to a still picture with a little movement."""
    asked = Request(face, speech, run=tmp_path / "drawn", width=64, height=48)
    spec = dataclasses.replace(resolve_request(asked).spec, latent_channels=16, frames=208)
    run = Run.create(tmp_path / "drawn", NewRun(spec, Settings(), {}, {}, face, speech))
    chance = np.random.default_rng(0)
    still = chance.normal(0, 1, (16, 1, 3, 4))
    for clip in range(MADE):
        latents = still + chance.normal(0, 0.2, (16, 12, 3, 4))
        noise = chance.normal(0, 1, latents.shape)
        steps = np.stack([latents * part + noise * (1 - part) for part in (0.3, 0.6, 0.9, 1)])
        run.steps.publish(clip, steps.astype(np.float32))
        run.latents.publish(clip, steps[-1].astype(np.float32))
        run.audio.publish(clip, chance.normal(0, 1, run.audio.shape).astype(np.float32))
    tone = np.sin(np.arange(9 * 16_000) / 9).astype(np.float32)
    run.sound.publish([tone])
    return run
