"""model/pocket/face_finder.py: the faces of a picture, with a mouth and two eyes where they are, or none."""

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from model.pocket.face_boxes import FaceBoxes, find_middle
from model.pocket.face_finder import (
    CLEAR,
    FoundFace,
    drop_overlapping,
    find_faces,
    looks_this_way,
)
from model.pocket.face_views import Square
from model.presenters.avatars import STYLES, draw_avatar

EXAMPLES = Path(__file__).parents[3] / "examples"
# Where one sees them, by eye: mouth, left and right eye; 512×512.
SEEN = {
    "amara": "205,299,124,28,186,164,54,42,296,164,54,40",
    "joon": "200,307,110,26,185,200,54,36,275,200,54,36",
    "lin": "204,310,126,26,190,180,60,40,286,180,60,40",
    "mila": "197,318,146,24,184,196,60,34,274,196,66,34",
}


def read_example(name: str, side: int = 512) -> Image.Image:
    return Image.open(EXAMPLES / f"{name}.png").convert("RGB").resize((side, side))


def find(image: Image.Image) -> list[FoundFace]:
    return find_faces(np.asarray(image))


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The share of the smaller box that lies in the other."""
    sides = (
        min(one[i] + one[i + 2], other[i] + other[i + 2]) - max(one[i], other[i]) for i in (0, 1)
    )
    across, down = (max(0.0, side) for side in sides)
    return across * down / min(one[2] * one[3], other[2] * other[3])


def require_match(found: FaceBoxes, seen: FaceBoxes) -> None:
    """Each box covers most of the seen one, or lies in it, and is no speck."""
    for one, other in zip(found, seen, strict=True):
        assert overlap(one, other) > 0.7, (one, other)
        assert 0.25 < one[2] * one[3] / (other[2] * other[3]) < 2, (one, other)


@pytest.mark.parametrize("name", SEEN)
def test_the_face_of_an_example_is_where_one_sees_it(name: str) -> None:
    (face,) = find(read_example(name))
    require_match(face.boxes, FaceBoxes.from_text(SEEN[name]))
    assert face.confidence > 0.8
    face.boxes.check(512, 512)


@pytest.mark.parametrize("side", [96, 256, 1500])
def test_it_is_there_at_every_size(side: int) -> None:
    (face,) = find(read_example("mila", side))
    scale = side / 512
    seen = FaceBoxes.from_text(SEEN["mila"]).map_boxes(lambda box: tuple(n * scale for n in box))  # type: ignore[arg-type,return-value]
    require_match(face.boxes, seen)


def test_a_grey_picture_has_its_face_too() -> None:
    (face,) = find(read_example("lin").convert("L").convert("RGB"))
    require_match(face.boxes, FaceBoxes.from_text(SEEN["lin"]))


def test_of_two_faces_the_larger_comes_first_and_both_have_their_own_place() -> None:
    group = Image.new("RGB", (900, 600), "white")
    group.paste(read_example("joon", 350), (0, 200))
    group.paste(read_example("amara", 512), (380, 40))
    larger, smaller = find(group)
    assert larger.size > smaller.size
    moved = FaceBoxes.from_text(SEEN["amara"]).map_boxes(
        lambda box: (box[0] + 380, box[1] + 40, *box[2:])
    )
    require_match(larger.boxes, moved)
    assert smaller.boxes.mouth[0] < 350


def test_of_a_crowd_every_face_is_found_once() -> None:
    group = Image.new("RGB", (1024, 768), "white")
    names = ("amara", "joon", "lin", "mila", "omar", "clara")
    for n, name in enumerate(names):
        group.paste(read_example(name, 340), (n % 3 * 342, n // 3 * 384))
    found = find(group)
    cells = {(int(x // 342), int(y // 384)) for face in found for x, y, *_ in face.boxes}
    assert len(found) == len(names)
    assert cells == {(column, row) for column in range(3) for row in range(2)}


def test_of_faces_over_each_other_the_surest_is_one() -> None:
    boxes = FaceBoxes.from_text(SEEN["amara"])
    moved = boxes.map_boxes(lambda box: (box[0] + 30, box[1] - 40, *box[2:]))
    beside = boxes.map_boxes(lambda box: (box[0] + 260, *box[1:]))
    weak, sure, other = (
        FoundFace(each, size, confidence)
        for each, size, confidence in ((moved, 300, 0.2), (boxes, 240, 0.9), (beside, 240, 0.1))
    )
    assert drop_overlapping([weak, sure, other]) == [sure, other]


def test_boxes_lie_about_the_middles_that_drawn_presenters_have() -> None:
    """With these pocket learns: neither higher nor lower, in eyes' distances, of a presenter in each style."""
    apart = []
    for n, style in enumerate(STYLES):
        drawn = draw_avatar(57 + n, style, 256)
        middles = np.array([find_middle(box) for box in find_faces(drawn.pixels)[0].boxes])
        apart.append((middles - drawn.places) / (middles[2, 0] - middles[1, 0]))
    assert np.abs(np.median(apart, 0)).max() < 0.05
    assert np.abs(np.array(apart)).max() < 0.3


