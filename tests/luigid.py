"""A real luigid on loopback."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.waiting import LONG, wait_until


@contextmanager
def serving(folder: Path, **settings: int | bool) -> Iterator[int]:
    """A scheduler with these settings of its section that keeps its state in a folder; its port, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    words = ["--port", str(port), "--address", "127.0.0.1", "--logdir", str(folder)]
    words += ["--state-path", str(folder / "state.pickle")]
    config = folder / "luigid.cfg"
    lines = [f"{name} = {value}" for name, value in settings.items()]
    if importlib.util.find_spec("prometheus_client"):
        lines.append("metrics_collector = prometheus")
    config.write_text("\n".join(["[scheduler]", *lines, ""]))
    server = subprocess.Popen(
        [sys.executable, "-c", "from luigi.cmdline import luigid; luigid()", *words],
        env={**os.environ, "LUIGI_CONFIG_PATH": str(config)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: is_up(port), of=server, every=0.05)
        yield port
    finally:
        server.kill()
        server.wait()


def is_up(port: int) -> bool:
    """Whether its page answers."""
    try:
        page(port, "task_list", status="", upstream_status="")
    except OSError:
        return False
    return True


def page(port: int, what: str, **arguments: Any) -> dict[str, Any]:
    """What its page shows."""
    data = urllib.parse.quote(json.dumps(arguments))
    address = f"http://127.0.0.1:{port}/api/{what}?data={data}"
    with urllib.request.urlopen(address, timeout=LONG) as answer:
        found: dict[str, Any] = json.load(answer)["response"]
    return found
