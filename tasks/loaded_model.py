"""The model of a run: its options, its traits, and itself with its weights, loaded once a process."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from model import loader, registry
from model.avatar import DeviceConfig, Options
from model.sharding.launcher_env import parse_gpus
from model.sharding.protocols import SharedAvatar
from storage.errors import WeightsReplaced
from storage.memory_guard import require_libraries, start_guard
from storage.remote.address import name_run
from storage.run import Run
from tasks.clip_context import read_latents_before, read_motion_before
from tasks.events import emit_event

if TYPE_CHECKING:
    from model.avatar import Avatar, Decoder, ModelTraits
    from storage.spec import Settings, Spec


_loaded: dict[tuple[object, ...], "Avatar"] = {}


def model_options_of(spec: "Spec", settings: "Settings") -> "Options":
    """What was chosen of the run's model."""
    chosen = (spec.width, spec.height, spec.clip_frames, spec.steps, spec.guidance)
    heard = (spec.whole_audio, spec.precision, spec.negative_prompt, spec.speaker_count)
    return Options(*chosen, settings.weights, settings.lora, *heard)


def device_config_of(settings: "Settings", threads: int) -> "DeviceConfig":
    """Where the model is put."""
    where = (settings.device, settings.offload_model, settings.device_memory)
    return DeviceConfig(threads, *where, parse_gpus(settings.gpus), settings.parallel)


def model_traits_of(run: Run) -> "ModelTraits":
    """The numbers of the run's model; loads no weight."""
    return registry.describe_model(run.spec.model, model_options_of(run.spec, run.settings))


def load_avatar(spec: "Spec", settings: "Settings", threads: int) -> "Avatar":
    """The model with its weights; loaded once a process."""
    options, machine = model_options_of(spec, settings), device_config_of(settings, threads)
    start_guard()
    require_libraries()
    key = (spec.model, spec.weights, options, machine)
    if key not in _loaded:
        unload_avatar()  # two big models do not fit a device
        _loaded[key] = loaded = loader.load_model(spec.model, options, machine, _tell_awaited)
        if isinstance(loaded, SharedAvatar):
            emit_event("ranks_started", **loaded.sharing)
    return _loaded[key]


def _tell_awaited(ranks: Sequence[int], seconds: float) -> None:
    emit_event("ranks_awaited", ranks=", ".join(map(str, ranks)), seconds=seconds)


def require_own_weights(run: Run) -> None:
    """Raise WeightsReplaced where the weights that are here are not those that the run was begun with."""
    spec = run.spec
    options = model_options_of(spec, run.settings)
    if registry.weights_digest(spec.model, options, fetch=False) != spec.weights:
        raise WeightsReplaced(name_run(run.root), spec.model)


def unload_avatar() -> None:
    """Forget the model that this process has loaded; the next film loads one anew."""
    while _loaded:
        _, loaded = _loaded.popitem()
        if isinstance(loaded, SharedAvatar):
            loaded.close()


def position_decoder(run: Run, avatar: "Avatar", clip: int) -> "Decoder":
    """A decoder that stands before a clip and remembers what it would after those before it."""
    decoder = avatar.decoder(run.inputs.read_all())
    if clip and run.spec.motion_latents:
        decoder.seek(clip, read_motion_before(run, clip))
    elif clip:
        decoder.seek(clip, read_latents_before(run, clip, avatar.traits.decoder_memory))
    return decoder


def describe_numerics_difference(
    begun: Mapping[str, str | int], now: Mapping[str, str | int]
) -> str:
    """What differs, in words; empty if nothing does. What an older version did not ask of its machine is not compared."""
    return "; ".join(
        f"{name} was {begun[name]}, is {now.get(name, 'unknown')}"
        for name in sorted(begun)
        if begun[name] != now.get(name)
    )
