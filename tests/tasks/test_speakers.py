"""tasks/speakers.py: what is asked of several speakers is checked before any work, and stands in the spec."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from wavefile import write_wave

from model.pocket.face_boxes import FaceBoxes
from model.pocket.face_finder import FoundFace
from storage.errors import BadInput
from storage.spec import Spec
from tasks import media
from tasks.request import Request
from tasks.resolve import resolve_request
from tasks.speaker_masks import draw_masks
from tasks.speaker_words import find_more_inputs, read_speaker, split_words

Ask = Callable[..., Request]
LEFT = "20,60,30,12,10,30,20,12,50,30,20,12"
RIGHT = "100,60,30,12,90,30,20,12,130,30,20,12"


@pytest.fixture
def film(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Request]:
    """A request for a film of two faces that are told, 1 and 2.5 seconds of sound."""
    monkeypatch.setenv("FAKE_FACE", "1")
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (160, 80), "white").save("group.png")
    write_wave(Path("a.wav"), 1)
    write_wave(Path("b.wav"), 2.5)

    def request(*speakers: str, **fields: object) -> Request:
        given = {"image": Path("group.png"), "audio": Path("a.wav"), "width": 64, "height": 32}
        return replace(ask(1), **{**given, "speaker": speakers or None, **fields})

    return request


def test_two_speakers_stand_in_the_spec(film: Callable[..., Request]) -> None:
    """The film is as long as the longest sound; who speaks first has the film's sound; sounds and order decide pixels."""
    found = resolve_request(film(f"a.wav@{LEFT}", f"b.wav@{RIGHT}")).spec
    assert [each.face_boxes for each in found.speakers] == [LEFT, RIGHT]
    assert (found.frames, found.audio) == (63, found.speakers[0].audio)
    assert found.input_digests.keys() == {"image", "audio", "audio2"}
    other = resolve_request(film(f"a.wav@{RIGHT}", f"b.wav@{LEFT}")).spec
    assert other.digest != found.digest
    assert Spec.from_facts(json.loads(found.canonical)) == found


def test_one_speaker_says_nothing_of_it(film: Callable[..., Request]) -> None:
    """The digest of a film with one speaker is what it was before there were several."""
    spec = resolve_request(film(mouth=LEFT[:11], eyes=LEFT[12:])).spec
    assert "speakers" not in spec.canonical
    assert "turns" not in spec.canonical


def shift(boxes: str, by: int) -> str:
    """Boxes so many pixels further right."""
    return ",".join(str(int(each) + by * (n % 4 == 0)) for n, each in enumerate(boxes.split(",")))


