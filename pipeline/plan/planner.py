"""A request becomes a plan: settled, rehearsed where that takes seconds, estimated, and fitted where it does not fit."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from model import avatar
from pipeline.input_notes import lines_about
from pipeline.plan.estimate import (
    Estimate,
    PlanInput,
    build_disk_plan,
    estimate_film,
    estimate_memory,
)
from pipeline.plan.machine import PlanMachine, find_local_machine, find_named_machine
from pipeline.plan.rehearsal import rehearse_film
from pipeline.plan.remedies import Remedy, find_remedies
from pipeline.plan.screen import summarize_plan
from storage.disk import nearest_existing, read_file_system
from storage.names import is_run
from storage.scratch import sweep_scratch
from tasks import preflight
from tasks.defaults import Media, film_sides
from tasks.device_memory import resize_request, size_of_begun_run
from tasks.request import Request
from tasks.resolve import ResolvedRequest, apply_defaults

QUICK_BYTES = 2e9
"""A model of fewer bytes is rehearsed without being asked to: that takes seconds."""
SPARE = 30
"""Clips that must have room where the disk is short, for a rehearsal."""


@dataclass(frozen=True)
class PlanOptions:
    """How a plan is made."""

    gpu: str | None = None
    """A machine with this card; None: this one."""
    rehearse: bool | None = None
    """Whether the first clips are made; None: where that takes seconds."""
    fit: bool = False
    """Take the first way that fits."""


def plan_film(request: Request, how: PlanOptions) -> tuple[Request, Estimate]:
    """The plan and the request that it is for: the one that was given, or (`fit`) one that fits."""
    media = None
    if how.fit:
        request, media = resize_to_begun(request)
    setting = settle_request(request, how, media=media)
    sweep_scratch(nearest_existing(setting.resolved.root.parent))
    rough = estimate_film(setting)
    if rough.fits:
        return request, estimate_film(with_rehearsal(setting, how))

    def judge(other: Request) -> Estimate:
        return estimate_film(settle_request(other, how, setting))

    ways = find_remedies(request, rough, setting.resolved.traits.size_multiple, judge)
    if how.fit and ways:
        fitted = apply_remedy(request, ways[0], (rough.film.width, rough.film.height))
        other = with_rehearsal(settle_request(fitted, how, setting), how)
        return fitted, replace(estimate_film(other), changes=ways[0].flags)
    return request, replace(estimate_film(with_rehearsal(setting, how, rough.short)), ways=ways)


def apply_remedy(request: Request, way: Remedy, asked: tuple[int, int]) -> Request:
    """The request with the changes of a way; it remembers the size that was asked for."""
    fields = dict(way.fields)
    size = (fields.pop("width", asked[0]), fields.pop("height", asked[1]))
    fitted = resize_request(replace(request, **fields), asked, size)
    came = dict.fromkeys((*way.fields, *({"asked_size"} if size != asked else ())), "--fit")
    return replace(fitted, sources={**fitted.sources, **came})


def resize_to_begun(request: Request) -> tuple[Request, Media]:
    """The request at the size of the run that it goes on with, if it was begun smaller than asked, and what was given."""
    traits = preflight.check_options(request)
    media = preflight.check_media(request, traits)
    asked = film_sides(request, traits)
    size = size_of_begun_run(replace(request, on_low_memory="step-down"), traits, media)
    return resize_request(request, asked, size or asked), media


def notices_before_film(resolved: ResolvedRequest) -> Iterator[str]:
    """What `new` says before a film: by arithmetic alone, since the film itself is the rehearsal. A run that is there has been told of."""
    if is_run(resolved.root):
        return
    where = find_local_machine(resolved.traits.name, resolved.request, measured=False)
    yield summarize_plan(estimate_film(PlanInput(resolved, where)))
    if where.free is not None and where.note:
        yield f"[WARNING] {where.note}"
    if resolved.media is not None:
        yield from (f"[INFO] {line}" for line in lines_about(resolved.media))


def settle_request(
    request: Request,
    how: PlanOptions,
    like: PlanInput | None = None,
    *,
    media: Media | None = None,
) -> PlanInput:
    """The request with every default filled in, and the machine. `like`: those of the same picture and sound, `media`: these, which are not read again."""
    traits = preflight.check_options(request)
    media = (like.resolved.media if like else media) or preflight.check_media(request, traits)
    # A plan needs no weights: their published sizes tell all.
    unknown = None if has_weights(request, traits.name) else ""
    resolved = apply_defaults(request, traits, media, weights=unknown)
    return PlanInput(resolved, like.machine if like else choose_machine(request, how, traits.name))


def choose_machine(request: Request, how: PlanOptions, model: str) -> PlanMachine:
    """The machine."""
    if how.gpu:
        return find_named_machine(how.gpu, request)
    return find_local_machine(model, request, measured=how.rehearse is not False)


def has_weights(request: Request, model: str) -> bool:
    """False for a large model whose weights were not named."""
    return model == next(iter(avatar.MODELS)) or bool(request.weights)


def with_rehearsal(setting: PlanInput, how: PlanOptions, short: tuple[str, ...] = ()) -> PlanInput:
    """With what its first clips took, where they can and shall be made."""
    if how.gpu or how.rehearse is False or set(short) - {"disk"}:
        return setting
    resolved = setting.resolved
    if not has_weights(resolved.request, setting.resolved.traits.name):
        return setting
    if how.rehearse is None and weights_bytes(setting) > QUICK_BYTES:
        return setting
    plan = build_disk_plan(setting)
    if short and read_file_system(nearest_existing(resolved.root)).free < SPARE * plan.clip:
        return setting
    return replace(setting, costs=rehearse_film(resolved, plan.frames))


def weights_bytes(setting: PlanInput) -> int:
    """Bytes of them."""
    memory = estimate_memory(setting)
    return {**memory.host, **memory.device}["weights"]
