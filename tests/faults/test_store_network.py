"""Two machines on a network of their own, with nothing in common but an object store, that both want one film; either may at any instant be killed, paused or cut off. Whoever ends it ends it with the same bytes, and there is one film.

python -m pytest -m slow tests/faults/test_store_network.py     TRIALS=200 of them, as root
"""

import hashlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from films import Film, Started, Tally, Tree, records_of, running
from luigid import serving
from studio import NUMBERS, SLOW, TTL, Studio
from wavefile import write_wave

from storage.errors import LeaseLost, StoreUnreachable
from storage.remote.address import open_store
from storage.remote.lease import NAME as LEASE
from storage.remote.lease import LeaseState
from storage.remote.store_follower import FILM
from storage.remote.store_view import StoreView
from tests.network import WAYS, Network, networked
from tests.s3_server import BUCKET, S3Server
from tests.waiting import wait_until

TRIALS = int(os.environ.get("TRIALS", "200"))
BOTH = {"a": "new", "b": "new"}
"""Two machines that want the film."""
SHARED = {"a": "new", "b": "decode", "c": "decode"}
"""One that makes it, and two that decode for it."""
SAID = {0, LeaseLost.exit_code, StoreUnreachable.exit_code, -signal.SIGKILL}
"""How a machine may end: done, refused or robbed, cut off, killed."""
LUIGI_SAID = {0, 10}
"""How a worker of Luigi may end: done, done though another was at it meanwhile."""
KILLED, PAUSED = "killed", "paused"
FAULTS = 3
MOST_STARTS = 30


