"""A film that is made and pushed: what the server gets, what is said, and what it does to the film."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.push import publisher
from pipeline.push.publisher import PushLimits
from tests.live_server import frames_of, free_port, listen, wait_for_port
from tests.waiting import LONG, held, wait_until

Longtake = Callable[..., tuple[int, str, str]]
Started = Callable[..., "subprocess.Popen[str]"]
FRAMES = 225


def position_of(run: Path) -> int:
    """The clip that comes next for the only server."""
    told = [path.read_text(encoding="utf-8") for path in run.glob("live/pushed-*.txt")]
    return int(told[0] or 0) if told else 0


def segments_of(run: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(run.glob("segments/*.mp4"))]


def test_a_server_that_is_never_there_costs_the_film_nothing(
    longtake: Longtake, face: Path, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The film ends with code 0 and the same clips; that the server is not there is one line, and what it has missed another; its key is in neither."""
    limits = PushLimits(first_pause=0.1, longest_pause=0.1, patience=3)
    monkeypatch.setattr(publisher, "PushLimits", lambda: limits)
    url = f"rtmp://127.0.0.1:{free_port()}/live/SECRET"
    code, out, said = longtake("new", face, speech, "--run", "pushed", "--push", url)
    assert (code, out) == (0, f"{Path('pushed').absolute()}/video.mp4\n")
    assert said.count("does not take the film") == 1
    assert "5 of 5 clips did not reach rtmp://127.0.0.1:" in said
    assert longtake("new", face, speech, "--run", "plain")[0] == 0
    assert segments_of(Path("pushed")) == segments_of(Path("plain"))
    assert (
        json.loads(Path("pushed/run.json").read_text(encoding="utf-8"))["settings"]["live"] is True
    )
    written = [path.read_bytes() for path in Path("pushed").rglob("*") if path.is_file()]
    assert not any(b"SECRET" in content for content in [*written, said.encode()])


def test_killed_and_resumed_it_goes_on_where_it_stood(
    started: Started, face: Path, speech: Path, tmp_path: Path
) -> None:
    """Killed with the film, the connection ends; resumed, the server gets the rest of the film, from the clip that it had not got whole."""
    url = f"rtmp://127.0.0.1:{(port := free_port())}/live/key"
    run = tmp_path / "run"
    with (
        listen(url, tmp_path / "one.flv") as server,
        held(tmp_path / "hold", "denoise", 4) as fakes,
    ):
        wait_for_port(port)
        film = started("new", face, speech, "--run", run, "--push", url, fakes=fakes)
        wait_until(lambda: position_of(run) >= 1, of=film)
        film.send_signal(signal.SIGKILL)
        film.communicate()
        server.wait(LONG)  # nobody pushes any more
    stood = position_of(run)
    with listen(url, tmp_path / "two.flv") as server:
        wait_for_port(port)
        film = started("resume", run, "--push", url)
        _, said = film.communicate(timeout=LONG)
        assert film.returncode == 0, said
        server.wait(LONG)
    assert len(frames_of(tmp_path / "two.flv")) == FRAMES - 48 * stood
    assert len(frames_of(tmp_path / "one.flv")) >= 48 * stood


def test_an_unknown_server_is_refused_before_any_work(
    longtake: Longtake, face: Path, speech: Path
) -> None:
    """An address that says no protocol of a push is code 2, with the reason, and no run is made."""
    code, _, said = longtake("new", face, speech, "--run", "r", "--push", "https://host/SECRET")
    assert code == 2
    assert "whip+https://" in said
    assert "SECRET" not in said
    assert not Path("r").exists()
