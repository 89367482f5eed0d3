"""--size as the published pipelines read it: an area."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipeline.options.area import fit_area, read_picture_size
from storage.errors import BadSize

Call = Callable[..., tuple[int, str, str]]

# (height, width) of the picture, then of the film for areas 720*400, 704*384, 480*832 and 720*1280: the published function's own results.
KNOWN = [
    ((1920, 1080), [(704, 384), (704, 384), (832, 448), (1280, 704)]),
    ((1280, 720), [(704, 384), (704, 384), (832, 448), (1280, 704)]),
    ((1024, 1024), [(512, 512), (512, 512), (576, 576), (960, 960)]),
    ((512, 512), [(512, 512), (512, 512), (512, 512), (512, 512)]),
    ((2048, 1536), [(640, 448), (576, 448), (704, 512), (1088, 832)]),
    ((1216, 832), [(640, 448), (576, 448), (768, 512), (1152, 768)]),
]
AREAS = [720 * 400, 704 * 384, 480 * 832, 720 * 1280]


@pytest.mark.parametrize(("picture", "films"), KNOWN)
def test_sizes_are_those_that_people_know(picture: tuple[int, int], films: list[tuple[int, int]]):
    """The same sizes as the published programs give."""
    assert [fit_area(*picture, area)[::-1] for area in AREAS] == films


def test_an_area_that_holds_no_unit_is_refused():
    """Less than 64×64 has no size."""
    with pytest.raises(BadSize, match="multiples of 64"):
        fit_area(512, 512, 1000)


def test_a_turned_picture_counts_upright(tmp_path: Path):
    """EXIF rotation swaps the sides; what is no picture has no size."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture_size(tmp_path / "turned.jpg") == (60, 40)
    (tmp_path / "no.png").write_text("no")
    assert read_picture_size(tmp_path / "no.png") is None


def test_the_flag_fills_the_area(speech: Path, tmp_path: Path, longtake: Call):
    """--size 200*200 --size-as-area makes a wide picture a wide film, and status says whose size it is."""
    Image.new("RGB", (192, 100)).save(tmp_path / "wide.png")
    words = [
        "new",
        tmp_path / "wide.png",
        speech,
        "--run",
        "x",
        "--num-clip",
        "1",
        "--size",
        "200*200",
    ]
    code, _, err = longtake(*words, "--size-as-area")
    assert code == 0, err
    settings = json.loads(longtake("status", "x", "--json")[1])["settings"]
    came = {each["name"]: (each["value"], each["source"]) for each in settings}
    assert came["width"] == (192, "--size, --size-as-area")
    assert came["height"] == (128, "--size, --size-as-area")


def test_it_needs_an_area(face: Path, speech: Path, longtake: Call):
    """Alone it says nothing."""
    code, _, err = longtake("new", face, speech, "--size-as-area")
    assert code == 2
    assert "--size W*H says which area" in err
