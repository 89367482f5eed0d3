"""Servers that are killed, and that are two: no film is harmed, and none is made twice."""

import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from waiting import held, wait_until

from pipeline.web.server import open_port
from storage.errors import BadInput


def ask_for_film(asking: Any, face: Path, speech: Path) -> dict[str, Any]:
    """Ask for a small film by an upload."""
    files = {"picture": face.read_bytes(), "sound": speech.read_bytes()}
    named = {"picture": ("face.png", files["picture"]), "sound": ("a.wav", files["sound"])}
    fields = {"infer-frames": "12", "num-clip": "2"}
    asked = asking.post("/v1/runs", files=named, data=fields)
    assert asked.status_code == 201, asked.text
    return dict(asked.json())


def test_killed_server_costs_no_film(
    serving: Callable, face: Path, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A server is killed in the middle of a film; two others on its folder see it running and then finished, made once."""
    root = tmp_path / "films"
    with held(tmp_path / "hold", "decode", 1) as fakes:
        monkeypatch.setenv("FAKE_HOLD", fakes["FAKE_HOLD"])
        with serving(root) as (server, asking):
            name = ask_for_film(asking, face, speech)["name"]
            wait_until((tmp_path / "hold/decode.1.reached").exists)
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
        with serving(root) as (_, asking), serving(root) as (_, other):
            for each in (asking, other):
                assert each.get(f"/v1/runs/{name}").json()["state"] == "running"
            assert other.delete(f"/v1/runs/{name}").status_code == 409
            (tmp_path / "hold/decode.1").unlink()
            wait_until(
                lambda: other.get(f"/v1/runs/{name}").json()["state"] == "finished", every=0.2
            )
            assert asking.get(f"/v1/runs/{name}/film.mp4").content.startswith(b"\0\0\0")
    lines = (root / name / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["event"] for line in lines].count("run_started") == 1


def test_crowd_is_served_and_harms_no_film(
    serving: Callable, face: Path, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Twenty clients that ask all the while, two of them for frames, are all answered; the film has the bytes of one that nobody looked at."""
    root, hold = tmp_path / "films", tmp_path / "hold"
    monkeypatch.setenv("FAKE_HOLD", str(hold))
    with serving(root) as (_, asking):
        alone = ask_for_film(asking, face, speech)["name"]
        wait_until((root / ".jobs" / alone / "ended.json").exists)
        # Until all have been answered some times: a film may be quicker than they come.
        with ThreadPoolExecutor(20) as crowd, held(hold, "decode", 1):
            name = ask_for_film(asking, face, speech)["name"]
            paths = [f"/v1/runs/{name}", "/v1/runs"] * 9 + [f"/v1/runs/{name}/preview.jpg"] * 2
            answers: list[list[int]] = [[] for _ in paths]

            def watch(path: str, statuses: list[int]) -> None:
                with httpx.Client(base_url=asking.base_url, timeout=120) as client:
                    while not (root / ".jobs" / name / "ended.json").exists():
                        statuses.append(client.get(path).status_code)

            asked = [crowd.submit(watch, *each) for each in zip(paths, answers, strict=True)]
            wait_until(lambda: min(map(len, answers)) > 2 or any(each.done() for each in asked))
            (hold / "decode.1").unlink()
            for each in asked:
                each.result()
        assert min(map(len, answers)) > 2
        assert set().union(*answers) == {200}
    assert read_segments(root / name) == read_segments(root / alone) != []


def read_segments(run: Path) -> list[bytes]:
    """The bytes of each segment of a film."""
    return [each.read_bytes() for each in sorted((run / "segments").rglob("*.mp4"))]


def test_port_that_is_taken_is_said():
    """One line names the port and the flag."""
    with (
        open_port("127.0.0.1", 0) as first,
        pytest.raises(BadInput, match=r"cannot be had.*--port"),
    ):
        open_port("127.0.0.1", first.getsockname()[1])
