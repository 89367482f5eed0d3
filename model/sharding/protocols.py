"""What a model on several ranks can do beside what one on one can (model/avatar.py). Without torch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from model.avatar import Float
from model.sampling.shard_plan import ShardPlan

HearWait = Callable[[Sequence[int], float], None]
"""Hears once, after some seconds, of the ranks that a launcher was to start and that have not joined, and of the seconds for which they are waited for at most."""


def hear_nothing(_ranks: Sequence[int], _seconds: float) -> None:
    """What to give where nobody wants to know."""


@runtime_checkable
class SharedAvatar(Protocol):
    """What a model on several ranks has beside an Avatar."""

    @property
    def plan(self) -> ShardPlan:
        """Which rank has what."""

    @property
    def sharing(self) -> Mapping[str, str | int]:
        """Facts of its ranks: `ranks` (how many), `parallel` (steps, layers or heads), `reason` (why that)."""

    @property
    def processes(self) -> dict[int, int]:
        """The number of each rank's process, by rank; 0 is this one."""

    def close(self) -> None:
        """End all ranks but this process."""


@runtime_checkable
class PipelinedDenoiser(Protocol):
    """What a denoiser of blocks has beside a Denoiser: it may begin a clip while the one before is with other ranks, or so that blocks of both go through the layers together."""

    @property
    def clips_ahead(self) -> int:
        """How many clips behind `next_clip` are to be begun before it is asked for, or ranks wait for each other, and blocks go alone; 0: none may be."""

    def begin_clip(self, audio: Float) -> None:
        """Begin it, with its own features [layer, channel, frame]; `denoise` passes over what it is given for it."""
