"""Events of a run, from any place of them on, over both ways."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from pipeline.web import run_routes
from pipeline.web.run_events import EventStream, StreamPlaces, read_lines
from pipeline.web.server import make_app
from pipeline.web.settings import WebSettings

AT = "/v1/runs/tea/events"


def read_stream(text: str) -> list[dict]:
    """The server-sent events of a stream, each as its fields."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


def test_stream_goes_on_after_the_last_event(client: TestClient, films: Path):
    """All events come in order, and with Last-Event-ID those after it, none twice and none missing."""
    told = read_stream(client.get(AT).text)
    events = [each for each in told if each["event"] == "run"]
    lines = (films / "tea/events.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(each["data"]) for each in events] == [json.loads(line) for line in lines]
    assert json.loads(told[-1]["data"]) == {"state": "finished"}
    for place in (0, 3, len(events) - 2):
        rest = read_stream(client.get(AT, headers={"Last-Event-ID": events[place]["id"]}).text)
        assert [each for each in rest if each["event"] == "run"] == events[place + 1 :]


def test_browser_is_told_not_to_come_back(client: TestClient):
    """Who has it all, of a run that stands still, gets 204, which ends an EventSource."""
    last = [each for each in read_stream(client.get(AT).text) if each["event"] == "run"][-1]["id"]
    assert client.get(AT, headers={"Last-Event-ID": last}).status_code == 204


@pytest.mark.parametrize("place", [1, 10**17])
def test_place_that_is_none_means_the_beginning(client: TestClient, place: int):
    """A place inside a line, or behind the end, as of another run of that name: all of it again."""
    told = client.get(AT, headers={"Last-Event-ID": str(place)})
    assert read_stream(told.text)[0]["id"] == read_stream(client.get(AT).text)[0]["id"]
    assert client.get(AT, headers={"Last-Event-ID": "x"}).status_code == 422


def test_web_socket_tells_the_same(client: TestClient):
    """The same events with the same places, as JSON; one that is not there is closed with a reason."""
    streamed = read_stream(client.get(AT).text)
    heard = []
    with client.websocket_connect(f"ws://127.0.0.1{AT}/ws") as socket:
        while not heard or heard[-1]["kind"] != "end":
            heard.append(json.loads(socket.receive_text()))
    assert [each["kind"] for each in heard] == [each["event"] for each in streamed]
    assert [str(each["id"]) for each in heard if each["id"]] == [
        each["id"] for each in streamed if "id" in each
    ]
    with client.websocket_connect("ws://127.0.0.1/v1/runs/none/events/ws") as socket:
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        assert closed.value.code == 1008


def test_streams_are_limited(client: TestClient, films: Path, monkeypatch: pytest.MonkeyPatch):
    """Where as many are open as may be, another is told when to come back, of either kind; it has a place as soon as one is free."""
    places = StreamPlaces(1)
    monkeypatch.setattr(run_routes, "StreamPlaces", lambda: places)
    app = make_app(WebSettings(films), page=False)
    with TestClient(app, base_url="http://127.0.0.1") as asking:
        with places.take_place():
            refused = asking.get(AT)
            assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
            with asking.websocket_connect(f"ws://127.0.0.1{AT}/ws") as socket:
                with pytest.raises(WebSocketDisconnect) as closed:
                    socket.receive_text()
                assert closed.value.code == 1013
        for _ in range(3):
            assert read_stream(asking.get(AT).text)[-1]["event"] == "end"
            last = {"Last-Event-ID": "999999"}
            assert asking.get(AT, headers=last).status_code == 200
            assert asking.get("/v1/runs/none/events").status_code == 404
            with asking.websocket_connect(f"ws://127.0.0.1{AT}/ws") as socket:
                assert socket.receive_text()


def test_stream_that_nobody_takes_keeps_no_place():
    """A client that is gone before the first word leaves its place to others."""
    places, held = StreamPlaces(1), ExitStack()
    held.enter_context(places.take_place())

    async def tell() -> AsyncIterator[str]:
        yield "never"

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(_message: object) -> None:
        await asyncio.sleep(60)

    scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
    asyncio.run(EventStream(tell(), held)(scope, receive, send))
    with places.take_place():
        pass


def test_torn_and_damaged_lines_are_passed_over(tmp_path: Path):
    """A line that is half written waits, one that is damaged is left out, and places stay those of whole lines."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event": "a"}\n\xff\n[1]\n{"event": "b"}\n{"eve')
    assert [json.loads(text)["event"] for text, _ in read_lines(tmp_path, 0)] == ["a", "b"]
    place = read_lines(tmp_path, 0)[-1][1]
    assert read_lines(tmp_path, place) == []
    with path.open("ab") as more:
        more.write(b'nt": "c"}\n')
    assert [json.loads(text)["event"] for text, _ in read_lines(tmp_path, place)] == ["c"]
