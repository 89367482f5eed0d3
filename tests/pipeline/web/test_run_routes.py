"""The HTTP API over runs: what is asked, what comes, and what is refused with a reason."""

import errno
import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from PIL.Image import Image
from waiting import wait_until

from pipeline.jobs import preview
from pipeline.report.pictures import read_frames_at
from pipeline.web import form_receiver, run_routes
from storage.disk import FileSystem

HALF_FORM = (
    b"--x\r\nContent-Disposition: form-data; name=picture; filename=a.png\r\n\r\nbytes\r\n"
    b"--x\r\nContent-Disposition: form-data; name=sound; filename=a.wav\r\n\r\nhalf of it"
)
GONE = "/v1/runs/film-000000000000"


def post_film(client: TestClient, face: Path, speech: Path, **more: str) -> Response:
    """Ask for a small film by an upload."""
    files = {each.stem: (each.name, each.read_bytes()) for each in (face, speech)}
    files = {"picture": files["face"], "sound": files["speech"]}
    fields = {"infer-frames": "12", "num-clip": "1", **more}
    return client.post("/v1/runs", files=files, data=fields, headers={"Idempotency-Key": "k"})


def test_film_is_asked_for_by_an_upload_once(client: TestClient, face: Path, speech: Path):
    """An upload becomes a run, the same key gives it back, and it can be stopped and removed."""
    made = post_film(client, face, speech, title="Tea", prompt="She smiles.")
    assert made.status_code == 201, made.text
    run = made.json()
    assert made.headers["Location"] == run["links"]["self"]
    assert run["title"] == "Tea"
    assert run["flags"]["prompt"] == "She smiles."
    again = post_film(client, face, speech, title="Other")
    assert again.json()["name"] == run["name"]
    assert client.get("/v1/runs").json()["total"] == 2
    assert client.post(run["links"]["self"] + "/stop").status_code == 200
    listed = client.get("/v1/runs", params={"state": "finished"}).json()["runs"]
    assert "tea" in [each["name"] for each in listed]


def test_film_is_asked_for_by_paths_below_the_root(
    client: TestClient, films: Path, face: Path, speech: Path, tmp_path: Path
):
    """Paths may lead below the folder of runs and nowhere else, by no dots and no link, and a refusal tells nothing of what is there."""
    (films / "way").symlink_to(tmp_path)
    refused = set()
    for word in ("../face.png", "/etc/passwd", "way/face.png", "/nowhere", str(face), "a\0"):
        asked = client.post("/v1/runs", json={"picture": word, "sound": "speech.wav"})
        assert asked.status_code == 422, asked.text
        refused.add(asked.json()["error"]["message"].partition(" lies in ")[2])
    assert refused == {"no folder that requests may name files in."}
    (films / "face.png").write_bytes(face.read_bytes())
    (films / "speech.wav").write_bytes(speech.read_bytes())
    body = {"picture": "face.png", "sound": "speech.wav", "flags": {"num-clip": "0"}}
    asked = client.post("/v1/runs", json=body)
    assert asked.status_code == 422
    assert "--num-clip 0 cannot be used" in asked.json()["error"]["message"]
    assert client.get("/v1/runs").json()["total"] == 1


def test_script_and_speakers_are_uploaded(client: TestClient, films: Path, face: Path, speech: Path):  # fmt: skip
    """Files of their own fields; run.json has what they say when the uploads are gone. The fake model cannot make a film of several speakers."""
    parts = {"picture": face, "sound": speech, "sound2": speech}
    files = {name: (path.name, path.read_bytes()) for name, path in parts.items()}
    files["script"] = ("film.csv", b"from,prompt,seed\n0s,She smiles.,7\n")
    places = {"speaker1": "1,1,10,10", "speaker2": "15,1,10,10"}
    fields = {"infer-frames": "12", "num-clip": "1", **places}
    made = client.post("/v1/runs", files=files, data=fields)
    assert made.status_code == 201, made.text
    run = made.json()
    address = run["links"]["self"]
    wait_until(lambda: client.get(address).json()["state"] == "failed", every=0.1)
    facts = json.loads((films / run["name"] / "run.json").read_text(encoding="utf-8"))
    assert facts["spec"]["script"] == "0:7 0 100 100 She smiles.\n"
    assert [each["box"] for each in facts["spec"]["speakers"]] == list(places.values())
    left = {each.name for each in (films / ".jobs" / run["name"]).iterdir()}
    assert not left & {"picture.png", "sound.wav", "sound2.wav", "script.csv"}


