"""Events at real places: all of them, in order; and a place that is slow, down or full costs the film nothing."""

import contextlib
import io
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.monitor.event_reader import EventTail
from pipeline.sinks.address import choose_addresses, read_address
from pipeline.sinks.connect import attach_sinks
from pipeline.sinks.sink import EventSink, Message, Refused, SinkLimits, describe_reason
from pipeline.sinks.webhook import Webhook
from storage.errors import BadInput, BadOption
from tasks.events import emit_event, record_events
from tests.waiting import LONG, wait_until

from .conftest import HookServer, Place, free_port, serving

Call = Callable[..., tuple[int, str, str]]
QUICK = SinkLimits(first_pause=0.01, longest_pause=0.05, flush=LONG)


def names(path: Path) -> list[str]:
    """The events of a run, in order."""
    return [name for name, *_ in EventTail(path).read()]


@pytest.mark.usefixtures("patient")
def test_every_event_arrives_in_order(
    place: Place, face: Path, speech: Path, tmp_path: Path, longtake: Call
):
    """What is in events.jsonl is at the place: the same events, numbered, with machine, process, run and facts."""
    code, _, err = longtake("new", face, speech, "--run", "x", "--events-to", place.url)
    assert code == 0, err
    received = place.received()
    assert [each["event"] for each in received] == names(tmp_path / "x/events.jsonl")
    assert [each["sequence"] for each in received] == list(range(1, len(received) + 1))
    assert {each["pid"] for each in received} == {os.getpid()}
    assert {each["machine"] for each in received} == {socket.gethostname()}
    (film,) = (each for each in received if each["event"] == "film_published")
    assert (film["run"], film["frames"]) == (str(tmp_path / "x"), 225)
    assert "does not take events" not in err


@pytest.mark.usefixtures("patient")
def test_a_resume_tells_too_and_several_places_may_hear(
    hook: HookServer, sqlite: Place, face: Path, speech: Path, longtake: Call
):
    """--events-to again and again."""
    assert longtake("new", face, speech, "--run", "x")[0] == 0
    words = ["--events-to", hook.url, "--events-to", sqlite.url]
    assert longtake("resume", "x", *words)[0] == 0
    assert [each["event"] for each in hook.messages] == ["run_started"]
    assert [each["event"] for each in sqlite.received()] == ["run_started"]


def test_what_failed_is_sent_again_and_in_order(hook: HookServer):
    """A place that cannot just now (503, 429) gets it later; nothing is lost, said once."""
    hook.answers = [503, 429, 503]
    with capture() as told:
        sink = EventSink("http://there", Webhook(hook.url), QUICK)
        for number in range(5):
            sink.add_event("clip_published", {"clip": number})
        close(sink)
    assert [each["clip"] for each in hook.messages] == list(range(5))
    assert told == [("sink_failing", {"sink": "http://there", "error": "HTTPError"})]


def test_a_place_that_comes_up_later_gets_all():
    """What waited while nobody listened arrives when somebody does."""
    port = free_port()
    sink = EventSink("http://there", Webhook(f"http://127.0.0.1:{port}/"), QUICK)
    failed = threading.Event()
    with listening(lambda event, _: failed.set() if event == "sink_failing" else None):
        for number in range(20):
            sink.add_event("clip_published", {"clip": number})
        assert failed.wait(LONG)
    server = HookServer(port)
    with serving(server):
        close(sink)
    assert [each["clip"] for each in server.messages] == list(range(20))


