"""Rank 0's side: what it tells the others while its own denoiser drives the film."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.avatar import Float, Named, Poses, Seed, seed_for_clip
from model.sampling.causal_stage import BlockTask
from model.sharding.follower import ClipSeeds
from model.sharding.instructions import Instruction, Kind
from model.sharding.links import TensorLinks


class Leader:
    """The other ranks of one film, as CausalDenoiser sees them (model/sampling/causal.py, Crew)."""

    def __init__(
        self, links: TensorLinks, inputs: Named, seed: Seed, poses: Poses | None = None
    ) -> None:
        """Tell all ranks that a film with these inputs follows."""
        self.links, self.plan = links, links.plan
        self._seed, self._poses = seed, poses
        self.seeds = ClipSeeds(links.plan)
        """Those of rank 0 itself: what gives each clip its seed may change its mind while the clip is under way."""
        self.links.tell_all(
            Instruction(Kind.SET_UP, arrays={name: np.asarray(x) for name, x in inputs.items()})
        )

    def begin_clip(self, clip: int, audio: Float) -> None:
        """A clip with these features follows."""
        seed = seed_for_clip(self._seed, clip)
        self.seeds.note_seed(clip, seed)
        pose = self._poses(clip) if self._poses else None
        arrays = {"audio": audio} if pose is None else {"audio": audio, "pose": pose}
        task = BlockTask(clip, 0)
        self.links.tell_all(Instruction(Kind.BEGIN_CLIP, task, seed, arrays))

    def run_task(self, task: BlockTask) -> None:
        """A step of a block is due."""
        self.links.tell_all(Instruction(Kind.RUN_TASK, task))

    def follow_block(self, task: BlockTask) -> None:
        """The latents of this block are the condition's from now on."""
        self.links.tell_all(Instruction(Kind.FOLLOW_BLOCK, task))

    def prefill(self) -> None:
        """The condition is to be run through the layers."""
        self.links.tell_all(Instruction(Kind.PREFILL))

    def reset(self) -> None:
        """Whatever was begun is given up; the KV caches are empty."""
        self.links.tell_all(Instruction(Kind.RESET))

    def restore(self, clip: int, pieces: Sequence[tuple[str, NDArray[np.generic]]]) -> None:
        """All stand before a clip of a clip-wise film, with these pieces of its carry."""
        task = BlockTask(clip, 0)
        self.links.tell_all(Instruction(Kind.RESET, task))
        for name, bits in pieces:
            self.links.tell_all(Instruction(Kind.LOAD_PIECE, task, arrays={name: bits}))

    def load_piece(self, rank: int, name: str, bits: NDArray[np.generic]) -> None:
        """A piece of a carry is this rank's."""
        self.links.tell(rank, Instruction(Kind.LOAD_PIECE, arrays={name: bits}))

    def ask_pieces(self) -> None:
        """Each is to send the bytes of its KV caches, one piece after the other."""
        self.links.tell_all(Instruction(Kind.SEND_PIECES))

    def receive_piece(self, rank: int, size: int) -> NDArray[np.uint8]:
        """The next piece of a rank."""
        return self.links.receive_piece(rank, size)
