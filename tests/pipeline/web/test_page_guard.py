"""The page's own routes have the limits of the API, and lead to no file that was not uploaded."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from raw_client import connect_to, read_answer, write_head

from pipeline.bench.page_browser import WebServer, serve_page
from pipeline.web.body_limit import SMALL_BYTES
from pipeline.web.settings import WebSettings

UPLOAD = "/en/gradio_api/upload"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """A server that is a process of its own."""
    with serve_page(tmp_path_factory.mktemp("films")) as server:
        yield server


@pytest.fixture(scope="module")
def page(served: WebServer) -> Iterator[httpx.Client]:
    """What asks its page."""
    with httpx.Client(base_url=served.address, timeout=240) as asking:
        yield asking


def show_faces(page: httpx.Client, picture: str) -> dict[str, Any]:
    """What the page's answer is where a picture of this path is given to the form."""
    (event,) = [
        each
        for each in page.get("/en/config").json()["dependencies"]
        if each["api_name"] == "show_faces"
    ]
    given = {"path": picture, "meta": {"_type": "gradio.FileData"}}
    words: dict[str, object] = {
        "data": [given, "", "", "", "", "", ""],
        "fn_index": event["id"],
        "session_hash": "s",
    }
    assert page.post("/en/gradio_api/queue/join", json=words).status_code == 200
    with page.stream("GET", "/en/gradio_api/queue/data", params={"session_hash": "s"}) as told:
        for line in told.iter_lines():
            if "process_completed" in line:
                return dict(json.loads(line.removeprefix("data: "))["output"])
    raise AssertionError("it never ended")


def test_picture_must_have_been_uploaded(page: httpx.Client, face: Path):
    """A path of the server's disk is no picture for the form, whoever says it; what was uploaded is."""
    assert "was not uploaded" in show_faces(page, str(face))["error"]
    (path,) = page.post(UPLOAD, files={"files": ("a.png", face.read_bytes())}).json()
    assert show_faces(page, path)["data"][0]["visible"]


@pytest.mark.parametrize("path", ["run/predict", "queue/join", "upload_progress"])
def test_words_for_the_page_are_limited(page: httpx.Client, path: str):
    """A body of words is refused before it is read."""
    asked = page.post(f"/en/gradio_api/{path}", content=b" " * (SMALL_BYTES + 1))
    assert (asked.status_code, "At most" in asked.text) == (413, True)


def test_uploads_of_the_page_are_limited(page: httpx.Client):
    """What says that it is larger than a file may be is refused before it comes."""
    size = WebSettings.upload_bytes + SMALL_BYTES + 1
    head = write_head(f"POST {UPLOAD}", f"Content-Length: {size}")
    with connect_to(page.base_url.port or 0, head) as connection:
        status, said = read_answer(connection)
    assert (status, "At most" in said) == (413, True)


def test_server_that_nobody_asks_takes_nothing(served: WebServer, page: httpx.Client):
    """While nobody looks, the page's machinery leaves the processor to the film: less than 2 % of a core."""
    assert page.get("/en/").status_code == 200
    assert served.process is not None
    server, begun = psutil.Process(served.process.pid), time.monotonic()
    before = sum(server.cpu_times()[:2])
    time.sleep(5)
    taken = sum(server.cpu_times()[:2]) - before
    assert taken / (time.monotonic() - begun) < 0.02
