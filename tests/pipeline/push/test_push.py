"""A film that is pushed to real servers: ffmpeg that listens, is killed, comes back, hangs or is never there."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import av
import pytest

from pipeline.bench.live_sync import make_live_film
from pipeline.push import address
from pipeline.push.address import choose_servers, read_server
from pipeline.push.publisher import Publisher, PushLimits
from storage.errors import BadOption
from tests.live_server import frames_of, free_port, listen, wait_for_port
from tests.waiting import LONG, wait_until

SECONDS, FPS = 6, 25
FRAMES = SECONDS * FPS
QUICK = PushLimits(first_pause=0.1, longest_pause=0.2, stall=3, patience=20)
IMPATIENT = PushLimits(first_pause=0.1, longest_pause=0.1, stall=1, patience=0.3)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A live film of six seconds, four clips."""
    folder = tmp_path_factory.mktemp("film")
    make_live_film(folder, SECONDS, FPS)
    return folder


@pytest.fixture
def run(film: Path, tmp_path: Path) -> Path:
    """The film in a folder of its own."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run/live").symlink_to(film / "live")
    for path in (film / "live").glob("pushed-*"):
        path.unlink()
    return tmp_path / "run"


def push(run: Path, url: str, limits: PushLimits = QUICK) -> Publisher:
    """Begin to push."""
    publisher = Publisher(read_server(url, "--push"), limits)
    publisher.add_event("live_started", {"path": str(run / "live/film.m3u8"), "clips": 4})
    return publisher


def events_of(run: Path) -> list[dict[str, object]]:
    path = run / "events.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def names_of(run: Path) -> list[object]:
    return [event["event"] for event in events_of(run)]


def test_rtmp_takes_the_whole_film_at_its_pace(run: Path, tmp_path: Path) -> None:
    """An RTMP server gets every frame and the sound, in about as long as the film plays."""
    url = f"rtmp://127.0.0.1:{(port := free_port())}/live/key"
    with listen(url, tmp_path / "got.flv") as server:
        wait_for_port(port)
        begun = time.monotonic()
        push(run, url).wait_until_sent()
        took = time.monotonic() - begun
        server.wait(LONG)
    assert took > SECONDS - 1
    assert len(frames_of(tmp_path / "got.flv")) == FRAMES
    with av.open(str(tmp_path / "got.flv")) as got:
        heard = sum(frame.samples for frame in got.decode(audio=0)) / 48_000
    assert heard == pytest.approx(SECONDS, abs=0.1)
    assert events_of(run)[-1] | {"time": 0, "pid": 0} == {
        "time": 0,
        "pid": 0,
        "event": "push_ended",
        "server": f"rtmp://127.0.0.1:{port}",
        "sent": 4,
        "lost": 0,
    }


@pytest.mark.skipif(address.find_ffmpeg() is None, reason="no ffmpeg here speaks srt")
def test_srt_takes_the_whole_film(run: Path, tmp_path: Path) -> None:
    """An SRT server gets every frame."""
    port = free_port(socket.SOCK_DGRAM)
    with listen(f"srt://127.0.0.1:{port}?mode=listener", tmp_path / "got.ts") as server:
        push(run, f"srt://127.0.0.1:{port}").wait_until_sent()
        server.wait(LONG)
    assert len(frames_of(tmp_path / "got.ts")) == FRAMES


def test_a_server_that_is_killed_and_comes_back(run: Path, tmp_path: Path) -> None:
    """It is told once that the server is gone; the film goes on at the clip that it had not got whole, and all of it arrives."""
    url = f"rtmp://127.0.0.1:{(port := free_port())}/live/key"
    with listen(url, tmp_path / "one.flv") as server:
        wait_for_port(port)
        publisher = push(run, url)
        wait_until(lambda: names_of(run) == ["push_connected"])
        server.send_signal(signal.SIGKILL)
    wait_until(lambda: "push_failing" in names_of(run))
    with listen(url, tmp_path / "two.flv") as server:
        publisher.wait_until_sent()
        server.wait(LONG)
    assert names_of(run) == ["push_connected", "push_failing", "push_connected", "push_ended"]
    again = int(str(events_of(run)[2]["clip"]))
    assert again in range(1, 4)
    second = frames_of(tmp_path / "two.flv")
    assert len(second) == FRAMES - 48 * again
    assert second[-1] - second[0] == pytest.approx((len(second) - 1) / FPS, abs=0.002)


@pytest.mark.slow
@pytest.mark.skipif(address.find_ffmpeg() is None, reason="no ffmpeg here speaks srt")
def test_an_srt_server_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    """SRT notices after five seconds; what went to nobody meanwhile comes again, and every frame arrives."""
    make_live_film(tmp_path, 20, FPS)
    url = f"srt://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    with listen(f"{url}?mode=listener", tmp_path / "one.ts") as server:
        publisher = push(tmp_path, url)
        wait_until(lambda: names_of(tmp_path) == ["push_connected"])
        server.send_signal(signal.SIGKILL)
    wait_until(lambda: "push_failing" in names_of(tmp_path))
    with listen(f"{url}?mode=listener", tmp_path / "two.ts") as server:
        publisher.wait_until_sent()
        server.wait(LONG)
    assert len(frames_of(tmp_path / "one.ts")) >= 24
    assert len(frames_of(tmp_path / "two.ts")) in {20 * FPS, 20 * FPS - 48}


def test_a_server_that_is_never_there(run: Path) -> None:
    """Nothing waits for it longer than its patience; what did not arrive is counted, once."""
    publisher = push(run, f"rtmp://127.0.0.1:{free_port()}/live/key", IMPATIENT)
    wait_until(lambda: "push_failing" in names_of(run))
    begun = time.monotonic()
    publisher.wait_until_sent()
    assert time.monotonic() - begun < LONG / 4
    assert names_of(run) == ["push_failing", "push_ended"]
    ended = events_of(run)[1]
    assert (ended["sent"], ended["lost"]) == (0, 4)


def test_a_server_that_hangs(run: Path) -> None:
    """One that takes the connection and says nothing is given up like one that is not there."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"rtmp://127.0.0.1:{silent.getsockname()[1]}/live/key"
        publisher = push(run, url, IMPATIENT)
        wait_until(lambda: "push_failing" in names_of(run))
        publisher.wait_until_sent()
    failing, ended = events_of(run)
    assert failing["error"] == "no answer in time"
    assert ended["lost"] == 4


