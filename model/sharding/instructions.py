"""What rank 0 tells the others, as bytes: a kind, a few numbers, and named arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from model.sampling.causal_stage import BlockTask

HEADER_NUMBERS = 6


class Kind(IntEnum):
    """What is to be done."""

    SET_UP = 0
    """A film with these inputs follows."""
    BEGIN_CLIP = 1
    RUN_TASK = 2
    FOLLOW_BLOCK = 3
    PREFILL = 4
    RESET = 5
    LOAD_PIECE = 6
    """A piece of a carry, under its name."""
    SEND_PIECES = 7
    END = 8


@dataclass(frozen=True)
class Instruction:
    """One of them."""

    kind: Kind
    task: BlockTask = BlockTask(0, 0)  # noqa: RUF009 - frozen
    seed: int = 0
    arrays: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)

    def encode_header(self, payload: int) -> NDArray[np.int64]:
        """Its numbers, and the bytes of what follows."""
        task = self.task
        return np.array([self.kind, task.clip, task.block, task.step, self.seed, payload], np.int64)

    def encode_arrays(self) -> NDArray[np.uint8]:
        """Its arrays as bytes; none where there are none."""
        if not self.arrays:
            return np.zeros(0, np.uint8)
        held = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        return np.frombuffer(bytearray(save(held)), np.uint8)


def decode_instruction(header: NDArray[np.int64], payload: NDArray[np.uint8]) -> Instruction:
    """What `encode_header` and `encode_arrays` made."""
    kind, clip, block, step, seed, _ = map(int, header)
    held = load(payload.tobytes()) if len(payload) else {}
    # They are views of bytes that nobody may write to.
    arrays = {name: array.copy() for name, array in held.items()}
    return Instruction(Kind(kind), BlockTask(clip, block, step), seed, arrays)
