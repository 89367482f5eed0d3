"""What a processor can do, and what of it is left alone."""

import os

import torch

LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""The variables of the environment that say which instructions oneDNN may use at most."""
WITHOUT_AMX = "AVX512_CORE_BF16"


def avoid_amx() -> None:
    """Keep oneDNN from the AMX of a processor, whose convolutions are wrong there; before anything is computed, or it has no effect.

    In torch 2.11 (oneDNN 3.10) bfloat16 convolutions with few input channels, and some with strides, gave wrong sums in AMX (docs/adr/0018-asked-of-the-machine.md).
    Who names another limit in the environment keeps it.
    """
    if torch.cpu._is_amx_tile_supported() and _limit() is None:
        os.environ[LIMITS[0]] = WITHOUT_AMX


def uses_amx() -> bool:
    """Whether oneDNN may use AMX here."""
    limit = (_limit() or "ALL").upper()
    return torch.cpu._is_amx_tile_supported() and ("AMX" in limit or limit in ("ALL", "DEFAULT"))


def _limit() -> str | None:
    return next((os.environ[name] for name in LIMITS if name in os.environ), None)
