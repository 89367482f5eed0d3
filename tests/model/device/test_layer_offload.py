"""What waits on the host gives the bytes of what stays on the device."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from model.device.layer_offload import LayerStream
from model.kv.kv_cache import KVCache, KVCacheConfig
from model.prompt_schedule import PromptChange
from model.s2v.text_schedule import TextSchedule
from model.sampling.causal import CausalDenoiser, plan_alone
from model.sampling.causal_stage import DenoisingSetup
from model.sampling.noise import SeededNoise
from model.sampling.schedule import make_schedule
from tests.model.sampling.test_causal import BLOCK
from tests.model.small import SIZES, draw, rounded, small_scene, small_transformer, sound

CLIPS, LATENTS, LAYERS = 4, 6, 5
PLAIN = KVCacheConfig()


def film(
    waiting: tuple[int, ...] = (), how: KVCacheConfig = PLAIN, *, ahead: bool = False
) -> list[np.ndarray]:
    """Latents of some clips, and the carry behind them; the denoiser is taken up from its own carry half-way. With `ahead` a clip is begun before the one before is done, where that can be and no carry stands between them."""
    model = rounded(small_transformer(num_layers=LAYERS))
    if waiting:
        model.stream = LayerStream(model.blocks, waiting, torch.device("cpu"))
    made: list[np.ndarray] = []

    def begun() -> CausalDenoiser:
        schedule = make_schedule(2, model.config.sigmas)
        draws = SeededNoise(3, model.config.roll)
        return CausalDenoiser(
            DenoisingSetup(model, schedule, small_scene(latents=LATENTS), draws, how)
        )

    loop = begun()
    for clip in range(CLIPS):
        if ahead and clip == 0:
            begin_both(loop)
        made.append(loop.denoise(sound(LATENTS, seed=clip)).latents)
        if clip == 2:
            carry = [(name, bits.copy()) for name, bits in loop.carry()]
            loop = begun()
            loop.restore(3, carry)
    return [*made, *(bits for _, bits in loop.carry())]


def begin_both(loop: CausalDenoiser) -> None:
    """The first clip and the next."""
    loop.begin_clip(sound(LATENTS, seed=0))
    assert loop.clips_ahead
    loop.begin_clip(sound(LATENTS, seed=1))


@pytest.mark.parametrize("eight", [False, True])
@pytest.mark.parametrize("on_host", [False, True])
@pytest.mark.parametrize("waiting", [(), (3,), (1, 3), (0, 2, 4), tuple(range(LAYERS))])
def test_offloaded_is_resident(waiting: tuple[int, ...], on_host: bool, eight: bool) -> None:
    """Some or all layers, rings or both on the host: every latent and every bit of the carry are the same."""
    whole = film(how=KVCacheConfig(eight))
    there = film(waiting, KVCacheConfig(eight, on_host))
    assert len(whole) == len(there)
    assert all(np.array_equal(a, b) for a, b in zip(whole, there, strict=True))


@pytest.mark.parametrize("on_host", [False, True])
def test_a_clip_begun_ahead_is_the_same(on_host: bool) -> None:
    """Its first blocks are denoised in the same waves as the last ones of the clip before."""
    whole = film(how=KVCacheConfig())
    there = film((1, 3), KVCacheConfig(on_host=on_host), ahead=True)
    assert all(np.array_equal(a, b) for a, b in zip(whole, there, strict=True))


def test_speakers_and_poses_go_in_waves() -> None:
    """Each block has its own sound for each speaker, and its own poses, to the bytes of a model that is all there."""
    masks = torch.zeros(2, BLOCK, 4, 4)
    masks[0, :, :, :2], masks[1, :, :, 2:] = 1, 1
    scene = small_scene(
        latents=LATENTS, masks=masks, pose=lambda clip: draw(1, 16, LATENTS, 8, 8, seed=clip)
    )
    made = []
    for waiting in ((), (1, 3)):
        model = rounded(small_transformer(num_layers=LAYERS))
        if waiting:
            model.stream = LayerStream(model.blocks, waiting, torch.device("cpu"))
        draws = SeededNoise(3, model.config.roll)
        loop = CausalDenoiser(
            DenoisingSetup(model, make_schedule(2, model.config.sigmas), scene, draws)
        )
        assert loop.plan.waves == bool(waiting)
        made.append([loop.denoise(sound(LATENTS, speakers=2, seed=n)).latents for n in range(3)])
    assert all(np.array_equal(a, b) for a, b in zip(*made, strict=True))


def test_a_prompt_that_changes_goes_block_by_block() -> None:
    """A wave would have keys and values of as many prompts as it has blocks on the card."""
    model = small_transformer(num_layers=LAYERS)
    model.stream = LayerStream(model.blocks, (1,), torch.device("cpu"))
    own = draw(3, SIZES["text_dim"]).numpy()
    for changes, waves in (((), True), (((PromptChange(1, 0, 100, 100, ""), 0),), False)):
        scene = small_scene(latents=LATENTS, schedule=TextSchedule(own, (own,), changes))
        draws = SeededNoise(3, model.config.roll)
        setup = DenoisingSetup(model, make_schedule(2, model.config.sigmas), scene, draws)
        assert plan_alone(setup).waves == waves


def test_a_layer_that_waits_comes_once_for_a_wave(monkeypatch) -> None:
    """Of four blocks at two steps, which are five waves and not eight forwards; once more for the prompt, and for the condition."""
    model, latents = rounded(small_transformer(num_layers=LAYERS)), 2 * LATENTS
    model.stream = LayerStream(model.blocks, (1, 3), torch.device("cpu"))
    walk, walks = LayerStream.walk, list[object]()

    def count(stream: LayerStream, *args: Any) -> Iterator[Any]:
        walks.append(args)
        return walk(stream, *args)

    monkeypatch.setattr(LayerStream, "walk", count)
    scene, draws = small_scene(latents=latents), SeededNoise(3, model.config.roll)
    setup = DenoisingSetup(model, make_schedule(2, model.config.sigmas), scene, draws)
    assert setup.blocks == 4
    CausalDenoiser(setup).denoise(sound(latents))
    assert len(walks) == 2 + 5


def test_remembering_in_eight_bits_errs_little() -> None:
    """Over four clips."""
    exact, eight = film(), film(how=KVCacheConfig(eight=True))
    for a, b in zip(exact[:CLIPS], eight[:CLIPS], strict=True):
        assert 0 < np.linalg.norm(a - b) < 0.02 * np.linalg.norm(a)


def test_waiting_layers_are_nowhere_else() -> None:
    """Their numbers lie in the stream's own run of bytes, and on the device for two layers."""
    model = small_transformer(num_layers=LAYERS)
    model.stream = LayerStream(model.blocks, range(LAYERS), torch.device("cpu"))
    places = {weight.untyped_storage().data_ptr() for weight in model.blocks.parameters()}
    assert len(places) == 1
    (storage,) = {weight.untyped_storage().nbytes() for weight in model.blocks.parameters()}
    assert storage == 2 * max(map(_bytes, model.blocks))


