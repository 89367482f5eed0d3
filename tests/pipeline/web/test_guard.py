"""Who may speak with the server."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from pipeline.web.server import make_app
from pipeline.web.settings import WebSettings
from storage.errors import BadInput


def client_of(root: Path, **settings: object) -> TestClient:
    """What asks a server with these settings."""
    app = make_app(WebSettings(root, **settings), page=False)  # type: ignore[arg-type]
    return TestClient(app, base_url="http://127.0.0.1:7860")


def test_token_or_password_is_needed(tmp_path: Path):
    """A token, as Bearer or as a browser's password, or the user's password; nothing else, and not for the description either."""
    client = client_of(tmp_path, token="secret", user="ann", password="word")
    statuses = {
        "Bearer secret": 200, "bearer secret": 200, "": 401, "Bearer": 401, "Bearer other": 401,
        "Bearer sécret": 401, "Basic x": 401, "Basic !!": 401, "Basic é": 401, "Digest secret": 401,
    }  # fmt: skip
    for said, status in statuses.items():
        headers = {"Authorization": said.encode("latin-1")}
        assert client.get("/v1/runs", headers=headers).status_code == status, said
    pairs = {("ann", "word"): 200, ("x", "secret"): 200, ("bob", "word"): 401, ("ann", "x"): 401}
    for pair, status in pairs.items():
        assert client.get("/openapi.json", auth=pair).status_code == status
    refused = client.get("/openapi.json")
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("ws://127.0.0.1:7860/v1/runs/x/events/ws"),
    ):
        pass


def test_other_names_and_other_sites_are_refused(tmp_path: Path):
    """A server of this machine alone is not asked by another name, nor changed by another site's page; another page may not open a web socket."""
    client = client_of(tmp_path)
    for host, status in {"127.0.0.1": 200, "localhost:1": 200, "[::1]:2": 200, "evil.com": 403, "127.0.0.1.evil.com": 403, "": 403}.items():  # fmt: skip
        assert client.get("/v1/runs", headers={"Host": host}).status_code == status, host
    mine, other = {"Origin": "http://127.0.0.1:7860"}, {"Origin": "http://evil.com"}
    assert client.post("/v1/runs/x/stop", headers=mine).status_code == 404
    for origin in (other, {"Origin": "null"}, {"Origin": "http://127.0.0.1:9"}):
        assert client.post("/v1/runs/x/stop", headers=origin).status_code == 403
    assert client.get("/v1/runs", headers=other).status_code == 200
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("ws://127.0.0.1:7860/v1/runs/x/events/ws", headers=other),
    ):
        pass


@pytest.mark.parametrize(
    "settings",
    [{"host": "0.0.0.0"}, {"user": "ann"}, {"password": "x"}, {"token": ""}],
)
def test_open_doors_are_refused(tmp_path: Path, settings: dict):
    """Others are let in by a secret alone, which is whole and not empty."""
    with pytest.raises(BadInput):
        WebSettings(tmp_path, **settings).check()
    WebSettings(tmp_path, host="0.0.0.0", token="secret").check()


def test_secrets_are_in_no_words(tmp_path: Path):
    """Neither token nor password is shown where the settings are."""
    assert "hidden" not in repr(WebSettings(tmp_path, token="hidden word", password="hidden word"))
