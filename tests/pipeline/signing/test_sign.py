"""A film signed, read back by the library's own reader, and changed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import BinaryIO

import av
import pytest

from pipeline import api
from pipeline.signing.sign import describe_inputs, describe_run
from pipeline.signing.signature import read_signature
from storage.film_marks import SOURCE_TYPE
from storage.run import Run
from tasks.request import Request

from .conftest import MakePair, Pair

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(face: Path, speech: Path, tmp_path: Path) -> Run:
    """A finished one."""
    return Run.open(api.new(Request(face, speech, run=tmp_path / "tea", num_clip=2)).run)


@pytest.fixture
def pair(pair_of: MakePair) -> Pair:
    """A key and a certificate that can sign."""
    return pair_of("signer")


def test_film_is_signed_beside_the_film(run: Run, pair: Pair, longtake: Call):
    """The signed one is another file, valid by the library's own reader, with the run's facts and its inputs' hashes; the unsigned one keeps every byte, and the run is whole."""
    c2pa = pytest.importorskip("c2pa")
    before = run.video_path.read_bytes()
    signed = run.root / "video.signed.mp4"
    assert longtake("sign", run.root, *pair.words)[:2] == (0, f"{signed}\n")
    assert run.video_path.read_bytes() == before
    with signed.open("rb") as film, c2pa.Reader("video/mp4", film) as reader:
        assert reader.get_validation_state() == "Valid"
        manifest = json.loads(reader.json())["manifests"][reader.get_active_manifest()["label"]]
    said = {each["label"]: each["data"] for each in manifest["assertions"]}
    created = said["c2pa.actions.v2"]["actions"][0]
    assert (created["action"], created["digitalSourceType"]) == ("c2pa.created", SOURCE_TYPE)
    film = run.records.vouched("video")
    assert film is not None
    for wanted in (describe_run(run, film["sha256"]), describe_inputs(run)):
        assert said[wanted["label"]] == wanted["data"]
    assert {each["hash"] for each in said["org.longtake.inputs"]["inputs"]} == {run.spec.image, run.spec.audio}  # fmt: skip
    code, out, _ = longtake("verify", run.root)
    assert code == 0
    assert f"{signed} is as it was signed by signer, Test (the film {run.spec.digest[:12]})." in out
    assert longtake("verify", signed)[0] == 0


def test_signed_film_plays_as_the_film(run: Run, pair: Pair, longtake: Call):
    """Picture and sound are the unsigned film's, packet for packet, and so are its tags."""
    assert longtake("sign", run.root, *pair.words)[0] == 0
    films = []
    for name in ("video.mp4", "video.signed.mp4"):
        with av.open(str(run.root / name)) as film:
            tags = dict(film.metadata)
            films.append((tags, [(each.pts, each.stream.index, bytes(each)) for each in film.demux()]))  # fmt: skip
    assert films[0] == films[1]


def test_any_changed_byte_is_found(run: Run, pair: Pair, longtake: Call, tmp_path: Path):
    """One bit of picture or sound, at fifty places, by turns; and of the title."""
    assert longtake("sign", run.root, *pair.words)[0] == 0
    signed, random = run.root / "video.signed.mp4", Random(17)
    with av.open(str(signed)) as film:
        packets = [(each.stream.type, each.pos, each.size) for each in film.demux() if each.size]
    content, found = signed.read_bytes(), []
    changed = tmp_path / "changed.mp4"
    for number in range(50):
        kind = ("video", "audio")[number % 2]
        _, start, size = random.choice([each for each in packets if each[0] == kind])
        found.append(read_signature(_flip_bit(content, changed, start + random.randrange(size), random)))  # fmt: skip
    assert [each.state for each in found] == ["broken"] * 50
    title = content.index(b"speech", content.index(b"\xa9nam"))
    assert read_signature(_flip_bit(content, changed, title, random)).state == "broken"
    assert read_signature(signed).state == "valid"
    code, out, _ = longtake("verify", changed)
    assert (code, "is not as it was signed" in out) == (3, True)


