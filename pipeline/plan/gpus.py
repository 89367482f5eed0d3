"""Cards by name, for plans of machines that are not here: memory, speed, and the way to the host."""

import re
from dataclasses import dataclass

from storage.errors import BadOption

GEN3, GEN4, GEN5 = 12e9, 25e9, 53e9
"""Bytes a second between host and card over 16 lanes of PCIe: 53 GB/s was measured on an H200; half of it, and a quarter, for the generations before."""
H200 = 989.0
"""TFLOP/s, against which `relative` stands."""
DRIVER_BYTES = 0.6e9
"""Bytes of a card that the driver and the screen keep."""


@dataclass(frozen=True)
class Gpu:
    """One GPU by its data sheet."""

    name: str
    memory: float
    """Bytes, GB = 1e9, as its data sheet says."""
    tflops: float
    """Of bfloat16 with sums in float32, dense, as its data sheet says."""
    link: float
    source: str
    fp8: bool = True
    """Whether it multiplies eight-bit floats."""

    @property
    def usable(self) -> int:
        """Bytes of its memory that a film can have."""
        return int(self.memory - DRIVER_BYTES)

    @property
    def relative(self) -> float:
        """Its speed as a share of an H200's."""
        return self.tflops / H200


GPUS = {
    "3090": Gpu("RTX 3090", 24e9, 71, GEN4, "NVIDIA Ampere GA102 whitepaper", fp8=False),
    "4090": Gpu("RTX 4090", 24e9, 165.2, GEN4, "NVIDIA Ada whitepaper"),
    "5090": Gpu("RTX 5090", 32e9, 209.5, GEN5, "NVIDIA RTX Blackwell whitepaper"),
    "l40s": Gpu("L40S", 48e9, 362, GEN4, "NVIDIA L40S data sheet"),
    "a100": Gpu("A100 80GB", 80e9, 312, GEN4, "NVIDIA A100 data sheet", fp8=False),
    "h100": Gpu("H100 SXM", 80e9, 989, GEN5, "NVIDIA H100 data sheet"),
    "h200": Gpu("H200", 141e9, 989, GEN5, "NVIDIA H200 data sheet; measured, docs/models.md"),
}


def find_gpu(words: str) -> tuple[Gpu, int]:
    """The GPU that `4090`, `RTX 4090` or `4090x4` stands for, and how many of them. Raises BadOption."""
    plain = re.sub(r"nvidia|geforce|rtx|[\s_-]", "", words.lower())
    match = re.fullmatch(r"(?:(\d)[x*×])?(.+?)(?:[x*×](\d+))?", plain)
    name = match[2] if match else plain
    count = int(match[1] or match[3] or 1) if match else 0
    if name not in GPUS or not count:
        known = ", ".join(GPUS)
        raise BadOption("--gpu", words, f"known are {known}; several as 4090x4")
    return GPUS[name], count