def test_a_connection_that_is_lost_is_made_again():
    """A WebSocket whose server hangs up after each message: what is told afterwards arrives over a new connection."""
    serve = pytest.importorskip("websockets.sync.server").serve
    from pipeline.sinks.websocket import WebSocketTransport

    heard: list[int] = []
    connections: list[Any] = []

    def hear(connection: Any) -> None:
        connections.append(connection)
        heard.extend(json.loads(text)["sequence"] for text in connection)

    with serve(hear, "127.0.0.1", 0) as server, serving(server):
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        sink = EventSink("ws://there", WebSocketTransport(url), QUICK)
        for number in range(1, 4):
            sink.add_event("clip_denoised", {})
            sink._flush(
                LONG
            )  # it knows by the pong that the server has it, who may yet have to read it
            wait_until(lambda number=number: number in heard)  # type: ignore[misc]
            connections[-1].close()
        close(sink)
    assert len(connections) == 3


@pytest.mark.parametrize("code", [302, 404])
def test_what_will_never_be_taken_is_given_up(hook: HookServer, code: int):
    """A redirect and a 404 are answers: the event is dropped and counted, the next is sent."""
    hook.answers = [code]
    with capture() as told:
        sink = EventSink("http://there", Webhook(hook.url), QUICK)
        sink.add_event("run_asked", {})
        sink.add_event("film_published", {})
        close(sink)
    assert [each["event"] for each in hook.messages] == ["film_published"]
    assert set(hook.paths) == {"/hook"}
    error = f"Refused: HTTP {code}"
    assert told[-1] == ("events_dropped", {"sink": "http://there", "count": 1, "error": error})


class Stuck:
    """A way that is blocked until it is let go."""

    batch = 1

    def __init__(self) -> None:
        self.go, self.sent = threading.Event(), [0]

    def send(self, messages: Sequence[Message]) -> None:
        assert self.go.wait(LONG)
        self.sent += [int(str(each["sequence"])) for each in messages]

    def close(self) -> None:
        pass


def test_a_full_queue_drops_the_oldest_and_counts_them():
    """Telling never waits; what is left is the newest, in order."""
    way = Stuck()
    with capture() as told:
        sink = EventSink("a place", way, SinkLimits(queue=10, flush=LONG))
        for _ in range(1000):
            sink.add_event("clip_denoised", {})
        way.go.set()
        close(sink)
    assert way.sent[-10:] == list(range(991, 1001))
    (event, facts) = told[-1]
    assert (event, facts["count"]) == ("events_dropped", 1000 - len(way.sent[1:]))


def test_a_place_that_never_answers_ends_with_the_limit():
    """At the end there are so many seconds and no more; what did not arrive is counted."""
    with socket.create_server(("127.0.0.1", 0)) as silent, capture() as told:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        sink = EventSink("http://there", Webhook(url), SinkLimits(flush=0.2))
        for _ in range(3):
            sink.add_event("clip_denoised", {})
        close(sink)
    assert [(event, facts["count"]) for event, facts in told] == [("events_dropped", 3)]


def test_a_film_is_made_whether_or_not_anyone_listens(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
):
    """A dead address: the film, code 0; told once on stderr and in events.jsonl, and how many were lost."""
    url = f"redis://127.0.0.1:{free_port()}"
    pytest.importorskip("redis")
    code, _, err = longtake("new", face, speech, "--run", "x", "--events-to", url)
    assert code == 0
    assert err.count(f"[WARN] {url} does not take events") == 1
    assert f"events did not reach {url}" in err
    events = {name: facts for name, facts, _ in EventTail(tmp_path / "x/events.jsonl").read()}
    assert events["sink_failing"]["sink"] == url
    assert int(str(events["events_dropped"]["count"])) > 20


class Deaf:
    batch = 1

    def __init__(self) -> None:
        self.asked = threading.Event()

    def send(self, messages: Sequence[Message]) -> None:
        self.asked.set()
        raise ConnectionRefusedError

    def close(self) -> None:
        pass


def test_a_failure_before_there_is_a_run_stands_in_its_file_too(tmp_path: Path):
    """A place may be found dead before the run's folder is known."""
    way = Deaf()
    sink = EventSink("redis://there", way, replace(QUICK, flush=0.5))
    sink.add_event("asked", {})
    assert way.asked.wait(LONG)
    sink.add_event("run_started", {"run": str(tmp_path)})
    sink.end()
    sink.close()
    assert names(tmp_path / "events.jsonl") == ["sink_failing", "events_dropped"]


