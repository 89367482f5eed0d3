"""The code of a watermark: an id of 48 bits as 1024 signs, and the likeliest id out of what is left of them.

A tail-biting convolutional code (constraint length 13, rate 1/16) over the id and its CRC, decoded by Viterbi's algorithm from soft values.
"""

import binascii
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from einops import rearrange

from storage.watermark_id import ID_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float64]

SIGNS = 1024
_BITS = 8 * (ID_BYTES + 2)
_RATE = SIGNS // _BITS
_MEMORY = 12
"""Bits before the present one that decide its signs."""
_RUN_IN = 5 * _MEMORY
"""Steps of the decoder before the first bit that is taken and after the last: where it begins is then forgotten."""
_KEY = 0x6C6F6E67
UNSURE = 1e-9
"""The most that a false alarm may be likely, in one look at a stretch of film."""


@dataclass(frozen=True)
class Reading:
    """The likeliest id of some soft values."""

    id: str
    """Twelve hexadecimal digits."""
    ratio: float
    """How far the soft values lean to the id's signs, in standard deviations of what chance does."""
    chance: float
    """The most that it is likely that film without a watermark reads as any id at all with such a ratio."""

    @property
    def is_sure(self) -> bool:
        """True where chance does not do that."""
        return self.chance <= UNSURE


def encode_id(id_: str) -> "Float":
    """The signs of an id [SIGNS], 1 or -1."""
    raw = bytes.fromhex(id_)
    bits = np.unpackbits(np.frombuffer(raw + _find_checksum(raw), np.uint8)).astype(int)
    registers = np.stack([np.roll(bits, age) for age in range(_MEMORY + 1)], 1)
    odd = (registers @ _draw_taps().T) % 2
    return (1 - 2 * odd).ravel().astype(np.float64)


def decode_signs(soft: "Float") -> Reading | None:
    """The likeliest id of soft values [SIGNS], which are positive or negative as the signs are; None where its CRC does not fit."""
    raw = np.packbits(_find_bits(soft.reshape(_BITS, _RATE))).tobytes()
    id_ = raw[:ID_BYTES].hex()
    if raw[ID_BYTES:] != _find_checksum(raw[:ID_BYTES]):
        return None
    ratio = measure_ratio(soft, id_)
    return Reading(id_, ratio, bound_chance(ratio, 8 * ID_BYTES))


def measure_ratio(soft: "Float", id_: str) -> float:
    """How far soft values [SIGNS] lean to the signs of an id: their sum, by what that is of signs drawn at random."""
    return float(soft @ encode_id(id_) / max(math.sqrt(soft @ soft), 1e-12))


def bound_chance(ratio: float, free_bits: int) -> float:
    """The most that such a ratio is likely for any of 2**free_bits ids: Hoeffding's bound for signs drawn at random, as the key draws them."""
    return min(1.0, math.exp(min(0.0, free_bits * math.log(2) - max(ratio, 0.0) ** 2 / 2)))


def _find_checksum(raw: bytes) -> bytes:
    return binascii.crc_hqx(raw, 0xFFFF).to_bytes(2, "big")


@lru_cache
def _draw_taps() -> "NDArray[np.int64]":
    """Which of the last bits [rate, bits, the youngest first] decide each sign of a bit: the youngest and the oldest always, others as drawn."""
    drawn = np.random.Philox(key=_KEY).random_raw(_RATE)
    taps = (drawn[:, None] >> np.arange(_MEMORY + 1, dtype=np.uint64)) & np.uint64(1)
    taps[:, [0, -1]] = 1
    return taps.astype(np.int64)


@lru_cache
def _branch_signs() -> "NDArray[np.float32]":
    """The signs [rate, register] of each content of the register, whose highest bit is the youngest."""
    contents = np.arange(2 << _MEMORY)
    bits = (contents[:, None] >> np.arange(_MEMORY, -1, -1)) & 1
    return (1 - 2 * ((bits @ _draw_taps().T) % 2).T).astype(np.float32)


def _find_bits(soft: "Float") -> "NDArray[np.uint8]":
    """The likeliest bits [bits] of soft values [bits, rate], by Viterbi's algorithm run round the circle for longer than it takes to forget its beginning."""
    by_register = (soft.astype(np.float32) @ _branch_signs()).reshape(_BITS, 2, -1, 2)
    gains = np.ascontiguousarray(rearrange(by_register, "bit young mid old -> old bit young mid"))
    order = np.arange(-_RUN_IN, _BITS + _RUN_IN)
    metric = np.zeros(1 << _MEMORY, np.float32)
    chosen = np.empty((len(order), 1 << _MEMORY), bool)
    for step, bit in enumerate(order % _BITS):
        one, other = metric[0::2] + gains[0, bit], metric[1::2] + gains[1, bit]
        chosen[step] = (other > one).ravel()
        metric = np.maximum(one, other).ravel()
    return _trace_back(chosen, int(metric.argmax()))[_RUN_IN : _RUN_IN + _BITS]


def _trace_back(chosen: "NDArray[np.bool_]", state: int) -> "NDArray[np.uint8]":
    bits = np.empty(len(chosen), np.uint8)
    for step in range(len(chosen) - 1, -1, -1):
        bits[step] = state >> (_MEMORY - 1)
        state = ((state << 1) & ((1 << _MEMORY) - 1)) | int(chosen[step, state])
    return bits
