"""The clip-wise loop: what goes from clip to clip, guidance, rounding, sizes, poses and speakers."""

import numpy as np
import pytest
import torch

from model.sampling.clipwise import ClipwiseDenoiser, Guidance, attend_packed, attend_rotated
from model.sampling.noise import SeededNoise
from model.sampling.schedule import make_schedule
from storage.errors import BadInput, LongtakeError
from tests.model.small import (
    CHANNELS,
    SIZES,
    draw,
    elsewhere,
    rounded,
    small_scene,
    small_transformer,
    sound,
)

LATENTS = 5
NOTHING = draw(1, CHANNELS, 0, 8, 8)
AGAINST = Guidance(4.5, draw(1, 2, SIZES["text_dim"], seed=9))


def begun(scene=None, model=None, steps: int = 3, guidance: Guidance = AGAINST, **more):
    scene = scene or small_scene(latents=LATENTS, motion=NOTHING, **more)
    model = model or small_transformer()
    schedule = make_schedule(steps, "unipc_shift_once")
    return ClipwiseDenoiser(model, schedule, scene, SeededNoise(5, (4, 30)), guidance)


def motion(seed: int = 6) -> np.ndarray:
    return draw(CHANNELS, 19, 8, 8, seed=seed).numpy()


def follow(loop: ClipwiseDenoiser, latents: np.ndarray) -> None:
    """Hand over what the next clip follows."""
    loop.restore(loop.next_clip, [("motion", latents)])


def test_a_clip_follows_the_decoded_one() -> None:
    """The first clip needs no motion, a later one refuses to be made without, and what it gets decides it."""
    films = []
    for seed in (6, 6, 7):
        loop = begun()
        first = loop.denoise(sound(LATENTS))
        assert first.latents.shape == (CHANNELS, LATENTS, 8, 8)
        assert first.steps.shape == (3, CHANNELS, LATENTS, 8, 8)
        assert np.array_equal(first.steps[-1], first.latents)
        with pytest.raises(LongtakeError, match="Clip 1 follows clip 0"):
            loop.denoise(sound(LATENTS))
        follow(loop, motion(seed))
        films.append(loop.denoise(sound(LATENTS)).latents)
        assert loop.next_clip == 2
    assert np.array_equal(films[0], films[1])
    assert not np.array_equal(films[0], films[2])


def test_a_carry_stands_for_everything_before_it() -> None:
    """A new denoiser that takes up the motion alone makes the same clip to the bit; before it was handed over there is nothing to carry."""
    loop, resumed = begun(), begun()
    loop.denoise(sound(LATENTS))
    assert list(loop.carry()) == []
    follow(loop, motion())
    carried = [(name, bits.copy()) for name, bits in loop.carry()]
    assert [name for name, _ in carried] == ["motion"]
    resumed.restore(1, carried)
    assert np.array_equal(
        resumed.denoise(sound(LATENTS)).latents, loop.denoise(sound(LATENTS)).latents
    )


def test_starting_over_forgets() -> None:
    """restore(0, ()) gives the film from its beginning again."""
    loop = begun()
    first = loop.denoise(sound(LATENTS)).latents
    follow(loop, motion())
    loop.restore(0, ())
    assert np.array_equal(loop.denoise(sound(LATENTS)).latents, first)


def test_a_film_may_begin_with_a_past() -> None:
    """Motion latents of the scene, or handed over before clip 0, are seen by it; motion of another size is refused."""
    plain, told = begun(), begun()
    given = begun(small_scene(latents=LATENTS, motion=torch.from_numpy(motion())[None]))
    follow(told, motion())
    films = [loop.denoise(sound(LATENTS)).latents for loop in (plain, told, given)]
    assert not np.array_equal(films[0], films[1])
    assert np.array_equal(films[1], films[2])
    with pytest.raises(LongtakeError, match="do not fit"):
        follow(told, motion()[:, :, :4])


