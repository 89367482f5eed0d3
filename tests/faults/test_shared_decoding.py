"""Machines that share the decoding of a film: one denoises it all and has the lease, others decode. Killed, asleep, gone: the same bytes, and nobody is waited for without end."""

import os
import random
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from films import Film, Started, Tally, Tree, running
from studio import LOCAL, NUMBERS, SLOW, Studio

from storage.errors import Interrupted
from storage.remote.address import open_store
from tests.s3_server import BUCKET, S3Server
from tests.waiting import holds, wait_until


@pytest.fixture(scope="module")
def first_denoised(film: Film) -> Film:
    """The film, denoised whole before it is decoded."""
    return replace(film, flags=(*film.flags, "--offline", "--keep-frames", "none"))


@pytest.fixture(scope="module")
def expected(first_denoised: Film, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """That of one machine and a folder."""
    return first_denoised.make(tmp_path_factory.mktemp("one"))


@pytest.fixture
def studio(
    first_denoised: Film, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Studio:
    """The film at a URL; this process comes to its store, too."""
    for variable, value in server.environment.items():
        monkeypatch.setenv(variable, value)
    url = f"s3://{BUCKET}/shared{next(NUMBERS)}/film"
    return Studio(first_denoised, server.environment, tmp_path, url)


def begin(
    studio: Studio, hands: ExitStack, *helpers: str, verb: str = "new", **more: str
) -> list[Started]:
    """Let a machine begin the film, and others decode for it, all at once."""
    started = [hands.enter_context(running(studio.start("a", verb, **more)))]
    started += [hands.enter_context(running(studio.start(n, "decode", **SLOW))) for n in helpers]
    return started


def decoded_by(said: str) -> int:
    """How many clips a machine says that it has decoded; none where it came to a whole film."""
    counts = [line for line in said.splitlines() if "decoded for the machine" in line]
    assert counts or "Nothing is left to decode" in said, said
    return int(counts[0].split()[0]) if counts else 0


def taken_by(studio: Studio, name: str) -> int:
    """How many clips a machine has taken as others had decoded them."""
    lines = (studio.root(name) / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return sum('"segment_taken"' in line for line in lines)


def offers_of(studio: Studio, kind: str) -> list[str]:
    """What is offered, or claimed, on the store."""
    return [name for name in open_store(studio.url).list_names("offers") if kind in name]


def differences(studio: Studio, expected: Tree) -> list[str]:
    """What a new machine brings that is otherwise than that of one machine."""
    return studio.judge({n: d for n, d in expected.items() if not n.startswith(LOCAL)})


@pytest.mark.parametrize("verb", ["new", "luigi"])
def test_others_decode_and_the_bytes_are_those_of_one_machine(
    verb: str, studio: Studio, expected: Tree
) -> None:
    """Two of them decode some clips, and leave nothing on the store."""
    with ExitStack() as hands:
        maker, *helpers = begin(
            studio, hands, "b", "c", verb=verb, FAKE_DENOISE="0.3", FAKE_DECODE="0.3"
        )
        status, said = maker.end()
        assert status == 0, said
        ended = [each.end() for each in helpers]
    assert [status for status, _ in ended] == [0, 0], ended
    assert sum(decoded_by(said) for _, said in ended) >= 8
    assert offers_of(studio, "") == []
    assert differences(studio, expected) == []


@pytest.mark.slow
def test_a_machine_that_dies_while_it_decodes_is_not_waited_for(
    studio: Studio, expected: Tree
) -> None:
    """`kill -9` after its first offer: what it had claimed is decoded by the one that makes the film."""
    with ExitStack() as hands:
        maker, helper = begin(studio, hands, "b", FAKE_DENOISE="0.1")
        wait_until(lambda: offers_of(studio, "segment"), of=maker.process)
        helper.kill()
        status, said = maker.end()
    assert status == 0, said
    assert helper.end()[0] == -signal.SIGKILL
    assert offers_of(studio, "") == []
    assert differences(studio, expected) == []


@pytest.mark.slow
def test_a_machine_that_sleeps_meanwhile_changes_nothing(studio: Studio, expected: Tree) -> None:
    """It wakes when its clips are decoded elsewhere and the film is there, and ends well."""
    with ExitStack() as hands:
        maker, helper = begin(studio, hands, "b", FAKE_DENOISE="0.1")
        wait_until(lambda: offers_of(studio, "block"), of=maker.process)
        os.kill(helper.process.pid, signal.SIGSTOP)
        status, said = maker.end()
        assert status == 0, said
        os.kill(helper.process.pid, signal.SIGCONT)
        assert helper.end()[0] == 0
    assert differences(studio, expected) == []


@pytest.mark.slow
def test_a_machine_that_sleeps_costs_one_clip(studio: Studio, expected: Tree, tally: Tally) -> None:
    """It is stopped in the middle of a block until the one that makes the film has taken that, and woken: one clip at most is done twice."""
    with ExitStack() as hands:
        (maker,) = begin(studio, hands, FAKE_DENOISE="0.1", FAKE_DECODE="0.5")
        helper = hands.enter_context(running(studio.start("b", "decode", FAKE_DECODE="0.5")))
        wait_until(lambda: offers_of(studio, "segment"), of=maker.process)
        helper.process.send_signal(signal.SIGSTOP)
        events = studio.root("a") / "events.jsonl"
        wait_until(lambda: holds(events, '"decoder_gone"'), of=maker.process)
        helper.process.send_signal(signal.SIGCONT)
        status, said = maker.end()
        assert status == 0, said
        status, said = helper.end()
        assert status == 0, said
    redone = decoded_by(said) - taken_by(studio, "a")
    tally(redone=redone)
    assert redone in {0, 1}
    assert differences(studio, expected) == []


@pytest.mark.slow
def test_who_comes_first_waits(studio: Studio, expected: Tree) -> None:
    """For the run to be begun, and says so once; until Ctrl-C, which ends it with a line."""
    with ExitStack() as hands:
        early, left = (hands.enter_context(running(studio.start(n, "decode"))) for n in "bc")
        for each in (early, left):
            wait_until(lambda e=each: holds(e.said, "nobody has begun"), of=each.process)  # type: ignore[misc]
        left.process.send_signal(signal.SIGINT)
        status, said = left.end()
        assert status == Interrupted.exit_code, said
        maker, *_ = begin(studio, hands, FAKE_DENOISE="0.3", FAKE_DECODE="0.3")
        assert maker.end()[0] == 0
        status, said = early.end()
    assert status == 0, said
    assert said.count("nobody has begun") == 1
    assert decoded_by(said) > 0
    assert differences(studio, expected) == []


@pytest.mark.slow
def test_the_film_goes_on_when_its_maker_is_lost(studio: Studio, expected: Tree) -> None:
    """`kill -9` of the one with the lease: another takes it up, and those who decode stay."""
    with ExitStack() as hands:
        maker, helper = begin(studio, hands, "b", FAKE_DENOISE="0.1")
        wait_until(lambda: offers_of(studio, "segment"), of=helper.process)
        maker.kill()
        assert maker.end()[0] == -signal.SIGKILL
        second = hands.enter_context(running(studio.start("c", **SLOW)))
        status, said = second.end()
        assert status == 0, said
        assert helper.end()[0] == 0
    assert differences(studio, expected) == []


@pytest.mark.slow
def test_an_offer_that_is_not_whole_is_decoded_again(studio: Studio, expected: Tree) -> None:
    """A bit of each is turned while the one who would take them is gone."""
    store = open_store(studio.url)
    with ExitStack() as hands:
        maker, helper = begin(studio, hands, "b", FAKE_DENOISE="0.1")
        wait_until(lambda: len(offers_of(studio, "segment")) > 2, of=helper.process)
        maker.kill()
        helper.kill()
        maker.end()
    for name in offers_of(studio, "segment"):
        found = store.get(name)
        assert found is not None
        store.put(name, found.content[:-1] + bytes([found.content[-1] ^ 1]))
    status, said = studio.start("c").end()
    assert status == 0, said
    assert differences(studio, expected) == []


def test_what_cannot_be_shared_is_refused(studio: Studio, tmp_path: Path) -> None:
    """A run on this machine alone, a bucket that is none, a machine that computes otherwise: one line each, and nothing is claimed."""
    nowhere = replace(studio, url="s3://no-such-bucket/x/film")
    status, said = nowhere.start("b", "decode").end()
    assert (status, "no-such-bucket" in said, "Traceback" in said) == (2, True, False), said
    folder = replace(studio, url=str(tmp_path / "film"))
    status, said = folder.start("b", "decode").end()
    assert (status, "only of a run at a URL" in said) == (2, True), said
    with ExitStack() as hands:
        maker, *_ = begin(studio, hands, FAKE_DENOISE="0.2")
        status, said = studio.start("b", "decode", FAKE_NUMERICS="other").end()
        assert status != 0
        assert "other numerics" in said
        assert offers_of(studio, "block") == []
        maker.kill()


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_two_that_decode_beside_one_that_denoises(
    studio: Studio, server: S3Server, expected: Tree, tally: Tally
) -> None:
    """Where decoding is half of the work of a card that does one thing at a time: how much sooner the film is there, and requests a clip. The model sleeps, so this is the cost of sharing alone."""
    work = {"FAKE_DENOISE": "1", "FAKE_DECODE": "1", "LONGTAKE_LEASE_TTL": "30"}
    alone = replace(studio, url=f"{studio.url}-alone")
    begun = time.monotonic()
    status, said = alone.start("one", FAKE_DEVICE=str(studio.place / "card"), **work).end()
    one = time.monotonic() - begun
    assert status == 0, said
    before, begun = sum(server.count_requests().values()), time.monotonic()
    with ExitStack() as hands:
        maker, *_ = begin(studio, hands, FAKE_DEVICE=str(studio.place / "card"), **work)
        for name in ("b", "c"):
            card = str(studio.place / f"card-{name}")
            hands.enter_context(running(studio.start(name, "decode", FAKE_DEVICE=card, **work)))
        status, said = maker.end()
        three = time.monotonic() - begun
    assert status == 0, said
    asked = (sum(server.count_requests().values()) - before) / 21
    tally(alone=one, shared=three, faster=one / three, requests=asked)
    print(f"alone {one:.1f} s, shared {three:.1f} s, {one / three:.2f} times; {asked:.1f} requests")
    assert differences(studio, expected) == []
    assert one / three >= 1.6
    assert asked <= 40


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(8))
def test_killed_paused_and_woken_at_random(seed: int, studio: Studio, expected: Tree) -> None:
    """One makes, two decode; each is killed or paused at any instant, and the film made by whoever is left."""
    chance = random.Random(seed)
    with ExitStack() as hands:
        started = begin(studio, hands, "b", "c", FAKE_DENOISE="0.05")
        for _ in range(3):
            time.sleep(chance.random())
            victim = chance.choice(started)
            if victim.process.poll() is None:
                what = chance.choice((signal.SIGKILL, signal.SIGSTOP))
                victim.process.send_signal(what)
        last = hands.enter_context(running(studio.start("d", **SLOW)))
        time.sleep(chance.random() * 2)
        for each in started:
            if each.process.poll() is None:
                each.process.send_signal(signal.SIGCONT)
        status, said = last.end()
        if status == 75:  # the first one was alive
            assert started[0].end()[0] == 0, seed
        else:
            assert status == 0, (seed, said)
    assert differences(studio, expected) == [], seed