def test_what_is_wrong_with_a_script_is_one_line(client: TestClient, face: Path, speech: Path):
    """And with a place that would name a file of the server's; nothing stays."""
    files = {"picture": ("face.png", face.read_bytes()), "sound": ("tea.wav", speech.read_bytes())}
    script = {"script": ("my film.toml", b"[[entry]]\nfrom = 1\nprompt = ''")}
    asked = client.post("/v1/runs", files=files | script)
    assert asked.status_code == 422
    assert "--script script.toml cannot be used: entry 1: a time" in asked.json()["error"]["message"]  # fmt: skip
    asked = client.post("/v1/runs", files=files, data={"speaker1": "/etc/passwd"})
    assert (asked.status_code, "is no place" in asked.json()["error"]["message"]) == (422, True)
    asked = client.post("/v1/runs", json={"picture": "a", "sound": "b", "files": {"script": "/etc/passwd"}})  # fmt: skip
    assert asked.status_code == 422
    assert client.get("/v1/runs").json()["total"] == 1


@pytest.mark.parametrize(
    ("fields", "files", "answer"),
    [
        ({}, {"picture": b"x"}, (422, "no file sound")),
        ({}, {"picture": b"x" * 300_001, "sound": b"x"}, (413, "larger than 300000 bytes")),
        ({}, {"other": b"x"}, (422, "no other")),
        ({"prompt": "x" * 100_001}, {"picture": b"x", "sound": b"x"}, (413, "longer than")),
        ({"ahed": "x"}, {"picture": b"x", "sound": b"x"}, (422, "did you mean ahead")),
        ({"run": "/etc"}, {"picture": b"x", "sound": b"x"}, (422, "no such flag")),
        ({"title": "x" * 201}, {"picture": b"x", "sound": b"x"}, (422, "title")),
        (
            {f"f{number}": "x" for number in range(200)},
            {"picture": b"x", "sound": b"x"},
            (413, "parts"),
        ),
    ],
)
def test_forms_that_are_refused_say_why(
    client: TestClient, films: Path, fields: dict, files: dict, answer: tuple[int, str]
):
    """Too large, too many, unknown: each is refused with a reason, and nothing of it stays."""
    named = {name: (f"{name}.png", data) for name, data in files.items()}
    asked = client.post("/v1/runs", data=fields, files=named)
    assert (asked.status_code, answer[1] in asked.json()["error"]["message"]) == (answer[0], True)
    left = (films / ".jobs").iterdir() if (films / ".jobs").exists() else ()
    assert [each.name for each in left if "upload" in each.name] == []


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("multipart/form-data; boundary=x", b"no form", 400),
        ("multipart/form-data; boundary=x", HALF_FORM, 400),
        ("multipart/form-data", b"", 415),
        ("text/plain", b"", 415),
        ("application/json", b"{", 422),
        ("application/json", b"x" * 1_000_001, 413),
        ("application/json", b'{"picture": "a", "sound": "b", "more": 1}', 422),
    ],
)
def test_bodies_that_cannot_be_read_are_refused(
    client: TestClient, kind: str, body: bytes, status: int
):
    """What is neither a form nor JSON of the right shape is refused with a line."""
    asked = client.post("/v1/runs", content=body, headers={"Content-Type": kind})
    assert (asked.status_code, bool(asked.json()["error"]["message"])) == (status, True)


