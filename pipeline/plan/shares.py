"""What each of several cards takes of a film whose denoiser is shared out over them, by the arithmetic that the ranks themselves use."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from model import registry
from model.sampling.shard_plan import ShardPlan
from model.sharding.plan_choice import choose_shards
from tasks.defaults import build_model_options
from tasks.device_memory import requested_device

if TYPE_CHECKING:
    from model.avatar import DeviceConfig, Options
    from model.estimates import MemoryEstimate, TimeEstimate
    from pipeline.plan.machine import PlanMachine
    from tasks.resolved_request import ResolvedRequest


@dataclass(frozen=True)
class RankNeed:
    """What one rank has of the model, and takes of its card."""

    rank: int
    layers: int
    steps: float
    """Denoising steps; a rank may end one that another began."""
    heads: int
    needed: int
    """Bytes at the peak."""
    way: str
    """What waits on the host, in words."""


@dataclass(frozen=True)
class SharedFilm:
    """A film that is shared out: who has what, and what the fullest card takes."""

    parallel: str
    """steps, layers or heads."""
    reason: str
    ranks: tuple[RankNeed, ...]
    alone: str
    """What one of the cards by itself would do, in words."""


@dataclass(frozen=True)
class Sharing:
    """The ranks of a film, and what is asked of their arithmetic."""

    model: str
    options: "Options"
    device: "DeviceConfig"
    machine: "PlanMachine"
    plan: ShardPlan
    reason: str
    heads: int
    """Of the whole model."""

    @property
    def memory(self) -> "list[MemoryEstimate]":
        """What each rank takes."""
        return [
            registry.estimate_memory(self.model, self.options, device, self.machine.free)
            for device in self._devices()
        ]

    @property
    def time(self) -> "TimeEstimate | None":
        """How long the slowest rank takes; None where only measuring tells."""
        free, speed = self.machine.free, self.machine.speed
        if free is None or speed is None:
            return None
        times = [
            registry.estimate_time(self.model, self.options, device, free, speed)
            for device in self._devices()
        ]
        # Rank 0 decodes: the denoising of the others loses nothing by it.
        loaded = [
            replace(each, beside=each.beside if rank == 0 else 0.0)
            for rank, each in enumerate(times)
            if each
        ]
        return max(loaded, key=lambda each: each.denoise + each.beside * each.decode, default=None)

    def describe_ranks(self, alone: str) -> SharedFilm:
        """All of it as facts."""
        ranks = [
            RankNeed(
                rank,
                len(shard.layers),
                round(len(shard.places) / len(shard.layers), 2),
                self.heads // shard.parts,
                memory.peak,
                memory.way,
            )
            for rank, (shard, memory) in enumerate(zip(self.plan.shards, self.memory, strict=True))
        ]
        return SharedFilm(self.plan.mode, self.reason, tuple(ranks), alone)

    def _devices(self) -> "Iterator[DeviceConfig]":
        return (replace(self.device, shard=shard) for shard in self.plan.shards)


def share_film(resolved: "ResolvedRequest", machine: "PlanMachine") -> Sharing | None:
    """How a film is shared out over the machine's cards; None where there is one, or the model takes no more. Raises BadOption."""
    if machine.cards < 2 or machine.free is None or not resolved.traits.layers:
        return None
    request, spec = resolved.request, resolved.spec
    options = build_model_options(request, spec.width, spec.height)
    device = requested_device(request)
    chosen = choose_shards(spec.model, options, device, machine.cards, machine.free)
    return Sharing(
        spec.model, options, device, machine, chosen.plan, chosen.reason, resolved.traits.heads
    )
