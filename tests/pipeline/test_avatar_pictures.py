"""longtake avatar: drawn presenters in whom the finder sees the face, put where a person wants them."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.pocket.face_finder import find_faces
from model.presenters.avatars import Drawing
from pipeline import avatar_pictures
from pipeline.avatar_pictures import draw_recognised, is_recognised

Call = Callable[..., tuple[int, str, str]]
EXAMPLES = Path(__file__).parents[2] / "examples"
COMMAND = re.compile(r"`longtake avatar --seed (\d+) --style (\w+) -o (\w+)\.png`")
MADE = {
    name: (int(seed), style)
    for seed, style, name in COMMAND.findall((EXAMPLES / "README.md").read_text(encoding="utf-8"))
}


def read_pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"), np.int16)


def require_same_drawing(one: np.ndarray, other: np.ndarray) -> None:
    """But for the last bit, in which processors differ."""
    assert one.shape == other.shape
    assert np.abs(one - other).max() <= 2


def test_the_examples_are_made_by_the_commands_that_their_page_tells(longtake: Call):
    """One by the command itself, which says where it is and what it is for; the page tells of eight."""
    assert len(MADE) == 8
    name, (seed, style) = next(iter(MADE.items()))
    words = ("avatar", "--seed", seed, "--style", style, "-o", "a folder/face.png")
    code, out, err = longtake(*words)
    assert (code, out) == (0, "a folder/face.png\n")
    assert err == "longtake new 'a folder/face.png' speech.wav\n"
    require_same_drawing(
        read_pixels(Path("a folder/face.png")), read_pixels(EXAMPLES / f"{name}.png")
    )
    assert len(find_faces(read_pixels(EXAMPLES / f"{name}.png").astype(np.uint8))) == 1
    name, (seed, style) = list(MADE.items())[-1]
    require_same_drawing(
        draw_recognised(seed, style, 512).pixels.astype(np.int16),
        read_pixels(EXAMPLES / f"{name}.png"),
    )


def test_several_go_into_a_folder_each_by_its_seed_and_the_same_again_are_the_same_bytes(
    longtake: Call, monkeypatch: pytest.MonkeyPatch
):
    """What is there is not written over: nothing is drawn, and the way out is told."""
    monkeypatch.setattr(avatar_pictures, "is_recognised", lambda _: True)
    monkeypatch.setattr(avatar_pictures, "LOOKED_AT", 64)
    words = ("avatar", "--seed", 11, "-n", 2, "--size", 128)
    assert longtake(*words, "-o", "faces")[0] == 0
    made = {path.name: path.read_bytes() for path in Path("faces").iterdir()}
    assert set(made) == {"avatar-11-flat.png", "avatar-12-flat.png"}
    assert len(set(made.values())) == 2
    Path("faces/avatar-12-flat.png").unlink()
    code, out, err = longtake(*words, "-o", "faces")
    assert (code, out) == (2, "")
    assert "add --overwrite" in err
    assert not Path("faces/avatar-12-flat.png").exists()
    assert longtake(*words, "-o", "faces", "--overwrite")[0] == 0
    assert {path.name: path.read_bytes() for path in Path("faces").iterdir()} == made


def test_a_face_that_is_not_found_gives_way_to_the_next_of_its_seed(
    monkeypatch: pytest.MonkeyPatch,
):
    """The same on every call, and after sixty it is said; a face where none was drawn is none either."""
    monkeypatch.setattr(avatar_pictures, "LOOKED_AT", 128)
    seen: list[Drawing] = []

    def is_third(drawing: Drawing) -> bool:
        seen.append(drawing)
        return len(seen) == 3

    monkeypatch.setattr(avatar_pictures, "is_recognised", is_third)
    drawn = draw_recognised(11, "line", 128)
    assert np.array_equal(drawn.pixels, seen[2].pixels)
    assert not np.array_equal(drawn.pixels, seen[0].pixels)
    assert is_recognised(drawn)
    places = tuple((x + 20, y) for x, y in drawn.places)
    assert not is_recognised(Drawing(drawn.pixels, places))
