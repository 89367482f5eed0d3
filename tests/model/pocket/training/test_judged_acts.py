"""Whether acts are played is told by the motion, whoever made it."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from model.avatar import Denoised
from model.motion_columns import MOTION_COLUMNS
from model.pocket.acts import ACTS
from model.pocket.prompts import read_prompt
from model.pocket.training.judged_acts import (
    SPAN,
    Stage,
    judge_motion,
    judge_prompts,
    read_prompts,
)
from model.pocket.training.judged_presenters import make_presenters
from model.pocket.training.motion import draw_motion

CLIP = 48
SOUND = np.zeros(2 * CLIP * 640, np.float32)


@dataclass
class Player:
    """An avatar whose latents are the true motion of the acts that it reads, and which forgets them after some clips."""

    forgets: int = 10**6
    traits: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(
            clip_frames=CLIP, samples_per_frame=640, audio_margin=0
        )
    )
    films: int = 0

    def encode_inputs(
        self, picture: np.ndarray, prompt: str, face: object
    ) -> dict[str, np.ndarray]:
        return {"acts": np.array(read_prompt(prompt).row, np.float32)}

    def extract_audio(self, heard: object) -> np.ndarray:
        return np.zeros((1, 1, CLIP), np.float32)

    def denoiser(self, inputs: dict[str, np.ndarray], seed: int) -> "Performance":
        self.films += 1
        return Performance(torch.from_numpy(inputs["acts"])[None], seed, self.forgets)


class Performance:
    """One film's motion."""

    def __init__(self, acts: torch.Tensor, seed: int, forgets: int) -> None:
        self.motions = [
            draw_motion(1, 12 * CLIP, None, torch.Generator().manual_seed(seed), row)[0]
            for row in (acts, 0 * acts)
        ]
        self.clip, self.forgets = 0, forgets

    def denoise(self, _features: np.ndarray) -> Denoised:
        motion = self.motions[self.clip >= self.forgets].numpy()
        latents = motion[self.clip * CLIP : (self.clip + 1) * CLIP].reshape(
            MOTION_COLUMNS, -1, 1, 1
        )
        self.clip += 1
        return Denoised(latents, latents[None])


def set_stage(player: Player, clips: int = 0) -> Stage:
    return Stage(player, SOUND, clips, lambda latents: latents.reshape(-1, MOTION_COLUMNS))


def test_who_plays_every_act_is_right_as_often_as_prompts_are_read() -> None:
    """Of all held-out wordings 95 % and more; prompts that are read alike are one film."""
    player, who = Player(), make_presenters(1, 64)[0]
    prompts = read_prompts()
    found = judge_prompts(set_stage(player), who, prompts)
    misread = [prompt.text for prompt in prompts if read_prompt(prompt.text).row != prompt.row]
    assert found.prompts == len(prompts) >= 150
    assert found.first >= 0.95
    assert all(0.6 < share < 1.2 for shares in found.strengths.values() for share in shares)
    assert len(set(found.missed) - set(misread)) <= 0.01 * len(prompts)
    assert found.clips == 0
    assert player.films < len(prompts) / 3


def test_who_forgets_is_found_at_the_end_of_a_long_film() -> None:
    """Right in the first clips, and at the end only where nothing was asked."""
    prompts = [prompt for prompt in read_prompts() if prompt.row[0]][:5]
    who = make_presenters(1, 64)[0]
    found = judge_prompts(set_stage(Player(forgets=SPAN), 2 * SPAN), who, prompts)
    assert (found.first, found.clips, found.last) == (1.0, 2 * SPAN, 0.0)
    first, last = found.strengths["happy"]
    assert first > 0.8
    assert abs(last) < 0.2


@pytest.mark.parametrize("name", ACTS)
def test_an_act_too_few_and_an_act_too_many_are_both_wrong(name: str) -> None:
    """Full acts are right; calm is wrong where they are asked, they are wrong where calm is asked, and the opposite is wrong."""
    row = np.array([float(act == name) for act in ACTS], np.float32)

    def move(acts: np.ndarray) -> np.ndarray:
        generator = torch.Generator().manual_seed(3)
        return draw_motion(1, 144, None, generator, torch.from_numpy(acts)[None])[0].numpy()

    full, calm = move(row), move(0 * row)
    assert judge_motion(row.tolist(), full, calm)
    assert judge_motion((0 * row).tolist(), calm, calm)
    assert not judge_motion(row.tolist(), calm, calm)
    assert not judge_motion((0 * row).tolist(), full, calm)
    assert not judge_motion((-row).tolist(), full, calm)
