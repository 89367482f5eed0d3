"""A request becomes a plan: settled, rehearsed where that takes seconds, estimated, and fitted where it does not fit."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from model import registry
from pipeline.input_notes import lines_about
from pipeline.plan.alternatives import Remedy
from pipeline.plan.estimate import (
    Estimate,
    PlanInput,
    build_disk_plan,
    estimate_film,
    estimate_memory,
)
from pipeline.plan.machine import PlanMachine, find_local_machine, find_named_machine
from pipeline.plan.rehearsal import rehearse_film
from pipeline.plan.remedies import find_remedies
from pipeline.plan.screen import summarize_plan
from storage.disk import nearest_existing, read_file_system
from storage.names import is_run
from storage.scratch import sweep_scratch
from tasks import preflight
from tasks.defaults import film_sides
from tasks.device_memory import resize_request, size_of_begun_run
from tasks.media import Media
from tasks.request import Request
from tasks.resolve import apply_defaults
from tasks.resolved_request import ResolvedRequest

QUICK_BYTES = 2e9
"""A model of fewer bytes is rehearsed without being asked to: that takes seconds."""
SPARE = 30
"""Clips that must have room where the disk is short, for a rehearsal."""


@dataclass(frozen=True)
class PlanOptions:
    """The options of `longtake plan` beside those of the film: machine, rehearsal, fitting."""

    gpu: str | None = None
    """A machine with this card; None: this one."""
    rehearse: bool | None = None
    """Whether the first clips are made; None: where that takes seconds."""
    fit: bool = False
    """Take the first way that fits."""


def plan_film(request: Request, options: PlanOptions) -> tuple[Request, Estimate]:
    """The estimate and the request that it is for: the one that was given, or (`fit`) one that fits. Raises BadInput."""
    media = None
    if options.fit:
        request, media = resize_to_begun(request)
    plan_input = settle_request(request, options, media=media)
    sweep_scratch(nearest_existing(plan_input.resolved.root.parent))
    rough = estimate_film(plan_input)
    if rough.fits:
        return request, estimate_film(with_rehearsal(plan_input, options))

    def estimate(other: Request) -> Estimate:
        return estimate_film(settle_request(other, options, plan_input))

    remedies = find_remedies(request, rough, plan_input.resolved.traits.size_multiple, estimate)
    if options.fit and remedies:
        fitted = apply_remedy(request, remedies[0], (rough.film.width, rough.film.height))
        other = with_rehearsal(settle_request(fitted, options, plan_input), options)
        return fitted, replace(estimate_film(other), changes=remedies[0].flags)
    return request, replace(
        estimate_film(with_rehearsal(plan_input, options, rough.short)), ways=remedies
    )


def apply_remedy(request: Request, remedy: Remedy, asked: tuple[int, int]) -> Request:
    """The request with a remedy's changes; it remembers the size that was asked for."""
    fields = dict(remedy.fields)
    size = (fields.pop("width", asked[0]), fields.pop("height", asked[1]))
    fitted = resize_request(replace(request, **fields), asked, size)
    came = dict.fromkeys((*remedy.fields, *({"asked_size"} if size != asked else ())), "--fit")
    return replace(fitted, sources={**fitted.sources, **came})


def resize_to_begun(request: Request) -> tuple[Request, Media]:
    """The request at the size of the run that it goes on with, if it was begun smaller than asked, and what was given."""
    traits = preflight.check_options(request)
    media = preflight.check_media(request, traits)
    asked = film_sides(request, traits)
    size = size_of_begun_run(replace(request, on_low_memory="step-down"), traits, media)
    return resize_request(request, asked, size or asked), media


def notices_before_film(resolved: ResolvedRequest) -> Iterator[str]:
    """Lines that `new` says before a film: by arithmetic alone, since the film itself is the rehearsal. None for a run that is there already."""
    if is_run(resolved.root):
        return
    machine = find_local_machine(resolved.traits.name, resolved.request, measured=False)
    yield summarize_plan(estimate_film(PlanInput(resolved, machine)))
    if machine.free is not None and machine.note:
        yield f"[WARNING] {machine.note}"
    yield from (f"[INFO] {line}" for line in lines_about(resolved))


def settle_request(
    request: Request,
    options: PlanOptions,
    known: PlanInput | None = None,
    *,
    media: Media | None = None,
) -> PlanInput:
    """The input of an estimate: the request with every default filled in, and the machine. `known`: an input with the same picture and sound, `media`: these themselves; they are not read again."""
    traits = preflight.check_options(request)
    media = (known.resolved.media if known else media) or preflight.check_media(request, traits)
    # A plan needs no weights: their published sizes tell all.
    unknown = None if has_weights(request, traits.name) else ""
    resolved = apply_defaults(request, traits, media, weights=unknown)
    return PlanInput(
        resolved, known.machine if known else choose_machine(request, options, traits.name)
    )


def choose_machine(request: Request, options: PlanOptions, model: str) -> PlanMachine:
    """The machine that is planned for: the one that `--gpu` names, or this one."""
    if options.gpu:
        return find_named_machine(options.gpu, request)
    return find_local_machine(model, request, measured=options.rehearse is not False)


def has_weights(request: Request, model: str) -> bool:
    """False for a large model whose weights were not named."""
    return model == next(iter(registry.MODELS)) or bool(request.weights)


def with_rehearsal(
    plan_input: PlanInput, options: PlanOptions, short: tuple[str, ...] = ()
) -> PlanInput:
    """The input with what the film's first clips took, where they can and shall be made."""
    if options.gpu or options.rehearse is False or set(short) - {"disk"}:
        return plan_input
    resolved = plan_input.resolved
    if not has_weights(resolved.request, plan_input.resolved.traits.name):
        return plan_input
    if options.rehearse is None and weights_bytes(plan_input) > QUICK_BYTES:
        return plan_input
    plan = build_disk_plan(plan_input)
    if short and read_file_system(nearest_existing(resolved.root)).free < SPARE * plan.clip:
        return plan_input
    return replace(plan_input, costs=rehearse_film(resolved, plan.frames))


def weights_bytes(plan_input: PlanInput) -> int:
    """Bytes of the model's weights."""
    memory = estimate_memory(plan_input)
    return {**memory.host, **memory.device}["weights"]
