"""Blocks that go through the layers as one run of rows: the bits of each alone, or they do not go so."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from model.device.layer_offload import LayerStream
from model.kv.kv_cache import KVCacheConfig
from model.s2v.transformer import S2VTransformer
from model.sampling import causal, joined_blocks
from model.sampling.causal import CausalDenoiser, plan_alone
from model.sampling.causal_stage import DenoisingSetup
from model.sampling.joined_blocks import _Trial, joins_exactly
from model.sampling.noise import SeededNoise
from model.sampling.schedule import make_schedule
from tests.model.sampling.test_causal import BLOCK
from tests.model.small import draw, rounded, small_scene, small_transformer, sound

CLIPS, LATENTS, STEPS = 5, 9, 3
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CACHES = [KVCacheConfig(), KVCacheConfig(eight=True), KVCacheConfig(True, on_host=True)]


def make_setup(how: KVCacheConfig = CACHES[0], **scene: Any) -> DenoisingSetup:
    model = rounded(small_transformer(num_layers=3))
    draws = SeededNoise(3, model.config.roll)
    schedule = make_schedule(STEPS, model.config.sigmas)
    return DenoisingSetup(model, schedule, small_scene(latents=LATENTS, **scene), draws, how)


@pytest.fixture
def joining(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Let films from now on join blocks, or not, whatever the device."""
    return lambda joins: monkeypatch.setattr(causal, "joins_exactly", lambda _: joins)


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many blocks' rows each forward has had, that with no sound left out."""
    through, seen = S2VTransformer.through_blocks_together, list[int]()

    def count(model: S2VTransformer, forwards: Any, among: range | None = None) -> Any:
        seen.extend(context.hearing for _, context in forwards if context.audio)
        return through(model, forwards, among)

    monkeypatch.setattr(S2VTransformer, "through_blocks_together", count)
    return seen


def film(setup: DenoisingSetup, ahead: int, speakers: int | None = None) -> list[np.ndarray]:
    """Latents of some clips, each begun so many before its turn, and the carry behind them; it is taken up from its own carry behind the third."""
    loop, made, begun = CausalDenoiser(setup), list[np.ndarray](), 0
    for clip in range(CLIPS):
        stop = 3 if clip < 3 else CLIPS
        while begun < min(clip + 1 + ahead, stop):
            loop.begin_clip(sound(LATENTS, speakers, seed=begun))
            begun += 1
        made.append(loop.denoise(sound(LATENTS, speakers, seed=clip)).latents)
        if clip == 2:
            carry = [(name, bits.copy()) for name, bits in loop.carry()]
            loop = CausalDenoiser(setup)
            loop.restore(3, carry)
    return [*made, *(bits for _, bits in loop.carry())]


@pytest.mark.parametrize("how", CACHES, ids=str)
@pytest.mark.parametrize("ahead", [0, 1])
def test_a_film_of_joined_blocks(joining: Any, forwards: list[int], how: Any, ahead: int) -> None:
    """It has the bytes of one whose blocks go one by one, its carry too; whole waves are one forward, and no others are."""
    joining(False)
    plain = film(make_setup(how), 0)
    assert set(forwards) == {1}
    forwards.clear()
    joining(True)
    joined = film(make_setup(how), ahead)
    assert all(np.array_equal(a, b) for a, b in zip(plain, joined, strict=True))
    assert set(forwards) == {1, STEPS}
    # Three blocks a clip: alone one wave is whole; the sink is another behind the first clip, and a carry stands behind the third.
    assert forwards.count(STEPS) == (5 if ahead == 0 else 1 + 4 + 4)


def test_speakers_and_poses(joining: Any, forwards: list[int]) -> None:
    """Each block has its own sound for each speaker, and its own poses."""
    masks = torch.zeros(2, BLOCK, 4, 4)
    masks[0, :, :, :2], masks[1, :, :, 2:] = 1, 1
    poses = {
        "masks": masks,
        "pose": lambda clip: draw(1, 16, LATENTS, 8, 8, seed=clip),
    }
    made = []
    for joins in (False, True):
        joining(joins)
        made.append(film(make_setup(**poses), 1, speakers=2))
    assert STEPS in forwards
    assert all(np.array_equal(a, b) for a, b in zip(*made, strict=True))


def test_layers_that_wait_come_for_joined_blocks(joining: Any) -> None:
    """Partial waves go layer by layer as they do without; the bytes are those of a model that is all there."""
    joining(False)
    plain = film(make_setup(), 0)
    joining(True)
    setup = make_setup()
    setup.transformer.stream = LayerStream(setup.transformer.blocks, (0, 2), torch.device("cpu"))
    assert all(np.array_equal(a, b) for a, b in zip(plain, film(setup, 1), strict=True))


def test_no_processor_joins(joining: Any) -> None:
    """Nothing is gained there; and a film whose prompt changes, or whose motion follows, goes block by block wherever it is."""
    assert not joins_exactly(make_setup())
    assert not plan_alone(make_setup()).waves
    joining(True)
    assert plan_alone(make_setup()).joins
    setup = make_setup()
    setup.transformer.config = S2VTransformer(small_config(motion_follows=True)).config
    assert not plan_alone(setup).joins


def small_config(**switches: Any) -> Any:
    return small_transformer(num_layers=1, **switches).config


@torch.inference_mode()
def test_it_is_tried_with_the_layers_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product that gives other bits for more rows is found, in a layer as in an injector."""
    model = rounded(small_transformer(num_layers=3)).to(DEVICE)
    rows, linear = BLOCK * 16, F.linear

    def trial() -> bool:
        return _Trial(model, rows, STEPS).agrees()

    assert trial()
    for layer in (model.blocks[0].ffn[2], model.audio_injector.injector[0].o):

        def other(x: Any, weight: Any, bias: Any = None, *, layer: Any = layer) -> Any:
            y = linear(x, weight, bias)
            return y * 1.01 if weight is layer.weight and x.shape[-2] > rows else y

        monkeypatch.setattr(F, "linear", other)
        assert not trial()
        monkeypatch.setattr(F, "linear", linear)


@torch.inference_mode()
def test_it_is_tried_with_as_many_speakers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of whom has all rows pass through the injector once more; and with the first injector, wherever it is."""
    model = rounded(small_transformer(num_layers=3, audio_inject_layers=(1,))).to(DEVICE)
    rows, linear, asked = BLOCK * 16, F.linear, model.audio_injector.injector[0].q
    seen = list[int]()

    def note(x: Any, weight: Any, bias: Any = None) -> Any:
        if weight is asked.weight:
            seen.append(x.shape[:-1].numel())
        return linear(x, weight, bias)

    monkeypatch.setattr(F, "linear", note)
    for speakers in (0, 2):
        assert _Trial(model, rows, STEPS, speakers).agrees()
    times = [STEPS, 1, 1, 1]
    assert seen == [n * rows for n in times] + [2 * n * rows for n in times]


def test_without_memory_to_try_it_blocks_go_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A film does not end for it."""

    def unable(*_: Any) -> _Trial:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(joined_blocks, "_Trial", unable)
    monkeypatch.setattr(joined_blocks, "may_gain", lambda *_: True)
    assert not joins_exactly(make_setup())
