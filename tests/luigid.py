"""A real luigid on loopback."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.waiting import LONG, wait_until

HERE = "127.0.0.1"


@contextmanager
def serving(
    folder: Path, *, host: str = HERE, lead: Sequence[str] = (), **settings: int | bool
) -> Iterator[int]:
    """A scheduler with these settings of its section that keeps its state in a folder; its port, once it answers. `lead`: the words before its command, as of another network's namespace."""
    with socket.socket() as free:
        free.bind((HERE, 0))
        port = int(free.getsockname()[1])
    words = ["--port", str(port), "--address", host, "--logdir", str(folder)]
    words += ["--state-path", str(folder / "state.pickle")]
    config = folder / "luigid.cfg"
    lines = [f"{name} = {value}" for name, value in settings.items()]
    if importlib.util.find_spec("prometheus_client"):
        lines.append("metrics_collector = prometheus")
    config.write_text("\n".join(["[scheduler]", *lines, ""]))
    server = subprocess.Popen(
        [*lead, sys.executable, "-c", "from luigi.cmdline import luigid; luigid()", *words],
        env={**os.environ, "LUIGI_CONFIG_PATH": str(config)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: is_up(port, host), of=server, every=0.05)
        yield port
    finally:
        server.kill()
        server.wait()


def is_up(port: int, host: str = HERE) -> bool:
    """Whether its page answers."""
    try:
        page(port, "task_list", host, status="", upstream_status="")
    except OSError:
        return False
    return True


def page(port: int, what: str, host: str = HERE, **arguments: Any) -> dict[str, Any]:
    """What its page shows."""
    data = urllib.parse.quote(json.dumps(arguments))
    address = f"http://{host}:{port}/api/{what}?data={data}"
    with urllib.request.urlopen(address, timeout=LONG) as answer:
        found: dict[str, Any] = json.load(answer)["response"]
    return found
