"""The block-causal clip loop: block after block, step after step, in one process or handed out to several.

The screen to read is `denoise`: it puts the tasks of a clip (one step of one block each) into an order and hands out one after the other;
`model/sampling/task_runner.py` says what becomes of a task, `model/sampling/causal_stage.py` is its arithmetic.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from math import ceil
from typing import Protocol

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray

from model.avatar import Denoised, Float
from model.device.prefetch import read_to_host
from model.kv.head_pieces import join_heads, split_heads
from model.kv.kv_cache import KVCache
from model.sampling.causal_stage import BlockTask, DenoisingSetup
from model.sampling.joined_blocks import joins_exactly
from model.sampling.shard_plan import ShardPlan, plan_one
from model.sampling.task_runner import Links, make_runner

Pieces = Iterable[tuple[str, NDArray[np.generic]]]


class Crew(Protocol):
    """The other ranks, as rank 0 sees them. Each is told everything in one order, and does its part of it."""

    @property
    def plan(self) -> ShardPlan:
        """What each has."""

    @property
    def links(self) -> Links:
        """Those of rank 0 to them."""

    def begin_clip(self, clip: int, audio: Float) -> None:
        """A clip with these features follows."""

    def run_task(self, task: BlockTask) -> None:
        """A step of a block is due."""

    def follow_block(self, task: BlockTask) -> None:
        """The latents of this block are the condition's from now on."""

    def prefill(self) -> None:
        """The condition is to be run through the layers."""

    def reset(self) -> None:
        """Whatever was begun is given up; the KV caches are empty."""

    def load_piece(self, rank: int, name: str, bits: NDArray[np.generic]) -> None:
        """A piece of a carry is this rank's."""

    def ask_pieces(self) -> None:
        """Each is to send the bytes of its KV caches, one piece after the other."""

    def receive_piece(self, rank: int, size: int) -> NDArray[np.uint8]:
        """The next piece of a rank."""


class TaskOrder:
    """The tasks of the clips that are begun, in the order in which they are handed out.

    A task comes behind the one of its block's step before, and behind the one of its step's block before. By the plan's stride a block's steps follow each
    other at once, or stand some blocks apart.
    """

    def __init__(self, setup: DenoisingSetup, stride: int) -> None:
        config = setup.transformer.config
        self._blocks, self._steps = setup.blocks, len(setup.schedule.timesteps)
        self._stride = 0 if config.motion_follows else stride
        self._drains = config.sink_from_first_clip
        self._due: list[tuple[bool, int, int, BlockTask]] = []
        self._left = Counter[int]()
        self._taken = 0
        self._last: dict[int, int] = {}
        """How many tasks had been taken out with a clip's last."""

    def add_clip(self, clip: int) -> None:
        """Put in the tasks of a clip."""
        for block, step in product(range(self._blocks), range(self._steps)):
            wave = clip * self._blocks + block + self._stride * step
            # The sink is replaced between the two: nothing of the one may stand behind anything of the other.
            late = self._drains and clip > 0
            heapq.heappush(self._due, (late, wave, step, BlockTask(clip, block, step)))
            self._left[clip] += 1

    def pop_wave(self) -> list[BlockTask]:
        """The next and all that are due together with it, taken out: of other blocks and steps, none of which waits for another."""
        late, wave, *_ = self._due[0]
        tasks = []
        while self._due and self._due[0][:2] == (late, wave):
            tasks.append(self.pop_task())
        return tasks

    def pop_task(self) -> BlockTask:
        """The next, taken out."""
        task = heapq.heappop(self._due)[-1]
        self._left[task.clip] -= 1
        self._taken += 1
        self._last[task.clip] = self._taken
        return task

    def has_clip(self, clip: int) -> bool:
        """True while a task of a clip is there."""
        return self._left[clip] > 0

    def end_clip(self, clip: int) -> None:
        """Forget a clip whose tasks are all taken out."""
        del self._left[clip], self._last[clip]

    def count_behind(self, clip: int) -> int:
        """Tasks that have been taken out behind a clip's last."""
        return self._taken - self._last[clip]

    def has_any(self) -> bool:
        """True while a task is there."""
        return bool(self._due)

    def drop_begun(self) -> None:
        """Forget all."""
        self._due.clear()
        self._left.clear()
        self._last.clear()


def plan_alone(setup: DenoisingSetup) -> ShardPlan:
    """One process does several blocks layer by layer where layers wait on the host, or rows of several are what they are alone; where no block waits for all steps of the one before, and all have one prompt, of whose keys and values there is room for one."""
    transformer, schedule, whole = setup.transformer, setup.conditioning.schedule, setup.whole
    if transformer.config.motion_follows or (schedule is not None and schedule.changes):
        return plan_one(whole)
    joins = joins_exactly(setup)
    return plan_one(whole, waves=joins or transformer.stream is not None, joins=joins)


