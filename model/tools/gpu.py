"""What the driver says of every card, and how long it takes to ask: python -m model.tools.gpu."""

import sys
import time

from model.device import nvml


def main() -> int:
    """A line for each card; 1 where there is nothing to ask, and why."""
    try:
        there = nvml.list_gpus()
    except ImportError:
        print("nvidia-ml-py is not installed: pip install nvidia-ml-py (the extra `nvidia`)")
        return 1
    except Exception as fault:  # noqa: BLE001 - NVML's own tree is there only where the library is
        print(f"no card can be asked: {fault}")
        return 1
    for uuid in there:
        nvml.read_gpu(uuid)
        begun = time.perf_counter()
        reading = nvml.read_gpu(uuid)
        took = 1000 * (time.perf_counter() - begun)
        print(uuid, reading.facts if reading else "cannot be read", f"in {took:.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
