"""The verbs on a run at a URL, through the command line: what they make, what they show, and what is refused before any work."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from storage.remote.address import open_store
from storage.remote.lease import NAME as LEASE
from storage.remote.lease import LeaseState
from storage.run import Run
from tasks import decode_helper
from tests.s3_server import BUCKET, READER, S3Server, serving_s3

pytest.importorskip("obstore")
Longtake = Callable[..., tuple[int, str, str]]
SOON = 20.0
"""Seconds within which whatever is wrong with a store is said."""


@dataclass
class Desk:
    """Whoever asks for a film at a URL, at one machine or another."""

    longtake: Longtake
    files: tuple[Path, Path]
    url: str
    folder: Path
    patch: pytest.MonkeyPatch

    def use_machine(self, name: str) -> None:
        """Sit down at another machine: nothing of this one's is there."""
        self.patch.setenv("LONGTAKE_STORE_CACHE", str(self.folder / f"cache-{name}"))

    def make(self, *words: object) -> Path:
        """A verb that ends well; the film."""
        code, out, said = self.longtake(*words)
        assert code == 0, said
        return Path(out.strip())

    def make_new(self) -> Path:
        """The film."""
        return self.make("new", *self.files, "--run", self.url)

    def refuse(self, words: tuple[object, ...], code: int, *said: str) -> None:
        """One line, soon, with these words in it; and nothing was made."""
        begun = time.monotonic()
        found, out, line = self.longtake(*words)
        assert (found, out) == (code, ""), line
        assert time.monotonic() - begun < SOON
        last = line.strip().splitlines()[-1]
        assert last.startswith("longtake: ")
        assert all(each in last for each in said), last

    def refuse_new(self, url: str, code: int, *said: str) -> None:
        """A new film at a URL is refused."""
        self.refuse(("new", *self.files, "--run", url), code, url, *said)


