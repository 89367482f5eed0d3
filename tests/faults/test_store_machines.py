"""Machines that share nothing but an object store: killed, paused for longer than a lease lives, woken again. The same bytes, and nothing of a zombie's.

A machine is a cache folder and a name of its own; the store is a real S3 server on loopback.
"""

import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from films import Film, Started, Tally, Tree, records_of, running, tree
from studio import LOCAL, NUMBERS, SLOW, Studio

from storage.errors import LeaseLost, Terminated
from storage.remote.address import open_store
from storage.remote.store_view import StoreView
from tests.s3_server import BUCKET, S3Server
from tests.waiting import wait_until


@pytest.fixture
def studio(film: Film, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """A film of 21 clips; this process comes to its store, too."""
    for variable, value in server.environment.items():
        monkeypatch.setenv(variable, value)
    return Studio(film, server.environment, tmp_path, f"s3://{BUCKET}/run{next(NUMBERS)}/film")


def wait_for_records(started: Started, studio: Studio, name: str, more: int) -> None:
    """Until a machine has published so many more."""
    enough = records_of(studio.root(name)) + more
    while started.process.poll() is None and records_of(studio.root(name)) < enough:
        time.sleep(0.002)


def suffer(studio: Studio, kills: int, seed: int) -> int:
    """Make the film by three machines in turn, each killed at a random instant, and at last left alone; how many kills hit. The clock of one jumps by five minutes."""
    chance = random.Random(seed)
    for hits in range(kills + 1):
        name = chance.choice("abc")
        verb = chance.choice(("new", "new", "luigi"))
        clock = {"FAULT_CLOCK": "300"} if name == "c" else {}
        with running(studio.start(name, verb, **SLOW, **clock)) as started:
            if hits < kills:
                if chance.random() < 0.3:
                    time.sleep(chance.random() * 2)
                else:
                    wait_for_records(started, studio, name, chance.randrange(1, 20))
                    time.sleep(chance.random() * 0.03)
                started.kill()
            status, said = started.end()
        if status == 0:
            return hits
        assert status == -signal.SIGKILL, (seed, said)
    raise AssertionError("it was never done")


def test_a_film_on_a_store_is_that_of_a_folder(
    studio: Studio, server: S3Server, unbroken: Tree
) -> None:
    """Bytes of every file; and at most 40 requests a clip."""
    before = sum(server.count_requests().values())
    status, said = studio.start("a").end()
    assert status == 0, said
    asked = sum(server.count_requests().values()) - before
    assert asked / 21 <= 40
    assert studio.judge(unbroken) == []


@pytest.mark.slow
def test_a_film_of_the_shipped_model(studio: Studio, shipped: Film, tmp_path: Path) -> None:
    """Begun on one machine and ended on another it is that of a folder."""
    expected = shipped.make(tmp_path / "folder")
    trial = replace(studio, film=shipped)
    with running(trial.start("a")) as started:
        wait_for_records(started, trial, "a", 30)
        started.kill()
        assert started.end()[0] == -signal.SIGKILL
    status, said = trial.start("b").end()
    assert status == 0, said
    assert trial.judge(expected) == []


def test_killed_on_one_machine_it_goes_on_on_another(
    studio: Studio, unbroken: Tree, tally: Tally
) -> None:
    """Twice, and the same bytes."""
    seed = random.randrange(1 << 30)
    kills = suffer(studio, 2, seed)
    tally(kills=kills)
    assert studio.judge(unbroken) == [], seed


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("number", range(5))
def test_killed_often_on_three_machines(
    number: int, studio: Studio, unbroken: Tree, tally: Tally
) -> None:
    """Five films, up to eight kills each."""
    seed = random.randrange(1 << 30) + number
    kills = suffer(studio, 8, seed)
    found = studio.judge(unbroken)
    tally(kills=kills, differing=len(found), by_hand=0)
    assert found == [], seed


def test_a_machine_that_is_told_to_stop_gives_the_run_back(studio: Studio, unbroken: Tree) -> None:
    """As by a spot machine's notice: the next one need not wait, and nothing is made twice."""
    with running(studio.start("a", **SLOW)) as first:
        wait_for_records(first, studio, "a", 25)
        first.process.terminate()
        status, said = first.end()
    assert status == Terminated.exit_code, said
    assert f"longtake resume {studio.url}" in said
    here = {name for name in tree(studio.root("a")) if not name.startswith(LOCAL)}
    status, said = studio.start("b", "resume", LONGTAKE_LEASE_TTL="30").end()
    assert status == 0, said
    assert "it is seen whether it lives" not in said
    assert "0.00 kB brought here" not in said
    assert here <= tree(studio.root("b")).keys()
    assert studio.judge(unbroken) == []


def pause_and_steal(studio: Studio, chance: random.Random, **zombie: str) -> tuple[int, str]:
    """Stop a machine until another has its lease, and wake it in the middle of the other's work; the other makes the film. How the first one ended."""
    store = open_store(studio.url)
    with running(studio.start("a", **SLOW, **zombie)) as first:
        wait_for_records(first, studio, "a", chance.randrange(5, 40))
        time.sleep(chance.random() * 0.1)
        os.kill(first.process.pid, signal.SIGSTOP)
        assert first.process.poll() is None
        with running(studio.start("b", **SLOW)) as second:
            before = StoreView(store).epoch
            wait_until(lambda: StoreView(store).epoch > before, of=second.process)
            wait_for_records(second, studio, "b", chance.randrange(1, 30))
            os.kill(first.process.pid, signal.SIGCONT)
            ended = first.end()
            status, said = second.end()
    assert status == 0, said
    return ended


@pytest.mark.slow
def test_a_machine_that_was_paused_stops_when_it_wakes(studio: Studio, unbroken: Tree) -> None:
    """Code 75 and one line; the film is right."""
    seed = random.randrange(1 << 30)
    status, said = pause_and_steal(studio, random.Random(seed))
    assert status == LeaseLost.exit_code, (seed, said)
    assert "The lease of s3://" in said
    assert studio.judge(unbroken) == [], seed


@pytest.mark.slow
def test_a_zombie_that_computes_otherwise_is_nobodys(studio: Studio, unbroken: Tree) -> None:
    """It makes no clip before it is paused, and other bytes when it wakes: none of them is in the film."""
    store = open_store(studio.url)
    hold = studio.place / "hold"
    hold.mkdir()
    (hold / "denoise.0").touch()
    zombie = {"FAKE_HOLD": str(hold), "FAULT_LATENTS": "0.25"}
    with running(studio.start("a", **SLOW, **zombie)) as first:
        wait_until((hold / "denoise.0.reached").exists, of=first.process)
        os.kill(first.process.pid, signal.SIGSTOP)
        with running(studio.start("b", **SLOW)) as second:
            wait_until(lambda: StoreView(store).epoch > 1, of=second.process)
            wait_for_records(second, studio, "b", 10)
            (hold / "denoise.0").unlink()
            os.kill(first.process.pid, signal.SIGCONT)
            status, said = first.end()
            assert second.end()[0] == 0
    assert status == LeaseLost.exit_code, said
    assert studio.judge(unbroken) == []


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_fifty_zombies(studio: Studio, unbroken: Tree, tally: Tally) -> None:
    """Each paused at a random instant and woken at another; none of what they write is taken."""
    seed, differing, unsaid = random.randrange(1 << 30), 0, 0
    for number in range(50):
        place = studio.place / f"{number:03d}"
        place.mkdir()
        url = f"s3://{BUCKET}/zombie{next(NUMBERS)}/film"
        trial = replace(studio, place=place, url=url)
        status, said = pause_and_steal(trial, random.Random(seed + number))
        # One that was at its last record had nothing more to write.
        unsaid += status not in {LeaseLost.exit_code, 0}
        found = trial.judge(unbroken)
        if found or status not in {LeaseLost.exit_code, 0}:
            print(f"seed {seed + number}: {status} {found} {said[-2000:]}")
        differing += len(found)
    tally(zombies=50, differing=differing, unsaid=unsaid)
    assert (differing, unsaid) == (0, 0)