def test_guidance_goes_away_from_no_prompt_and_no_sound() -> None:
    """The velocity is u + g·(c - u), where u knows the negative prompt and features of zeros."""
    with_prompt = begun(steps=1, guidance=Guidance(1.0)).denoise(sound(LATENTS)).latents
    scene = small_scene(latents=LATENTS, motion=NOTHING, text=AGAINST.negative)
    silent = begun(scene, steps=1, guidance=Guidance(1.0)).denoise(0 * sound(LATENTS)).latents
    guided = begun(steps=1).denoise(sound(LATENTS)).latents
    wanted = silent + AGAINST.scale * (with_prompt - silent)
    assert np.abs(guided - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_latents_are_rounded_after_every_step() -> None:
    """In bfloat16 every step is whole in bfloat16, and near to what float32 gives."""
    model = rounded(small_transformer())
    steps = begun(model=model).denoise(sound(LATENTS)).steps
    whole = torch.from_numpy(steps).bfloat16().float().numpy()
    assert np.array_equal(steps, whole)
    exact = begun(model=small_transformer()).denoise(sound(LATENTS)).steps
    assert np.abs(steps - exact).mean() < 0.05 * np.abs(exact).mean()


@pytest.mark.parametrize(("height", "width"), [(2, 2), (6, 4), (10, 14), (8, 16)])
def test_any_size_of_whole_tokens_will_do(height: int, width: int) -> None:
    """Sides of 16, 48, 32, 80, 112 … pixels: first clip and later ones."""
    loop = begun(small_scene(height, width, LATENTS, motion=draw(1, CHANNELS, 0, height, width)))
    loop.denoise(sound(LATENTS))
    follow(loop, draw(CHANNELS, 19, height, width).numpy())
    made = loop.denoise(sound(LATENTS)).latents
    assert made.shape == (CHANNELS, LATENTS, height, width)
    assert np.isfinite(made).all()


def test_no_pose_is_a_pose_of_zeros() -> None:
    """A pose moves the film, clip by clip; zeros are what there is without one."""
    poses = [torch.zeros(1, 16, LATENTS, 8, 8), draw(1, 16, LATENTS, 8, 8)]
    plain, still, moved = (
        begun(pose=pose).denoise(sound(LATENTS)).latents
        for pose in (None, poses.__getitem__, lambda _: poses[1])
    )
    assert np.allclose(plain, still, atol=1e-6)
    assert not np.allclose(plain, moved, atol=1e-2)


def test_a_speaker_is_heard_where_the_mask_says() -> None:
    """Who is masked out everywhere changes nothing; masks of one latent stand for all; a mask for each speaker is asked for."""
    heard = sound(LATENTS, speakers=2)
    shown = torch.tensor([1.0, 0.0])[:, None, None, None].expand(2, 1, 4, 4)
    alone = begun().denoise(heard[0]).latents
    both = begun(masks=shown).denoise(heard).latents
    assert np.abs(both - alone).max() < 1e-4
    other = begun(masks=shown.flip(0)).denoise(heard).latents
    assert np.abs(other - alone).max() > 1e-2
    with pytest.raises(BadInput, match="2 speakers need a mask each"):
        begun().denoise(heard)


@torch.inference_mode()
def test_everything_is_where_the_model_is() -> None:
    """Prompts, sound, masks, poses, motion and places go to the model's device."""
    masks, pose = torch.ones(2, 1, 4, 4), torch.zeros(1, 16, LATENTS, 8, 8)
    scene = elsewhere(small_scene(latents=LATENTS, masks=masks, pose=lambda _: pose))
    loop = begun(scene, small_transformer().to("meta"))
    follow(loop, motion())
    _, untold = loop._build_conditioning(scene.audio_tensor(sound(LATENTS, speakers=2)))
    velocity = loop._velocity(loop._draw_noise(), loop.times[0], loop._build_context(), untold)
    assert loop.schedule.begin()(0, velocity, loop._draw_noise()).device.type == "meta"


def test_attention_in_eight_bits_is_attention_but_for_rounding() -> None:
    """Of all tokens to all tokens, layer after layer in one and the same room."""
    factors = torch.stack([torch.cos(draw(300, 8)), torch.sin(draw(300, 8))], -1)
    attend = attend_packed(factors)
    for layer in range(2):
        q, k, v = (draw(1, 300, 2, 16, seed=10 * layer + i) for i in range(3))
        exact = attend_rotated(factors)(q, k, v)
        assert 0.001 < (attend(q, k, v) - exact).norm() / exact.norm() < 0.05