class CausalDenoiser:
    """A film in the making, clip after clip; rank 0 of several, where there is a crew."""

    def __init__(self, setup: DenoisingSetup, crew: Crew | None = None) -> None:
        self.setup, self.crew = setup, crew
        self.plan = crew.plan if crew else plan_alone(setup)
        self.runner = make_runner(setup, self.plan, 0, crew.links if crew else None)
        self.stage = self.runner.stage
        self._order = TaskOrder(setup, self.plan.stride)
        self._clip = self._begun = 0
        self._prefilled = False

    @property
    def next_clip(self) -> int:
        """Number of the clip that `denoise` makes next, from 0."""
        return self._clip

    @property
    def cache(self) -> KVCache:
        """The KV cache of this process."""
        return self.stage.cache

    @property
    def clips_ahead(self) -> int:
        """How many clips behind `next_clip` are to be begun before it is asked for (ShardPlan.blocks_ahead); 0: none may be."""
        if self.setup.transformer.config.motion_follows:
            return 0
        return ceil(self.plan.blocks_ahead / self.setup.blocks)

    def begin_clip(self, audio: Float) -> None:
        """Begin the clip behind those that are begun, with its features [layer, channel, frame], or [speaker, layer, channel, frame] where the conditioning has masks."""
        if self.crew:
            self.crew.begin_clip(self._begun, audio)
        self.stage.begin_clip(self._begun, audio)
        self._order.add_clip(self._begun)
        self._begun += 1

    @torch.inference_mode()
    def denoise(self, audio: Float) -> Denoised:
        """Make the next clip from its features, which are passed over where it is begun already."""
        clip = self._clip
        if self._begun == clip:
            self.begin_clip(audio)
        while self._order.has_clip(clip):
            if self.plan.waves:
                self._run_wave(self._order.pop_wave())
            else:
                self._run_task(self._order.pop_task())
        if clip == 0 and self.setup.transformer.config.sink_from_first_clip:
            self._follow_block(BlockTask(0, 0))
        else:
            self._run_ahead(clip)
        self._order.end_clip(clip)
        self._clip += 1
        trail, after_steps = (
            self.runner.collect_latents(clip),
            "(block step) c t h w -> step c (block t) h w",
        )
        shown = rearrange(trail, after_steps, block=self.setup.blocks).float()
        steps = read_to_host(shown).numpy()
        return Denoised(steps[-1].copy(), steps)

    def carry(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """All that the next clip takes from those before it, piece by piece: "sink" and "motion" [1, c, t, h, w], then the bytes of each layer's cache."""
        assert self._begun == self._clip, "what was begun ahead is in the KV cache"
        yield from self.stage.save_condition().items()
        if self.crew is None:
            yield from self.cache.save()
        else:
            yield from self._collect_pieces(self.crew)

    def restore(self, clip: int, carry: Pieces) -> None:
        """Stand before `clip` again, with the pieces that `carry` gave there; `restore(0, ())` starts over."""
        self._order.drop_begun()
        if self.crew:
            self.crew.reset()
        self.runner.reset()
        self._clip = self._begun = clip
        self._prefilled = False
        for name, bits in carry:
            for rank, piece in self._pieces_of(name, bits):
                if rank == 0:
                    self.stage.load_state(name, piece)
                elif self.crew:
                    self.crew.load_piece(rank, name, piece)

    def _run_wave(self, tasks: Sequence[BlockTask]) -> None:
        self._prefill()
        self.runner.run_wave(tasks)

    def _prefill(self) -> None:
        if self._prefilled:
            return
        if self.crew:
            self.crew.prefill()
        self.runner.prefill()
        self._prefilled = True

    def _run_task(self, task: BlockTask) -> None:
        self._prefill()
        if self.crew:
            self.crew.run_task(task)
        self.runner.run_task(task)
        last = task.step + 1 == self.plan.steps
        if last and self.setup.transformer.config.motion_follows:
            self._follow_block(task)

    def _run_ahead(self, clip: int) -> None:
        """Hand out tasks of the clips behind while the last ones of this clip are with other ranks."""
        while self._order.has_any() and self._order.count_behind(clip) < self.plan.slack:
            self._run_task(self._order.pop_task())

    def _follow_block(self, task: BlockTask) -> None:
        if self.crew:
            self.crew.follow_block(task)
        self.runner.follow_block(task)
        self._prefilled = False

    def _pieces_of(
        self, name: str, bits: NDArray[np.generic]
    ) -> list[tuple[int, NDArray[np.generic]]]:
        """Each rank that a piece of a carry belongs to, and what it has of it."""
        kind, *place = name.split(".")
        if kind != "ring":
            return [(rank, bits) for rank in self.plan.condition_ranks]
        owners = self.plan.owners(int(place[0]), int(place[1]))
        return list(zip(owners, split_heads(bits, self.cache.layout, len(owners)), strict=True))

    def _collect_pieces(self, crew: Crew) -> Iterator[tuple[str, NDArray[np.generic]]]:
        crew.ask_pieces()
        places = list(product(range(self.plan.steps), range(self.plan.layers)))
        try:
            while places:
                step, layer = places.pop(0)
                yield f"ring.{step}.{layer}", self._piece_of(crew, step, layer)
        finally:
            # Whoever has stopped asking: they are on their way.
            for step, layer in places:
                self._piece_of(crew, step, layer)

    def _piece_of(self, crew: Crew, step: int, layer: int) -> NDArray[np.generic]:
        pieces = [
            crew.receive_piece(rank, self.cache.piece_bytes)
            if rank
            else self.cache.copy_piece(step, layer)
            for rank in self.plan.owners(step, layer)
        ]
        return join_heads(pieces, self.cache.layout)