def test_the_last_words_of_a_hung_process_arrive(hook: HookServer):
    """The watchdog ends the process when the event is told: so telling it waits until it has arrived."""
    sink = EventSink("http://there", Webhook(hook.url), QUICK)
    sink.add_event("clip_denoised", {"clip": 1})
    sink.add_event("stalled", {"clip": 2})
    assert [each["event"] for each in hook.messages] == ["clip_denoised", "stalled"]
    close(sink)


SECRET = "sEsAmE"
FAILING = [
    "http://me:{s}1@127.0.0.1:{port}/{s}2?token={s}3",
    "https://me:{s}1@127.0.0.1:{port}/{s}2?token={s}3",
    "ws://me:{s}1@127.0.0.1:{port}/{s}2?token={s}3",
    "redis://me:{s}1@127.0.0.1:{port}/0?stream={s}3",
    "postgresql+psycopg://{s}0:{s}1@127.0.0.1:{port}/{s}2",
    "sqlite:////nowhere/{s}/{s}.db",
]


def test_secrets_are_in_no_file_event_or_message(
    face: Path, speech: Path, tmp_path: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
):
    """Names, passwords, paths and queries of places that fail: nowhere in the run, on stdout or stderr, not even with --debug."""
    for package in ("websockets", "redis", "sqlalchemy", "psycopg"):
        pytest.importorskip(package)
    port = free_port()
    urls = " ".join(url.format(s=SECRET, port=port) for url in FAILING)
    monkeypatch.setenv("LONGTAKE_EVENTS_TO", urls)
    code, out, err = longtake("new", face, speech, "--run", "x", "--debug")
    assert code == 0
    assert err.count("does not take events") == len(FAILING)
    assert SECRET not in out + err
    for path in (tmp_path / "x").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


