"""Against a real luigid: the film shows on its page, and its death is no success."""

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from luigid import page, serving

from tasks.request import Request
from tests import forked
from tests.waiting import LONG

TESTS = Path(__file__).parents[1]
Ask = Callable[..., Request]


@pytest.fixture
def luigid(tmp_path: Path) -> Iterator[int]:
    """A scheduler on loopback; its port."""
    with serving(tmp_path) as port:
        yield port


def luigi(port: int, request: Request, **more: str) -> subprocess.Popen[bytes]:
    """The film through Luigi's command line and this luigid."""
    words = [
        "--image",
        str(request.image),
        "--audio",
        str(request.audio),
        "--run",
        str(request.run),
    ]
    words += [
        "--infer-frames",
        "12",
        "--scheduler-host",
        "127.0.0.1",
        "--scheduler-port",
        str(port),
    ]
    return forked.Popen(
        [sys.executable, str(TESTS / "fake_luigi.py"), "LongVideo", *words],
        env={**os.environ, **more},
        cwd=TESTS.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_film_shows_on_the_page(luigid: int, ask: Ask) -> None:
    """Every stage is on the page as done, the film with status text, progress and a link."""
    request = ask(seconds=5.0)
    assert luigi(luigid, request).wait(LONG) == 0
    shown = page(luigid, "task_list", status="DONE", upstream_status="")
    families = {task["name"] for task in shown.values()}
    stages = {"EncodeInputs", "ExtractAudio", "DenoiseClip", "DecodeClip"}
    assert families >= stages | {"EncodeSoundtrack", "MuxVideo", "LongVideo"}
    (film,) = (task for task in shown.values() if task["name"] == "LongVideo")
    assert film["tracking_url"] == request.run.as_uri()
    status = page(
        luigid,
        "get_task_status_message",
        task_id=film["taskId"]
        if "taskId" in film
        else next(k for k in shown if k.startswith("LongVideo")),
    )
    assert status["statusMessage"] == "11 of 11 clips"


def test_its_own_page_for_prometheus_counts_the_film(luigid: int, ask: Ask) -> None:
    """With `metrics_collector = prometheus` in its luigi.cfg, luigid's /metrics has every stage."""
    pytest.importorskip("prometheus_client")
    assert luigi(luigid, ask(seconds=5.0)).wait(LONG) == 0
    with urllib.request.urlopen(f"http://127.0.0.1:{luigid}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    for family in ("DenoiseClip", "DecodeClip", "ExtractAudio"):
        assert f'luigi_task_done_total{{family="{family}"}} 11.0' in text


def test_failed_film_can_be_asked_for_again(luigid: int, ask: Ask, tmp_path: Path) -> None:
    """After a clip that failed three times the same command, against the same luigid, makes the film."""
    request = ask(seconds=5.0)
    (tmp_path / "denoise.5").write_text("3")
    assert luigi(luigid, request, FAKE_FAIL=str(tmp_path)).wait(LONG) == 30
    assert luigi(luigid, request, FAKE_FAIL=str(tmp_path)).wait(LONG) == 0


def test_film_does_not_depend_on_luigid_staying(luigid: int, ask: Ask) -> None:
    """make() needs no luigid; a command that names one that is not there ends with a code."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    request = ask(seconds=5.0)
    quick = {"LUIGI_CONFIG_PATH": str(request.image.parent / "quick.cfg")}
    Path(quick["LUIGI_CONFIG_PATH"]).write_text(
        "[core]\nrpc-retry-attempts=1\nrpc-retry-wait=1\n", encoding="utf-8"
    )
    assert luigi(port, request, **quick).wait(LONG) != 0