def test_upload_that_has_no_room_is_refused(
    client: TestClient, films: Path, face: Path, speech: Path, monkeypatch: pytest.MonkeyPatch
):
    """507 for an upload that says it is larger than what is free, and for one that meets the end of the disk; nothing of it stays."""
    full = FileSystem(free=100, files=None, read_only=False)
    with monkeypatch.context() as patched:
        patched.setattr(form_receiver, "read_file_system", lambda _path: full)
        asked = post_film(client, face, speech)
    assert (asked.status_code, "no space left" in asked.json()["error"]["message"]) == (507, True)

    def write(_receiver: object, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(form_receiver.FormReceiver, "_take", write)
    asked = post_film(client, face, speech)
    assert (asked.status_code, "no space left" in asked.json()["error"]["message"]) == (507, True)
    assert list((films / ".jobs").glob(".longtake-upload*")) == []


def test_film_can_be_watched(client: TestClient, films: Path):
    """The film whole and in parts, its live film and a frame of it, under names that lead nowhere else."""
    film = (films / "tea/video.mp4").read_bytes()
    assert client.get("/v1/runs/tea/film.mp4").content == film
    for path in ("/v1/runs/tea/film.mp4", "/v1/videos/tea/content", "/media/tea/video.mp4"):
        told = client.head(path)
        assert (told.status_code, told.content) == (200, b""), path
        assert told.headers["Content-Length"] == str(len(film)), path
    assert client.get("/v1/runs/tea/partial.mp4").content == film
    part = client.get("/v1/runs/tea/film.mp4", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, film[10:20])
    playlist = client.get("/v1/runs/tea/live/film.m3u8")
    assert playlist.headers["Content-Type"] == "application/vnd.apple.mpegurl"
    named = [line for line in playlist.text.splitlines() if line.endswith(".m4s")]
    for each in ("init.mp4", *named):
        assert client.get(f"/v1/runs/tea/live/{each}").status_code == 200
    assert client.get("/v1/runs/tea/preview.jpg").content.startswith(b"\xff\xd8")
    assert client.get("/v1/runs/tea/preview.jpg?clip=1").status_code == 200
    assert client.get("/v1/runs/tea/preview.jpg?clip=2").status_code == 404
    assert client.get("/v1/runs/tea/live/film.mp4").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/v1/runs/..%2f..%2fetc",
        "/v1/runs/%2e%2e/film.mp4",
        "/v1/runs/.jobs",
        "/v1/runs/tea/live/..%2frun.json",
        "/v1/runs/tea/live/%2e%2e%2frun.json",
        "/v1/runs/tea/live/run.json",
        "/media/tea/live/..%2frun.json",
        "/v1/runs/a%00b",
        GONE,
        f"{GONE}/film.mp4",
        f"{GONE}/events",
    ],
)
def test_paths_lead_nowhere_else(client: TestClient, path: str):
    """No address of the API leads out of the runs."""
    assert client.get(path).status_code in {404, 422}


def test_linked_file_is_not_given(client: TestClient, films: Path, tmp_path: Path):
    """A link in a run's folder is not followed, whatever it is called."""
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    for name in ("video.mp4", "live/film.m3u8"):
        (films / "tea" / name).unlink()
        (films / "tea" / name).symlink_to(tmp_path / "secret")
    for path in ("film.mp4", "live/film.m3u8"):
        found = client.get(f"/v1/runs/tea/{path}")
        assert found.status_code in {404, 409}
        assert "secret" not in found.text.replace(str(tmp_path), "")


def test_one_damaged_run_hides_no_other(client: TestClient, films: Path):
    """A pipe or a link where a file belongs fails that run with a line, and the others are listed and shown as ever."""
    shutil.copytree(films / "tea", films / "harbour")
    for name, put in (("playlist", os.mkfifo), ("link", lambda at: at.symlink_to(films))):
        (films / "harbour/live/film.m3u8").unlink()
        put(films / "harbour/live/film.m3u8")
        listed = {each["name"]: each for each in client.get("/v1/runs").json()["runs"]}
        assert listed["tea"]["state"] == "finished", name
        assert listed["harbour"]["state"] == "failed", name
        assert "film.m3u8" in listed["harbour"]["error"], name
    assert client.delete("/v1/runs/harbour").status_code == 204