@pytest.mark.usefixtures("patient")
def test_a_secret_that_works_is_in_no_file_either(
    hook: HookServer, face: Path, speech: Path, tmp_path: Path, longtake: Call
):
    """A webhook's path is its secret: --debug logs none of it."""
    url = f"{hook.url}/{SECRET}?token={SECRET}"
    code, out, err = longtake("new", face, speech, "--run", "x", "--debug", "--events-to", url)
    assert code == 0
    assert hook.paths[0].count(SECRET) == 2
    assert SECRET not in out + err
    for path in (tmp_path / "x").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sesame", "a URL is needed"),
        ("http://host:sesame/", "host or port"),
        ("https:///sesame", "names no host"),
        ("prometheus://sesame", "names no port"),
        ("sesame://sesame", "its scheme is none"),
        ("oracle+sesame://x", "its scheme is none|needs the package"),
        ("mysql://sesame@host/sesame", "needs the package MySQLdb"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_any_work(
    url: str, reason: str, face: Path, speech: Path, tmp_path: Path
):
    """BadOption, whose text has neither path nor password."""
    pytest.importorskip("sqlalchemy")
    with pytest.raises(BadOption, match=reason) as bad, attach_sinks([read_address(url, "--here")]):
        pass
    assert "sesame@" not in str(bad.value)
    assert "/sesame" not in str(bad.value).replace("//sesame", "")


def test_flag_wins_over_environment_over_file(tmp_path: Path):
    """The strongest says where events go; in longtake.toml it may be one or several."""
    (tmp_path / "longtake.toml").write_text('events_to = ["http://c/1", "http://c/2"]\nahead = 1\n')
    environment = {"LONGTAKE_EVENTS_TO": "http://b/1 ws://b/2"}

    def urls(given: list[str], said: dict[str, str]) -> list[str]:
        return [each.url for each in choose_addresses(given, said, tmp_path)]

    assert urls(["http://a/"], environment) == ["http://a/"]
    assert urls([], environment) == ["http://b/1", "ws://b/2"]
    assert urls([], {}) == ["http://c/1", "http://c/2"]
    (tmp_path / "longtake.toml").write_text('events_to = "http://d/"\n')
    assert urls([], {}) == ["http://d/"]
    (tmp_path / "longtake.toml").write_text("events_to = 3\n")
    with pytest.raises(BadInput, match="a list is needed"):
        urls([], {})


@pytest.mark.usefixtures("patient")
def test_longtake_toml_with_places_makes_a_film(
    hook: HookServer, face: Path, speech: Path, tmp_path: Path, longtake: Call
):
    """The key is known beside those of the film, and is in no run.json."""
    (tmp_path / "longtake.toml").write_text(f'events_to = ["{hook.url}"]\nahead = 1\n')
    assert longtake("new", face, speech, "--run", "x")[0] == 0
    assert "film_published" in [each["event"] for each in hook.messages]
    assert "events_to" not in (tmp_path / "x/run.json").read_text()


def test_a_film_that_is_kept_going_tells_from_its_own_process(
    hook: HookServer, face: Path, speech: Path, tmp_path: Path, started: Callable[..., object]
):
    """With --keep-going the process that makes the film has the places, by flag."""
    process = started("new", face, speech, "--run", "x", "--keep-going", "--events-to", hook.url)
    _, said = process.communicate()  # type: ignore[attr-defined]
    assert (tmp_path / "x/video.mp4").is_file(), said
    assert "film_published" in [each["event"] for each in hook.messages]


@pytest.mark.usefixtures("patient")
def test_the_pages_python_makes_a_film(hook: HookServer, face: Path, speech: Path, tmp_path: Path):
    """docs/watching.md's example, as it stands but for its address, is told of each clip and tells the hook."""
    text = (Path(__file__).parents[3] / "docs/watching.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code.replace("https://example.org/hook", hook.url), {})
    assert said.getvalue().splitlines() == [f"clip {clip} is there, 5 in all" for clip in range(5)]
    assert "film_published" in [each["event"] for each in hook.messages]


def test_a_reason_has_no_words_of_a_library():
    """The kind of fault and the system's own text for it, however deep it lies."""
    inner = ConnectionRefusedError(111, "to http://me:sesame@host refused")
    outer = RuntimeError("http://me:sesame@host")
    outer.__cause__ = inner
    assert describe_reason(outer) == "RuntimeError: Connection refused"
    assert describe_reason(ValueError("http://me:sesame@host")) == "ValueError"
    assert describe_reason(Refused("HTTP 404")) == "Refused: HTTP 404"


def close(sink: EventSink) -> None:
    """End it, as at the end of a film."""
    sink.end()
    sink.close()


@contextmanager
def listening(hear: Callable[[str, dict[str, object]], object]) -> Iterator[None]:
    from tasks.events import listen_to_events

    with listen_to_events(hear):  # type: ignore[arg-type]
        yield


@contextmanager
def capture() -> Iterator[list[tuple[str, dict[str, object]]]]:
    """All events of this process meanwhile."""
    told: list[tuple[str, dict[str, object]]] = []
    with listening(lambda event, facts: told.append((event, facts))):
        yield told


@pytest.mark.usefixtures("patient")
def test_events_of_a_file_have_the_same_facts(hook: HookServer, tmp_path: Path):
    """A message is the line of events.jsonl with a number, a machine and a run."""
    with record_events(tmp_path / "events.jsonl"), attach_sinks([read_address(hook.url, "--here")]):
        emit_event("clip_published", clip=3, frames=48, redone=False)
    line = json.loads((tmp_path / "events.jsonl").read_text())
    (message,) = hook.messages
    assert {name: message[name] for name in line if name != "time"} == {
        name: value for name, value in line.items() if name != "time"
    }
