"""Files of a run as answers: in parts, while they grow, and never another file."""

import errno
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from pipeline.web import file_answer
from pipeline.web.file_answer import give_file, read_range


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    """What asks for /film of a folder, which is opened and then grows before it is sent."""
    app = FastAPI()

    @app.head("/film")
    @app.get("/film", response_class=StreamingResponse)
    def give_film(grow: int = 0) -> StreamingResponse:
        given = give_file(tmp_path, "film", "video/mp4")
        with (tmp_path / "film").open("ab") as film:
            film.write(b"more" * grow)
        return given

    return TestClient(app)


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("", range(10)),
        ("bytes=0-", range(10)),
        ("bytes=2-4", range(2, 5)),
        ("bytes=2-99", range(2, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-99", range(10)),
        ("bytes=-0", range(0)),
        ("bytes=10-", range(0)),
        ("bytes=5-2", range(10)),
        ("bytes=-", range(10)),
        ("bytes=0-1,3-4", range(10)),
        ("lines=1-2", range(10)),
        ("bytes=" + "9" * 5000 + "-", range(10)),
        ("bytes=\u0663-", range(10)),
    ],
)
def test_part_is_what_range_asks_for(asked: str, part: range):
    """One part as RFC 9110 has it; what is no single part asks for all, and what is not there for nothing."""
    assert list(read_range(asked, 10)) == list(part)


def test_parts_of_a_file(client: TestClient, tmp_path: Path):
    """The bytes of the part, what it is a part of, and of which file; one that is not there is refused with a reason."""
    (tmp_path / "film").write_bytes(bytes(range(100)))
    whole = client.get("/film")
    assert (whole.status_code, whole.content) == (200, bytes(range(100)))
    part = client.get("/film", headers={"Range": "bytes=10-19", "If-Range": whole.headers["ETag"]})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert part.headers["Content-Range"] == "bytes 10-19/100"
    none = client.get("/film", headers={"Range": "bytes=100-"})
    assert (none.status_code, none.headers["Content-Range"]) == (416, "bytes */100")
    assert "it has 100 bytes" in none.json()["error"]["message"]
    (tmp_path / "film").write_bytes(bytes(99))
    other = client.get("/film", headers={"Range": "bytes=10-19", "If-Range": whole.headers["ETag"]})
    assert (other.status_code, len(other.content)) == (200, 99)


def test_head_tells_what_get_would_send(client: TestClient, tmp_path: Path):
    """The same status and headers, of all of it and of a part, and nothing is read."""
    (tmp_path / "film").write_bytes(bytes(100))
    for headers in ({}, {"Range": "bytes=10-19"}):
        whole, told = client.get("/film", headers=headers), client.head("/film", headers=headers)
        assert (told.status_code, told.headers, told.content) == (
            whole.status_code,
            whole.headers,
            b"",
        )


def test_file_that_grows_is_answered_as_it_was(client: TestClient, tmp_path: Path):
    """What is added while it is sent changes neither its length nor its bytes; also where it was empty."""
    for begun in (b"", b"begun"):
        (tmp_path / "film").write_bytes(begun)
        given = client.get("/film", params={"grow": 100_000})
        assert (given.headers["Content-Length"], given.content) == (str(len(begun)), begun)


def test_what_is_no_file_is_not_given(client: TestClient, tmp_path: Path):
    """Neither a link nor a folder nor what is not there."""
    assert client.get("/film").status_code == 404
    (tmp_path / "other").write_bytes(b"secret")
    (tmp_path / "film").symlink_to(tmp_path / "other")
    # The route itself opens the link to let it grow; what is given was decided before.
    assert client.get("/film").status_code == 404
    (tmp_path / "film").unlink()
    (tmp_path / "film").mkdir()
    assert client.get("/film").status_code == 404


def test_file_that_cannot_be_opened_now(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Where the process may open no more files the answer is 503, and not that there is none."""
    (tmp_path / "film").write_bytes(b"film")

    def refuse(_path: Path, _flags: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(file_answer, "open_plain", refuse)
    assert client.get("/film").status_code == 503
