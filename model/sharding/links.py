"""Tensors and instructions from rank to rank, over torch.distributed: gloo between hosts' memory, NCCL between cards.

Each directed pair of ranks has a group of its own for tensors of the device: what one rank sends never waits for what it is to receive from the same rank.
By heads there are no such pairs, but one group of all ranks, in which all exchange parts of a block inside of each layer.
Idle ranks wait for instructions over gloo, without end; a receive on a card is begun only when its sender has been told to send.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from model.sampling.shard_plan import TENSORS_UNDER_WAY, ShardPlan
from model.sharding.instructions import HEADER_NUMBERS, Instruction, Kind, decode_instruction
from model.sharding.rank_store import name_keys

HOST = "127.0.0.1"
"""The ranks are processes of one machine."""
NEVER = timedelta(days=365)
INSTRUCTION, RESULT, PIECE = 1, 2, 3
"""Tags: what goes between two ranks on the host, each kind in an order of its own."""
MESSAGES_UNDER_WAY = 64
"""What may be on its way from the host of one rank to that of another before the next waits for the oldest."""


@dataclass(frozen=True)
class ReceivedTensor:
    """A tensor that another rank sends."""

    tensor: Tensor
    work: Any
    device: torch.device
    """Where it is wanted."""

    def wait(self) -> Tensor:
        """It, once it is here; on a card, once what is computed from now on finds it."""
        self.work.wait()
        return self.tensor.to(self.device)


@dataclass(frozen=True)
class HostCopy:
    """A tensor on its way from the device to the host, behind what the device has been asked for."""

    tensor: Tensor
    arrived: torch.cuda.Event | None

    @classmethod
    def begin(cls, tensor: Tensor) -> "HostCopy":
        """Ask for it, without waiting."""
        if not tensor.is_cuda:
            return cls(tensor.contiguous(), None)
        copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        copy.copy_(tensor, non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record()
        return cls(copy, arrived)

    def wait(self) -> Tensor:
        """It, once it is here."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return self.tensor


class SentTensors:
    """Sends that are not finished, whose tensors must stay until they are."""

    def __init__(self, most: int) -> None:
        self._begun: deque[tuple[Any, Tensor]] = deque()
        self._most = most

    def add(self, work: Any, tensor: Tensor) -> None:
        """Keep one more; the oldest is waited for where there are too many."""
        self._begun.append((work, tensor))
        if len(self._begun) > self._most:
            self._begun.popleft()[0].wait()

    def wait_all(self) -> None:
        """Wait for each."""
        while self._begun:
            self._begun.popleft()[0].wait()