class Contender:
    """A machine that is begun again whenever it has ended."""

    def __init__(self, studio: Studio, name: str, verb: str) -> None:
        assert studio.network is not None
        self._studio, self._name, self._verb = studio, name, verb
        self._machine = studio.network.machine(studio.place / name)
        self._until = 0.0
        self.ends: list[int] = []
        self.started = self._start()

    def _start(self) -> Started:
        return self._studio.start(self._name, self._verb, **SLOW)

    def follow(self) -> bool:
        """True once the film is done; begins again what has ended otherwise, and lets pass what has lasted long enough."""
        if self._until and time.monotonic() > self._until:
            self.recover()
        status = self.started.process.poll()
        if status is None or (status == 0 and self._verb == "decode"):
            return False
        self.ends.append(status)
        assert status in SAID, self.started.end()
        assert len(self.ends) < MOST_STARTS, self.ends
        if status:
            self.started = self._start()
        return status == 0

    def suffer(self, chance: random.Random) -> str:
        """Let something happen to it, which lasts shorter or longer than a lease lives."""
        fault = chance.choice((KILLED, PAUSED, *WAYS))
        if fault == KILLED:
            self.started.kill()
        elif fault == PAUSED:
            self.started.process.send_signal(signal.SIGSTOP)
        else:
            self._machine.cut(fault)
        self._until = time.monotonic() + chance.random() * 2.5 * TTL
        return fault

    def recover(self) -> None:
        """Let it be over."""
        self._until = 0.0
        self._machine.heal()
        self.started.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Wait for what is still at work; it finds the film done, or is refused."""
        self.recover()
        status, said = self.started.end()
        assert status in SAID, said


@contextmanager
def contending(studio: Studio, cast: Mapping[str, str]) -> Iterator[list[Contender]]:
    """All begun; none is left."""
    begun: list[Contender] = []
    try:
        begun += [Contender(studio, name, verb) for name, verb in cast.items()]
        yield begun
    finally:
        for each in begun:
            each.started.process.kill()
            each.started.process.wait()


def try_once(
    studio: Studio, cast: Mapping[str, str], expected: Tree, seed: int
) -> tuple[Counter[str], int]:
    """One film by some machines; the faults that hit, and files that differ."""
    chance, faults = random.Random(seed), Counter[str]()
    with contending(studio, cast) as machines:
        due, done = time.monotonic() + chance.random() * 3, False
        while not done:
            for each in machines:
                done |= each.follow()
            if time.monotonic() > due and faults.total() < FAULTS:
                faults[chance.choice(machines).suffer(chance)] += 1
                due = time.monotonic() + chance.random() * 2
            time.sleep(0.02)
        for each in machines:
            each.end()
    return faults, len(studio.judge(expected)) + count_other_films(studio, expected)


def count_other_films(studio: Studio, expected: Tree) -> int:
    """Films of the run, on the store and on any machine, that are another than the one; a second one on the store counts, too."""
    store = open_store(studio.url)
    there = [name for name in store.list_names("data") if name.endswith("/video")]
    found = store.get(FILM)
    assert found is not None
    films = [found.content, *(path.read_bytes() for path in studio.place.glob(f"*/*/film/{FILM}"))]
    other = [each for each in films if hashlib.sha256(each).hexdigest() != expected[FILM]]
    return len(other) + len(there) - 1


def try_often(
    studio: Studio,
    expected: Tree,
    trials: int,
    tally: Tally,
    cast: Mapping[str, str] = MappingProxyType(BOTH),
) -> None:
    """So many films, two at a time."""
    seed = random.randrange(1 << 30)

    def work(number: int) -> tuple[Counter[str], int]:
        place = studio.place / f"{number:03d}"
        place.mkdir()
        url = f"s3://{BUCKET}/random{next(NUMBERS)}/film"
        trial = replace(studio, place=place, url=url)
        faults, found = try_once(trial, cast, expected, seed + number)
        assert studio.network is not None
        studio.network.remove(place)
        assert found == 0, seed + number
        return faults, found

    with ThreadPoolExecutor(2) as two:
        ends = list(two.map(work, range(trials)))
    faults = sum((hit for hit, _ in ends), Counter[str]())
    tally(trials=trials, differing=sum(found for _, found in ends), by_hand=0, **faults)
    assert faults.total() >= trials


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Network, S3Server]]:
    """The wire, and the store on it."""
    pytest.importorskip("moto")
    try:
        with networked(tmp_path_factory.mktemp("disks")) as made:
            yield made
    except OSError as error:
        pytest.skip(f"network namespaces cannot be made here: {error}")


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
def studio(
    short: Film, network: tuple[Network, S3Server], monkeypatch: pytest.MonkeyPatch
) -> Studio:
    """Nothing is made yet; this process comes to the store, too."""
    wires, server = network
    for variable, value in server.environment.items():
        monkeypatch.setenv(variable, value)
    number = next(NUMBERS)
    place = wires.disks / f"studio{number}"
    place.mkdir()
    url = f"s3://{BUCKET}/wired{number}/film"
    return Studio(short, server.environment, place, url, wires)


@pytest.fixture
def long(studio: Studio, film: Film) -> Studio:
    """The same with the film of 21 clips."""
    return replace(studio, film=film)


def wait_for_clips(started: Started, studio: Studio, name: str, more: int) -> None:
    """Until a machine has published so many more records."""
    enough = records_of(studio.root(name)) + more
    wait_until(lambda: records_of(studio.root(name)) >= enough, of=started.process)


@pytest.mark.parametrize("way", WAYS)
def test_a_machine_that_is_cut_off_loses_the_run(way: str, long: Studio, unbroken: Tree) -> None:
    """Another one goes on after a time to live; when the wire is whole again, the first one stops with code 75."""
    assert long.network is not None
    store, first_machine = open_store(long.url), long.network.machine(long.place / "a")
    with running(long.start("a", **SLOW)) as first:
        wait_for_clips(first, long, "a", 20)
        first_machine.cut(way)
        with running(long.start("b", **SLOW)) as second:
            before = StoreView(store).epoch
            wait_until(lambda: StoreView(store).epoch > before, of=second.process)
            wait_for_clips(second, long, "b", 10)
            first_machine.heal()
            status, said = first.end()
            assert second.end()[0] == 0
    assert status == LeaseLost.exit_code, said
    assert long.judge(unbroken) == []


@pytest.mark.slow
def test_a_short_cut_costs_nothing(long: Studio, unbroken: Tree) -> None:
    """Requests wait, and the film goes on: also where the lease has run out meanwhile, and nobody wanted it."""
    assert long.network is not None
    machine = long.network.machine(long.place / "a")
    with running(long.start("a", **SLOW)) as started:
        for way, seconds in zip(WAYS, (0.3, 2.5 * TTL), strict=True):
            wait_for_clips(started, long, "a", 15)
            machine.cut(way)
            time.sleep(seconds)
            machine.heal()
        status, said = started.end()
    assert status == 0, said
    assert long.judge(unbroken) == []


@pytest.mark.slow
def test_two_films_by_two_machines(studio: Studio, expected: Tree, tally: Tally) -> None:
    """Whatever happens to either."""
    try_often(studio, expected, 2, tally)


@pytest.mark.slow
def test_luigid_gives_the_film_to_another_worker(
    long: Studio, network: tuple[Network, S3Server], tmp_path: Path
) -> None:
    """Two workers ask a luigid for one film, and a third machine decodes for whichever has it: that one is killed in the middle, the other goes on, the decoder stays."""
    wires, _ = network
    expected = denoise_first(long.film).make(tmp_path / "alone")
    table = write_table(long.film, long.url, tmp_path / "films.csv")
    settings = {"worker_disconnect_delay": 6, "retry_delay": 2, "prune_on_get_work": True}
    with (
        serving(tmp_path, host=wires.address, lead=wires.switch.lead, **settings) as port,
        ExitStack() as hands,
    ):
        words = ["luigi", "Batch", "--table", str(table), "--worker-keep-alive", "--no-lock"]
        words += ["--worker-ping-interval", "1", "--scheduler-host", wires.address]
        words += ["--scheduler-port", str(port)]
        decoder = hands.enter_context(running(long.start("c", "decode", **SLOW)))
        workers = {
            name: hands.enter_context(running(long.start_door(name, words, FAKE_DENOISE="0.3")))
            for name in BOTH
        }
        store = open_store(long.url)
        wait_until(lambda: sum("segment" in name for name in store.list_names("offers")) > 1)
        workers.pop(find_maker(long.url)).kill()
        (other,) = workers.values()
        status, said = other.end()
        assert status in LUIGI_SAID, said
        status, said = decoder.end()
        assert status == 0, said
    assert long.judge(expected) == []
    assert count_other_films(long, expected) == 0


def denoise_first(film: Film) -> Film:
    """The film, denoised whole before it is decoded."""
    return replace(film, flags=(*film.flags, "--offline", "--keep-frames", "none"))


def find_maker(url: str) -> str:
    """The machine that has the lease of a run."""
    found = open_store(url).get(LEASE)
    holder = LeaseState.from_bytes(found.content, url).holder if found else None
    assert holder is not None
    return str(holder["host"]).removeprefix("machine-")


def write_table(film: Film, url: str, path: Path) -> Path:
    """A table for Luigi's `Batch` with one film in it, which is denoised first and whose run is at a URL."""
    flags = dict(zip(film.flags[::2], film.flags[1::2], strict=True))
    columns = {name.removeprefix("--").replace("-", "_"): value for name, value in flags.items()}
    columns |= {"offline": "yes", "keep_frames": "none", "run": url}
    columns |= {"image": str(film.image), "audio": str(film.audio)}
    path.write_text(f"{','.join(columns)}\n{','.join(columns.values())}\n", encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_films_of_the_shipped_model(
    studio: Studio, shipped: Film, tmp_path: Path, tally: Tally
) -> None:
    """A tenth as many, with its real bytes."""
    expected = shipped.make(tmp_path / "folder")
    try_often(replace(studio, film=shipped), expected, TRIALS // 10, tally)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_films_that_others_decode(
    studio: Studio, short: Film, tmp_path: Path, tally: Tally
) -> None:
    """A tenth as many, by one machine and two that decode for it, whatever happens to any of the three."""
    film = denoise_first(short)
    expected = film.make(tmp_path / "folder")
    try_often(replace(studio, film=film), expected, TRIALS // 10, tally, SHARED)


@pytest.mark.slow
@pytest.mark.timeout(6000)
def test_many_films_by_two_machines(studio: Studio, expected: Tree, tally: Tally) -> None:
    """The same, again and again."""
    try_often(studio, expected, TRIALS, tally)
