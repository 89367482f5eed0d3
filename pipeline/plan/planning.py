"""A request becomes a plan: settled, rehearsed where that takes seconds, estimated, and fitted where it does not fit."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from model import avatar
from pipeline.plan.estimate import Estimate, Setting, disk_plan, estimate, memory_of
from pipeline.plan.place import Place, local, named
from pipeline.plan.rehearsal import rehearse
from pipeline.plan.ways import Way, find_ways
from pipeline.treatment import lines_about
from storage.disk import look, nearest
from storage.names import is_run
from storage.scratch import sweep_scratch
from tasks import preflight
from tasks.request import Request, Resolved, settle, sides_of
from tasks.room import begun_size, resize

QUICK = 2e9
"""A model of fewer bytes is rehearsed without being asked to: that takes seconds."""
SPARE = 30
"""Clips that must have room where the disk is short, for a rehearsal."""


@dataclass(frozen=True)
class How:
    """How a plan is made."""

    gpu: str | None = None
    """A machine with this card; None: this one."""
    rehearse: bool | None = None
    """Whether the first clips are made; None: where that takes seconds."""
    fit: bool = False
    """Take the first way that fits."""


def planned(request: Request, how: How) -> tuple[Request, Estimate]:
    """The plan and the request that it is for: the one that was given, or (`fit`) one that fits."""
    if how.fit:
        request = begun(request)
    setting = settle_for(request, how)
    sweep_scratch(nearest(setting.resolved.root.parent))
    rough = estimate(setting)
    if rough.fits:
        return request, estimate(rehearsed(setting, how))

    def judge(other: Request) -> Estimate:
        return estimate(settle_for(other, how, setting))

    ways = find_ways(request, rough, setting.traits.size_multiple, judge)
    if how.fit and ways:
        fitted = take(request, ways[0], (rough.film.width, rough.film.height))
        other = rehearsed(settle_for(fitted, how, setting), how)
        return fitted, replace(estimate(other), changes=ways[0].flags)
    return request, replace(estimate(rehearsed(setting, how, rough.short)), ways=ways)


def take(request: Request, way: Way, asked: tuple[int, int]) -> Request:
    """The request with the changes of a way; it remembers the size that was asked for."""
    fields = dict(way.fields)
    size = (fields.pop("width", asked[0]), fields.pop("height", asked[1]))
    fitted = resize(replace(request, **fields), asked, size)
    came = dict.fromkeys((*way.fields, *({"asked_size"} if size != asked else ())), "--fit")
    return replace(fitted, sources={**fitted.sources, **came})


def begun(request: Request) -> Request:
    """The request at the size of the run that it goes on with, if it was begun smaller than asked."""
    traits = preflight.check_options(request)
    media = preflight.check_media(request, traits)
    asked = sides_of(request, traits)
    size = begun_size(replace(request, on_low_memory="step-down"), traits, media)
    return resize(request, asked, size or asked)


def told_before(resolved: Resolved) -> Iterator[str]:
    """What `new` says before a film: by arithmetic alone, since the film itself is the rehearsal. A run that is there has been told of."""
    from pipeline.plan.screen import summary

    if is_run(resolved.root):
        return
    request = resolved.request
    traits = preflight.check_options(request)
    where = local(traits.name, request, gauged=False)
    yield summary(estimate(Setting(resolved, traits, where)))
    if where.free is not None and where.note:
        yield f"[WARNING] {where.note}"
    if resolved.media is not None:
        yield from (f"[INFO] {line}" for line in lines_about(resolved.media))


def settle_for(request: Request, how: How, like: Setting | None = None) -> Setting:
    """The request with every default filled in, and the machine; `like`: those of the same sound, which is not measured again."""
    traits = preflight.check_options(request)
    known = like.resolved.media if like else None
    media = known or preflight.check_media(request, traits)
    # A plan needs no weights: their published sizes tell all.
    unknown = None if has_weights(request, traits.name) else ""
    resolved = settle(request, traits, media, weights=unknown)
    return Setting(resolved, traits, like.place if like else place_of(request, how, traits.name))


def place_of(request: Request, how: How, model: str) -> Place:
    """The machine."""
    if how.gpu:
        return named(how.gpu, request)
    return local(model, request, gauged=how.rehearse is not False)


def has_weights(request: Request, model: str) -> bool:
    """False for a large model whose weights were not named."""
    return model == next(iter(avatar.MODELS)) or bool(request.weights)


def rehearsed(setting: Setting, how: How, short: tuple[str, ...] = ()) -> Setting:
    """With what its first clips took, where they can and shall be made."""
    if how.gpu or how.rehearse is False or set(short) - {"disk"}:
        return setting
    resolved = setting.resolved
    if not has_weights(resolved.request, setting.traits.name):
        return setting
    if how.rehearse is None and weights_of(setting) > QUICK:
        return setting
    plan = disk_plan(setting)
    if short and look(nearest(resolved.root)).free < SPARE * plan.clip:
        return setting
    return replace(setting, costs=rehearse(resolved, plan.frames))


def weights_of(setting: Setting) -> int:
    """Bytes of them."""
    memory = memory_of(setting)
    return {**memory.host, **memory.device}["weights"]
