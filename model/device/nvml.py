"""What the driver says of a card: memory, temperature, load. Through nvidia-ml-py (the extra `nvidia`); nothing without it, or without a driver."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True)
class GpuReading:
    """One card at one moment; None is what this card does not tell."""

    card: str
    used: int | None
    """Bytes, of everyone who uses it."""
    total: int | None
    temperature: int | None
    """Degrees Celsius."""
    load: int | None
    """Percent of the last moments in which it computed anything."""

    @property
    def free(self) -> int | None:
        """Bytes that nobody uses."""
        return None if self.used is None or self.total is None else self.total - self.used

    @property
    def facts(self) -> dict[str, int | str]:
        """What is told, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def read_gpu(uuid: str) -> GpuReading | None:
    """The card of this number (`GPU-…`), now; None where nobody can tell."""
    if (handle := _open_handle(uuid)) is None:
        return None
    import pynvml

    name = _ask_driver(pynvml.nvmlDeviceGetName, handle)
    memory = _ask_driver(pynvml.nvmlDeviceGetMemoryInfo, handle)
    rates = _ask_driver(pynvml.nvmlDeviceGetUtilizationRates, handle)
    return GpuReading(
        card=name or "a card",
        used=memory and int(memory.used),
        total=memory and int(memory.total),
        temperature=_ask_driver(
            pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU
        ),
        load=rates and int(rates.gpu),
    )


def list_gpus() -> list[str]:
    """The numbers of all cards; raises what stands in the way, by its own name."""
    import pynvml

    pynvml.nvmlInit()
    handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
    return [str(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]


def read_processes() -> dict[int, int]:
    """Bytes of the cards that each process has, by its number; those of which the driver tells nothing are left out."""
    found: dict[int, int] = {}
    with suppress(
        Exception
    ):  # no library, no driver, no card: NVML's own tree is there only with the library
        import pynvml

        for handle in map(_open_handle, list_gpus()):
            for each in _ask_driver(pynvml.nvmlDeviceGetComputeRunningProcesses, handle) or ():
                found[each.pid] = found.get(each.pid, 0) + (each.usedGpuMemory or 0)
    return {process: size for process, size in found.items() if size}


@cache
def _open_handle(uuid: str) -> Any:
    """What NVML calls the card by. By its number and not its place: CUDA_VISIBLE_DEVICES changes places."""
    try:
        import pynvml
    except ImportError:
        return None
    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetHandleByUUID(uuid)
    return None


def _ask_driver(question: Callable[..., Any], *about: Any) -> Any:
    """The answer; None where this card, or this driver, has none. A card in eight has no temperature, one in a slice no load."""
    import pynvml

    with suppress(pynvml.NVMLError):
        return question(*about)
    return None
