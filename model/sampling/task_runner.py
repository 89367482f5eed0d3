"""What one rank does of each task: its own layers of its own steps, what it takes from other ranks for them and what it hands on.

All ranks are told the same tasks in the same order. What is handed on is always taken, in that order: nothing is left on its way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from model.sampling.causal_stage import Asking, BlockTask, CausalStage, DenoisingSetup
from model.sampling.head_share import HeadShare
from model.sampling.shard_plan import ShardPlan, plan_one
from model.sampling.task_times import begin_task_times


class Arriving(Protocol):
    """A tensor on its way here."""

    def wait(self) -> Tensor:
        """It, once it is here."""


class Links(Protocol):
    """Tensors from rank to rank, in order between any two."""

    def exchange(self, parts: Tensor) -> Tensor:
        """Hand part i of [rank, …] to rank i, and have those that are for this one [rank, …], all of one shape: every rank must come to it."""

    def send(self, rank: int, tensor: Tensor) -> None:
        """Hand a tensor of the device to a rank, without waiting for it."""

    def expect(self, rank: int, like: Tensor) -> Arriving:
        """What a rank sends next, of this shape and precision; nobody waits yet."""

    def send_result(self, tensor: Tensor) -> None:
        """Hand latents to rank 0, where they leave the device."""

    def expect_result(self, rank: int, like: Tensor) -> Arriving:
        """The latents that a rank sends next, on the host."""


@dataclass(frozen=True)
class _Here:
    tensor: Tensor

    def wait(self) -> Tensor:
        return self.tensor


class TaskRunner:
    """One rank. Without links it is alone between tasks, and does all of every task; `keeps` the latents after each step, for `collect_latents`."""

    def __init__(
        self,
        stage: CausalStage,
        plan: ShardPlan,
        rank: int,
        links: Links | None = None,
        *,
        keeps: bool = True,
    ) -> None:
        self.stage, self.plan, self.rank = stage, plan, rank
        self._links, self._keeps = links, keeps
        self._latents: dict[tuple[int, int], Arriving] = {}
        self._followed: dict[tuple[int, int], Tensor] = {}
        self._results: dict[int, dict[BlockTask, Arriving]] = {}
        self._times = begin_task_times(rank, stage.latents_like.device)

    @property
    def links(self) -> Links:
        """Those to the other ranks."""
        assert self._links is not None, "it is alone"
        return self._links

    @torch.inference_mode()
    def prefill(self) -> None:
        """Run the condition through the layers."""
        before, after = self.plan.rank_before(self.rank), self.plan.rank_after(self.rank)
        if before is None:
            tokens = self.stage.embed_condition()
        else:
            like = self.stage.tokens_like(condition=True)
            tokens = self.links.expect(before, like).wait()
        tokens = self.stage.prefill_layers(tokens)
        if after is not None:
            self.links.send(after, tokens)

    @torch.inference_mode()
    def run_task(self, task: BlockTask) -> None:
        """Do this rank's part of a task, and expect what it will need of the others'."""
        if task.step in self.stage.shard.steps:
            if self._times:
                self._times.begin(task)
            self._compute(task)
            self.stage.end_step(task)
            if self._times:
                self._times.mark()
        source = self.plan.last_rank(task.step)
        if source == self.rank:
            return
        if self.rank in self.plan.takers(task.step):
            self._latents[task.place] = self.links.expect(source, self.stage.latents_like)
        if self.rank == 0:
            result = self.links.expect_result(source, self.stage.latents_like)
            self._results.setdefault(task.clip, {})[task] = result

    @torch.inference_mode()
    def run_wave(self, tasks: Sequence[BlockTask]) -> None:
        """Do all of several tasks of which none waits for another; for a rank that is alone."""
        if not self.stage.goes_together(len(tasks)):
            for task in tasks:
                self.run_task(task)
            return
        before = [self._latents_before(task) for task in tasks]
        tokens = [self.stage.embed_block(task, x) for task, x in zip(tasks, before, strict=True)]
        made = self.stage.through_layers(tasks, tokens)
        for task, x, rows in zip(tasks, before, made, strict=True):
            velocity = self.stage.velocity(task, rows)
            self._hand_on(task, self.stage.solve_step(task, velocity, x))
            self.stage.end_step(task)

    @torch.inference_mode()
    def follow_block(self, task: BlockTask) -> None:
        """Let the latents of a block be the condition's, on every rank that embeds it."""
        source = self.plan.last_rank(self.plan.steps - 1)
        embeds = self.rank in self.plan.condition_ranks
        if source == self.rank:
            x = self._followed.pop(task.place)
            for rank in self.plan.condition_ranks:
                if rank != self.rank:
                    self.links.send(rank, x)
        elif embeds:
            x = self.links.expect(source, self.stage.latents_like).wait()
        if embeds:
            self.stage.follow_block(task, x)

    def collect_latents(self, clip: int) -> Tensor:
        """The latents [(block step), c, t, h, w] of a clip after each step, on rank 0; waits for those of other ranks."""
        made = sorted(self._results.pop(clip).items(), key=lambda item: item[0].order)
        found = [arriving.wait() for _, arriving in made]
        return torch.cat([x.to(found[0].device) for x in found])

    def reset(self) -> None:
        """Take what is on its way and forget it, and stand before any clip."""
        arriving = list(self._latents.values())
        arriving += [each for clip in self._results.values() for each in clip.values()]
        for each in arriving:
            each.wait()
        self._latents.clear()
        self._followed.clear()
        self._results.clear()
        self.stage.reset()

    def _compute(self, task: BlockTask) -> None:
        before = self.plan.rank_before(self.rank, task.step)
        after = self.plan.rank_after(self.rank, task.step)
        x = self._latents_before(task) if None in (before, after) else None
        if before is None:
            assert x is not None
            tokens = self.stage.embed_block(task, x)
        else:
            tokens = self.links.expect(before, self.stage.tokens_like()).wait()
        if self._times:
            self._times.mark()
        (tokens,) = self.stage.through_layers([task], [tokens])
        if after is not None:
            # A copy: the next block's tokens come out at the same place, maybe before these are sent.
            self.links.send(after, tokens.clone())
            return
        assert x is not None
        velocity = self.stage.velocity(task, tokens)
        self._hand_on(task, self.stage.solve_step(task, velocity, x))

    def _latents_before(self, task: BlockTask) -> Tensor:
        if task.step == 0:
            return self.stage.draw_noise(task)
        return self._latents.pop(task.place).wait()

    def _hand_on(self, task: BlockTask, x: Tensor) -> None:
        for rank in self.plan.takers(task.step):
            if rank == self.rank:
                self._latents[task.place] = _Here(x)
            else:
                self.links.send(rank, x)
        if task.step + 1 == self.plan.steps and self._is_followed(task):
            self._followed[task.place] = x
        if self.rank != 0:
            self.links.send_result(x)
        elif self._keeps:
            self._results.setdefault(task.clip, {})[task] = _Here(x)

    def _is_followed(self, task: BlockTask) -> bool:
        config = self.stage.setup.transformer.config
        return config.motion_follows or (config.sink_from_first_clip and task.place == (0, 0))


def make_runner(
    setup: DenoisingSetup, plan: ShardPlan, rank: int, links: Links | None = None
) -> TaskRunner:
    """The runner of a rank. By heads each rank does every task: the others meet it inside of each layer, and between tasks it is alone."""
    shard = plan.shards[rank]
    if plan.mode != "heads":
        behind = plan.stride * (plan.steps - 1)
        joined = plan.steps if plan.joins else 1
        stage = CausalStage(setup, shard, asking=Asking(True, behind, joined))
        return TaskRunner(stage, plan, rank, links)
    assert links is not None, "a share of the heads alone is no model"
    stage = CausalStage(setup, shard, HeadShare(shard.part, shard.parts, links.exchange))
    return TaskRunner(stage, plan_one(shard), 0, keeps=rank == 0)
