"""A film that is pushed by WHIP to a real WebRTC server, aiortc's: what arrives of it, and when.

pip install --target FOLDER aiortc; LONGTAKE_AIORTC=FOLDER pytest tests/pipeline/push/test_whip.py
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pipeline.bench.live_sync import make_live_film
from pipeline.push.address import read_server
from pipeline.push.publisher import Publisher, PushLimits
from tests.live_server import free_port
from tests.waiting import LONG, wait_until

AIORTC = os.environ.get("LONGTAKE_AIORTC", "")
SECONDS, FPS, CLIPS = 10, 25, 6
QUICK = PushLimits(first_pause=0.1, longest_pause=0.2, stall=8, patience=30)
CLOCKS = {"audio": 48_000, "video": 90_000}
Facts = dict[str, Any]

pytestmark = pytest.mark.skipif(
    not AIORTC and find_spec("aiortc") is None,
    reason="aiortc is not here; LONGTAKE_AIORTC names a folder that has it",
)


@dataclass
class WhipServer:
    """The server's process, and what it says."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def said(self) -> list[Facts]:
        """Each thing, in order."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def find(self, key: str) -> list[Facts]:
        """All that have this key."""
        return [each for each in self.said if key in each]


@contextmanager
def serve(log: Path, port: int, token: str = "") -> Iterator[WhipServer]:
    """A server of its own process; killed afterwards."""
    program = Path(__file__).parents[2] / "whip_server.py"
    path = os.pathsep.join(filter(None, (AIORTC, os.environ.get("PYTHONPATH", ""))))
    with log.open("wb") as told, subprocess.Popen(
        [sys.executable, str(program), str(port), token],
        stdout=told, stderr=told, env={**os.environ, "PYTHONPATH": path},
    ) as process:  # fmt: skip
        server = WhipServer(process, log)
        try:
            wait_until(lambda: server.find("listens"), of=process)
            yield server
        finally:
            process.kill()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A live film of ten seconds, six clips: each second a white frame, and a click with it."""
    folder = tmp_path_factory.mktemp("film")
    make_live_film(folder, SECONDS, FPS)
    return folder


@pytest.fixture
def run(film: Path, tmp_path: Path) -> Path:
    """The film in a folder of its own."""
    (tmp_path / "run/live").mkdir(parents=True)
    for path in (film / "live").iterdir():
        (tmp_path / "run/live" / path.name).hardlink_to(path)
    return tmp_path / "run"


def push(run: Path, port: int, secret: str = "") -> Publisher:
    """Begin to push."""
    url = f"whip://{secret}127.0.0.1:{port}/whip/key"
    publisher = Publisher(read_server(url, "--push"), QUICK)
    publisher.add_event("live_started", {"path": str(run / "live/film.m3u8"), "clips": CLIPS})
    return publisher


def events_of(run: Path) -> list[Facts]:
    path = run / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def names_of(run: Path) -> list[str]:
    return [event["event"] for event in events_of(run)]


def clock_of(said: list[Facts], kind: str) -> Callable[[float], float]:
    """From seconds of a stream of one session to seconds of the sender's clock, by its first report, as a browser reckons."""
    first = next(each["timestamp"] for each in said if each.get("first") == kind)
    report = next(each for each in said if each.get("report") == kind)
    rate = CLOCKS[kind]
    ahead = (report["timestamp"] - first + 2**31) % 2**32 - 2**31
    return lambda seconds: float(report["clock"] + seconds - ahead / rate)


def offsets_of(said: list[Facts]) -> list[float]:
    """How far each click comes after its flash, in milliseconds."""
    shown, heard = clock_of(said, "video"), clock_of(said, "audio")
    flashes = [shown(each["frame"]) for each in said if each.get("mean", 0) > 128]
    clicks = [heard(each["click"]) for each in said if each.get("click") is not None]
    nearest = [min(clicks, key=lambda click: abs(click - flash)) for flash in flashes]
    return [1000 * (click - flash) for click, flash in zip(nearest, flashes, strict=True)]


