"""The block-causal loop as LiveAvatar has it, in miniature: sizes, steps, clips, poses and speakers."""

import numpy as np
import pytest
import torch

from model.sampling.causal import CausalDenoiser
from model.sampling.causal_stage import BlockTask, DenoisingSetup
from model.sampling.schedule import make_schedule
from storage.errors import BadOption
from tests.model.small import (
    CHANNELS,
    draw,
    elsewhere,
    rounded,
    small_scene,
    small_transformer,
    sound,
)

BLOCK = 3
FILM = 24
"""Latents: twice what the rings hold."""


class Written:
    """Noise and sink positions that depend on the place in the film and not on how it is cut into clips."""

    def __init__(self, blocks: int, height: int = 8, width: int = 8) -> None:
        self.blocks, self.size = blocks, (CHANNELS, BLOCK, height, width)

    def noise(self, clip: int, block: int, shape: tuple[int, ...]) -> np.ndarray:
        assert shape == self.size
        return draw(*shape, seed=100 + clip * self.blocks + block).numpy()

    def sink(self, clip: int, block: int, step: int) -> int:
        return 4 + (clip * self.blocks + block + step) % 27


def begun(scene, steps: int = 2, model=None, **switches) -> CausalDenoiser:
    model = model or small_transformer(**switches)
    draws = Written(scene.clip_latents // BLOCK, *scene.reference.shape[-2:])
    return CausalDenoiser(
        DenoisingSetup(model, make_schedule(steps, model.config.sigmas), scene, draws)
    )


def film(loop: CausalDenoiser, heard: np.ndarray) -> np.ndarray:
    clips = heard.shape[-1] // (4 * loop.setup.conditioning.clip_latents)
    return np.concatenate([loop.denoise(part).latents for part in np.split(heard, clips, -1)], 1)


@pytest.mark.parametrize("latents", [6, 12, FILM])
def test_a_film_does_not_know_how_it_was_cut(latents: int) -> None:
    """Clips of any number of blocks, also longer than the rings, are the same film where the sink stays: the rings hold twelve latents whatever a clip is."""
    heard = sound(FILM)
    blockwise = film(begun(small_scene(latents=BLOCK), sink_from_first_clip=False), heard)
    assert np.array_equal(
        film(begun(small_scene(latents=latents), sink_from_first_clip=False), heard), blockwise
    )


@pytest.mark.parametrize("latents", [0, 2, 13])
def test_a_clip_is_whole_blocks(latents: int) -> None:
    """Anything else is refused before any work."""
    with pytest.raises(BadOption, match="blocks have 3"):
        begun(small_scene(latents=latents))


@pytest.mark.parametrize("steps", range(1, 9))
def test_one_to_eight_steps(steps: int) -> None:
    """There is a ring and a kept state for each step, and a carry of all of them goes on to the bit."""
    loop, resumed = (begun(small_scene(latents=6), steps) for _ in range(2))
    made = loop.denoise(sound(6))
    assert made.steps.shape == (steps, CHANNELS, 6, 8, 8)
    assert np.isfinite(made.steps).all()
    resumed.restore(1, [(name, bits.copy()) for name, bits in loop.carry()])
    assert np.array_equal(resumed.denoise(sound(6)).latents, loop.denoise(sound(6)).latents)


@pytest.mark.parametrize(("height", "width"), [(2, 4), (6, 6), (10, 14), (8, 16)])
def test_any_size_of_whole_tokens_will_do(height: int, width: int) -> None:
    """Sides of 16, 32, 48, 80, 112 … pixels, over the replacement of the sink."""
    loop = begun(small_scene(height, width, latents=6))
    made = film(loop, sound(12))
    assert made.shape == (CHANNELS, 12, height, width)
    assert np.isfinite(made).all()


def test_a_carry_of_rounded_latents_is_whole() -> None:
    """In bfloat16 the steps are whole in bfloat16 and a resumed film is the same to the bit."""
    loop, resumed = (
        begun(small_scene(latents=6), model=rounded(small_transformer())) for _ in range(2)
    )
    steps = loop.denoise(sound(6)).steps
    assert np.array_equal(steps, torch.from_numpy(steps).bfloat16().float().numpy())
    resumed.restore(1, [(name, bits.copy()) for name, bits in loop.carry()])
    assert np.array_equal(resumed.denoise(sound(6)).latents, loop.denoise(sound(6)).latents)


def test_a_pose_belongs_to_its_own_block() -> None:
    """A pose in the second block leaves the first as it was; no pose is a pose of zeros."""
    pose = torch.zeros(1, 16, 6, 8, 8)
    plain = film(begun(small_scene(latents=6)), sound(6))
    still = film(begun(small_scene(latents=6, pose=lambda _: pose)), sound(6))
    moved = pose.clone()
    moved[:, :, BLOCK:] = draw(1, 16, BLOCK, 8, 8)
    other = film(begun(small_scene(latents=6, pose=lambda _: moved)), sound(6))
    assert np.allclose(plain, still, atol=1e-6)
    assert np.array_equal(other[:, :BLOCK], still[:, :BLOCK])
    assert not np.allclose(other[:, BLOCK:], still[:, BLOCK:], atol=1e-2)


def test_a_speaker_is_heard_where_the_mask_says() -> None:
    """Of two speakers, each in one half, a half follows its own: the other's sound reaches it only through attention."""
    left = torch.zeros(2, BLOCK, 4, 4)
    left[0, :, :, :2], left[1, :, :, 2:] = 1, 1
    heard = sound(BLOCK, speakers=2)
    scene = small_scene(latents=BLOCK, masks=left)
    both = film(begun(scene, steps=1), heard)
    swapped = film(begun(scene, steps=1), heard[::-1].copy())
    alone = film(begun(small_scene(latents=BLOCK), steps=1), heard[0])
    apart = np.abs(both - alone).mean((0, 1, 2))
    assert apart[:4].mean() < 0.5 * apart[4:].mean()
    assert np.abs(both - swapped).max() > 1e-2


@torch.inference_mode()
def test_everything_is_where_the_model_is() -> None:
    """Prompt, sound, masks, poses, noise, places and rings go to the model's device."""
    masks, pose = torch.ones(2, 1, 4, 4), torch.zeros(1, 16, BLOCK, 8, 8)
    scene = elsewhere(small_scene(latents=BLOCK, masks=masks, pose=lambda _: pose))
    loop = begun(scene, model=small_transformer().to("meta"))
    loop.begin_clip(sound(BLOCK, speakers=2))
    task = BlockTask(0, 0, 0)
    loop.runner.prefill()
    noise = loop.stage.draw_noise(task)
    (tokens,) = loop.stage.through_layers([task], [loop.stage.embed_block(task, noise)])
    made = loop.stage.solve_step(task, loop.stage.velocity(task, tokens), noise)
    assert made.device.type == "meta"
