"""When a graph is captured and when it is dropped; on a card, that a film made with graphs has the bits of one made without."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from model.device.priority_stream import PriorityStream
from model.sampling.causal import CausalDenoiser
from model.sampling.causal_stage import DenoisingSetup
from model.sampling.layer_graphs import LayerGraphs, _Graph
from model.sampling.schedule import make_schedule
from tests.model.sampling.test_causal import BLOCK, Written
from tests.model.small import small_scene, small_transformer, sound

SLOTS, STEPS = 3, 2


class Recorded(LayerGraphs):
    """Graphs whose replay computes again what was captured, from where they read."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"), SLOTS)
        self.captured = 0
        self.asking = 1.0

    def _time_asking(self, inputs: Sequence[Tensor], compute) -> tuple[Tensor, float]:
        return compute(inputs), self.asking

    def _capture(self, inputs: Sequence[Tensor], compute) -> _Graph:
        self.captured += 1
        alike = (each for each in self._graphs.values() if len(each.inputs) == len(inputs))
        first = next(alike, None)
        places = first.inputs if first else [torch.empty_like(given) for given in inputs]
        output = torch.empty_like(inputs[0])
        return _Graph(places, lambda: output.copy_(compute(places)), output)


def run_blocks(graphs: LayerGraphs, blocks: range, lasting: object) -> list[float]:
    """What comes out of each block's last step, whose tokens are its number, twice as much."""
    found = []
    for block in blocks:
        graphs.begin_block(lasting)
        for step in range(STEPS):
            tokens = torch.full((1,), float(block))
            made = graphs.run(((step,), block % SLOTS), [tokens], lambda given: 2 * given[0])
        found.append(float(made))
    return found


def test_captured_when_the_slots_have_gone_round() -> None:
    """One graph for each step and slot, however long the film; each gives what its own block's inputs make."""
    graphs = Recorded()
    prompt = object()
    assert run_blocks(graphs, range(1 + SLOTS), prompt) == [0, 2, 4, 6]
    assert graphs.captured == 0
    assert run_blocks(graphs, range(4, 40), prompt) == [2.0 * block for block in range(4, 40)]
    assert graphs.captured == STEPS * SLOTS


def test_not_captured_where_the_host_is_quick_enough() -> None:
    """What is captured takes memory, and nothing is gained."""
    graphs = Recorded()
    graphs.asking = 0.6
    assert run_blocks(graphs, range(20), "a prompt") == [2.0 * block for block in range(20)]
    assert graphs.captured == 0


def test_only_what_most_of_the_film_is_asked_for_by() -> None:
    """Blocks that go together are captured, and not the few that stand alone before a carry; where most stand alone, they are."""
    graphs, tokens = Recorded(), [torch.ones(1)]

    def run(steps: tuple[int, ...], times: int) -> int:
        before = graphs.captured
        for block in range(times):
            graphs.begin_block("a prompt")
            # As many inputs as steps.
            made = graphs.run((steps, block % SLOTS), tokens * len(steps), sum)
            assert float(made) == len(steps)
        return graphs.captured - before

    assert run((0, 1), 20) == SLOTS
    assert run((0,), 6) == 0
    assert run((0,), 60) == SLOTS


def test_dropped_with_what_they_read() -> None:
    """Another prompt, or a new condition, and all is asked for one by one again until that has lasted."""
    graphs = Recorded()
    run_blocks(graphs, range(10), "a prompt")
    before = graphs.captured
    run_blocks(graphs, range(10, 14), "another")
    assert graphs.captured == before
    run_blocks(graphs, range(14, 20), "another")
    assert graphs.captured == 2 * before
    graphs.forget()
    run_blocks(graphs, range(20, 24), "another")
    assert graphs.captured == 2 * before


def test_a_prompt_for_every_block_is_never_captured() -> None:
    """It would cost more than it gains."""
    graphs = Recorded()
    for block in range(12):
        run_blocks(graphs, range(block, block + 1), object())
    assert graphs.captured == 0