class TensorLinks:
    """The links of one rank."""

    def __init__(
        self,
        store: Any,
        plan: ShardPlan,
        rank: int,
        device: torch.device,
        *,
        through_host: bool = False,
    ) -> None:
        """Connect to all other ranks; each must do so. `through_host`: tensors go by way of the host's memory also from card to card."""
        self.plan, self.rank = plan, rank
        self._hop = torch.device("cpu") if through_host else device
        self._control = make_gloo_group(name_keys(store, "control"), rank, plan.ranks)
        make = make_nccl_group if self._hop.type == "cuda" else make_gloo_group
        self._edges = {
            edge: make(name_keys(store, f"edge-{edge[0]}-{edge[1]}"), edge.index(rank), 2)
            for edge in plan.edges
            if rank in edge
        }
        self._sent: dict[object, SentTensors] = {}
        self._results = ThreadPoolExecutor(1, "results")
        self._last_result: Future[None] | None = None
        self._all: Any = None
        self._connect_edges()
        if plan.is_joint:
            self._all = make(name_keys(store, "all"), rank, plan.ranks)
            # All connect now, before any weight is read, and not in the midst of the first layer.
            self.exchange(torch.zeros(plan.ranks, 1, device=self._hop))

    def exchange(self, parts: Tensor) -> Tensor:
        """Hand part i of [rank, …] to rank i, and have those that are for this one: an all-to-all, to which every rank must come. On a card nobody waits for it but what is computed from now on."""
        assert len(parts) == self.plan.ranks, f"{len(parts)} parts for {self.plan.ranks} ranks"
        given = parts.to(self._hop).contiguous()
        room = torch.empty_like(given)
        # As bytes: gloo does not know every precision.
        flat = (each.view(len(parts), -1).view(torch.uint8) for each in (room, given))
        self._all.alltoall_base(*flat, [], []).wait()
        return room.to(parts.device)

    def send(self, rank: int, tensor: Tensor) -> None:
        """Hand a tensor of the device to a rank, without waiting for it."""
        kept = tensor.to(self._hop).contiguous()
        sent = self._sent.setdefault((rank, "tensors"), SentTensors(TENSORS_UNDER_WAY))
        sent.add(self._edges[self.rank, rank].send([kept], 1, 0), kept)

    def expect(self, rank: int, like: Tensor) -> ReceivedTensor:
        """What a rank sends next, of this shape and precision."""
        room = torch.empty_like(like, device=self._hop)
        return ReceivedTensor(room, self._edges[rank, self.rank].recv([room], 0, 0), like.device)

    def send_result(self, tensor: Tensor) -> None:
        """Hand latents to rank 0, where they leave the device; what is computed next does not wait for that."""
        if self._last_result is not None and self._last_result.done():
            self._last_result.result()  # what went wrong there is raised here
        copied = HostCopy.begin(tensor)
        self._last_result = self._results.submit(self._send_result, copied)

    def _send_result(self, copied: "HostCopy") -> None:
        self._send_on_host(0, copied.wait(), RESULT)

    def expect_result(self, rank: int, like: Tensor) -> ReceivedTensor:
        """The latents that a rank sends next, on the host."""
        room = torch.empty_like(like, device="cpu")
        return ReceivedTensor(room, self._control.recv([room], rank, RESULT), room.device)

    def tell(self, rank: int, instruction: Instruction) -> None:
        """Send an instruction to a rank, without waiting for it."""
        payload = torch.from_numpy(instruction.encode_arrays())
        header = torch.from_numpy(instruction.encode_header(len(payload)))
        for tensor in (header, payload) if len(payload) else (header,):
            self._send_on_host(rank, tensor, INSTRUCTION)

    def tell_all(self, instruction: Instruction) -> None:
        """Send an instruction to every other rank."""
        for rank in range(self.plan.ranks):
            if rank != self.rank:
                self.tell(rank, instruction)

    def end_all(self) -> None:
        """Tell every other rank to end, and wait until it knows. One that has ended by then has closed its link, which a send that is waited for takes for a loss."""
        self.tell_all(Instruction(Kind.END))
        for sent in self._sent.values():
            with suppress(RuntimeError):
                sent.wait_all()

    def abort(self) -> None:
        """Let what waits on this card for another rank end, as that is gone: what it waited for is then worth nothing."""
        if self._hop.type == "cuda":
            for group in (*self._edges.values(), *filter(None, [self._all])):
                group.abort()

    def flush(self) -> None:
        """Wait until all that was sent is there."""
        if self._last_result is not None:
            self._last_result.result()
        for sent in self._sent.values():
            sent.wait_all()

    def next_instruction(self) -> Instruction:
        """The next instruction of rank 0, however long it takes to come."""
        header = torch.empty(HEADER_NUMBERS, dtype=torch.int64)
        self._control.recv([header], 0, INSTRUCTION).wait()
        payload = torch.empty(int(header[-1]), dtype=torch.uint8)
        if len(payload):
            self._control.recv([payload], 0, INSTRUCTION).wait()
        return decode_instruction(header.numpy(), payload.numpy())

    def send_piece(self, bits: NDArray[np.generic]) -> None:
        """Send a piece of a carry to rank 0, and wait until it is there."""
        piece = torch.from_numpy(bits).view(torch.uint8)
        self._control.send([piece], 0, PIECE).wait()

    def receive_piece(self, rank: int, size: int) -> NDArray[np.uint8]:
        """The bytes that a rank sends next."""
        piece = torch.empty(size, dtype=torch.uint8)
        self._control.recv([piece], rank, PIECE).wait()
        bits: NDArray[np.uint8] = piece.numpy()
        return bits

    def _connect_edges(self) -> None:
        """Send one number over each edge. NCCL connects two ranks at their first tensor, and each waits for the other then: in this order no two wait crosswise."""
        for source, target in self.plan.edges:
            group = self._edges.get((source, target))
            if group is None:
                continue
            number = torch.zeros(1, device=self._hop)
            work = group.send([number], 1, 0) if source == self.rank else group.recv([number], 0, 0)
            work.wait()

    def _send_on_host(self, rank: int, tensor: Tensor, tag: int) -> None:
        sent = self._sent.setdefault((rank, tag), SentTensors(MESSAGES_UNDER_WAY))
        sent.add(self._control.send([tensor], rank, tag), tensor)


def make_gloo_group(store: Any, rank: int, ranks: int) -> Any:
    """A group of gloo's on this machine whose waits have no end: who is gone or hangs is found by its heartbeat."""
    kind: Any = dist.ProcessGroupGloo
    options = kind._Options()
    options._devices = [kind.create_device(hostname=HOST)]
    options._timeout = NEVER
    return kind(store, rank, ranks, options)


def make_nccl_group(store: Any, rank: int, ranks: int) -> Any:
    """A group of NCCL's; whoever is gone is found by its heartbeat here, too, as what waits for it on a card has no end."""
    kind: Any = dist.ProcessGroupNCCL
    options = kind.Options()
    options._timeout = NEVER
    return kind(store, rank, ranks, options)