def test_of_an_unsure_face_the_mirror_is_asked_and_agrees() -> None:
    """Its boxes in a mirrored picture are the mirrored ones."""
    picture = read_example("lin").resize((64, 64)).resize((256, 256)).convert("L").convert("RGB")
    picture = Image.blend(picture, Image.new("RGB", (256, 256), "gray"), 0.95)
    (face,) = find(picture)
    (mirrored,) = find(ImageOps.mirror(picture))
    assert face.confidence < CLEAR
    assert mirrored.confidence == pytest.approx(face.confidence, abs=1e-3)
    mouth, left, right = (
        (256 - box[0] - box[2], *box[1:]) for box in (mirrored.boxes.mouth, *mirrored.boxes.eyes)
    )
    for one, other in zip(face.boxes, (mouth, right, left), strict=True):
        assert one == pytest.approx(other, abs=0.2)


def test_a_face_without_anything_where_its_mouth_would_be_says_so() -> None:
    """As behind a mask, or where a drawing has its mouth elsewhere."""
    picture = read_example("mila")
    assert find(picture)[0].has_mouth
    ImageDraw.Draw(picture).rectangle((180, 290, 350, 350), fill=picture.getpixel((265, 300)))
    (face,) = find(picture)
    assert not face.has_mouth
    for eye, seen in zip(face.boxes.eyes, FaceBoxes.from_text(SEEN["mila"]).eyes, strict=True):
        assert overlap(eye, seen) > 0.7


def checkerboard() -> Image.Image:
    squares = np.indices((512, 512)).sum(0) // 32 % 2 * 255
    return Image.fromarray(squares.astype(np.uint8)).convert("RGB")


def landscape() -> Image.Image:
    picture = Image.new("RGB", (640, 400), (150, 190, 240))
    draw = ImageDraw.Draw(picture)
    draw.polygon(
        [(0, 300), (160, 120), (330, 310), (480, 160), (640, 320), (640, 400), (0, 400)],
        fill=(90, 110, 80),
    )
    draw.ellipse((480, 40, 560, 120), fill=(250, 230, 120))
    return picture


def text() -> Image.Image:
    picture = Image.new("RGB", (640, 400), "white")
    draw = ImageDraw.Draw(picture)
    for line in range(9):
        draw.text(
            (20, 20 + 40 * line), "No face, only words that say so.", fill="black", font_size=32
        )
    return picture


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("RGB", (256, 256), (120, 90, 60)),
        Image.fromarray(np.random.default_rng(1).integers(0, 256, (300, 300, 3), np.uint8)),
        checkerboard(),
        landscape(),
        text(),
    ],
    ids=["plain", "noise", "checkerboard", "landscape", "text"],
)
def test_where_there_is_no_face_none_is_found(picture: Image.Image) -> None:
    assert find(picture) == []


def test_a_face_of_20_pixels_in_a_large_picture_is_none() -> None:
    picture = Image.new("RGB", (1000, 700), (150, 190, 240))
    picture.paste(read_example("mila", 40), (600, 300))
    assert find(picture) == []


def test_the_same_picture_gives_the_same_boxes() -> None:
    picture = read_example("amara")
    assert find(picture) == find(picture)


def test_a_face_is_found_in_a_second_of_one_processor() -> None:
    """The best of five; .15 s where nothing else shares the processor, three times that where much does."""
    picture, took = read_example("amara"), []
    for _ in range(5):
        begun = time.process_time()
        find(picture)
        took.append(time.process_time() - begun)
    assert min(took) < 1


def test_a_turned_square_is_cut_out_upright() -> None:
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[20:40, 50:70] = 255  # above the middle, to the right
    square = Square(50, 50, 100, np.pi / 2)  # its upper side is the picture's right
    found = square.cut_out(Image.fromarray(pixels), 100)
    assert np.allclose(found, np.rot90(pixels), atol=1)
    assert np.allclose(
        square.to_picture(np.array([[0.5, 0.0]], np.float32)), [[100, 50]], atol=1e-3
    )


@pytest.mark.parametrize("shape", [(1, 0), (0, 0), (1, 1), (1, 640), (640, 2), (30, 640)])
def test_in_a_strip_or_a_speck_there_is_none(shape: tuple[int, int]) -> None:
    assert find_faces(np.full((*shape, 3), 99, np.uint8)) == []


@pytest.mark.parametrize("turn", [90, 270])
def test_a_face_on_its_side_is_none(turn: int) -> None:
    assert find(read_example("mila").rotate(turn)) == []


def test_a_profile_is_known_by_its_narrow_eye() -> None:
    """Half as wide as the other or less."""
    mouth, near = (80.0, 150.0, 50.0, 20.0), (60.0, 90.0, 40.0, 20.0)
    assert looks_this_way(FaceBoxes(mouth, near, (120, 90, 24, 20)))
    assert not looks_this_way(FaceBoxes(mouth, near, (120, 90, 16, 20)))
    assert not looks_this_way(FaceBoxes(mouth, (100, 90, 16, 20), (130, 90, 40, 20)))


def test_of_a_face_that_is_cut_through_an_eye_nothing_is_found() -> None:
    picture = read_example("amara")
    assert find(picture.crop((0, 0, 310, 512))) == []
