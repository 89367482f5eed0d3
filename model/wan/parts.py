"""The parts of a published model on their device, each loaded when it is first needed and no sooner."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, wraps
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

import torch

from model.avatar import DeviceConfig
from model.ops.fp8 import require_fp8_gpu
from model.wan.gpu_memory import CONTEXT, OffloadPlan
from model.weights import checkpoint, loading
from model.weights.loading import Placement, load_transformer
from storage.errors import BadOption

if TYPE_CHECKING:
    from model.encoders.umt5 import TextEncoder
    from model.encoders.wav2vec2 import Wav2VecEncoder
    from model.s2v.transformer import S2VTransformer
    from model.vae.wan_vae import WanVAE
    from model.wan.model_traits import PublishedModel
    from model.weights.checkpoint import WeightsLocation


ALLOCATOR = "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"
"""Where torch reads how it allocates on a card."""


def device_of(machine: DeviceConfig) -> torch.device:
    """What was chosen; on auto a card where there is one. Raises BadOption."""
    chosen = machine.device
    if chosen == "auto":
        chosen = "cuda" if torch.cuda.is_available() else "cpu"
    if chosen == "cuda" and not torch.cuda.is_available():
        raise BadOption("--device", chosen, "this machine has no card that torch can use")
    if chosen == "cuda" and not any(name in os.environ for name in ALLOCATOR):
        # Read when the card is first used. Rows of one block and of four in turn leave 8 GB in segments of fixed size that neither can use.
        os.environ[ALLOCATOR[0]] = "expandable_segments:True"
    return torch.device(chosen)


def kind_of_device(machine: DeviceConfig) -> str:
    """cpu, or cuda."""
    return device_of(machine).type


def placement_of(machine: DeviceConfig, *, fp8: bool) -> Placement:
    """bfloat16 on a card, float32 on the CPU. Threads are set, as they decide the last bits; so is the card's limit."""
    torch.set_num_threads(machine.threads)
    device = device_of(machine)
    if fp8:
        require_fp8_gpu(device)
    if device.type == "cuda" and machine.memory is not None:
        whole, index = torch.cuda.mem_get_info(device)[1], torch.cuda.current_device()
        # This one takes no device without an index, and counts without what CUDA itself takes.
        share = max(0.0, min(1.0, (machine.memory - CONTEXT) / whole))
        torch.cuda.set_per_process_memory_fraction(share, index)
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    return Placement(device, dtype, fp8, held=machine.shard.layers if machine.shard else None)


def bytes_free(machine: DeviceConfig) -> int | None:
    """Memory that can be had on the device, within the limit; on a CPU only the limit counts."""
    device = device_of(machine)
    measured = loading.free_bytes(device) if device.type == "cuda" else None
    known = [each for each in (measured, machine.memory) if each is not None]
    return min(known, default=None)


Part = TypeVar("Part")


def loaded_once(load: Callable[["Parts"], Part]) -> "cached_property[Part]":
    """A part that is loaded once, whoever asks for it meanwhile."""

    @wraps(load)
    def alone(parts: "Parts") -> Part:
        with parts.locks[load.__name__]:
            there: Part | None = parts.__dict__.get(load.__name__)
            return load(parts) if there is None else there

    return cached_property(alone)


class Parts:
    """What the folder holds. Raises WeightsMissing, WeightsDamaged, OtherWeights, OtherLora, DeviceTooSmall where a part is first needed."""

    def __init__(
        self,
        kind: "PublishedModel",
        place: "WeightsLocation",
        placement: Placement,
        placing: OffloadPlan,
    ) -> None:
        self.kind, self.place, self.placement, self.placing = kind, place, placement, placing
        self.locks = {name: RLock() for name in ("transformer", "vae", "audio_encoder")}

    @loaded_once
    def transformer(self) -> "S2VTransformer":
        """The transformer, with the LoRA merged where the model has one."""
        held = self.placement.held or range(self.place.config["num_layers"])
        waiting = tuple(held.start + i for i in self.placing.waiting(len(held)))
        transformer = load_transformer(
            self.place, replace(self.placement, waiting=waiting), **self.kind.switches
        )
        if self.placement.device.type == "cuda":
            # What its weights were rounded from: 2 GB that lie in pieces among them.
            torch.cuda.empty_cache()
        return transformer

    @loaded_once
    def vae(self) -> "WanVAE":
        """Encoder and decoder."""
        from model.vae.wan_vae import load_vae

        dtype = torch.float32 if self.kind.vae_in_float else self.placement.dtype
        return load_vae(self.place.folder / checkpoint.VAE, dtype, self.placement.device)

    @loaded_once
    def audio_encoder(self) -> "Wav2VecEncoder":
        """The speech encoder."""
        from model.encoders.wav2vec2 import Wav2VecEncoder

        folder, placed = self.place.folder / checkpoint.SPEECH, self.placement
        return Wav2VecEncoder.read(folder, placed.dtype, placed.device)

    def text(self) -> "TextEncoder":
        """The prompt's encoder: used once a run, and so not kept."""
        from model.encoders.umt5 import TextEncoder

        return TextEncoder.read(self.place.folder, self.placement.dtype, self.placement.device)
