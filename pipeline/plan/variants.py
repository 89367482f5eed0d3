"""What size, steps and the length of a clip each change, everything else as asked."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.plan.alternatives import PlanVariant
from pipeline.plan.estimate import estimate_film
from pipeline.plan.planner import PlanOptions, settle_request, with_rehearsal
from storage.errors import BadInput
from storage.spec import Spec

if TYPE_CHECKING:
    from pipeline.plan.estimate import Estimate
    from tasks.request import Request


def plan_variants(
    request: "Request", options: PlanOptions, tell: "Callable[[str], None]"
) -> tuple[PlanVariant, ...]:
    """Plans of the film with one option changed each, rehearsed where the plan is; `tell` is called with the next one's flags."""
    return tuple(_iterate_variants(request, options, tell))


def _iterate_variants(
    request: "Request", options: PlanOptions, tell: "Callable[[str], None]"
) -> Iterator[PlanVariant]:
    asked = settle_request(request, options)
    for words, other in _other_requests(request, asked.resolved.spec):
        tell(words)
        try:
            plan_input = settle_request(other, options, asked)
        except BadInput:  # a clip of this length, or a size, that the model has not
            continue
        yield _to_variant(words, estimate_film(with_rehearsal(plan_input, options)))


def _other_requests(request: "Request", spec: "object") -> "Iterator[tuple[str, Request]]":
    assert isinstance(spec, Spec)
    yield "as asked", request
    for steps in sorted(
        {max(1, spec.steps // 2), max(1, spec.steps - 1), 2 * spec.steps} - {spec.steps}
    ):
        yield f"--sample-steps {steps}", replace(request, sample_steps=steps)
    for frames in sorted({spec.clip_frames // 2, 2 * spec.clip_frames}):
        whole = max(1, frames // spec.block_frames) * spec.block_frames
        if whole != spec.clip_frames:
            yield f"--infer-frames {whole}", replace(request, infer_frames=whole)
    for part in (0.5, 0.75, 1.5):
        size = [max(64, round(side * part / 16) * 16) for side in (spec.width, spec.height)]
        if size != [spec.width, spec.height]:
            yield f"--size {size[0]}*{size[1]}", replace(request, width=size[0], height=size[1])


def _to_variant(words: str, plan: "Estimate") -> PlanVariant:
    time, card = plan.time, plan.device.needed if plan.device else 0
    return PlanVariant(
        words, time.frames_a_second, time.first, plan.host.total, card, plan.disk.total
    )
