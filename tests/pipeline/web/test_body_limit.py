"""Bodies that are too large, too slow or too many are refused with a reason, and others are served meanwhile."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from raw_client import ask, connect_to, read_answer, write_head, write_upload

from pipeline.web.body_limit import SMALL_BYTES

JSON = "Content-Type: application/json"


@pytest.mark.parametrize("path", ["/v1/runs/tea/retake", "/v1/runs/tea/stop", "/v1/runs"])
def test_large_body_is_refused_before_it_has_come(listening: int, path: str):
    """A body that says no length is refused once it is larger than any of its kind, while it still comes."""
    head = write_head(f"POST {path}", JSON, "Transfer-Encoding: chunked")
    with connect_to(listening, head) as connection:
        connection.sendall(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
        status, said = read_answer(connection)
    assert (status, f"At most {SMALL_BYTES} bytes" in said) == (413, True)


def test_two_gigabytes_are_refused_before_they_come(listening: int, films: Path):
    """An upload that says it is larger than any may be is refused at its head; nothing lies on the disk."""
    with connect_to(listening, write_upload(2 << 30)) as connection:
        status, said = read_answer(connection)
    assert (status, "At most" in said) == (413, True)
    assert list((films / ".jobs").glob(".longtake-upload*")) == []


@pytest.mark.parametrize(
    "begun",
    [
        write_upload(10_000),
        write_head("POST /v1/runs/tea/retake", JSON, "Content-Length: 20") + b"{",
        write_head("POST /v1/runs", JSON, "Content-Length: 20") + b"{",
        write_head("DELETE /v1/runs/none", "Content-Length: 20"),
    ],
)
def test_slow_body_is_given_up_and_harms_nobody(listening: int, films: Path, begun: bytes):
    """A body of which nothing more comes is answered 408 within its time, others are served meanwhile, and nothing of it stays."""
    with ExitStack() as stack:
        slow = [stack.enter_context(connect_to(listening, begun)) for _ in range(8)]
        assert ask(listening, "GET /v1/runs/tea")[0] == 200
        for connection in slow:
            status, said = read_answer(connection)
            why = "Nothing came for 0.5 s" in said or "more slowly than" in said
            assert (status, why) == (408, True)
    assert list((films / ".jobs").glob(".longtake-upload*")) == []


def test_ten_uploads_at_once(listening: int):
    """Eight are taken, the others told when to come back; those are served once there is room."""
    with ExitStack() as stack:
        begun = [
            stack.enter_context(connect_to(listening, write_upload(10_000))) for _ in range(10)
        ]
        answers = [read_answer(connection) for connection in begun]
    assert sorted(status for status, _ in answers) == [408] * 8 + [429] * 2
    refused = next(said for status, said in answers if status == 429)
    assert "retry-after: 5" in refused.lower()
    with connect_to(listening, write_upload(10_000)) as connection:
        assert read_answer(connection)[0] == 408