def _flip_bit(content: bytes, path: Path, place: int, random: Random) -> Path:
    other = bytearray(content)
    other[place] ^= 1 << random.randrange(8)
    path.write_bytes(other)
    return path


def test_film_is_signed_once(run: Run, pair: Pair, longtake: Call):
    """A signed film is refused, wherever it comes from; --overwrite signs the run's anew."""
    words = ("sign", run.root, *pair.words)
    assert longtake(*words)[0] == 0
    code, _, said = longtake(*words)
    assert (code, "is signed already: --overwrite signs it anew." in said) == (2, True)
    assert longtake(*words, "--overwrite")[0] == 0
    code, _, said = longtake("sign", run.root / "video.signed.mp4", *pair.words)
    assert (code, "is signed already: sign the film that it was made from." in said) == (2, True)


def test_part_of_a_film_is_signed(run: Run, pair: Pair, longtake: Call, tmp_path: Path):
    """A file by itself goes beside itself, or where it is told to; what longtake did not make is not signed."""
    part = tmp_path / "part.mp4"
    assert longtake("mux", run.root, "--partial", "--output-file", part)[0] == 0
    assert longtake("sign", part, *pair.words)[:2] == (0, f"{tmp_path / 'part.signed.mp4'}\n")
    other = tmp_path / "other.mp4"
    assert longtake("sign", part, *pair.words, "--output-file", other)[0] == 0
    assert read_signature(other).state == "valid"
    for foreign in (run.soundtrack_path, run.image_path):
        code, _, said = longtake("sign", foreign, *pair.words)
        assert (code, "cannot be read" in said) == (2, True)


def test_signed_film_of_another_state_is_found(run: Run, pair: Pair, longtake: Call):
    """A valid signature of a film that was given another title since is not this film's."""
    assert longtake("sign", run.root, *pair.words)[0] == 0
    assert longtake("resume", run.root, "--title", "Tea at six")[0] == 0
    code, out, _ = longtake("verify", run.root)
    assert (code, "is not of the film that lies beside it now" in out) == (3, True)


def test_bad_certificate_writes_nothing(run: Run, pair_of: MakePair, longtake: Call):
    """One line, code 2, and no file."""
    old = pair_of("old", since=-90, until=-1)
    before = sorted(run.root.rglob("*"))
    code, out, said = longtake("sign", run.root, *old.words)
    assert (code, out, len(said.splitlines())) == (2, "", 1)
    assert "has expired on" in said
    assert sorted(run.root.rglob("*")) == before


def test_disk_that_does_not_take_it_leaves_nothing(run: Run, pair: Pair, longtake: Call, monkeypatch: pytest.MonkeyPatch):  # fmt: skip
    """Code 5 where a write fails, and where what was written reads back otherwise; no file, no draft."""
    c2pa = pytest.importorskip("c2pa")
    before = sorted(run.root.rglob("*"))

    def fail(*_: object) -> None:
        raise c2pa.C2paError.Io("no space left")

    def write_half(_signer: object, _kind: object, source: BinaryIO, target: BinaryIO) -> None:  # fmt: skip
        target.write(source.read())

    for broken in (fail, write_half):
        monkeypatch.setattr(c2pa.Builder, "sign", lambda _, *words, call=broken: call(*words))
        code, out, said = longtake("sign", run.root, *pair.words)
        assert (code, out) == (5, "")
        assert "video.signed.mp4 cannot be written" in said
    assert sorted(run.root.rglob("*")) == before


def test_verify_without_the_package_says_so(run: Run, pair: Pair, longtake: Call, monkeypatch: pytest.MonkeyPatch):  # fmt: skip
    """The run is judged all the same."""
    assert longtake("sign", run.root, *pair.words)[0] == 0
    monkeypatch.setitem(sys.modules, "c2pa", None)
    code, out, _ = longtake("verify", run.root)
    assert (code, "the extra `c2pa` is not installed" in out) == (0, True)
