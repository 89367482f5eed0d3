"""The machine that a plan is for: this one, or one that is named."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model import registry
from model.avatar import FP8
from model.estimates import MachineSpeed
from model.sharding.launcher_env import parse_gpus
from pipeline.plan.gpus import GPUS, find_gpu
from pipeline.plan.speed_test import find_local_gpu, measure_speed
from storage.errors import BadOption
from tasks.device_memory import requested_device

if TYPE_CHECKING:
    from tasks.request import Request


UNBUILT = "The card's kernels cannot be built here, and everything takes much longer: they need Triton and a C compiler (gcc or clang)."


@dataclass(frozen=True)
class PlanMachine:
    """The machine that a film is to be made on, and how fast its GPU is."""

    name: str
    here: bool
    free: int | None
    """Bytes of its card that can be had; None where there is no card."""
    speed: MachineSpeed | None = None
    """Of its card; None where nobody knows."""
    note: str = ""
    """What a person must know of it."""
    cards: int = 1
    """So many like it share the film out."""


def find_named_machine(words: str, request: "Request") -> PlanMachine:
    """A machine with the GPU that these words name; of several, as many as `--gpus` says, or all. Raises BadOption."""
    gpu, count = find_gpu(words)
    asked = len(parse_gpus(request.gpus or "")) or count
    if asked > count:
        raise BadOption("--gpus", asked, f"the machine of --gpu {words} has {count}")
    if request.precision == FP8 and not gpu.fp8:
        from model.ops.fp8 import fp8_refusal

        raise fp8_refusal(gpu.name)
    limit = request.device_memory or gpu.usable
    note = f"Memory and speed by the {gpu.source}."
    speed = MachineSpeed(gpu.relative, gpu.link)
    name = gpu.name if asked == 1 else f"{asked} × {gpu.name}"
    return PlanMachine(name, False, min(limit, gpu.usable), speed, note, asked)


def find_local_machine(model: str, request: "Request", *, measured: bool = True) -> PlanMachine:
    """The machine that this runs on, with its card if the model would use one; raises BadOption where a card is asked for and there is none, or none that can do what is asked.

    `measured`: its speed is measured, in a few seconds; else it is the data sheet's, where the card is known.
    """
    machine = requested_device(request)
    if model == next(iter(registry.MODELS)):
        return PlanMachine("this machine", True, None)
    gpu = find_local_gpu(machine)
    if gpu is None and machine.device != "cuda":
        note = "This machine has no card that torch can use; --gpu NAME plans for one that has."
        return PlanMachine("this machine", True, None, note=note)
    # First: it says that there is no card.
    free = registry.bytes_free(model, machine)
    if request.precision == FP8:
        require_fp8()
    speed = measure_speed(weights=request.weights or "") if measured else data_sheet_speed(gpu)
    note, cards = UNBUILT if lacks_kernels() else "", max(1, len(machine.gpus))
    name = f"this machine's {gpu}" if cards == 1 else f"{cards} cards like this machine's {gpu}"
    return PlanMachine(name, True, free, speed, note, cards)


def require_fp8() -> None:
    """Raise BadOption where the GPU has no products of eight-bit floats."""
    import torch

    from model.ops.fp8 import require_fp8_gpu

    require_fp8_gpu(torch.device("cuda"))


def lacks_kernels() -> bool:
    """True if the GPU's kernels cannot be built here."""
    from model.ops.fused import can_build

    return not can_build()


def data_sheet_speed(name: str | None) -> MachineSpeed | None:
    """The speed of a GPU by its data sheet; None for a name that is not in the table."""
    words = (name or "").lower().split()
    known = next((gpu for key, gpu in GPUS.items() if key in words), None)
    return MachineSpeed(known.relative, known.link) if known else None