def test_picture_and_sound_arrive_together_and_in_time(run: Path, tmp_path: Path) -> None:
    """Every frame but the last, which a receiver waits to see the end of, and all of the sound arrive at the pace of the film, each click with its flash; the session is ended."""
    port = free_port()
    with serve(tmp_path / "said", port) as server:
        push(run, port).wait_until_sent()
        wait_until(lambda: server.find("deleted"))
        said = server.said
    frames = [each for each in said if "frame" in each]
    assert len(frames) in {SECONDS * FPS - 1, SECONDS * FPS}
    assert frames[-1]["at"] - frames[0]["at"] == pytest.approx(SECONDS, abs=1)
    heard = sum(each["samples"] for each in said if "sound" in each)
    assert heard / CLOCKS["audio"] == pytest.approx(SECONDS, abs=0.1)
    offsets = offsets_of(said)
    assert len(offsets) == SECONDS - 1
    assert max(map(abs, offsets)) < 5
    assert events_of(run)[-1]["lost"] == 0


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_dies_or_hangs_and_comes_back(
    run: Path, tmp_path: Path, way: signal.Signals
) -> None:
    """It is said once, though UDP tells nobody; the server that comes gets the rest of the film, with no clip left out."""
    port = free_port()
    with serve(tmp_path / "one", port) as server:
        publisher = push(run, port)
        wait_until(lambda: "push_connected" in names_of(run))
        server.process.send_signal(way)
        wait_until(lambda: "push_failing" in names_of(run))
    with serve(tmp_path / "two", port) as server:
        publisher.wait_until_sent()
        wait_until(lambda: server.find("deleted"))
        frames = server.find("frame")
    assert names_of(run) == ["push_connected", "push_failing", "push_connected", "push_ended"]
    again = events_of(run)[2]["clip"]
    assert again in {0, 1, 2}
    assert SECONDS * FPS - 48 * again - len(frames) in {0, 1}
    assert events_of(run)[-1]["lost"] == 0


@pytest.mark.slow
def test_a_pause_of_the_film_ends_no_session(run: Path, tmp_path: Path) -> None:
    """A film whose next clip takes three quarters of a minute goes on in the same session, and stays together."""
    playlist, port = run / "live/film.m3u8", free_port()
    text = playlist.read_text()
    begun = "".join(text.splitlines(keepends=True)[:-7]).replace("TYPE:VOD", "TYPE:EVENT")
    playlist.unlink()  # it is another name of the module's own
    playlist.write_text(begun)
    with serve(tmp_path / "said", port) as server:
        publisher = push(run, port)
        wait_until(lambda: server.find("frame"))
        time.sleep(45)
        playlist.write_text(text)
        publisher.wait_until_sent()
        wait_until(lambda: server.find("deleted"))
        said = server.said
    assert names_of(run) == ["push_connected", "push_ended"]
    assert sum(each.get("state") == "connected" for each in said) == 1
    assert sum("frame" in each for each in said) in {SECONDS * FPS - 1, SECONDS * FPS}
    assert max(map(abs, offsets_of(said))) < 5


def test_a_wrong_token_is_one_line(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that wants another token is tried again and said once; neither token stands anywhere."""
    port = free_port()
    with serve(tmp_path / "said", port, "RIGHT"):
        publisher = push(run, port, "WRONG@")
        wait_until(lambda: "push_failing" in names_of(run))
        time.sleep(2)
        publisher.stop()
    (event,) = events_of(run)
    assert event["error"].startswith("it answered 401 Unauthorized")
    lines = [line for line in caplog.messages if "401" in line]
    assert len(lines) == 1
    written = [path.read_text() for path in run.glob("*") if path.is_file()]
    assert not any("WRONG" in text for text in [*written, *caplog.messages])


def test_stopped_it_says_goodbye(run: Path, tmp_path: Path) -> None:
    """Ctrl-C ends the connection at once, and the server is told all the same."""
    port = free_port()
    with serve(tmp_path / "said", port) as server:
        publisher = push(run, port)
        wait_until(lambda: server.find("frame"))
        begun = time.monotonic()
        publisher.stop()
        assert time.monotonic() - begun < LONG / 10
        wait_until(lambda: server.find("deleted"))
