"""Machines that share the decoding of a film: one denoises it all and has the lease, others decode. Killed, asleep, gone: the same bytes, and nobody is waited for without end."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from films import Film, Started, Tree, running
from studio import LOCAL, NUMBERS, SLOW, Studio

from storage.remote.address import open_store
from tests.s3_server import BUCKET, S3Server, serving_s3
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """One for all tests of the module."""
    pytest.importorskip("moto")
    with serving_s3() as served:
        yield served


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


def begin(studio: Studio, hands: ExitStack, *helpers: str, **more: str) -> list[Started]:
    """Let a machine begin the film, and others decode once it is there."""
    store, started = open_store(studio.url), [hands.enter_context(running(studio.start("a", **more)))]
    wait_until(lambda: store.get("run.json") is not None, of=started[0].process)
    started += [hands.enter_context(running(studio.start(n, "decode", **SLOW))) for n in helpers]
    return started


def decoded_by(said: str) -> int:
    """How many clips a machine says that it has decoded."""
    line = next(line for line in said.splitlines() if "decoded for the machine" in line)
    return int(line.split()[0])


def offers_of(studio: Studio, kind: str) -> list[str]:
    """What is offered, or claimed, on the store."""
    return [name for name in open_store(studio.url).list_names("offers") if kind in name]


def differences(studio: Studio, expected: Tree) -> list[str]:
    """What a new machine brings that is otherwise than that of one machine."""
    return studio.judge({n: d for n, d in expected.items() if not n.startswith(LOCAL)})


def test_others_decode_and_the_bytes_are_those_of_one_machine(
    studio: Studio, expected: Tree
) -> None:
    """Two of them decode some clips, and leave nothing on the store."""
    with ExitStack() as hands:
        maker, *helpers = begin(studio, hands, "b", "c", FAKE_DENOISE="0.3", FAKE_DECODE="0.3")
        status, said = maker.end()
        assert status == 0, said
        ended = [each.end() for each in helpers]
    assert [status for status, _ in ended] == [0, 0], ended
    assert sum(decoded_by(said) for _, said in ended) >= 8
    assert offers_of(studio, "") == []
    assert differences(studio, expected) == []