def test_a_film_goes_on_without_memory_for_graphs() -> None:
    """Those that there are are dropped, nothing more is captured, and what comes out is right."""
    graphs = Recorded()
    assert run_blocks(graphs, range(5), "a prompt")[-1] == 8
    graphs._capture = unable  # type: ignore[method-assign]
    assert run_blocks(graphs, range(5, 20), "a prompt") == [2.0 * block for block in range(5, 20)]
    assert not graphs._graphs


def unable(*_: object) -> _Graph:
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="graphs are a card's")
def test_a_film_with_graphs_has_the_bits_of_one_without() -> None:
    """Eight clips, and one that goes on in the middle, where the other has graphs already and it has none yet."""
    model, scene = small_transformer().cuda(), small_scene(latents=6)
    parts = {name: getattr(scene, name).cuda() for name in ("reference", "motion", "text")}
    scene = replace(scene, **parts)
    loops = []
    for graphs in (True, False, True):
        draws = Written(scene.clip_latents // BLOCK)
        setup = DenoisingSetup(model, make_schedule(STEPS, model.config.sigmas), scene, draws)
        loop = CausalDenoiser(setup)
        if not graphs:
            loop.stage._graphs = None
        loops.append(loop)
    with_graphs, without, resumed = loops
    assert with_graphs.stage._graphs is not None
    for clip in range(8):
        if clip == 5:
            resumed.restore(5, [(name, bits.copy()) for name, bits in without.carry()])
        made = with_graphs.denoise(sound(6, seed=clip)).latents
        assert np.array_equal(made, without.denoise(sound(6, seed=clip)).latents)
        if clip >= 5:
            assert np.array_equal(made, resumed.denoise(sound(6, seed=clip)).latents)
    # A clip's two blocks at two steps are a first task, two that may go as one, and a last.
    captured = {steps for steps, _ in with_graphs.stage._graphs._graphs}
    assert captured == {(0,), (1,)} | ({(0, 1)} if with_graphs.plan.joins else set())
    assert len(with_graphs.stage._graphs._graphs) == len(captured) * with_graphs.cache.shape.slots


@pytest.mark.skipif(not torch.cuda.is_available(), reason="graphs are a card's")
def test_who_asks_for_something_else_meanwhile_is_not_held() -> None:
    """While graph after graph is asked for, another thread has a kernel begun and done in a small part of what one graph takes: the driver lets nobody in while it waits for a graph to be taken."""
    device = torch.device("cuda")
    wide = torch.randn(4096, 4096, device=device, dtype=torch.bfloat16)
    graphs, own = LayerGraphs(device, 0), PriorityStream(device)
    # These few and large pieces of work would not be captured.
    graphs._bound_by_host[1] = True

    def add_one() -> None:
        with own.entered():
            (wide[:1] + 1).cpu()

    def multiply(given: Sequence[Tensor]) -> Tensor:
        made = given[0]
        for _ in range(300):
            made = (made @ wide) * 1e-2
        return made

    def run(times: int) -> None:
        for _ in range(times):
            graphs.run(((0,), 0), [wide], multiply)

    for _ in range(2):
        graphs.begin_block("the same")
    add_one()
    run(1)
    seconds = time_call(lambda: (run(3), torch.cuda.synchronize())) / 3
    with ThreadPoolExecutor(1) as asking:
        asked = asking.submit(run, 10)
        waited = []
        while not asked.done():
            waited.append(time_call(add_one))
            time.sleep(seconds / 10)
    assert len(graphs._graphs) == 1
    assert len(waited) > 20
    assert sorted(waited)[len(waited) * 9 // 10] < seconds / 10


def time_call(act: Callable[[], object]) -> float:
    begun = time.monotonic()
    act()
    return time.monotonic() - begun
