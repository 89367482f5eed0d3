"""Whether the device has room for a film of the size that is asked for; decided once, when a run begins."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from model import registry
from model.avatar import DeviceConfig
from model.sharding.launcher_env import count_ranks, parse_gpus
from model.sharding.plan_choice import choose_shards
from storage.errors import BadOption, FilmTooLarge
from storage.names import is_run
from storage.run import Run
from storage.spec import Settings
from tasks.defaults import build_model_options, build_spec, film_sides
from tasks.film_sizes import format_size, smaller_sizes
from tasks.request import Request
from tasks.run_folder import choose_folder

if TYPE_CHECKING:
    from model.avatar import ModelTraits
    from storage.spec import Spec
    from tasks.film_sizes import Size
    from tasks.media import Media


def fit_to_device(request: Request, traits: "ModelTraits", media: "Media") -> Request:
    """The request, at a size for which the device has memory. Raises FilmTooLarge.

    A run that is there keeps its size, whatever is free by now.
    """
    asked = film_sides(request, traits)
    needed = bytes_needed(request, traits.name, asked)
    if not needed:
        return request
    if begun := size_of_begun_run(request, traits, media):
        return resize_request(request, asked, begun)
    free = registry.bytes_free(traits.name, requested_device(request))
    if free is None or needed <= free:
        return request
    sizes = smaller_sizes(asked, traits.size_multiple)
    fits = next((s for s in sizes if is_within(request, traits.name, s, free)), None)
    if fits is None or request.on_low_memory != "step-down":
        told = (f"{free / 1e9:.1f}", format_size(asked), f"{needed / 1e9:.1f}")
        raise FilmTooLarge(*told, describe_remedy(request, traits.name, asked, fits, free))
    return resize_request(request, asked, fits)


def requested_device(request: Request) -> DeviceConfig:
    """Where a new run would put the model."""
    threads, device = request.threads or 1, request.device or Settings.device
    where = (device, request.offload_model, request.device_memory)
    shared = (parse_gpus(request.gpus or ""), request.parallel or Settings.parallel)
    return DeviceConfig(threads, *where, *shared)


def bytes_needed(request: Request, model: str, size: "Size") -> int:
    """Device memory without which a film of this size cannot be made; of several cards, that of rank 0's."""
    options, machine = build_model_options(request, *size), requested_device(request)
    ranks = count_ranks(machine.gpus)
    if ranks > 1 and registry.describe_model(model, options).layers:
        free = registry.bytes_free(model, machine)
        plan = choose_shards(model, options, machine, ranks, free).plan
        machine = replace(machine, shard=plan.shards[0])
    return registry.bytes_needed(model, options, machine)


def is_within(request: Request, model: str, size: "Size", free: int) -> bool:
    """Whether a film of this size can be made in so much memory, and shared out as it is asked for."""
    try:
        return bytes_needed(request, model, size) <= free
    except BadOption:
        return False


def size_of_begun_run(request: Request, traits: "ModelTraits", media: "Media") -> "Size | None":
    """The size of the run that this request goes on with; None where it begins one."""
    asked = film_sides(request, traits)
    if request.run:
        return size_in(request.run, asked)
    spec, sizes = build_spec(request, traits, media), [asked]
    if request.output_dir and (there := size_in(request.output_dir, asked)):
        sizes.append(there)
    if request.on_low_memory == "step-down":
        sizes += smaller_sizes(asked, traits.size_multiple)
    latents = traits.latent_width, traits.latent_height
    begun = (
        size for size in sizes if is_run(choose_folder(request, resize_spec(spec, latents, size)))
    )
    return next(begun, None)


def size_in(root: Path, asked: "Size") -> "Size | None":
    """The size of the run in a folder, if it was begun for want of memory, or as it is, by this one; whichever film it is of."""
    if not is_run(root):
        return None
    run = Run.open(root.resolve())
    there = (run.spec.width, run.spec.height)
    return there if format_size(asked) == (run.settings.asked_size or format_size(there)) else None


def resize_spec(spec: "Spec", latents: "Size", size: "Size") -> "Spec":
    """The spec of a film of another size; its latents, so many for this one, shrink with it."""
    wide, high = latents[0] * size[0] // spec.width, latents[1] * size[1] // spec.height
    return replace(spec, width=size[0], height=size[1], latent_width=wide, latent_height=high)


def resize_request(request: Request, asked: "Size", size: "Size") -> Request:
    """The request for another size, which remembers the one that was asked for."""
    if size == asked:
        return request
    came = {**request.sources, "width": "--on-low-memory", "height": "--on-low-memory"}
    came["asked_size"] = request.sources.get("width", "the model")
    return replace(
        request, width=size[0], height=size[1], asked_size=format_size(asked), sources=came
    )


def describe_remedy(
    request: Request, model: str, asked: "Size", fits: "Size | None", free: int
) -> str:
    """What to add to the command."""
    ways = []
    if request.offload_model is False:
        offloaded = bytes_needed(replace(request, offload_model=None), model, asked)
        ways += ["leave out --offload_model False"] if offloaded <= free else []
    if fits is not None:
        ways.append(f"add --size {format_size(fits)}, or --on-low-memory step-down")
    return (
        f"What fits: {'; '.join(ways)}."
        if ways
        else "No smaller film fits; free the device, or take a larger one."
    )
