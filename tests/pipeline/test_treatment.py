"""pipeline/treatment.py: what was done to what was given is told in a line, before the work."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Call = Callable[..., tuple[int, str, str]]


def tall(path: Path) -> Path:
    """A portrait of 9:16, held sideways by the camera, half of it transparent, in two frames."""
    image = Image.new("RGB", (90, 160), "red")
    image.paste("blue", (0, 90, 90, 160))
    exif = Image.Exif()
    exif[0x0112] = 6
    still = image.transpose(Image.Transpose.ROTATE_90)
    still.save(path / "tall.jpg", exif=exif)
    cut = image.convert("RGBA")
    cut.putalpha(Image.linear_gradient("L").resize(cut.size))
    cut.save(path / "tall.png")
    image.save(path / "tall.webp", save_all=True, append_images=[cut])
    return path


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        (
            "tall.jpg",
            (),
            "44% of it is cut off at the top and the bottom alike (--crop top or --crop bottom keeps that side, --crop contain all of it); turned as its EXIF data say",
        ),
        ("tall.jpg", ("--crop", "top"), "44% of it is cut off at the bottom (--crop contain shows all of it); turned as its EXIF data say"),
        ("tall.webp", ("--crop", "contain"), "its edges are repeated on 44% of the film; the first of its 2 frames is taken"),
        ("tall.png", ("--size", "144*256"), "what is transparent stands before white"),
    ],
)  # fmt: skip
def test_what_was_done_to_the_picture_is_one_line(  # noqa: PLR0917
    name: str, words: tuple[str, ...], said: str, speech: Path, tmp_path: Path, longtake: Call
) -> None:
    """Of `new`, in the log too, and of `plan`."""
    picture = tall(tmp_path) / name
    words = ("--num-clip", "1", "--run", "x", *words)
    code, out, _ = longtake("plan", picture, speech, *words, "--rehearse", "no")
    assert code == 0
    assert f"The picture (90×160): {said}" in out
    code, _, err = longtake("new", picture, speech, *words)
    assert code == 0, err
    line = f"[INFO] The picture (90×160): {said}"
    assert err.splitlines().count(line) == 1
    assert line in (tmp_path / "x/inference.log").read_text(encoding="utf-8").splitlines()


def test_a_picture_that_fits_is_not_spoken_of(face: Path, speech: Path, longtake: Call) -> None:
    """Nor is the side that was asked for where nothing is cut."""
    code, _, err = longtake("new", face, speech, "--run", "x", "--num-clip", "1", "--crop", "top")
    assert code == 0
    assert "The picture" not in err


def test_the_centre_is_what_cover_takes(face: Path, speech: Path, longtake: Call) -> None:
    """By another name, it is the same film; the face nobody looks for."""
    words = ("new", face, speech, "--run", "x", "--num-clip", "1")
    assert longtake(*words)[0] == 0
    assert longtake(*words, "--crop", "centre")[0] == 0
    code, _, err = longtake(*words, "--crop", "face")
    assert code == 2
    assert "say where it is: top, centre, bottom, left or right" in err
