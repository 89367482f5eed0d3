"""Two machines that both want one film, and what may happen to either at any instant: killed, paused, cut off. Whoever ends it ends it with the same bytes.

python -m pytest -m slow tests/faults/test_store_random.py     TRIALS=200 of them
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from films import Film, Started, Tally, Tree
from studio import NUMBERS, SLOW, TTL, Studio
from wavefile import write_wave

from storage.errors import LeaseLost, StoreUnreachable
from tests.relay import Relay, relaying
from tests.s3_server import BUCKET, S3Server

TRIALS = int(os.environ.get("TRIALS", "200"))
NAMES = ("a", "b")
SAID = {0, LeaseLost.exit_code, StoreUnreachable.exit_code, -signal.SIGKILL}
"""How a machine may end: done, refused or robbed, cut off, killed."""
FAULTS = 3
MOST_STARTS = 30


class Machine:
    """One of the two, begun again whenever it has ended."""

    def __init__(self, studio: Studio, name: str, relay: Relay) -> None:
        self._studio, self._name, self._relay = studio, name, relay
        self.ends: list[int] = []
        self.started = self._start()

    def _start(self) -> Started:
        wire = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._relay.port}"}
        return self._studio.start(self._name, **SLOW, **wire)

    def follow(self) -> bool:
        """True once the film is done; begins again what has ended otherwise."""
        status = self.started.process.poll()
        if status is None:
            return False
        self.ends.append(status)
        assert status in SAID, self.started.end()
        assert len(self.ends) < MOST_STARTS, self.ends
        if status:
            self.started = self._start()
        return status == 0

    def suffer(self, chance: random.Random) -> str:
        """Let something happen to it, shorter or longer than a lease lives."""
        fault, seconds = chance.choice(("kill", "pause", "cut")), chance.random() * 2.5 * TTL
        process = self.started.process
        if fault == "kill":
            process.kill()
        elif fault == "pause":
            process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            process.send_signal(signal.SIGCONT)
        else:
            self._relay.cut()
            time.sleep(seconds)
            self._relay.heal()
        return fault

    def end(self) -> None:
        """Wait for what is still at work; it finds the film done, or is refused."""
        status, said = self.started.end()
        assert status in SAID, said


@contextmanager
def two_machines(studio: Studio, port: int) -> Iterator[list[Machine]]:
    """Both begun; none is left."""
    with ExitStack() as stack:
        relays = [stack.enter_context(relaying(port)) for _ in NAMES]
        machines = [Machine(studio, name, relay) for name, relay in zip(NAMES, relays, strict=True)]
        try:
            yield machines
        finally:
            for machine in machines:
                machine.started.process.kill()
                machine.started.process.wait()


def try_once(studio: Studio, port: int, expected: Tree, seed: int) -> tuple[Counter[str], int]:
    """One film by two machines; the faults that hit, and files that differ."""
    chance, faults = random.Random(seed), Counter[str]()
    with two_machines(studio, port) as machines:
        due = time.monotonic() + chance.random() * 3
        while not any(machine.follow() for machine in machines):
            if time.monotonic() > due and faults.total() < FAULTS:
                faults[chance.choice(machines).suffer(chance)] += 1
                due = time.monotonic() + chance.random() * 2
            time.sleep(0.02)
        for machine in machines:
            machine.end()
    return faults, len(studio.judge(expected))


def try_often(studio: Studio, server: S3Server, expected: Tree, trials: int, tally: Tally) -> None:
    """So many films, two at a time."""
    seed = random.randrange(1 << 30)

    def work(number: int) -> tuple[Counter[str], int]:
        place = studio.place / f"{number:03d}"
        place.mkdir()
        url = f"s3://{BUCKET}/random{next(NUMBERS)}/film"
        faults, found = try_once(
            replace(studio, place=place, url=url), server.port, expected, seed + number
        )
        assert found == 0, seed + number
        return faults, found

    with ThreadPoolExecutor(2) as two:
        ends = list(two.map(work, range(trials)))
    faults = sum((hit for hit, _ in ends), Counter[str]())
    tally(trials=trials, differing=sum(found for _, found in ends), by_hand=0, **faults)
    assert faults.total() >= trials


@pytest.fixture(scope="module")
def short(film: Film) -> Film:
    """Four seconds: nine clips, the last one cut."""
    audio = film.audio.with_name("short.wav")
    write_wave(audio, 4.0)
    return replace(film, audio=audio)


@pytest.fixture(scope="module")
def expected(short: Film, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The files of the film that nothing happens to."""
    return short.make(tmp_path_factory.mktemp("short"))


@pytest.fixture
def studio(short: Film, server: S3Server, tmp_path: Path) -> Studio:
    """Nothing is made yet."""
    return Studio(short, server.environment, tmp_path, "")


def test_two_films_by_two_machines(
    studio: Studio, server: S3Server, expected: Tree, tally: Tally
) -> None:
    """Whatever happens to either."""
    try_often(studio, server, expected, 2, tally)


@pytest.mark.slow
@pytest.mark.timeout(6000)
def test_many_films_by_two_machines(
    studio: Studio, server: S3Server, expected: Tree, tally: Tally
) -> None:
    """The same, again and again."""
    try_often(studio, server, expected, TRIALS, tally)