@pytest.fixture
def desk(
    longtake: Longtake, face: Path, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Desk:
    """Nothing lies at its URL yet."""
    url = f"file://{tmp_path}/bucket/films/tea"
    desk = Desk(longtake, (face, speech), url, tmp_path, monkeypatch)
    desk.use_machine("here")
    return desk


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    """A real server."""
    pytest.importorskip("moto")
    with serving_s3() as server:
        yield server


@pytest.fixture
def s3_here(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, which this process comes to."""
    use_server(s3_server, monkeypatch)
    return s3_server


def use_server(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


def test_a_film_at_a_url(desk: Desk) -> None:
    """It is that of a folder; where it is on the store is said; `resume` finds it done."""
    here = desk.make("new", *desk.files, "--run", desk.folder / "folder")
    code, out, said = desk.longtake("new", *desk.files, "--run", desk.url)
    assert code == 0, said
    assert f"{desk.url}/video.mp4" in said
    film = Path(out.strip())
    assert film.read_bytes() == here.read_bytes()
    assert Path(desk.url.removeprefix("file://"), "video.mp4").read_bytes() == here.read_bytes()
    assert desk.make("resume", desk.url) == film
    code, _, said = desk.longtake("new", *desk.files, "--run", desk.url)
    assert (code, "it was there already" in said) == (0, True)


def test_every_verb_on_another_machine(desk: Desk) -> None:
    """Who looks brings what is wanted; nothing is made, and no lease is taken."""
    desk.make_new()
    lease = open_store(desk.url).get(LEASE)
    desk.use_machine("counts")
    code, out, said = desk.longtake("status", desk.url, "--json")
    found = json.loads(out)
    assert (code, found["clips_done"], found["state"]) == (0, 5, "finished"), said
    assert found["film"] == f"{desk.url}/video.mp4", "none was brought here to be counted"
    for number, words in enumerate(
        (
            ("verify", desk.url),
            ("inspect", desk.url),
            ("inspect", desk.url, "--clip", 2, "--step", 1),
            ("mux", desk.url),
            ("report", desk.url),
        )
    ):
        desk.use_machine(f"looks{number}")
        code, _, said = desk.longtake(*words)
        assert code == 0, (words, said)
    after = open_store(desk.url).get(LEASE)
    assert lease is not None
    assert after is not None
    assert after.content == lease.content


def test_what_is_said_of_a_run_names_its_url(desk: Desk) -> None:
    """Not the working folder, which is nobody's to name: of another film asked for there, of a whole run, of one that is not."""
    film = desk.make_new()
    asked = ("new", *desk.files, "--run", desk.url, "--prompt", "other")
    desk.refuse(asked, 3, f"longtake: {desk.url} holds another film: prompt is empty, not other. ")
    onto_itself = ("retake", desk.url, "--clip", 1, "--run", desk.url)
    desk.refuse(onto_itself, 2, f"longtake: --run {desk.url} cannot be used: a retake is a new run")
    assert desk.longtake("verify", desk.url)[1].startswith(f"{desk.url} is whole")
    assert desk.longtake("status", desk.url)[1].startswith(f"{desk.url} ")
    film.unlink()
    _, out, _ = desk.longtake("verify", film.parent)
    assert f"longtake verify {desk.url} --repair" in out or f"longtake resume {desk.url}" in out
    assert str(film.parent) not in out


def test_a_retake_lies_beside_it(desk: Desk) -> None:
    """On the same store, made on another machine; and a third one goes on with it."""
    desk.make_new()
    desk.use_machine("retakes")
    film = desk.make("retake", desk.url, "--clip", 3, "--seed", 9)
    beside = f"{desk.url}-clip3-seed9"
    desk.use_machine("third")
    assert desk.make("resume", beside).read_bytes() == film.read_bytes()
    code, _, said = desk.longtake("verify", beside)
    assert code == 0, said


def test_settings_given_on_one_machine_hold_on_another(desk: Desk) -> None:
    """run.json is replaced, too; a film that gets another title is joined again."""
    first = desk.make_new().read_bytes()
    desk.use_machine("titles")
    second = desk.make("resume", desk.url, "--title", "Tea at six").read_bytes()
    assert first != second
    desk.use_machine("third")
    film = desk.make("resume", desk.url)
    assert (film.read_bytes(), Run.open(film.parent).settings.title) == (second, "Tea at six")


@pytest.mark.parametrize("machine", ["here", "another"])
def test_status_tells_no_size_of_a_run_on_a_store(desk: Desk, machine: str) -> None:
    """Neither of the working folder nor of the records that a look brings: neither is the run's."""
    desk.make_new()
    desk.use_machine(machine)
    code, out, said = desk.longtake("status", desk.url)
    assert (code, "on disk" in out) == (0, False), said
    assert json.loads(desk.longtake("status", desk.url, "--json")[1])["bytes_on_disk"] is None


@pytest.mark.parametrize("machine", ["here", "another"])
def test_of_a_whole_film_nothing_is_decoded(desk: Desk, machine: str) -> None:
    """It is said that the film is whole and where it lies, with code 0, and no model is loaded: none is needed."""
    desk.make_new()
    desk.use_machine(machine)
    desk.patch.setattr(decode_helper, "load_avatar", forbid_loading)
    code, out, said = desk.longtake("resume", desk.url, "--stages", "decode")
    line = f"Nothing is left to decode, the film is whole: {desk.url}/video.mp4"
    assert (code, out, said.splitlines()[-1]) == (0, "", line)


def forbid_loading(*_: object) -> NoReturn:
    """Stands for what loads a model."""
    raise AssertionError("a model is loaded")


def test_damage_here_is_mended_from_the_store(desk: Desk) -> None:
    """A segment that is gone here is brought, not made: a finished film needs no model for it."""
    film = desk.make_new()
    segment = Run.open(film.parent).segment_path(2)
    content = segment.read_bytes()
    segment.unlink()
    assert desk.make("resume", desk.url) == film
    assert segment.read_bytes() == content


def test_verify_repair_at_a_url(desk: Desk) -> None:
    """What is mended here is mended there."""
    film = desk.make_new()
    path = Run.open(film.parent).latents.chunk_path(1)
    path.write_bytes(bytes(path.stat().st_size))
    code, _, said = desk.longtake("verify", desk.url, "--repair")
    assert code == 0, said
    code, _, said = desk.longtake("verify", desk.url)
    assert code == 0, said


# What is refused.


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("s3://films", "BUCKET/NAME"),
        ("s3://films/../x", "plain names"),
        ("http://films/x", "s3://, gs://, az://, file://"),
        ("s3://key:secret@films/x", "credentials stand in the environment"),
        ("file://host/x", "file:///mnt/films/x"),
        ("s3://films/a b", "plain names"),
        ("s3://films/x?versionId=3", "plain names"),
    ],
)
def test_what_is_no_url_of_a_run(desk: Desk, word: str, said: str) -> None:
    """Refused by what was typed, of `new` and of those who look."""
    desk.refuse_new(word, 2, said)
    desk.refuse(("status", word), 2, said)


def test_no_such_bucket(desk: Desk, s3_here: S3Server) -> None:
    """Named, for makers and for those who look."""
    assert s3_here.process.poll() is None
    desk.url = "s3://no-such/films/x"
    desk.refuse_new(desk.url, 2, "no bucket")
    desk.refuse(("status", desk.url), 2, desk.url, "no bucket")


def test_wrong_credentials(desk: Desk, s3_here: S3Server) -> None:
    """What the server says of them, and what is needed."""
    assert s3_here.process.poll() is None
    desk.patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    desk.url = f"s3://{BUCKET}/x"
    desk.refuse_new(desk.url, 3, "InvalidAccessKeyId", "credentials")


