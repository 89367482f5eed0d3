"""A short run of pocket's shapes whose latents are drawn, not denoised."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from model.pocket.curve_layout import CHANNELS, SIDE, ZONES
from storage.run import Run
from storage.run_beginning import NewRun
from storage.spec import Settings
from tasks.request import Request
from tasks.resolve import resolve_request

MADE = 3
"""Clips of five that are there."""


@pytest.fixture
def run(face: Path, speech: Path, tmp_path: Path) -> Run:
    """A crashed run: three clips of five, whose steps go from noise to a face that hardly moves."""
    asked = Request(face, speech, run=tmp_path / "drawn", width=64, height=48)
    spec = dataclasses.replace(
        resolve_request(asked).spec,
        frames=208,
        latent_channels=CHANNELS,
        latent_width=SIDE,
        latent_height=SIDE,
    )
    run = Run.create(tmp_path / "drawn", NewRun(spec, Settings(), {}, {}, face, speech))
    chance = np.random.default_rng(0)
    still = chance.normal(0, 1, (CHANNELS, 1, 3))[..., ZONES]
    for clip in range(MADE):
        latents = still + chance.normal(0, 0.2, (CHANNELS, 12, 3))[..., ZONES]
        noise = chance.normal(0, 1, latents.shape)
        steps = np.stack([latents * part + noise * (1 - part) for part in (0.3, 0.6, 0.9, 1)])
        run.steps.publish(clip, steps.astype(np.float32))
        run.latents.publish(clip, steps[-1].astype(np.float32))
        run.audio.publish(clip, chance.normal(0, 1, run.audio.shape).astype(np.float32))
    tone = np.sin(np.arange(9 * 16_000) / 9).astype(np.float32)
    run.sound.publish([tone])
    return run
