"""tasks/face_search.py: a film's face is told or found, once and before any work, and stays what it was."""

import io
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.pocket import face_finder
from model.pocket.face_boxes import FaceBoxes
from storage.errors import BadImage, BadOption
from storage.run import Run
from storage.run_paths import face_picture_path
from storage.spec import Spec
from tasks.face_picture import draw_faces
from tasks.face_search import map_to_film
from tasks.film import make_film
from tasks.request import Request
from tasks.resolve import find_run_folder, freeze_run, resolve_request

Ask = Callable[..., Request]
EXAMPLES = Path(__file__).parents[2] / "examples"
MOUTH, EYES = "60,120,60,20", "40,60,30,20,110,60,30,20"
TOLD = f"{MOUTH},{EYES}"


@pytest.fixture(autouse=True)
def _needs_face(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FACE", "1")


@pytest.fixture
def film(ask: Ask, tmp_path: Path) -> Callable[..., Request]:
    """A request for a film of a picture, in a run of its own."""

    def request(picture: Path, **fields: object) -> Request:
        return replace(ask(1), **{"image": picture, "run": tmp_path / "run", **fields})

    return request


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """Two of the examples beside each other; the right one is larger."""
    picture = Image.new("RGB", (960, 540), "white")
    for name, side, place in (("joon", 400, (0, 100)), ("amara", 512, (430, 10))):
        picture.paste(
            Image.open(EXAMPLES / f"{name}.png").convert("RGB").resize((side, side)), place
        )
    picture.save(tmp_path / "group.png")
    return tmp_path / "group.png"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A picture without a face."""
    Image.new("RGB", (180, 180), (90, 120, 80)).save(tmp_path / "plain.png")
    return tmp_path / "plain.png"


def never(_picture: np.ndarray) -> list[face_finder.FoundFace]:
    raise AssertionError("a face was looked for")


def find_face(request: Request) -> FaceBoxes:
    return FaceBoxes.from_text(resolve_request(request).spec.face_boxes)


def test_a_found_face_is_in_the_files_pixels_and_goes_to_the_model_in_the_films(
    film: Callable[..., Request], tmp_path: Path
) -> None:
    """Cut and enlarged as the film is."""
    with Image.open(EXAMPLES / "lin.png") as example:
        wide = Image.new("RGB", (800, 512), "white")
        wide.paste(example.convert("RGB"), (144, 0))
    wide.save(tmp_path / "wide.png")
    request = film(tmp_path / "wide.png", width=64, height=64)
    run = freeze_run(request)
    face = FaceBoxes.from_text(run.spec.face_boxes)
    alone = find_face(film(EXAMPLES / "lin.png", width=64, height=64, run=tmp_path / "other"))
    for box, other in zip(face, alone, strict=True):
        assert box == pytest.approx((other[0] + 144, *other[1:]), abs=2)
    make_film(run)
    boxes = Run.open(run.root).inputs.read_all()["boxes"]
    wanted = face.map_boxes(lambda box: ((box[0] - 144) / 8, box[1] / 8, box[2] / 8, box[3] / 8))
    assert boxes.dtype == np.float32
    assert boxes == pytest.approx(wanted.to_array())


def test_a_run_has_a_small_picture_of_its_face(film: Callable[..., Request], plain: Path) -> None:
    """Where it was taken to be, among the run's own files; it is no stray."""
    run = freeze_run(film(plain, mouth=MOUTH, eyes=EYES, width=96, height=96))
    make_film(run)
    path = face_picture_path(run.root)
    require_mouth(path.read_bytes(), (256, 256), tuple(n * 256 / 180 for n in (60, 120, 120, 140)))
    assert path.parent == run.image_path.parent


def require_mouth(picture: bytes, size: tuple[int, int], edges: tuple[float, ...]) -> None:
    """A picture of this size has the mouth's box here: left, upper, right, lower edge."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    assert pixels.shape == (size[1], size[0], 3)
    red = (pixels == (255, 48, 48)).all(-1)
    rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
    found = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    assert found == pytest.approx(edges, abs=1.5)


def test_the_picture_of_a_face_is_of_one_size_and_near_enough_to_see_it() -> None:
    """A small face in a large film is enlarged; in a corner the picture ends where the film does."""
    wide = np.zeros((600, 900, 3), np.uint8)
    large = FaceBoxes.from_text("400,420,100,40,350,200,80,40,470,200,80,40")
    require_mouth(
        draw_faces(wide, [large]), (256, 171), tuple(n * 256 / 900 for n in (400, 420, 500, 460))
    )
    corner = FaceBoxes.from_text("10,40,20,8,0,10,16,8,24,10,16,8")  # 40 × 38: 160 are shown
    require_mouth(draw_faces(wide, [corner]), (256, 256), tuple(n * 1.6 for n in (10, 40, 30, 48)))
    middle = corner.map_boxes(lambda box: (box[0] + 430, box[1] + 281, *box[2:]))
    require_mouth(draw_faces(wide, [middle]), (256, 256), tuple(n * 1.6 for n in (70, 91, 90, 99)))


def test_what_is_told_is_not_looked_for(
    film: Callable[..., Request], plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_finder, "find_faces", never)
    assert resolve_request(film(plain, mouth=MOUTH, eyes=EYES)).spec.face_boxes == TOLD


def test_no_face_is_one_line_before_any_work(film: Callable[..., Request], plain: Path) -> None:
    request = film(plain)
    with pytest.raises(
        BadImage, match=r"no face was found in it; tell .*--mouth x,y,w,h --eyes x,y,w,h,x,y,w,h"
    ):
        freeze_run(request)
    assert not Path(str(request.run)).exists()


@pytest.mark.parametrize("told", [{"mouth": MOUTH}, {"eyes": EYES}, {"face": 1}])
def test_half_a_face_that_is_told_does_not_help_where_none_is_found(
    told: dict[str, object], film: Callable[..., Request], plain: Path
) -> None:
    with pytest.raises(BadImage, match="no face was found"):
        resolve_request(film(plain, **told))


def test_of_several_faces_the_largest_speaks_or_the_one_that_is_asked_for(
    film: Callable[..., Request], group: Path
) -> None:
    largest = find_face(film(group, crop="contain"))
    assert largest.mouth[0] > 430
    assert find_face(film(group, crop="contain", face=1)) == largest
    assert find_face(film(group, crop="contain", face=2)).mouth[0] < 430
    with pytest.raises(BadOption, match="--face 3 cannot be used: 2 faces found"):
        resolve_request(film(group, crop="contain", face=3))


def test_faces_that_the_film_does_not_show_are_none(
    film: Callable[..., Request], group: Path
) -> None:
    assert find_face(film(group, crop="left")).mouth[0] < 430
    with pytest.raises(BadImage, match="no face was found in what the film shows of it"):
        resolve_request(film(group))


def test_a_told_mouth_goes_with_the_eyes_above_it(
    film: Callable[..., Request], group: Path
) -> None:
    second = find_face(film(group, crop="contain", face=2))
    face = find_face(film(group, crop="contain", mouth="161,340,78,20"))
    assert face == replace(second, mouth=(161, 340, 78, 20))
    eyes = find_face(film(group, crop="contain", eyes="148,263,34,14,220,263,35,14"))
    assert eyes.mouth == second.mouth


def test_where_the_mouth_is_not_seen_it_alone_must_be_told(
    film: Callable[..., Request], tmp_path: Path
) -> None:
    """The eyes are found."""
    with Image.open(EXAMPLES / "mila.png") as example:
        masked = example.convert("RGB")
    masked.paste((230, 240, 240), (150, 270, 380, 400))
    masked.save(tmp_path / "masked.png")
    with pytest.raises(BadImage, match=r"no mouth was found under its eyes .*: --mouth x,y,w,h\.$"):
        resolve_request(film(tmp_path / "masked.png"))
    face = find_face(film(tmp_path / "masked.png", mouth="200,316,121,30"))
    assert face.mouth == (200, 316, 121, 30)
    assert face.left_eye == pytest.approx((184, 196, 60, 34), abs=8)


def test_a_small_pictures_boxes_are_told_in_quarters_of_its_pixels(
    film: Callable[..., Request], tmp_path: Path
) -> None:
    """In whole ones an eye of four by one would be anywhere."""
    with Image.open(EXAMPLES / "lin.png") as example:
        example.convert("RGB").resize((48, 48)).save(tmp_path / "small.png")
    small = find_face(film(tmp_path / "small.png"))
    large = find_face(film(EXAMPLES / "lin.png", run=tmp_path / "other"))
    for box, other in zip(small, large, strict=True):
        assert box == pytest.approx([n * 48 / 512 for n in other], abs=1.5)
        assert [4 * n % 1 for n in box] == [0, 0, 0, 0]
    assert any(n % 1 for box in small for n in box)


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"mouth": "60,120,60", "eyes": EYES}, "--mouth 60,120,60 cannot be used: 4 numbers"),
        ({"mouth": "60,170,60,20", "eyes": EYES}, "--mouth .* is not inside of the picture, which has 180×180"),
        ({"mouth": "60,20,60,20", "eyes": EYES}, "--mouth .* does not lie below the eyes"),
        ({"mouth": MOUTH, "eyes": "40,60,30,20,45,60,30,20"}, "--eyes .* at one place"),
        ({"mouth": "60,120,4,2", "eyes": EYES}, "--size .* the mouth at 60,120,4,2 is 0.7 pixels wide in the film"),
        ({"mouth": MOUTH, "eyes": EYES, "face": 2}, "--face 2 cannot be used: --mouth and --eyes tell the face already"),
        ({"mouth": MOUTH, "eyes": EYES, "width": 32, "height": 96}, "--crop cover .* the left eye at 40,60,30,20 is cut off"),
    ],
)  # fmt: skip
def test_a_place_that_cannot_be_is_refused_with_its_flag(
    told: dict[str, object], line: str, film: Callable[..., Request], plain: Path
) -> None:
    request = film(plain, **told)
    with pytest.raises(BadOption, match=line):
        freeze_run(request)
    assert not Path(str(request.run)).exists()


def test_the_same_request_again_takes_the_face_that_the_run_has(
    film: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finder that sees something else now, or nothing, changes no begun film."""
    request = film(EXAMPLES / "joon.png")
    before = freeze_run(request).spec.face_boxes
    monkeypatch.setattr(face_finder, "find_faces", never)
    assert resolve_request(request).spec.face_boxes == before


def test_what_was_encoded_and_is_lost_is_made_again_with_the_runs_own_face(
    film: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = freeze_run(film(EXAMPLES / "joon.png"))
    make_film(run)
    before = run.inputs.read_all()["boxes"]
    run.records.withdraw("inputs")
    run.records.withdraw("segment", 0)
    monkeypatch.setattr(face_finder, "find_faces", never)
    again = Run.open(run.root)
    make_film(again)
    assert np.array_equal(again.inputs.read_all()["boxes"], before)


def test_a_run_that_was_begun_before_faces_were_looked_for_goes_on_without_one(
    film: Callable[..., Request], plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its spec has no such field, and its digest is the one that it had."""
    monkeypatch.delenv("FAKE_FACE")
    request = film(plain)
    run = freeze_run(request)
    facts = asdict(run.spec)
    del facts["face_boxes"]
    before = Spec.from_facts(facts)
    assert (before, before.digest) == (run.spec, run.spec.digest)
    assert "face_boxes" not in before.canonical
    monkeypatch.setenv("FAKE_FACE", "1")
    monkeypatch.setattr(face_finder, "find_faces", never)
    again = freeze_run(request)
    assert again.spec == run.spec
    make_film(again)
    assert "boxes" not in again.inputs.read_all()


def test_a_found_face_is_no_part_of_the_folders_name_and_a_told_one_is(
    film: Callable[..., Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command finds its film again where another machine finds the mouth a pixel further on; another place is another film."""
    monkeypatch.chdir(tmp_path)
    picture = EXAMPLES / "mila.png"
    found = find_run_folder(film(picture, run=None))
    told = find_run_folder(film(picture, run=None, mouth="210,312,105,28"))
    assert found != told
    monkeypatch.delenv("FAKE_FACE")
    assert find_run_folder(film(picture, run=None)) == found


def test_a_box_that_the_crop_cuts_a_little_is_cut_to_the_film(
    film: Callable[..., Request], plain: Path
) -> None:
    spec = resolve_request(film(plain, mouth=MOUTH, eyes=EYES)).spec
    tall = replace(spec, width=48, height=96)  # the middle half of the picture's width
    face = map_to_film(
        FaceBoxes.from_text("60,120,60,20,40,60,30,20,110,60,40,20"), (180, 180), tall
    )
    assert face.left_eye[0] == 0
    assert face.left_eye[2] == pytest.approx(25 * 96 / 180)
    assert face.right_eye[0] + face.right_eye[2] == pytest.approx(48)