def test_who_may_only_read(desk: Desk, s3_here: S3Server) -> None:
    """Makes nothing, and looks at what is there."""
    assert s3_here.process.poll() is None
    desk.url = f"s3://{BUCKET}/read/x"
    desk.make_new()
    desk.patch.setenv("AWS_ACCESS_KEY_ID", READER)
    desk.use_machine("reader")
    desk.refuse(("resume", desk.url), 3, desk.url, "AccessDenied", "write")
    code, _, said = desk.longtake("verify", desk.url)
    assert code == 0, said


def test_nobody_answers(desk: Desk, s3_here: S3Server) -> None:
    """A port that is closed; one behind which nobody speaks."""
    assert s3_here.process.poll() is None
    desk.url = f"s3://{BUCKET}/x"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        desk.patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
        desk.refuse_new(desk.url, 4, "cannot be reached", "refused")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("AWS_ENDPOINT_URL", ""),
        ("AWS_ENDPOINT_URL", "127.0.0.1:9"),
        ("AWS_ENDPOINT_URL_S3", "http://"),
        ("AWS_ENDPOINT", "http://127.0.0.1:99999"),
        ("AWS_ENDPOINT_URL", "http://a b"),
        ("AWS_SECRET_ACCESS_KEY", "secret\n"),
        ("AWS_SESSION_TOKEN", "secret\nword"),
    ],
)
def test_settings_that_no_request_can_be_made_of(desk: Desk, name: str, word: str) -> None:
    """The variable is named, and no secret; obstore would panic."""
    desk.patch.setenv("AWS_ACCESS_KEY_ID", "testing")
    desk.patch.setenv(name, word)
    for words in (("status", "s3://films/a"), ("new", *desk.files, "--run", "s3://films/a")):
        code, _, said = desk.longtake(*words)
        assert (code, said.count("\n")) == (2, 1), said
        assert said.startswith(f"longtake: {name} "), said
        assert "secret" not in said


@pytest.mark.parametrize("conditions", ["ignored", "refused"])
def test_no_conditional_writes(desk: Desk, conditions: str) -> None:
    """A server that takes the conditions and does not keep them; one that knows none."""
    pytest.importorskip("moto")
    with serving_s3(conditions) as server:
        use_server(server, desk.patch)
        desk.url = f"s3://{BUCKET}/x"
        desk.refuse_new(desk.url, 2, "conditional writes")
        assert list(open_store(desk.url).list_names("probe")) == []


def test_clock_that_is_off(desk: Desk) -> None:
    """A server that refuses what is signed at another time: the clock is to be set, and no right to be given."""
    pytest.importorskip("moto")
    with serving_s3("skewed") as server:
        use_server(server, desk.patch)
        desk.refuse_new(
            "s3://films/tea", 3, "the clock of this machine, by which", "is off: set it"
        )


def test_a_run_that_another_machine_works_on(desk: Desk) -> None:
    """It is seen alive, and named; with --break-lock the run is taken."""
    desk.patch.setenv("LONGTAKE_LEASE_TTL", "2")
    desk.make_new()
    holder = {"host": "elsewhere", "process": 4711, "born": "7", "since": "noon", "token": "aa"}
    store = open_store(desk.url)

    class Renewing:
        """A lease that changes with every look."""

        counter = 0

        def __call__(self, name: str) -> object:
            if name == LEASE:
                Renewing.counter += 1
                store.put(LEASE, LeaseState(7, Renewing.counter, 5.0, holder).as_bytes())
            return real(name)

    from storage.remote.folder_store import FolderStore

    real = store.get
    with desk.patch.context() as patch:
        patch.setattr(FolderStore, "get", lambda _self, name: Renewing()(name))
        words = "process 4711 on elsewhere"
        desk.refuse(("resume", desk.url), 75, desk.url, words, "--break-lock")
    code, out, said = desk.longtake("status", desk.url, "--json")
    assert (code, words in json.loads(out)["worker"]) == (0, True), said
    code, _, said = desk.longtake("resume", desk.url, "--break-lock")
    assert code == 0, said


def test_nothing_lies_there(desk: Desk) -> None:
    """For those who look, and for those who would go on."""
    for verb in ("status", "verify", "mux", "inspect"):
        desk.refuse((verb, desk.url), 2, desk.url, "nothing lies there")
    code, _, line = desk.longtake("resume", desk.url)
    assert (code, desk.url in line) == (2, True), line


def test_without_the_extra(desk: Desk) -> None:
    """One line says what to install."""
    import sys

    desk.patch.setitem(sys.modules, "obstore", None)
    desk.patch.setitem(sys.modules, "obstore.exceptions", None)
    desk.refuse_new("s3://films/x", 2, "pip install '.[store]'")


def test_status_does_not_watch_a_store(desk: Desk) -> None:
    """It would look at a state that never changes."""
    desk.make_new()
    desk.refuse(("status", desk.url, "--watch"), 2, "ask `longtake status` again")