BAD = {
    "one alone": ([f"a.wav@{LEFT}"], {}, "one speaker needs no flag"),
    "five": ([f"a.wav@{LEFT}"] * 5, {}, "at most 4"),
    "no sound": ([f"a.wav@{LEFT}", f"@{RIGHT}"], {}, "it has no sound"),
    "another sound": ([f"b.wav@{LEFT}", f"a.wav@{RIGHT}"], {}, "--audio a.wav cannot be used"),
    "a face, too": ([f"a.wav@{LEFT}", f"b.wav@{RIGHT}"], {"face": 1}, "--face 1 cannot be used"),
    "several processes": (
        [f"a.wav@{LEFT}", f"b.wav@{RIGHT}"],
        {"gpus": "2"},
        "--gpus 2 cannot be used: a film of several speakers is made by one process",
    ),
    "the same face": ([f"a.wav@{LEFT}", f"b.wav@{LEFT}"], {}, "it is the face of a.wav"),
    "the same face, a pixel beside": (
        [f"a.wav@{LEFT}", f"b.wav@{shift(LEFT, 1)}"],
        {},
        "it is the face of a.wav",
    ),
    "a mask": ([f"a.wav@{LEFT}", "b.wav@group.png"], {}, "pocket moves faces"),
    "no such file": (
        [f"a.wav@{LEFT}", f"c.wav@{RIGHT}"],
        {},
        "c.wav cannot be used: there is no such file",
    ),
    "no sound in it": ([f"a.wav@{LEFT}", f"group.png@{RIGHT}"], {}, "group.png"),
    "outside": (
        [f"a.wav@{LEFT}", "b.wav@900,60,30,12,90,30,20,12,130,30,20,12"],
        {},
        "--speaker b.wav@900,60,30,12,90,30,20,12,130,30,20,12 cannot be used: mouth: the box 900,60,30,12 is not inside",
    ),
    "five numbers": ([f"a.wav@{LEFT}", "b.wav@1,2,3,4,5"], {}, "4 numbers are needed"),
    "no face there": ([f"a.wav@{LEFT}", "b.wav@face:2"], {}, "no face was found"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_told_before_any_work(film: Callable[..., Request], kind: str) -> None:
    """One line that names the speaker, and no run."""
    speakers, fields, reason = BAD[kind]
    with pytest.raises(BadInput) as told:
        resolve_request(film(*speakers, **fields))
    assert reason.lower() in str(told.value).lower()
    assert "\n" not in str(told.value)
    assert not Path("runs").exists()


def test_faces_go_by_number_or_by_a_box(
    film: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As --face counts, or where a box holds one; a box around both, or a number too high, says what was found."""
    faces = [FoundFace(FaceBoxes.from_text(text), 40.0, 0.9) for text in (RIGHT, LEFT)]
    monkeypatch.setattr(media, "find_in_view", lambda *_: tuple(faces))
    monkeypatch.setattr(media, "find_turn", lambda *_: "")
    spec = resolve_request(film("a.wav@face:2", "b.wav@80,0,80,80")).spec
    assert [each.face_boxes for each in spec.speakers] == [LEFT, RIGHT]
    for place, reason in (
        ("face:3", "2 faces found"),
        ("0,0,160,80", r"2 faces found in it \(2 faces found\)"),
        ("face:2", "it is the face of a.wav@face:2, too"),
    ):
        with pytest.raises(BadInput, match=reason):
            resolve_request(film("a.wav@face:2", f"b.wav@{place}"))
    with pytest.raises(
        BadInput, match=r"of the picture, --size 64\*32 shows all of it; face:1 is the largest"
    ):
        resolve_request(film("a.wav@face:2", "b.wav@face:3", width=32))


@pytest.fixture
def talk(film: Callable[..., Request]) -> Callable[..., Request]:
    """A request of two who share a sound of 2.5 seconds by this table."""

    def request(table: str, *speakers: str, **fields: object) -> Request:
        Path("turns.csv").write_text(table, encoding="utf-8")
        places = speakers or (f"@{LEFT}", f"@{RIGHT}")
        return film(*places, **{"audio": Path("b.wav"), "turns": Path("turns.csv"), **fields})

    return request


def test_turns_are_laid_on_the_sound(talk: Callable[..., Request]) -> None:
    """In samples of what the model hears; the film has one sound, and knows nothing of the table's file."""
    spec = resolve_request(talk("from, until, speaker\n0:00.5,0:01,2\n1s,2.5s,1\n")).spec
    assert spec.turns == "8000 16000 2\n16000 40000 1\n"
    assert (spec.frames, list(spec.input_digests)) == (63, ["image", "audio"])
    assert [each.audio for each in spec.speakers] == ["", ""]


BAD_TURNS = {
    "from,until,speaker\n": "it has no turn",
    "begin,end,who\n0s,1s,1\n": "its first row must be from,until,speaker",
    "from,until,speaker\n0s,1s,1,x\n": "a row has more columns than the first one",
    "from,from,until,speaker\n0s,1s,2s,1\n": "from is there twice",
    "from,until,speaker\n0s,1s\n": "its first row must be from,until,speaker, and each row has as many",
    "from,until,speaker\n0s,1s,\n": "row 1: speaker is a number from 1 to 2, not",
    "from,until,speaker\n0s,soon,1\n": "row 1: a time such as",
    "from,until,speaker\n0s,1s,3\n": "row 1: speaker is a number from 1 to 2, not 3",
    "from,until,speaker\n1s,1s,1\n": "row 1: it ends before it begins",
    "from,until,speaker\n1s,2s,1\n0s,1s,2\n": "row 2 must begin after row 1",
    "from,until,speaker\n0s,1.5s,1\n1s,2s,2\n": "row 1 goes on when row 2 begins",
    "from,until,speaker\n0s,1s,1\n1s,2.7s,2\n": "row 2 ends past the end: the sound lasts",
}


@pytest.mark.parametrize("table", BAD_TURNS)
def test_a_bad_table_is_told_by_its_row(talk: Callable[..., Request], table: str) -> None:
    """Before any work, in one line that names the file."""
    with pytest.raises(BadInput, match=BAD_TURNS[table]) as told:
        resolve_request(talk(table))
    assert "turns.csv" in str(told.value)
    assert "\n" not in str(told.value)


def test_turns_and_sounds_do_not_go_together(talk: Callable[..., Request]) -> None:
    """A speaker has a sound, or turns; a table alone says not who they are; a table that is not there is told."""
    table = "from,until,speaker\n0s,1s,1\n"
    with pytest.raises(BadInput, match="the turns of --turns are its sound"):
        resolve_request(talk(table, f"@{LEFT}", f"a.wav@{RIGHT}"))
    with pytest.raises(BadInput, match="--speaker @PLACE is needed for each"):
        resolve_request(replace(talk(table), speaker=None))
    with pytest.raises(BadInput, match="or --turns says who has the soundtrack"):
        resolve_request(talk(table, turns=None))
    with pytest.raises(BadInput, match="there is no such file"):
        resolve_request(talk(table, turns=Path("nowhere.csv")))


@pytest.fixture
def parts(film: Callable[..., Request], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Request]:
    """A request for a film of a model that looks for no face, and a mask of the right half."""
    monkeypatch.delenv("FAKE_FACE")
    right = Image.new("L", (160, 80))
    right.paste(255, (80, 0, 160, 80))
    right.save("right.png")
    return film


def test_boxes_and_masks_stand_in_the_spec(parts: Callable[..., Request]) -> None:
    """A mask by its hash, of which the run has a copy; each fitted to the film as its picture is."""
    request = parts("a.wav@0,0,60,80", "b.wav@right.png")
    spec = resolve_request(request).spec
    assert [(each.box, bool(each.mask)) for each in spec.speakers] == [("0,0,60,80", False), ("", True)]  # fmt: skip
    assert spec.input_digests.keys() == {"image", "audio", "audio2", "mask2"}
    masks = draw_masks(spec, (160, 80), request.more_inputs)
    assert masks.shape == (2, 32, 64)
    assert [np.flatnonzero(mask.any(0)).tolist() for mask in masks] == [[*range(24)], [*range(32, 64)]]  # fmt: skip


BAD_PARTS = {
    "b.wav@face:2": "looks for no faces",
    "b.wav@60,0,60,80": "its place is that of a.wav@right.png, too",
    "b.wav@0,0,60,90": "not inside of the picture",
    "b.wav@0,0,60": "4 numbers are needed",
    "b.wav@nowhere.png": "nowhere.png cannot be used: there is no such file",
    "b.wav@a.wav": "a.wav",
    "b.wav@small.png": "the mask has 80×40 pixels and the picture 160×80",
    "b.wav@black.png": "the film shows nothing of its place",
}


@pytest.mark.parametrize("word", BAD_PARTS)
def test_a_bad_part_is_told_before_any_work(parts: Callable[..., Request], word: str) -> None:
    """In one line that says what is needed."""
    Image.new("L", (80, 40), 255).save("small.png")
    Image.new("L", (160, 80), 0).save("black.png")
    with pytest.raises(BadInput) as told:
        resolve_request(parts("a.wav@right.png", word))
    assert BAD_PARTS[word] in str(told.value)
    assert "\n" not in str(told.value)


def test_a_word_is_read_from_its_last_at() -> None:
    """A sound's name may have one; several words can be one with semicolons."""
    found = read_speaker("me@home.wav@face:12")
    assert (found.sound, found.face, found.boxes, found.mask) == (Path("me@home.wav"), 12, None, None)  # fmt: skip
    words = split_words("a.wav@face:1; b.wav@white.png")
    assert find_more_inputs(words) == {"audio2": Path("b.wav"), "mask2": Path("white.png")}
    for word in ("a.wav", "a.wav@"):
        with pytest.raises(ValueError, match="it says no place"):
            read_speaker(word)
