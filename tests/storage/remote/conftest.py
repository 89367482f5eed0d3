"""Stores to try: a folder, the memory of this process, and a real S3 server."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from storage.remote.address import open_store
from storage.remote.run_store import RunStore
from tests.s3_server import BUCKET, S3Server, serving_s3

NUMBERS = count()
KINDS = ("folder", "memory", "s3")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One server for all tests of a process."""
    pytest.importorskip("moto")
    with serving_s3() as server:
        yield server


@pytest.fixture
def s3_here(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, which this process and its children come to meanwhile."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An URL at which nothing lies yet, of each kind."""
    name = f"run{next(NUMBERS)}"
    if request.param == "folder":
        return f"file://{tmp_path}/{name}"
    pytest.importorskip("obstore")
    if request.param == "memory":
        return f"memory://{BUCKET}/{name}"
    request.getfixturevalue("s3_here")
    return f"s3://{BUCKET}/{name}"


@pytest.fixture
def store(url: str) -> RunStore:
    """An empty store of each kind."""
    return open_store(url, patience=5)


@pytest.fixture
def memory() -> Callable[[], RunStore]:
    """What makes an empty store in memory."""
    return lambda: open_store(f"memory://{BUCKET}/run{next(NUMBERS)}")
