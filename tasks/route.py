"""How a denoiser comes to stand before a clip: from which state checkpoint (carry), over which clips again, with which seeds.

The KV cache cannot be rebuilt from latents, so a clip is reached from a carry by denoising those between again. Where some
clips were made again with another seed (storage/seed_history.py), what the film shows before a clip need not be what it was made
after. All who need a denoiser ask here: the film, repair, retake, a look and a numerics change. All but `restore_denoiser` is pure.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.errors import Damaged, NotMade
from storage.seed_history import cut_history
from tasks.clip_context import read_motion_before

if TYPE_CHECKING:
    from model.avatar import Denoiser
    from storage.run import Run
    from storage.seed_history import History
    from storage.spec import Spec

Seeds = Callable[[int], int]
"""The seed of each clip."""


@dataclass(frozen=True)
class Standing:
    """Where a denoiser stands: before `clip`, having denoised all clips before it with `seeds`."""

    clip: int
    seeds: "History"


@dataclass(frozen=True)
class Route:
    """The way of a denoiser to a clip, and beyond it along the film."""

    spec: "Spec"
    start: int
    """The clip before which it begins: at the carry there, or with an empty KV cache at 0."""
    clip: int
    goes_on: bool = False
    """It begins where the denoiser stands; no state is restored."""

    @property
    def replay(self) -> range:
        """The clips that are denoised again only to come to `clip`."""
        return range(self.start, self.clip)

    @property
    def clips(self) -> range:
        """All clips that are denoised, `clip` being the last."""
        return range(self.start, self.clip + 1)

    def seed_at(self, clip: int) -> int:
        """The seed of a clip on this route."""
        return self._seeds_until(clip + 1)[-1].seed

    def sound_at(self, clip: int) -> int:
        """Which sound a clip hears on this route (Spec.sound_of)."""
        return self._seeds_until(clip + 1)[-1].sound

    def shows(self, clip: int) -> bool:
        """True if the film shows the clip that is made on this route, and not one of another seed or another past."""
        return self._seeds_until(clip + 1) == self.spec.seed_history(clip)

    def stand_before(self, clip: int) -> Standing:
        """Where the denoiser stands once it has denoised all clips of the route before this one."""
        return Standing(clip, self._seeds_until(clip))

    def _seeds_until(self, clip: int) -> "History":
        return cut_history(self.spec.seed_history(max(clip - 1, self.clip)), clip)


def find_route(
    spec: "Spec", clip: int, carries: Iterable[int], standing: Standing | None = None
) -> Route:
    """The shortest route to a clip: on from where a denoiser stands, or from the newest of the carries that lead there, or from clip 0.

    `carries`: the clips that the film's complete carries stand before. Of a model whose clips take nothing but motion latents,
    each clip is a start.
    """
    if spec.motion_latents:
        return Route(spec, clip, clip, standing is not None and standing.clip == clip)
    start = max(
        (at for at in carries if leads_to(spec, Standing(at, spec.history_before(at)), clip)),
        default=0,
    )
    if standing is not None and start <= standing.clip and leads_to(spec, standing, clip):
        return Route(spec, standing.clip, clip, goes_on=True)
    return Route(spec, start, clip)


def describe_start(route: Route, planned: Route) -> str:
    """Why a route starts where it does; `planned`: as it was found, before `restore_denoiser` met damage."""
    if route.start < planned.start:
        return f"the state checkpoint before clip {planned.start} is damaged"
    newest = "the newest state checkpoint that leads there"
    return newest if route.start else "no state checkpoint leads there"


def leads_to(spec: "Spec", standing: Standing, clip: int) -> bool:
    """True if what was denoised before `standing` is also what the clip comes of."""
    return (
        standing.clip <= clip
        and cut_history(spec.seed_history(clip), standing.clip) == standing.seeds
    )


def shared_carries(old: "Spec", new: "Spec", carries: Iterable[int]) -> list[int]:
    """Those of the old film's carries that stand before the same clip of the new film, after the same clips."""
    return [
        at for at in carries if at < new.clips and old.history_before(at) == new.history_before(at)
    ]


def clips_replayed(spec: "Spec", wanted: Iterable[int], carries: Iterable[int]) -> Iterator[range]:
    """The clips that a denoiser passes on its way to each of those that are wanted, which are in order."""
    standing, carries = None, list(carries)
    for clip in wanted:
        route = find_route(spec, clip, carries, standing)
        if route.replay:
            yield route.replay
        standing = route.stand_before(clip + 1)


def restore_denoiser(
    run: "Run",
    route: Route,
    fresh: "Callable[[Seeds], Denoiser]",
    damaged: Callable[[int], None] = lambda _: None,
) -> "tuple[Denoiser, Route]":
    """A denoiser that stands at the start of the route, and that route; both begin earlier where the carry there is damaged.

    `damaged` is told of each such carry. Raises NotMade and Damaged of motion latents, which nothing can take the place of.
    """
    if run.spec.motion_latents:
        denoiser = fresh(route.seed_at)
        denoiser.restore(
            route.start, [("motion", read_motion_before(run, route.start))] if route.start else []
        )
        return denoiser, route
    passed: set[int] = set()
    while route.start:
        denoiser = fresh(route.seed_at)
        try:
            denoiser.restore(route.start, run.carry.load(route.start))
        except (Damaged, NotMade):
            damaged(route.start)
            passed.add(route.start)
            route = find_route(run.spec, route.clip, run.carry.complete - passed)
        else:
            return denoiser, route
    return fresh(route.seed_at), route