def test_a_connection_that_crashes(run: Path, tmp_path: Path) -> None:
    """A connection whose process is killed is made again, at the clip that was not sent whole."""
    url = f"rtmp://127.0.0.1:{(port := free_port())}/live/key"
    with listen(url, tmp_path / "one.flv") as server:
        wait_for_port(port)
        publisher = push(run, url)
        wait_until(lambda: names_of(run) == ["push_connected"])
        assert publisher._process is not None
        publisher._process.send_signal(signal.SIGSEGV)
        server.wait(LONG)
    with listen(url, tmp_path / "two.flv") as server:
        publisher.wait_until_sent()
        server.wait(LONG)
    assert events_of(run)[1]["error"] == "its process ended"
    again = int(str(events_of(run)[2]["clip"]))
    assert len(frames_of(tmp_path / "two.flv")) == FRAMES - 48 * again


def test_it_goes_on_where_the_server_was_left(run: Path, tmp_path: Path) -> None:
    """Pushed again, as after a kill of the film, a server gets the clips that it has not got; another one gets all."""
    url = f"rtmp://127.0.0.1:{(port := free_port())}/live/key"
    publisher = Publisher(read_server(url, "--push"), QUICK)
    publisher._folder = run / "live"
    publisher._position_path.write_text("3")
    with listen(url, tmp_path / "got.flv") as server:
        wait_for_port(port)
        push(run, url).wait_until_sent()
        server.wait(LONG)
    assert len(frames_of(tmp_path / "got.flv")) == FRAMES - 3 * 48
    other = Publisher(read_server(f"{url}2", "--push"), QUICK)
    other._folder = run / "live"
    assert other._read_position() == 0


def test_a_link_in_a_foreign_run_is_not_written_through(run: Path, tmp_path: Path) -> None:
    """Where a server was left is not written through a link that somebody put there, nor read through it."""
    mine = tmp_path / "mine.txt"
    mine.write_text("2")
    publisher = Publisher(read_server("rtmp://127.0.0.1/live/key", "--push"), QUICK)
    publisher._folder = run / "live"
    publisher._position_path.symlink_to(mine)
    assert publisher._read_position() == 0
    publisher._note_sent(3)
    assert mine.read_text(encoding="utf-8") == "2"


def test_stopped_it_leaves_no_process(run: Path, tmp_path: Path) -> None:
    """Ctrl-C ends the connection at once."""
    url = f"rtmp://127.0.0.1:{(port := free_port())}/live/key"
    with listen(url, tmp_path / "got.flv"):
        wait_for_port(port)
        publisher = push(run, url)
        wait_until(lambda: publisher._process is not None)
        assert publisher._process is not None
        child = publisher._process.pid
        publisher.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_no_message_shows_the_key() -> None:
    """An address is named by scheme, host and port; its key stands in no message, nor in its own repr."""
    server = read_server("rtmps://live.example:443/app/SECRET?pass=SECRET", "--push")
    assert server.name == "rtmps://live.example:443"
    assert "SECRET" not in repr(server)
    assert (
        read_server("whip+https://SECRET@example/SECRET", "--push").name == "whip+https://example"
    )
    for url in (
        "https://example/SECRET",
        "whip://SECRET@",
        "whip+https:///SECRET",
        "whip://SECRET@example:port/x",
        "whip://SECRET@[::1/x",
        "ftp://u:SECRET@example/x",
        "SECRET",
        "srt://h?passphrase=SECRET",
    ):
        with pytest.raises(BadOption) as refused:
            read_server(url, "--push")
        assert "SECRET" not in str(refused.value)


def test_srt_without_an_ffmpeg_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no ffmpeg speaks SRT it is said before any work."""
    monkeypatch.setattr(address, "find_ffmpeg", lambda: None)
    with pytest.raises(BadOption, match="needs an ffmpeg that knows srt"):
        read_server("srt://127.0.0.1:9000", "--push")


def test_flag_wins_over_environment_over_file(tmp_path: Path) -> None:
    """Servers come from the flag, or else the environment, or else longtake.toml."""
    (tmp_path / "longtake.toml").write_text('push = ["rtmp://file/a/k"]\n')
    environment = {"LONGTAKE_PUSH": "rtmp://one/a/k rtmp://two/a/k"}
    found = [
        [server.name for server in choose_servers(given, said, tmp_path)]
        for given, said in ((["rtmp://flag/a/k"], environment), ([], environment), ([], {}))
    ]
    assert found == [["rtmp://flag"], ["rtmp://one", "rtmp://two"], ["rtmp://file"]]