def test_frame_that_many_ask_for_is_drawn_once(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    """Clients that ask for the same frame at once cost one decoding, and another clip's frame is another."""
    drawn: list[Path] = []

    def read(path: Path, times: list[float]) -> Iterator[Image]:
        drawn.append(path)
        time.sleep(0.2)
        yield from read_frames_at(path, times)

    monkeypatch.setattr(preview, "read_frames_at", read)
    with ThreadPoolExecutor(20) as many:
        asked = [many.submit(client.get, "/v1/runs/tea/preview.jpg") for _ in range(20)]
        frames = {each.result().content for each in asked}
    assert (len(frames), len(drawn)) == (1, 1)
    assert client.get("/v1/runs/tea/preview.jpg?clip=0").content not in frames
    assert len(drawn) == 2


def test_drawing_holds_nobody_else_up(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    """However many wait for a frame or a joined film, a look at a run is answered meanwhile."""
    gate = Event()

    def draw(*_: object) -> bytes:
        assert gate.wait(60)
        return b"a frame"

    monkeypatch.setattr(run_routes, "draw_preview", draw)
    with ThreadPoolExecutor(60) as many:
        asked = [many.submit(client.get, "/v1/runs/tea/preview.jpg") for _ in range(60)]
        try:
            wait_until(lambda: all(each.running() for each in asked))
            assert client.get("/v1/runs/tea").status_code == 200
        finally:
            gate.set()
        assert {each.result().content for each in asked} == {b"a frame"}


def test_run_is_stopped_resumed_retaken_and_removed(client: TestClient):
    """What stands still stays as it is; a retake that cannot be is refused with a line; what is removed is gone."""
    for verb in ("stop", "resume"):
        assert client.post(f"/v1/runs/tea/{verb}").json()["state"] == "finished"
    asked = client.post("/v1/runs/tea/retake", json={"clip": 7})
    assert asked.status_code == 422
    asked = client.post("/v1/runs/tea/redub", data={"from": "0s"}, files={"picture": b"x"})
    assert asked.json()["error"]["message"] == "The form must have one file, sound."
    files = {"sound": ("words.wav", b"no sound")}
    asked = client.post("/v1/runs/tea/redub", data={"from": "0s"}, files=files)
    assert (asked.status_code, "it is no sound file" in asked.text) == (422, True)
    asked = client.post("/v1/runs/tea/retake", json={"clip": 0, "flags": {"prompt": "x"}})
    assert "--prompt" in asked.json()["error"]["message"]
    assert client.delete("/v1/runs/tea").status_code == 204
    assert client.get("/v1/runs/tea").status_code == 404
    assert client.delete("/v1/runs/tea").status_code == 404


def test_same_runs_are_video_jobs(client: TestClient, face: Path):
    """The shape of OpenAI's video jobs, over the same runs."""
    (video,) = client.get("/v1/videos").json()["data"]
    assert (video["id"], video["status"], video["progress"]) == ("tea", "completed", 100)
    assert client.get("/v1/videos/tea").json() == video
    assert client.get("/v1/videos/tea/content").status_code == 200
    asked = client.post("/v1/videos", files={"input_reference": ("face.png", face.read_bytes())})
    assert asked.json()["error"]["message"] == "The form has no file audio."
    assert client.delete("/v1/videos/tea").json()["deleted"]
    assert client.get("/v1/videos/tea").status_code == 404


def test_films_a_minute_are_limited(client: TestClient):
    """Who asks too often is told when to come back, and what is read is not limited."""
    statuses = [client.post("/v1/runs", content=b"").status_code for _ in range(59)]
    statuses += [client.post("/v1/runs/tea/retake", json={"clip": 7}).status_code for _ in range(2)]
    assert statuses == [415] * 59 + [422, 429]
    assert int(client.post("/v1/runs").headers["Retry-After"]) > 0
    assert client.get("/v1/runs").status_code == 200
