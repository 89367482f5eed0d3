"""The store through which ranks find each other: what rank 0 has in mind, whether each can join, and the heartbeats."""

import hashlib
import json
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

from model.avatar import DeviceConfig, Options
from model.kv.kv_shape import Shard
from model.registry import bytes_free, bytes_needed, weights_digest
from model.sampling.shard_plan import ShardPlan
from model.sharding.launcher_env import RankPlace
from storage.errors import BadOption

JOB, DONE = "job", "done"
QUIET_WAIT = 10.0
"""Seconds after which a rank that a launcher started says that it waits for others."""
STORE_PATIENCE = timedelta(seconds=300)
"""For a rank that has not joined yet: it imports its libraries from a slow disk, at the worst."""


@dataclass(frozen=True)
class RankJob:
    """What all ranks are to work on, and with what rank 0 does so."""

    model: str
    options: Options
    machine: DeviceConfig
    device: str
    """cpu or cuda."""
    plan: ShardPlan
    code: str
    weights: str
    torch: str

    @property
    def shares_card(self) -> bool:
        """Whether two ranks are on one card: NCCL takes no two processes there, so tensors go by way of the host."""
        return self.device == "cuda" and len(set(self.machine.gpus)) < len(self.machine.gpus)

    def encode(self) -> str:
        """As text for the store."""
        facts = asdict(self) | {"plan": [encode_shard(shard) for shard in self.plan.shards]}
        facts["machine"] = asdict(self.machine) | {"shard": None}
        return json.dumps(facts)

    def find_difference(self, rank: int) -> str:
        """What keeps this process from being a rank, in words; empty if nothing does. No weight is read."""
        if self.code != digest_code():
            return "runs another version of longtake: let all run one checkout"
        if self.torch != torch.__version__:
            return f"has torch {torch.__version__}, and rank 0 has {self.torch}"
        if self.device == "cuda" and not torch.cuda.is_available():
            return "has no card that torch can use"
        if weights_digest(self.model, self.options, fetch=False) != self.weights:
            return f"has other weights of {self.model}: name the same folder to all"
        return self._find_want_of_memory(rank) if self.device == "cuda" else ""

    def _find_want_of_memory(self, rank: int) -> str:
        """By what CUDA says of the card that this process sees: NVML may count cards otherwise."""
        machine = replace(self.machine, gpus=(), shard=self.plan.shards[rank])
        needed = bytes_needed(self.model, self.options, machine)
        free = bytes_free(self.model, machine)
        if free is None or needed <= free:
            return ""
        return f"has {free / 1e9:.1f} GB of its card free, and its part needs {needed / 1e9:.1f}"


def make_job(
    model: str, options: Options, machine: DeviceConfig, device: str, plan: ShardPlan
) -> RankJob:
    """The job of rank 0, with the versions that are here."""
    digest = weights_digest(model, options, fetch=False)
    return RankJob(model, options, machine, device, plan, digest_code(), digest, torch.__version__)


def decode_job(text: bytes) -> RankJob:
    """What `encode` made."""
    facts = json.loads(text)
    machine = facts["machine"]
    facts["options"] = Options(**facts["options"])
    facts["machine"] = DeviceConfig(**machine | {"gpus": tuple(machine["gpus"])})
    facts["plan"] = ShardPlan(tuple(decode_shard(numbers) for numbers in facts["plan"]))
    return RankJob(**facts)


def encode_shard(shard: Shard) -> list[int]:
    """First and stop of its steps, then of its layers; its share of how many; where its first step begins, and where its last ends; its branch, -1 for none."""
    steps, layers = shard.steps, shard.layers
    ends = layers.stop if shard.ends is None else shard.ends
    runs = [steps.start, steps.stop, layers.start, layers.stop]
    branch = -1 if shard.branch is None else shard.branch
    return [*runs, shard.part, shard.parts, shard.begins, ends, branch]


def decode_shard(numbers: list[int]) -> Shard:
    """What `encode_shard` made."""
    steps, layers = range(*numbers[:2]), range(*numbers[2:4])
    part, parts, begins, ends, branch = numbers[4:]
    return Shard(steps, layers, part, parts, begins, ends, branch if branch >= 0 else None)


def name_own_card(device: str) -> str:
    """The number (`GPU-…`) of the card that this process sees; empty on a CPU."""
    return f"GPU-{torch.cuda.get_device_properties(0).uuid}" if device == "cuda" else ""


@cache
def digest_code() -> str:
    """The SHA-256 over every file of this package that computes: ranks of two versions would disagree in the midst of a film."""
    whole, room = hashlib.sha256(), Path(__file__).parents[1]
    for path in sorted(room.rglob("*.py")):
        whole.update(str(path.relative_to(room)).encode() + path.read_bytes())
    return whole.hexdigest()


def open_store(place: RankPlace, *, keeps: bool = False) -> Any:
    """A connection to the store; `keeps`: the store itself, in this process. Raises BadOption where its port is taken, or nobody is there."""
    if keeps and place.port:
        require_free_port(place)
    try:
        store = TCPStore(
            place.host, place.port, None, keeps, timeout=STORE_PATIENCE, wait_for_workers=False
        )
    except (RuntimeError, ValueError) as fault:
        told = str(fault).splitlines()[0].split(". ")[0]
        reason = f"the ranks' store cannot be opened there: {told}"
        raise BadOption("MASTER_PORT", place.port, reason) from fault
    return store


def require_free_port(place: RankPlace) -> None:
    """Raise BadOption where another program listens at the store's port: the store itself would try for minutes."""
    try:
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((place.host, place.port))
    except OSError as fault:
        raise BadOption("MASTER_PORT", place.port, f"the ranks' store: {fault.strerror}") from fault


def name_keys(store: Any, prefix: str) -> Any:
    """The store, with a prefix before all names."""
    return PrefixStore(prefix, store)


def wait_for_key(store: Any, names: list[str], going_on: Callable[[], bool]) -> str | None:
    """The first of these names that is in the store; None once `going_on` says no."""
    while going_on():
        for name in names:
            if store.check([name]):
                return name
        time.sleep(0.05)
    return None
