"""A film whose prompt changes: bit-equal before the first change, changed from its block on, the same when it is resumed."""

import numpy as np
import pytest
import torch

from model.prompt_schedule import PromptChange
from model.s2v.text_schedule import TextSchedule, encode_changes
from model.sampling.causal import CausalDenoiser
from model.sampling.causal_stage import DenoisingSetup
from model.sampling.clipwise import ClipwiseDenoiser, Guidance
from model.sampling.noise import SeededNoise
from model.sampling.schedule import make_schedule
from tests.model.small import SIZES, draw, small_scene, small_transformer, sound

BLOCK, CLIP, FILM = 3, 6, 18
"""Latents."""
OWN = draw(3, SIZES["text_dim"], seed=3).numpy()
TOLD = {"a": 4, "b": 2}
"""Tokens of each prompt."""


def encode(prompt: str) -> np.ndarray:
    """States with zeros after their end, as the text encoder gives them."""
    states = draw(TOLD[prompt], SIZES["text_dim"], seed=ord(prompt)).numpy()
    return np.pad(states, ((0, 5 - len(states)), (0, 0)))


def schedule(*changes: tuple[int, int, str]) -> TextSchedule:
    """Changes by first block, blocks of fade and prompt, as they come back from a run."""
    told = [PromptChange(block, fade, 100, 100, words) for block, fade, words in changes]
    return TextSchedule.from_inputs({"text": OWN, **encode_changes(told, encode)})


def causal(*changes: tuple[int, int, str]) -> CausalDenoiser:
    scene = small_scene(latents=CLIP, schedule=schedule(*changes) if changes else None)
    model = small_transformer()
    levels, noise = make_schedule(2, model.config.sigmas), SeededNoise(5, model.config.roll)
    return CausalDenoiser(DenoisingSetup(model, levels, scene, noise))


def film(loop: CausalDenoiser, clips: int = FILM // CLIP) -> list[np.ndarray]:
    """The latents of each block."""
    heard = np.split(sound(FILM), FILM // CLIP, -1)[loop.next_clip :][:clips]
    made = np.concatenate([loop.denoise(each).latents for each in heard], 1)
    return np.split(made, made.shape[1] // BLOCK, 1)


@pytest.mark.parametrize("fade", [0, 2])
def test_a_change_is_seen_from_its_block_on(fade: int) -> None:
    """To the bit as without a script before it; also where it comes in the middle of a clip, and where the sink has been replaced."""
    plain, changed = film(causal()), film(causal((3, fade, "a")))
    assert [np.array_equal(*pair) for pair in zip(plain, changed, strict=True)] == [
        *[True] * 3,
        *[False] * 3,
    ]


def test_a_fade_comes_to_the_prompt_slowly() -> None:
    """One block further on, its states are the prompt's own; before they lie between, token by token."""
    told = schedule((2, 1, "a"), (5, 0, "b"), (7, 0, "a"))
    shown = [told.states_of(told.mix_at(block)) for block in range(8)]
    a, b = encode("a")[:4], encode("b")[:2]
    assert np.array_equal(shown[1], OWN)
    assert np.allclose(shown[2], (np.pad(OWN, ((0, 1), (0, 0))) + a) / 2, atol=1e-6)
    assert all(np.array_equal(shown[n], a) for n in (3, 4, 7))
    assert np.array_equal(shown[5], b)
    assert len(told.prompts) == 2


def test_fades_that_overlap_go_on_from_what_is_there() -> None:
    """A change that comes before the one before it is over mixes with that mix."""
    told = schedule((1, 3, "a"), (2, 1, "b"))
    first = told.states_of(told.mix_at(1))
    assert np.allclose(first[:3], OWN + (encode("a")[:3] - OWN) / 4, atol=1e-6)
    a, b = encode("a")[:4], np.pad(encode("b")[:2], ((0, 2), (0, 0)))
    before = (np.pad(OWN, ((0, 1), (0, 0))) + a) / 2
    assert np.allclose(told.states_of(told.mix_at(2)), (before + b) / 2, atol=1e-6)


def test_a_resumed_film_has_the_prompts_of_its_blocks() -> None:
    """From a state checkpoint in the middle of a fade; the reference is run through with the prompt of the beginning again."""
    changes = (0, 0, "b"), (1, 2, "a"), (4, 0, "b")
    whole, resumed = causal(*changes), causal(*changes)
    film(whole, 1)
    resumed.restore(1, [(name, bits.copy()) for name, bits in whole.carry()])
    assert np.array_equal(film(whole), film(resumed))


def test_a_clip_has_one_prompt_where_it_is_denoised_at_once() -> None:
    """That of its first block; guidance leads away from what it did before."""
    films = []
    for changes in ((), ((CLIP, 0, "a"),)):
        told = schedule(*changes) if changes else None
        scene = small_scene(latents=CLIP, motion=draw(1, 16, 0, 8, 8), schedule=told)
        guidance = Guidance(2.0, draw(1, 2, SIZES["text_dim"], seed=9))
        levels = make_schedule(2, "unipc_shift_once")
        loop = ClipwiseDenoiser(small_transformer(), levels, scene, SeededNoise(5, (4, 30)), guidance)  # fmt: skip
        first = loop.denoise(sound(CLIP)).latents
        loop.restore(1, [("motion", draw(16, 19, 8, 8, seed=6).numpy())])
        films.append((first, loop.denoise(sound(CLIP)).latents))
    assert np.array_equal(films[0][0], films[1][0])
    assert not np.array_equal(films[0][1], films[1][1])
    assert torch.is_tensor(scene.text_of(scene.mix_at(0)))
