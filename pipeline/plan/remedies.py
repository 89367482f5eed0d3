"""What would make a film fit: one change after the other, those that cost least first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipeline.plan.alternatives import Fields, Remedy
from tasks.film_sizes import smaller_sizes

if TYPE_CHECKING:
    from pipeline.plan.estimate import Estimate
    from tasks.request import Request

Size = tuple[int, int]


@dataclass(frozen=True)
class Change:
    """One change to a request, which takes less of one kind of room."""

    flag: str
    costs: str
    fields: Fields
    relieves: str
    """The kind of room."""


def possible_changes(request: "Request") -> Iterator[Change]:
    """All changes that leave the film's pixels as they are, the cheapest first; what was asked so already is left out."""
    if request.offload_model is False:
        yield Change("--offload-model True", "time", {"offload_model": True}, "device")
    if request.ahead is None or request.ahead > 0:
        yield Change("--ahead 0", "a little time", {"ahead": 0}, "host")
    if request.keep_frames not in {None, "auto", "none"}:
        costs = "frames are decoded again where they are wanted"
        yield Change("--keep-frames none", costs, {"keep_frames": "none"}, "disk")
    if request.keep_steps != "none":
        costs = "nothing to inspect but the last step"
        yield Change("--keep-steps none", costs, {"keep_steps": "none"}, "disk")
    if request.carry_anchors:
        costs = "a retake replays from the beginning"
        yield Change("--carry-anchors 0", costs, {"carry_anchors": 0}, "disk")
    if request.carry_every != 0:
        costs = "a resume replays from the beginning"
        yield Change("--carry-every 0", costs, {"carry_every": 0}, "disk")


def find_remedies(
    request: "Request", now: "Estimate", unit: int, estimate: "Callable[[Request], Estimate]"
) -> tuple[Remedy, ...]:
    """The remedies that would make a film fit, the cheapest first; `estimate` estimates another request."""
    short, asked = now.short, (now.film.width, now.film.height)
    taken: list[Change] = []
    found: list[Remedy] = []
    for change in possible_changes(request):
        if change.relieves in short:
            taken.append(change)
            if _try_remedy(request, taken, None, estimate) is not None:
                found.append(_build_remedy(_drop_unneeded(request, taken, estimate), None))
                break
    sizes = list(smaller_sizes(asked, unit))
    for changes in ([], taken) if taken and not found else ([],):
        if (size := _largest_fitting_size(request, changes, sizes, estimate)) is not None:
            found.append(_build_remedy(changes, size))
            break
    return tuple(found)


def _drop_unneeded(
    request: "Request", taken: list[Change], estimate: "Callable[[Request], Estimate]"
) -> list[Change]:
    """The changes without those that turned out not to be needed."""
    for change in taken[:-1]:
        fewer = [each for each in taken if each is not change]
        if _try_remedy(request, fewer, None, estimate) is not None:
            taken = fewer
    return taken


def _largest_fitting_size(
    request: "Request",
    changes: list[Change],
    sizes: list[Size],
    estimate: "Callable[[Request], Estimate]",
) -> Size | None:
    """The largest of these sizes at which the film fits, by bisection, since a smaller film takes no more of anything; None where none does."""
    if not sizes or _try_remedy(request, changes, sizes[-1], estimate) is None:
        return None
    low, high = 0, len(sizes) - 1
    while low < high:
        middle = (low + high) // 2
        if _try_remedy(request, changes, sizes[middle], estimate) is None:
            low = middle + 1
        else:
            high = middle
    return sizes[low]


def _try_remedy(
    request: "Request",
    changes: list[Change],
    size: Size | None,
    estimate: "Callable[[Request], Estimate]",
) -> Remedy | None:
    remedy = _build_remedy(changes, size)
    return remedy if estimate(replace(request, **remedy.fields)).fits else None


def _build_remedy(changes: list[Change], size: Size | None) -> Remedy:
    fields: dict[str, Any] = {}
    for change in changes:
        fields |= change.fields
    flags, costs = [change.flag for change in changes], [change.costs for change in changes]
    if size is not None:
        fields |= {"width": size[0], "height": size[1]}
        flags.append(f"--size {size[0]}*{size[1]}")
        costs.append("a smaller picture")
    return Remedy(tuple(flags), ", ".join(dict.fromkeys(costs)), fields)
