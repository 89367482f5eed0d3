"""Films shared out to machines, some of which are lost: when all are there, and what the losses cost. Arithmetic alone."""

import heapq
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True)
class FilmWork:
    """What one film takes of one machine, in seconds."""

    load: float
    """Before its first clip, at each start."""
    clip: float
    clips: int
    end: float = 0.0
    """After its last clip."""
    carry_every: int = 1
    """Clips between two state checkpoints; 0: none, and who goes on denoises all clips again."""
    resumes: bool = True
    """False: a film that was cut short begins anew."""

    @property
    def seconds(self) -> float:
        """On a machine that is not lost."""
        return self.load + self.clips * self.clip + self.end

    def count_replayed(self, done: int) -> int:
        """Clips that are denoised again by who goes on after so many."""
        return done % self.carry_every if self.carry_every else done


@dataclass(frozen=True)
class Fleet:
    """Machines that films are shared out to, each one film at a time."""

    machines: int
    lost_a_day: float = 0.0
    """The share of them that is lost in a day."""
    noticed_after: float = 60.0
    """Seconds until the film of a lost machine is given to another."""
    replaced_after: float = 600.0
    """Seconds until another machine stands in for a lost one."""
    seed: int = 0

    def draw_lives(self) -> Iterator[float]:
        """For how many seconds each machine lives, one after the other: lost at any time alike."""
        drawn = random.Random(self.seed)  # noqa: S311 - a simulation
        rate = -math.log1p(-self.lost_a_day) / DAY
        while True:
            yield drawn.expovariate(rate) if rate else math.inf


@dataclass(frozen=True)
class Schedule:
    """How the films came to their ends."""

    ended: tuple[float, ...]
    """Seconds from the start until so many films are there: the first, the second …"""
    machine_seconds: float
    """That machines were at films."""
    losses: int
    """Machines that were lost while they were at a film."""
    wasted: float
    """Machine seconds that were spent beside what the films take without a loss."""

    @property
    def seconds(self) -> float:
        """Until the last film is there."""
        return self.ended[-1]


@dataclass
class _Film:
    work: FilmWork
    done: int = 0

    def seconds_left(self) -> float:
        left = self.work.clips - self.done + self.work.count_replayed(self.done)
        return self.work.load + left * self.work.clip + self.work.end

    def advance(self, worked: float) -> None:
        """Count the clips that were made in so many seconds before the machine was lost."""
        replayed = self.work.count_replayed(self.done)
        made = int((worked - self.work.load) // self.work.clip) - replayed
        self.done = min(self.work.clips, self.done + max(made, 0)) if self.work.resumes else 0


def find_bound(films: Sequence[FilmWork], machines: int) -> float:
    """Seconds below which no sharing out of these films can come, whatever is lost."""
    each = [film.seconds for film in films]
    return max(sum(each) / machines, *each)


def schedule_films(films: Sequence[FilmWork], fleet: Fleet) -> Schedule:
    """Give the films to the machines in their order, each to the first that is free; one whose machine is lost is next again."""
    lives, queue = fleet.draw_lives(), _Queue(films)
    # When it is free, and when it is lost.
    free = [(0.0, next(lives)) for _ in range(fleet.machines)]
    ended: list[float] = []
    busy, losses = 0.0, 0
    while len(ended) < len(films):
        at, lost_at = heapq.heappop(free)
        start, place, film = queue.take(at)
        end = start + film.seconds_left()
        if end <= lost_at:
            heapq.heappush(free, (end, lost_at))
            ended.append(end)
            busy += end - start
            continue
        back = lost_at + fleet.replaced_after
        heapq.heappush(free, (back, back + next(lives)))
        if lost_at > start:
            film.advance(lost_at - start)
            busy, losses = busy + lost_at - start, losses + 1
            start = lost_at + fleet.noticed_after
        queue.put(start, place, film)
    wasted = busy - sum(work.seconds for work in films)
    return Schedule(tuple(sorted(ended)), busy, losses, wasted)


class _Queue:
    """Films in their order, of which some may be begun only later."""

    def __init__(self, films: Sequence[FilmWork]) -> None:
        self._ready = [(place, _Film(work)) for place, work in enumerate(films)]
        self._later: list[tuple[float, int, _Film]] = []

    def put(self, when: float, place: int, film: _Film) -> None:
        """Have a film begun again, but not before."""
        heapq.heappush(self._later, (when, place, film))

    def take(self, at: float) -> tuple[float, int, _Film]:
        """The first film that may be begun at that time, or else the next that may be; when, its place, and the film."""
        while self._later and (self._later[0][0] <= at or not self._ready):
            when, place, film = heapq.heappop(self._later)
            at = max(at, when)
            heapq.heappush(self._ready, (place, film))
        return at, *heapq.heappop(self._ready)
