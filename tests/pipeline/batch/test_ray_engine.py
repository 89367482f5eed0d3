"""Films over two Ray nodes of this machine, one of which is killed in the middle."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import LONG, holds, wait_until

from .conftest import FLAGS, Start, Write, states_of

ROOT = Path(__file__).parents[3]
Call = Callable[..., tuple[int, str, str]]
Nodes = Callable[[int], tuple[str, Any]]

pytest.importorskip("ray")
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
print(cluster.address, flush=True)
for line in sys.stdin:
    cluster.remove_node(nodes.pop(), allow_graceful=False)
    print("killed", flush=True)
cluster.shutdown()
"""


@pytest.fixture
def cluster(
    fake_fork_server: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator["subprocess.Popen[str]"]:
    """A head without a processor and two nodes of one each; a line to it kills a node. Their films have the fake model."""
    monkeypatch.setenv("PYTHONPATH", f"{fake_fork_server}:{ROOT}")
    monkeypatch.setenv("FAKE_DENOISE", "1")
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "RAY_health_check_timeout_ms": "2000"},
    )
    with process:  # which closes what it reads and waits
        yield process


@pytest.mark.slow
def test_signal(
    cluster: "subprocess.Popen[str]", table: Write, batch: Start, tmp_path: Path
) -> None:
    """The films at work end after their current write, the others do not begin."""
    assert cluster.stdout is not None
    address, log = cluster.stdout.readline().strip(), tmp_path / "runs/face-speech/events.jsonl"
    path = table({"num_clip": "15"}, {"prompt": "b"})
    process = batch(path, "--engine", "ray", "--address", address, "--jobs", "1", "--json")
    wait_until(lambda: holds(log, '"clip_published"'), of=process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=LONG)
    states = [film["state"] for film in json.loads(out)["films"]]
    assert (process.returncode, states) == (143, ["waiting"] * 2), err
    wait_until(lambda: holds(log, '"run_interrupted"'))
    assert not (tmp_path / "runs/face-speech-2").exists()


@pytest.mark.slow
def test_node_is_killed(
    cluster: "subprocess.Popen[str]", table: Write, batch: Any, longtake: Call, tmp_path: Path
) -> None:
    """All eight films are made, each clip that was published but once, and the bytes are those of films alone."""
    assert cluster.stdin is not None
    assert cluster.stdout is not None
    address = cluster.stdout.readline().strip()
    path = table(*({"prompt": prompt, "num_clip": "2"} for prompt in "abcdefgh"))
    process = batch(path, "--engine", "ray", "--address", address, "--json")
    ended: list[tuple[str, str]] = []
    reader = threading.Thread(target=lambda: ended.append(process.communicate()))
    reader.start()
    runs = [tmp_path / f"runs/face-speech{more}" for more in ("", *(f"-{n}" for n in range(2, 9)))]
    # Two are made, two are at work.
    wait_until(lambda: sum((run / "video.mp4").exists() for run in runs) >= 2, every=0.1)
    print("kill", file=cluster.stdin, flush=True)
    assert cluster.stdout.readline() == "killed\n"
    reader.join()
    out, err = ended[0]
    done = subprocess.CompletedProcess([], process.returncode, out, err)
    assert (done.returncode, states_of(done)) == (0, ["made"] * 8), err
    for run, prompt in zip(runs, "abcdefgh", strict=True):
        words = ("new", "face.png", "speech.wav", "--run", f"alone-{prompt}", *FLAGS)
        assert longtake(*words, "--num-clip", "2", "--prompt", prompt)[0] == 0
        alone = tmp_path / f"alone-{prompt}" / "video.mp4"
        assert (run / "video.mp4").read_bytes() == alone.read_bytes()
