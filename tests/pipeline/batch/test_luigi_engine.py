"""Two commands over one luigid: each film is made by one of them, and by the other where that one dies."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import luigi
import pytest
from luigid import serving

from storage.lock import find_local_holder
from tasks.long_video import name_resource
from tests.waiting import LONG, held, wait_until

from .conftest import Run, Start, Write, states_of


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A luigid that takes a worker for dead after a few seconds."""
    settings = {"worker_disconnect_delay": 6, "retry_delay": 2, "prune_on_get_work": True}
    with serving(tmp_path, **settings) as port:
        yield f"127.0.0.1:{port}"


def test_alone(table: Write, run_batch: Run) -> None:
    """With a scheduler of its own, two at once; one that fails holds up no other, and is tried again by the next command."""
    path = table({"num_clip": "1"}, {"prompt": "b"}, {"prompt": "c", "run": "c"})
    words = ("--engine", "luigi", "--jobs", "2", "--json", "--retries", "0")
    (path.parent / "denoise.2").write_text("6", encoding="utf-8")
    done = run_batch(path, *words, FAKE_FAIL=str(path.parent))
    states = states_of(done)
    assert (done.returncode, states[0], "failed" in states) == (9, "made", True), done.stderr
    reasons = [film["reason"] for film in json.loads(done.stdout)["films"] if film["reason"]]
    assert "Clip 2 failed 3 times while denoising" in reasons[0]
    done = run_batch(path, *words)
    assert (done.returncode, states_of(done)[0]) == (0, "there")


def test_run_is_one_resource_however_it_is_spelled(tmp_path: Path) -> None:
    """Else luigid would give it to two workers, and its lock would fail the second."""
    (tmp_path / "link").symlink_to(tmp_path)
    spelled = {name_resource(f"{tmp_path}/{more}") for more in ("a", "b/../a", "link/a", "a/")}
    assert spelled == {f"longtake.{tmp_path.resolve()}/a"}
    assert name_resource("s3://films/a") == "longtake.s3://films/a"


@pytest.mark.slow
def test_command_is_killed(
    table: Write, batch: Start, run_batch: Run, address: str, tmp_path: Path
) -> None:
    """The other goes on with its film, and says that all are there."""
    path = table(*({"prompt": prompt} for prompt in "abcd"))
    runs = [tmp_path / f"runs/face-speech{more}" for more in ("", "-2", "-3", "-4")]
    words = ("--engine", "luigi", "--address", address, "--json")
    with held(tmp_path / "hold", "denoise", 1) as fakes:
        first = batch(path, *words, **fakes)
        wait_until((tmp_path / "hold/denoise.1.reached").exists, of=first)
        (mine,) = (run for run in runs if run.is_dir() and find_local_holder(run))
        second = batch(path, *words)
        others = [run for run in runs if run != mine]
        wait_until(lambda: all((run / "video.mp4").exists() for run in others), of=second)
        first.kill()
        first.communicate()
    out, err = second.communicate(timeout=LONG)
    assert second.returncode == 0, err
    assert [film["state"] for film in json.loads(out)["films"]] == ["made"] * 4


def test_luigid_is_lost(
    table: Write, batch: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The film at work is made; of the others it is told, and the code says that they are not there."""
    path = table({"prompt": "a"}, {"prompt": "b"})
    config = tmp_path / "worker.cfg"
    config.write_text("[core]\nrpc-retry-attempts = 1\n", encoding="utf-8")
    monkeypatch.setenv("LUIGI_CONFIG_PATH", str(config))
    words = ("--engine", "luigi", "--json", "--address")
    with held(tmp_path / "hold", "denoise", 1) as fakes, serving(tmp_path) as port:
        command = batch(path, *words, f"127.0.0.1:{port}", **fakes)
        wait_until((tmp_path / "hold/denoise.1.reached").exists, of=command)
    out, err = command.communicate(timeout=LONG)
    assert command.returncode == 9, err
    films = json.loads(out)["films"]
    assert sorted(film["state"] for film in films) == ["failed", "made"], err
    reasons = [film["reason"] for film in films if film["reason"]]
    assert reasons == [
        f"The luigid at 127.0.0.1:{port} answers no more. See to it, then give the same command again."
    ]


@contextmanager
def answering(code: int, said: bytes) -> Iterator[str]:
    """A server on loopback that answers all that it is asked in one way; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (":x", "HOST:PORT of a luigid is needed"),
        ("127.0.0.1:99999", "HOST:PORT of a luigid is needed"),
        ("127.0.0.1:1", "no luigid answers there (Connection refused)"),
    ],
)
def test_no_luigid(address: str, said: str, table: Write, run_batch: Run, tmp_path: Path) -> None:
    """An address that is none is refused before any film begins, in a line."""
    done = run_batch(table({}), "--engine", "luigi", "--address", address)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("code", "answer"), [(404, b""), (200, b"<html>"), (200, b"[]"), (200, b'{"response": null}')]
)
def test_luigid_of_another_version(code: int, answer: bytes, table: Write, run_batch: Run) -> None:
    """Or what else is at the address: refused, and not tried for a minute."""
    with answering(code, answer) as address:
        done = run_batch(table({}), "--engine", "luigi", "--address", address)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"what answers there is no luigid of Luigi {luigi.__version__}" in done.stderr
