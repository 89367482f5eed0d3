"""The parts of a published model on their device, each loaded when it is first needed and no sooner."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from model import checkpoint
from model.avatar import Machine
from model.weights import Placement, load_transformer

if TYPE_CHECKING:
    from model.checkpoint import Place
    from model.text import TextEncoder
    from model.transformer import S2VTransformer
    from model.vae import WanVAE
    from model.wav2vec2 import Wav2VecEncoder


def placement_of(machine: Machine) -> Placement:
    """A card where there is one, in bfloat16; else the CPU, in float32. Threads are set, as they decide the last bits."""
    torch.set_num_threads(machine.threads)
    chosen = machine.device
    if chosen == "auto":
        chosen = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(chosen)
    return Placement(device, torch.float32 if device.type == "cpu" else torch.bfloat16)


class Parts:
    """What the folder holds. Raises WeightsMissing, WeightsDamaged, OtherWeights, OtherLora, DeviceTooSmall where a part is first needed."""

    def __init__(self, place: "Place", switches: dict[str, Any], placement: Placement) -> None:
        self.place, self.switches, self.placement = place, switches, placement

    @cached_property
    def transformer(self) -> "S2VTransformer":
        """The transformer, with the LoRA merged where the model has one."""
        return load_transformer(self.place, self.placement, **self.switches)

    @cached_property
    def vae(self) -> "WanVAE":
        """Encoder and decoder."""
        from model.vae import load

        path = self.place.folder / checkpoint.VAE
        return load(path, self.placement.dtype, self.placement.device)

    @cached_property
    def ear(self) -> "Wav2VecEncoder":
        """The speech encoder."""
        from model.wav2vec2 import Wav2VecEncoder

        ear = Wav2VecEncoder.read(self.place.folder / checkpoint.SPEECH, self.placement.dtype)
        ear.model.to(self.placement.device)
        return ear

    def text(self) -> "TextEncoder":
        """The prompt's encoder: used once a run, and so not kept."""
        from model.text import TextEncoder

        encoder = TextEncoder.read(self.place.folder, self.placement.dtype)
        encoder.model.to(self.placement.device)
        return encoder
