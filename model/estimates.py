"""What a film takes of a machine, by arithmetic: memory, time, and how fast the machine is. Without torch."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class MemoryEstimate:
    """What a film takes, in bytes by part, by arithmetic."""

    device: Mapping[str, int]
    """Bytes of the card by part; nothing where none is used."""
    host: Mapping[str, int]
    """Bytes of the host by part, beside the program itself and what passes through."""
    way: str = ""
    """How the parts are placed."""
    first: int = 0
    """What the card needs for a moment, before anything else is there."""

    @property
    def peak(self) -> int:
        """The most bytes of the card at any time."""
        return max(self.first, sum(self.device.values()))


@dataclass(frozen=True)
class MachineSpeed:
    """How fast a machine with a card is, as far as a film is concerned; where nothing is said, one with an H200."""

    relative: float = 1.0
    """Products of matrices in bfloat16, an H200 being 1."""
    link: float = 53e9
    """Bytes a second between host and card."""
    launch: float = 6.6e-6
    """Seconds in which the host asks the card for the smallest piece of work."""
    reading: float = 1.48e9
    """Bytes a second from the disk (or from the memory that keeps its files) onto the card."""
    compiled: bool = True
    """Whether the card's kernels lie there from another film."""
    libraries: float = 13.0
    """Seconds in which a new process has imported all that a large model needs."""


@dataclass(frozen=True)
class TimeEstimate:
    """Seconds by arithmetic, from what was measured on one H200."""

    load: float
    denoise: float
    """Of one clip, the decoder being idle."""
    decode: float
    """Of one clip."""
    beside: float
    """Of the decoding, what the denoiser loses where both are at work; 1: they take turns."""
    host: float = 0.0
    """Of one clip, what the host needs to ask for all of it: where the card is quicker, a clip takes so long."""
    end: float = 0.0
    """After the last clip, until the command has let go of everything."""
    pose: float = 0.0
    """Of one clip, encoding its poses, where it has some."""
