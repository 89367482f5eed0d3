"""The models by their names: what each is, asked without its weights, and itself, loaded into this process."""

from hashlib import sha256
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from model.avatar import Avatar, Byte, DeviceConfig, ModelTraits, Options
from model.estimates import MachineSpeed, MemoryEstimate, TimeEstimate
from model.sharding.launcher_env import show_first_card

if TYPE_CHECKING:
    from model.latent_preview import LatentPreview
    from model.pocket.face_finder import FoundFace

MODELS = {
    "pocket": "model.pocket",
    "live-avatar": "model.live_avatar",
    "wan-s2v": "model.wan_s2v",
}
"""A model → its package, with a module `model_traits` (what it is) and a module `avatar` (loads it)."""

MOST_PICTURES = 64
"""Of which it is remembered where their faces are."""
_faces: "dict[tuple[str, tuple[int, ...], bytes], list[FoundFace]]" = {}
_faces_lock = Lock()


class TraitsModule(Protocol):
    """The module that says what a model is, without its weights."""

    def describe_model(self, options: Options) -> ModelTraits:
        """Its traits for these options."""

    def weights_digest(self, options: Options, *, fetch: bool = True) -> str:
        """The digest of its weights; `fetch` allows to download them."""

    def bytes_needed(self, options: Options, machine: DeviceConfig) -> int:
        """Device memory without which a film cannot be made; 0 where that is no question."""

    def read_preview(self, options: Options) -> "LatentPreview":
        """What makes small pictures of its latents."""

    def estimate_memory(
        self, options: Options, machine: DeviceConfig, free: int | None
    ) -> MemoryEstimate:
        """What a film (machine.shard: a rank's part of it) takes, placed as a card with so much free memory has it (None: no card)."""

    def estimate_time(
        self, options: Options, machine: DeviceConfig, free: int, speed: MachineSpeed
    ) -> TimeEstimate | None:
        """How long a card with so much free memory takes; None where only measuring tells."""


class AvatarModule(Protocol):
    """The module that loads a model."""

    def load_model(self, options: Options, machine: DeviceConfig) -> Avatar:
        """It, with its weights."""

    def bytes_free(self, machine: DeviceConfig) -> int | None:
        """Device memory that can be had now; None where nobody knows."""


def describe_model(name: str, options: Options) -> ModelTraits:
    """The traits of a model, without loading it (and without torch)."""
    traits: TraitsModule = import_module(f"{MODELS[name]}.model_traits")
    return traits.describe_model(options)


def weights_digest(name: str, options: Options, *, fetch: bool = True) -> str:
    """The SHA-256 that stands for all weight files of a model: part of the spec. Without torch."""
    traits: TraitsModule = import_module(f"{MODELS[name]}.model_traits")
    return traits.weights_digest(options, fetch=fetch)


def load_in_process(name: str, options: Options, machine: DeviceConfig) -> Avatar:
    """Load a model into this process: all of it, or one rank's part. Raises BadOption."""
    loader: AvatarModule = import_module(f"{MODELS[name]}.avatar")
    return loader.load_model(options, machine)


def bytes_needed(name: str, options: Options, machine: DeviceConfig) -> int:
    """Device memory without which a film cannot be made; 0 where that is no question. Without torch."""
    traits: TraitsModule = import_module(f"{MODELS[name]}.model_traits")
    return traits.bytes_needed(options, machine)


def read_preview(name: str, options: Options) -> "LatentPreview | None":
    """What makes small pictures of a model's latents; None for a model that is not known here. Without torch."""
    if name not in MODELS:
        return None
    traits: TraitsModule = import_module(f"{MODELS[name]}.model_traits")
    return traits.read_preview(options)


def estimate_memory(
    name: str, options: Options, machine: DeviceConfig, free: int | None
) -> MemoryEstimate:
    """What a film takes, by part. Without torch."""
    traits: TraitsModule = import_module(f"{MODELS[name]}.model_traits")
    return traits.estimate_memory(options, machine, free)


def estimate_time(
    name: str, options: Options, machine: DeviceConfig, free: int, speed: MachineSpeed
) -> TimeEstimate | None:
    """How long a card takes, by arithmetic; None where only measuring tells. Without torch."""
    traits: TraitsModule = import_module(f"{MODELS[name]}.model_traits")
    return traits.estimate_time(options, machine, free, speed)


def find_faces(name: str, picture: Byte) -> "list[FoundFace]":
    """The faces in a picture [y, x, rgb] as a model with traits.needs_face looks for them, the largest that is sure first. Without torch.

    The last pictures are known again: the films of a table, and the tries of a plan, mostly show few.
    """
    key = name, picture.shape, sha256(picture.tobytes()).digest()
    found = _faces.pop(key, None)
    if found is None:
        found = import_module(f"{MODELS[name]}.face_finder").find_faces(picture)
    with _faces_lock:
        _faces[key] = found
        for oldest in list(_faces)[:-MOST_PICTURES]:
            del _faces[oldest]
    return list(found)


def bytes_free(name: str, machine: DeviceConfig) -> int | None:
    """Device memory that can be had now; None where nobody knows. Of several cards, that of rank 0's."""
    show_first_card(machine.gpus)
    loader: AvatarModule = import_module(f"{MODELS[name]}.avatar")
    return loader.bytes_free(machine)
