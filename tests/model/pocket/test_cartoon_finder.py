"""The face of a drawing is where it was drawn."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from model.pocket.cartoon_finder import look_closer, measure_flatness
from model.pocket.face_finder import find_faces
from model.pocket.face_views import Square
from model.pocket.training.cartoon_faces import SIDE, draw_cartoon

UNSEEN = range(5_000_000, 5_000_040)
"""Seeds that the network never learnt from."""
WHOLE = Square(SIDE / 2, SIDE / 2, SIDE, 0.0)


def test_of_cartoons_that_were_never_seen_six_in_seven_faces_are_where_they_are() -> None:
    """Mouth and eyes within .15 of the eyes' distance; of a picture without a face the network is not sure."""
    right = []
    for cartoon in map(draw_cartoon, UNSEEN):
        seen = look_closer(Image.fromarray(cartoon.picture), WHOLE)
        if cartoon.boxes is None:
            assert seen.confidence < 0.5
            continue
        true = cartoon.boxes[:, :2] + cartoon.boxes[:, 2:] / 2
        found = (seen.edges[:, :2] + seen.edges[:, 2:]) / 2
        apart = np.linalg.norm(true[1] - true[2])
        right.append(seen.confidence > 0.5 and np.abs(found - true).max() < 0.15 * apart)
    assert len(right) > 30
    assert np.mean(right) >= 6 / 7


def test_a_mirrored_drawing_has_a_mirrored_face() -> None:
    image = Image.fromarray(draw_cartoon(UNSEEN[0]).picture)
    one, other = look_closer(image, WHOLE), look_closer(ImageOps.mirror(image), WHOLE)
    left, top, right, bottom = other.edges[[0, 2, 1]].T
    assert one.edges == pytest.approx(np.stack([SIDE - right, top, SIDE - left, bottom], 1), abs=1)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_drawing_on_its_side_or_head_has_no_face(turn: int) -> None:
    """Of twelve at most one is taken for one."""
    drawn = (draw_cartoon(seed) for seed in UNSEEN)
    pictures = [each.picture for each in drawn if each.boxes is not None][:12]
    turned = (Image.fromarray(np.rot90(picture, turn // 90)) for picture in pictures)
    assert sum(look_closer(image, WHOLE).confidence > 0.5 for image in turned) <= 1


def test_a_drawing_is_told_from_a_photograph_by_its_flat_colours() -> None:
    """Nearly all of a cartoon's, nearly none of a ramp with a camera's grain."""
    generator = np.random.default_rng(0)
    ramp = np.linspace(40, 200, 512)[:, None, None] + generator.normal(0, 6, (512, 512, 3))
    assert measure_flatness(Image.fromarray(ramp.clip(0, 255).astype(np.uint8))) < 0.1
    flat = Image.fromarray(draw_cartoon(UNSEEN[2]).picture).resize((512, 512))
    assert measure_flatness(flat) > 0.8


def test_two_cartoons_side_by_side_are_both_found() -> None:
    """Each by itself; the larger comes first."""
    faces = (each for each in map(draw_cartoon, UNSEEN) if each.boxes is not None)
    pair = [next(each for each in faces if len(find_faces(each.picture)) == 1) for _ in range(2)]
    group = Image.new("RGB", (600, 300), "white")
    group.paste(Image.fromarray(pair[0].picture), (20, 20))
    group.paste(Image.fromarray(pair[1].picture).resize((200, 200)), (370, 50))
    found = find_faces(np.asarray(group))
    assert len(found) == 2
    assert found[0].size >= found[1].size
