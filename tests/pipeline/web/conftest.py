"""The API in this process over a folder of small films of the fake model, and a server that can be killed."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest
from fastapi.testclient import TestClient
from waiting import wait_until

from pipeline.cli import main
from pipeline.web.server import build_server, make_app, open_port
from pipeline.web.settings import WebSettings
from tests import forked

ROOT = Path(__file__).parents[3]
HERE = "http://127.0.0.1"
SERVER = """
import sys
from pathlib import Path
from pipeline.web.server import open_port, serve_forever
from pipeline.web.settings import WebSettings

with open_port("127.0.0.1", 0) as listening:
    print(listening.getsockname()[1], flush=True)
    serve_forever(WebSettings(Path(sys.argv[1]), upload_seconds=0.5), listening, page=False)
"""


@pytest.fixture(scope="session")
def made_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the film that `films` copies is made, once."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def films(made_films: Path, tmp_path: Path, face: Path, speech: Path) -> Path:
    """A folder with one finished film of two clips, called tea."""
    made = made_films / "tea"
    if not made.exists():
        words = ["new", str(face), str(speech), "--infer-frames", "12", "--num-clip", "2"]
        assert main([*words, "--live", "--run", str(made)]) == 0
    shutil.copytree(made_films, tmp_path / "films")
    return tmp_path / "films"


@pytest.fixture
def client(
    films: Path, monkeypatch: pytest.MonkeyPatch, fake_fork_server: Path
) -> Iterator[TestClient]:
    """What asks the API over these films."""
    monkeypatch.setenv("PYTHONPATH", str(fake_fork_server))
    settings = WebSettings(films, upload_bytes=300_000)
    with TestClient(make_app(settings, page=False), base_url=HERE) as asking:
        yield asking


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch, fake_fork_server: Path) -> Callable[[Path], object]:
    """Servers of a folder, each a process of its own: the process, and what asks it."""
    monkeypatch.setenv("PYTHONPATH", str(fake_fork_server))

    @contextmanager
    def serve(root: Path) -> Iterator[tuple["subprocess.Popen[str]", httpx.Client]]:
        words = [sys.executable, "-c", SERVER, str(root)]
        with forked.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
            try:
                assert server.stdout is not None
                base = f"{HERE}:{int(server.stdout.readline())}"
                with httpx.Client(base_url=base, timeout=120) as asking:
                    wait_until(lambda: is_up(asking), of=server, every=0.1)
                    yield server, asking
            finally:
                server.kill()

    return serve


@pytest.fixture
def listening(
    films: Path, monkeypatch: pytest.MonkeyPatch, fake_fork_server: Path
) -> Iterator[int]:
    """The port of a server over these films, in this process, which has little patience."""
    monkeypatch.setenv("PYTHONPATH", str(fake_fork_server))
    settings = WebSettings(films, upload_bytes=300_000, upload_seconds=0.5)
    server = build_server(settings, page=False)
    with open_port("127.0.0.1", 0) as sockets:
        thread = Thread(target=server.run, kwargs={"sockets": [sockets]})
        thread.start()
        yield sockets.getsockname()[1]
        server.should_exit = True
        thread.join()


def is_up(client: httpx.Client) -> bool:
    """Whether the server answers."""
    try:
        return client.get("/v1/runs").status_code == 200
    except httpx.TransportError:
        return False
