"""A model on several ranks, behind the Protocol of one on one."""

import atexit
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model.avatar import Avatar, Denoised, DeviceConfig, Float, Named, Options, Poses, Seed
from model.registry import MODELS, bytes_free, estimate_memory
from model.sampling.causal import CausalDenoiser
from model.sampling.shard_plan import ShardPlan
from model.sharding.cards import KnownCard, find_cards, least_free, list_known_cards
from model.sharding.follower import PreparesDenoising
from model.sharding.guided_denoiser import GuidedDenoiser
from model.sharding.launcher_env import ONE_PROCESS, count_ranks, read_launched_place
from model.sharding.leader import Leader
from model.sharding.plan_choice import ChosenPlan, choose_shards
from model.sharding.protocols import HearWait, hear_nothing
from model.sharding.rank_group import RankGroup
from model.sharding.rank_store import RankJob, make_job
from storage.errors import BadOption, RankLost


class ShardableAvatar(Avatar, PreparesDenoising, Protocol):
    """A model whose denoiser can be shared out."""


class ShardedDenoiser:
    """A denoiser whose steps, layers, heads or guidance are on several ranks; raises RankLost where one of them is gone, or fails."""

    def __init__(self, denoiser: CausalDenoiser | GuidedDenoiser, group: RankGroup) -> None:
        self._denoiser, self._group = denoiser, group

    @property
    def next_clip(self) -> int:
        """The clip that `denoise` makes next."""
        return self._denoiser.next_clip

    @property
    def clips_ahead(self) -> int:
        """How many clips behind `next_clip` are to be begun before it is asked for."""
        return self._denoiser.clips_ahead

    def begin_clip(self, audio: Float) -> None:
        """Begin the clip behind those that are begun, with its features [layer, channel, frame]."""
        with self._group.blame_rank():
            self._denoiser.begin_clip(audio)

    def denoise(self, audio: Float) -> Denoised:
        """Make the next clip from its features, which are passed over where it is begun already."""
        with self._group.blame_rank():
            return self._denoiser.denoise(audio)

    def carry(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """All that the next clip takes from those before it, piece by named piece."""
        with self._group.blame_rank():
            yield from self._denoiser.carry()

    def restore(self, clip: int, carry: Iterable[tuple[str, NDArray[np.generic]]]) -> None:
        """Stand before `clip` again; `restore(0, ())` starts over."""
        with self._group.blame_rank():
            self._denoiser.restore(clip, carry)


class ShardedAvatar:
    """Rank 0's model, whose denoiser has the others, too. All that is no denoising is rank 0's alone."""

    def __init__(self, local: ShardableAvatar, job: RankJob, group: RankGroup) -> None:
        self._local, self._job, self._group = local, job, group
        self.reason = "as asked"
        self._closed = False
        self._last: ShardedDenoiser | None = None

    def __getattr__(self, name: str) -> Any:
        """Whatever is not shared out, of rank 0's model."""
        return getattr(self._local, name)

    @property
    def plan(self) -> ShardPlan:
        """Which rank has what."""
        return self._job.plan

    @property
    def sharing(self) -> Mapping[str, str | int]:
        """How many ranks, what they have shared out, and why that."""
        plan = self._job.plan
        return {"ranks": plan.ranks, "parallel": plan.mode, "reason": self.reason}

    @property
    def numerics(self) -> Mapping[str, str | int]:
        """What decides the last bits: by heads also among how many, as a share of a block is multiplied otherwise than all of it."""
        numerics, plan = dict(self._local.numerics), self._job.plan
        if plan.mode == "heads":
            numerics["device"] = f"{numerics['device']}, {plan.ranks} by heads"
        return numerics

    @property
    def processes(self) -> dict[int, int]:
        """The number of each rank's process, by rank; 0 is this one."""
        return self._group.processes

    def denoiser(self, inputs: Named, seed: Seed, poses: Poses | None = None) -> ShardedDenoiser:
        """A denoiser that stands before clip 0; the one before it is given up."""
        if self._group.loss is not None:
            self._group, self._last = RankGroup(self._job), None
        if self._last is not None:
            self._last.restore(0, ())  # what it has under way is taken first
        with self._group.blame_rank():
            leader = Leader(self._group.links, inputs, seed, poses)
            self._last = ShardedDenoiser(self._lead(leader, inputs, poses), self._group)
        return self._last

    def _lead(
        self, leader: Leader, inputs: Named, poses: Poses | None
    ) -> CausalDenoiser | GuidedDenoiser:
        """Rank 0's own part of a film that all ranks have been told of."""
        local: Any = self._local
        if self._job.plan.mode == "guidance":
            return GuidedDenoiser(local.denoiser(inputs, leader.seeds.seed_of, poses), leader)
        return CausalDenoiser(local.prepare_denoising(inputs, leader.seeds.seed_of, poses), leader)

    def close(self) -> None:
        """End the other ranks; nothing, where they have ended."""
        atexit.unregister(self.close)
        if self._closed or self._group.loss is not None:
            return
        self._closed = True
        # Whoever is lost now is no loss.
        with suppress(RankLost), self._group.blame_rank():
            self._group.links.end_all()
        self._group.close()


def load_sharded(
    name: str, options: Options, machine: DeviceConfig, hear_wait: HearWait = hear_nothing
) -> ShardedAvatar:
    """A model on as many ranks as `machine` has cards, or as a launcher has started. Raises BadOption before any weight is read."""
    if options.speakers > 1:
        raise BadOption("--gpus", count_ranks(machine.gpus), ONE_PROCESS)
    chosen = choose_plan(name, options, machine)
    plan = chosen.plan
    module = import_module(f"{MODELS[name]}.avatar")
    job = make_job(name, options, machine, module.kind_of_device(machine), plan)
    group = RankGroup(job, hear_wait)
    try:
        local = module.load_model(options, replace(machine, shard=plan.shards[0], gpus=()))
    except BaseException:
        group.abandon()
        raise
    avatar = ShardedAvatar(local, job, group)
    avatar.reason = chosen.reason
    atexit.register(avatar.close)
    return avatar


def choose_plan(name: str, options: Options, machine: DeviceConfig) -> ChosenPlan:
    """Which rank has what, as asked or by the memory of the smallest card, and why. Raises BadOption."""
    place, ranks = read_launched_place(), count_ranks(machine.gpus)
    if place and machine.gpus and len(machine.gpus) != ranks:
        raise BadOption("--gpus", len(machine.gpus), f"the launcher has started {ranks} processes")
    # Each rank looks at its own card when it joins; here the smallest decides what is shared out. What this process has kept of its own counts as free.
    least = least_free(find_named_cards(name, options, machine)[1:])
    known = [each for each in (bytes_free(name, machine), least) if each is not None]
    return choose_shards(name, options, machine, ranks, min(known, default=None))


def find_named_cards(name: str, options: Options, machine: DeviceConfig) -> list[KnownCard]:
    """The card of each rank, as the driver knows them; none where it tells nothing, or the model is not for cards. Raises BadOption where one is not there."""
    for_cards = estimate_memory(name, options, machine, 0).device
    if machine.device == "cpu" or not machine.gpus or not for_cards:
        return []
    # Where it knows none, the ranks are processes of a CPU, or torch says what is missing.
    return find_cards(machine.gpus, known) if (known := list_known_cards()) else []
