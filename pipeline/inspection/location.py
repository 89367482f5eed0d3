"""Where in a run a number stands, in the words of a film: stage, clip, block, step, channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.layout import clip_arrays

if TYPE_CHECKING:
    from storage.spec import Spec

CHANNELS = ("c", "channel", "rgb")
"""What the arrays call a channel."""


@dataclass(frozen=True)
class Location:
    """The place of one number of a run, or of a block of them."""

    stage: str
    """As in records: latents, steps, audio, motion, frames; or inputs, sound, segment, soundtrack."""
    clip: int | None = None
    block: int | None = None
    step: int | None = None
    channel: int | None = None
    index: tuple[int, ...] = ()
    """In the stage's array of this clip; empty where all of the block is meant."""

    def __str__(self) -> str:
        """The place in words: `clip 17, block 2, step 3, channel 5 of latents, at [5, 7, 3, 1]`."""
        names = ("clip", "block", "step", "channel")
        parts = [(name, getattr(self, name)) for name in names]
        words = ", ".join(f"{name} {value}" for name, value in parts if value is not None)
        where = f"{words} of {self.stage}" if words else self.stage
        return f"{where}, at {list(self.index)}" if self.index else where


def locate_index(spec: "Spec", stage: str, clip: int, index: Sequence[int]) -> Location:
    """The place of a number by its index in a stage's array of one clip."""
    names = clip_arrays(spec)[stage][2]
    at = {name: int(value) for name, value in zip(names, index, strict=True)}
    channel = next((at[name] for name in CHANNELS if name in at), None)
    block = None
    if "t" in at:
        block = at["t"] // latents_per_block(spec)
    elif "frame" in at:
        block = at["frame"] // spec.block_frames
    # Latents are what the last step leaves.
    step = at.get("step", spec.steps - 1 if stage == "latents" else None)
    return Location(stage, clip, block, step, channel, tuple(at.values()))


def latents_per_block(spec: "Spec") -> int:
    """Number of latent frames that are denoised together."""
    return spec.block_frames // spec.frames_per_latent


def blocks_per_clip(spec: "Spec") -> int:
    """Number of blocks in a clip."""
    return spec.clip_frames // spec.block_frames