def _bytes(block: torch.nn.Module) -> int:
    return sum(-(-weight.nbytes // 256) * 256 for weight in block.parameters())


@pytest.mark.parametrize("fails_at", [1, 4, 8])
def test_a_forward_that_failed_leaves_no_other_weights(monkeypatch, fails_at: int) -> None:
    """A denoiser that is made anew behind a fault in the midst of a forward, with the model that is there, makes the film of one that never failed; so does the one that failed, once it stands before the film again."""
    wanted = film((0, 2, 4), KVCacheConfig(on_host=True))[0]
    model = rounded(small_transformer(num_layers=LAYERS))
    model.stream = LayerStream(model.blocks, (0, 2, 4), torch.device("cpu"))
    setup = DenoisingSetup(
        model,
        make_schedule(2, model.config.sigmas),
        small_scene(latents=LATENTS),
        SeededNoise(3, model.config.roll),
        KVCacheConfig(on_host=True),
    )
    failed, attend, calls = CausalDenoiser(setup), KVCache.attend, list[int]()

    def fail(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == fails_at:
            raise RuntimeError("out of memory")
        return attend(*args)

    monkeypatch.setattr(KVCache, "attend", fail)
    with pytest.raises(RuntimeError):
        failed.denoise(sound(LATENTS, seed=0))
    assert np.array_equal(CausalDenoiser(setup).denoise(sound(LATENTS, seed=0)).latents, wanted)
    failed.restore(0, ())
    assert np.array_equal(failed.denoise(sound(LATENTS, seed=0)).latents, wanted)
