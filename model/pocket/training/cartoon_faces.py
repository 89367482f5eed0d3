"""Cartoon faces of no particular hand, with the boxes of their mouth and eyes: what the finder of drawn faces learns from."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from model.pocket.training.cartoon_features import (
    EYES,
    MOUTHS,
    WITHOUT_LASHES,
    Mouth,
    Place,
    draw_beard,
    draw_brow,
    draw_cover,
    draw_glasses,
    draw_lashes,
    draw_laughing_mouth,
    draw_lock,
    draw_nose,
    draw_teeth,
    make_eye_look,
)
from model.pocket.training.cartoon_sketch import (
    INK,
    WHITE,
    Chance,
    Colour,
    Points,
    Sketch,
    bound_parts,
    make_arc,
    make_ellipse,
    shade_colour,
)

SIDE = 256
"""Pixels of a side."""
FACELESS = 1 / 12
"""Of all pictures: shapes alone."""
MOUTHLESS = 0.05
"""Of all faces: without a mouth, or with one that is covered. They count as no face: nothing in them can talk."""
PURPOSE = 77
"""Of the random numbers."""
SKINS: tuple[Colour, ...] = (
    (255, 224, 196), (241, 194, 160), (224, 172, 130), (198, 134, 90), (141, 85, 54), (92, 58, 40),
    (255, 205, 60), (250, 250, 250), (246, 226, 210),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = (
    (28, 24, 26), (60, 40, 28), (110, 70, 38), (190, 140, 70), (235, 205, 120), (170, 60, 40), (150, 150, 155),
)  # fmt: skip
BLUSH: Colour = (250, 150, 150)


@dataclass(frozen=True)
class CartoonFace:
    """A picture [SIDE, SIDE, rgb] and its boxes [mouth, left eye, right eye; x, y, width, height] in pixels; None where it shows no face."""

    picture: NDArray[np.uint8]
    boxes: NDArray[np.float32] | None


@dataclass(frozen=True)
class Build:
    """How a head is made."""

    wide: float
    """Its half width."""
    turn: float
    """−1 to 1: the face looks left or right, its features beside the middle."""
    apart: float
    """Of the eyes."""
    eyes: float
    """Their height in the head; so with the mouth."""
    mouth: float
    skin: Colour
    hair: Colour

    @property
    def shift(self) -> float:
        """How far the features are beside the head's middle."""
        return 0.35 * self.turn

    def place_eye(self, side: int, size: float) -> Place:
        """The left eye (−1) or the right one (1); the farther is narrower."""
        x = side * self.apart / 2 * (1 - 0.25 * abs(self.turn)) + self.shift
        return Place(x, self.eyes, size * (1 - 0.62 * max(0.0, -side * self.turn)))


def draw_cartoon(seed: int) -> CartoonFace:
    """A cartoon face, always the same of one seed; some pictures have none."""
    chance = Chance(seed, PURPOSE)
    ground = draw_ground(chance)
    if chance.happens(FACELESS):
        scatter_shapes(ground, chance, chance.count(1, 30))
        return CartoonFace(np.asarray(finish_picture(ground, chance)), None)
    sketch, build = begin_sketch(chance, ground), draw_build(chance)
    draw_head(sketch, build)
    boxes = draw_features(sketch, build)
    return CartoonFace(np.asarray(finish_picture(sketch.image, chance)), boxes)


def begin_sketch(chance: Chance, ground: Image.Image) -> Sketch:
    """Where a head comes to be, and with what pen."""
    middle = np.array([0.5, 0.47]) + chance.generator.normal(0, 0.06, 2)
    unit, angle = SIDE * chance.draw(0.2, 0.42), float(chance.generator.normal(0, 0.08))
    line = (0, 2, 3, 5, 7)[chance.pick((2, 1, 1, 1, 1))]
    return Sketch(chance, ground, middle * SIDE, unit, angle, line, chance.colour((INK,), 0.8))


def draw_build(chance: Chance) -> Build:
    """Any."""
    wide, eyes = chance.draw(0.65, 1.1), chance.draw(-0.25, 0.2)
    return Build(
        wide=wide,
        turn=chance.draw(-1, 1) if chance.happens(0.4) else 0.0,
        apart=wide * chance.draw(0.6, 1.1),
        eyes=eyes,
        mouth=eyes + chance.draw(0.42, 0.75),
        skin=chance.colour(SKINS, 0.8),
        hair=chance.colour(HAIRS, 0.7),
    )


def draw_head(sketch: Sketch, build: Build) -> None:
    """Hair behind it, body, ears and the head itself."""
    chance = sketch.chance
    draw_hair_behind(sketch, build)
    if chance.happens(0.8):
        draw_body(sketch, build)
    if chance.happens(0.6):
        for side in (-1, 1):
            size = chance.draw(0.08, 0.2), chance.draw(0.12, 0.25)
            ear = make_ellipse(side * build.wide, chance.draw(-0.05, 0.15), *size)
            sketch.fill(ear, build.skin)
    head = make_ellipse(0, 0, build.wide, 1.0, chance.draw(1.9, 4.5))
    head[:, 0] *= 1 - chance.draw(-0.1, 0.35) * np.clip(head[:, 1], 0, 1)
    sketch.fill(head, build.skin)


def draw_features(sketch: Sketch, build: Build) -> NDArray[np.float32] | None:
    """All that is in a face; the boxes [mouth, left eye, right eye; x, y, width, height] in pixels, none where no mouth is seen."""
    chance = sketch.chance
    if chance.happens(0.18):
        draw_beard(sketch, build.mouth, build.wide, build.hair)
    x = build.shift + chance.draw(-0.04, 0.04)
    if chance.happens(0.3):
        draw_cheeks(sketch, build, x)
    nose = build.eyes + (build.mouth - build.eyes) * chance.draw(0.4, 0.65)
    draw_nose(sketch, x, nose, build.skin)
    size = build.apart * chance.draw(0.11, 0.42)
    left, right = draw_eyes(sketch, build, size)
    mouth = draw_mouth(sketch, build, x)
    if chance.happens(0.7):
        draw_fringe(sketch, build)
    if chance.happens(0.05):
        draw_lock(sketch, build.place_eye(1 if chance.happens(0.5) else -1, size), build.hair)
    if chance.happens(0.22):
        draw_glasses(sketch, (build.place_eye(-1, size), build.place_eye(1, size)))
    if not mouth:
        return None
    return np.array([bound_parts(mouth), bound_parts(left), bound_parts(right)], np.float32)


def draw_mouth(sketch: Sketch, build: Build, x: float) -> list[Points]:
    """A mouth at x; where it lies, nothing where none is seen."""
    chance = sketch.chance
    if chance.happens(MOUTHLESS):
        if chance.happens(0.5):
            draw_cover(sketch, build.mouth, build.wide)
        return []
    wide = build.apart * chance.draw(0.14, 0.5) * (1.6 if chance.happens(0.3) else 1.0)
    draw: Mouth = MOUTHS[chance.pick(tuple(share for share, _ in MOUTHS))][1]
    if chance.happens(0.1):  # a laugh that is larger than both eyes
        wide = build.apart * chance.draw(0.5, 0.85)
        draw = draw_laughing_mouth if chance.happens(0.75) else draw_teeth
    return draw(sketch, Place(x, build.mouth, wide))


def draw_eyes(sketch: Sketch, build: Build, size: float) -> tuple[list[Points], list[Points]]:
    """Both eyes with lashes and brows, or one of them shut; where each eye lies."""
    chance, shares = sketch.chance, tuple(share for share, _ in EYES)
    _, first = EYES[chance.pick(shares)]
    second = first if chance.happens(0.93) else EYES[chance.pick(shares)][1]
    look, found = make_eye_look(chance, build.skin), []
    lashes, uneven = chance.happens(0.25), chance.happens(0.2)
    for side, draw_eye in ((-1, first), (1, second)):
        by = chance.draw(0.85, 1.15) if uneven else 1.0
        at = build.place_eye(side, size * by)
        parts = draw_eye(sketch, at, look)
        if lashes and draw_eye not in WITHOUT_LASHES:
            parts += draw_lashes(sketch, at, look, side)
        found.append(parts)
    if chance.happens(0.75):
        draw_brows(sketch, build, size, look.tall)
    return found[0], found[1]


def draw_brows(sketch: Sketch, build: Build, size: float, tall: float) -> None:
    """Both brows."""
    chance = sketch.chance
    up, line, lean = (
        size * tall + chance.draw(0.06, 0.3),
        chance.count(2, 12),
        chance.draw(-0.12, 0.12),
    )
    wide = size * chance.draw(0.8, 1.5) + 0.05
    for side in (-1, 1):
        eye = build.place_eye(side, size)
        draw_brow(sketch, Place(eye.x, eye.y - up, wide), line, side * lean)


def draw_cheeks(sketch: Sketch, build: Build, x: float) -> None:
    """Red cheeks."""
    chance, y = sketch.chance, (build.eyes + build.mouth) / 2 + 0.08
    size, colour = (
        (chance.draw(0.08, 0.2), chance.draw(0.05, 0.15)),
        shade_colour(BLUSH, chance.draw(0.7, 1.1)),
    )
    for side in (-0.6, 0.6):
        sketch.fill_outlined(make_ellipse(x + side * build.apart, y, *size), colour, 0)


def draw_hair_behind(sketch: Sketch, build: Build) -> None:
    """Hair behind the head: short, long, curls, bunches, or none."""
    chance, wide = sketch.chance, build.wide
    kind = chance.pick((0.3, 0.2, 0.15, 0.15, 0.2))
    if kind in (0, 1):
        low, high = ((-0.3, 0.1), (0.9, 1.4)) if kind == 0 else ((0.2, 0.6), (1.1, 1.7))
        size = wide * chance.draw(1.05, 1.55), chance.draw(*high)
        sketch.fill(make_ellipse(0, chance.draw(*low), *size, chance.draw(1.8, 5)), build.hair)
    elif kind == 2:
        draw_curls(sketch, build, chance.count(8, 22), 0.4)
    elif kind == 3:
        for side in (-1, 1):
            x, y = side * wide * chance.draw(0.9, 1.3), chance.draw(-1, 0.3)
            bunch = make_ellipse(x, y, chance.draw(0.2, 0.45), chance.draw(0.2, 0.7))
            sketch.fill(bunch, build.hair)


def draw_curls(sketch: Sketch, build: Build, number: int, largest: float) -> None:
    """Curls round the upper half of a head."""
    for _ in range(number):
        angle, size = sketch.chance.draw(math.pi, math.tau), sketch.chance.draw(0.1, largest)
        x, y = build.wide * math.cos(angle), 0.95 * math.sin(angle)
        sketch.fill_outlined(make_ellipse(x, y, size, size), build.hair, 0)


def draw_fringe(sketch: Sketch, build: Build) -> None:
    """Hair over the forehead: straight, swept aside, in points, curls, or none."""
    chance, wide = sketch.chance, 1.06 * build.wide
    angle = np.linspace(math.pi, math.tau, 20)
    top = np.stack([wide * np.cos(angle), -0.05 + chance.draw(1.02, 1.2) * np.sin(angle)], -1)
    x, t = np.linspace(wide, -wide, 15), np.linspace(0.1, 1, 15)
    kind = chance.pick((0.25, 0.25, 0.15, 0.13, 0.22))
    if kind == 0:
        low = chance.draw(-0.75, -0.35) + chance.draw(-0.3, 0.2) * np.cos(1.5 * x / wide)
    elif kind == 1:
        low = -0.05 - t ** chance.draw(0.5, 2) * chance.draw(0.4, 0.8)
        low = low if chance.happens(0.5) else low[::-1]
    elif kind == 2:
        low = np.where(np.arange(15) % 2, chance.draw(-0.7, -0.4), chance.draw(-1, -0.75))
    if kind < 3:
        sketch.fill(np.concatenate([top, np.stack([x, low], -1)]), build.hair)
    elif kind == 3:
        draw_curls(sketch, build, chance.count(6, 16), 0.3)


def draw_body(sketch: Sketch, build: Build) -> None:
    """Neck and shoulders, perhaps with a collar, buttons or letters that are no face."""
    chance, cloth = sketch.chance, sketch.chance.colour()
    neck = [(-0.45, 0.3), (0.45, 0.3), (0.5, 1.6), (-0.5, 1.6)]
    sketch.fill(np.array(neck) * [build.wide, 1], build.skin)
    top = chance.draw(1.1, 1.5)
    shoulders = make_ellipse(0, top + 1.5, chance.draw(0.9, 2.0), 1.5, chance.draw(2, 4))
    sketch.fill(shoulders, cloth)
    if chance.happens(0.4):
        collar = make_arc(0, top, chance.draw(0.2, 0.6), chance.draw(0.1, 0.5))
        sketch.stroke(collar, chance.count(2, 12), chance.colour())
    if chance.happens(0.3):
        for k in range(chance.count(1, 4)):
            button = make_ellipse(chance.draw(-0.6, 0.6), top + 0.3 + 0.25 * k, 0.06, 0.06)
            sketch.fill_outlined(button, chance.colour(), 1)
    if chance.happens(0.15):
        x, y = sketch.place(np.array([[chance.draw(-0.8, 0), top + 0.4]]))[0]
        sketch.canvas.text((x, y), "ABC", fill=sketch.ink)


def draw_ground(chance: Chance) -> Image.Image:
    """What is behind a head: white, a colour, two, or shapes."""
    kind = chance.pick((0.25, 0.45, 0.15, 0.15))
    ground = Image.new("RGB", (SIDE, SIDE), WHITE if kind == 0 else chance.colour())
    if kind == 2:
        begin, end = np.array([chance.colour(), chance.colour()], np.float64)
        t = np.linspace(0, 1, SIDE)[:, None, None]
        ramp = np.broadcast_to(begin * (1 - t) + end * t, (SIDE, SIDE, 3)).astype(np.uint8)
        ground = Image.fromarray(ramp if chance.happens(0.5) else ramp.transpose(1, 0, 2).copy())
    if kind == 3:
        scatter_shapes(ground, chance, chance.count(2, 14))
    return ground


def scatter_shapes(image: Image.Image, chance: Chance, number: int) -> None:
    """Discs, boxes, lines and arcs, anywhere."""
    canvas = ImageDraw.Draw(image)
    for _ in range(number):
        x, y = chance.draw(-20, SIDE + 20), chance.draw(-20, SIDE + 20)
        wide, high = chance.draw(3, 90), chance.draw(3, 90)
        place, colour, line = (
            (x - wide, y - high, x + wide, y + high),
            chance.colour(),
            chance.count(1, 9),
        )
        kind = chance.pick((0.35, 0.25, 0.2, 0.2))
        if kind == 0:
            canvas.ellipse(place, fill=colour)
        elif kind == 1:
            canvas.rectangle(place, fill=colour)
        elif kind == 2:
            canvas.line((x, y, x + wide, y + high), fill=colour, width=line)
        else:
            canvas.arc(place, chance.draw(0, 360), chance.draw(0, 360), fill=colour, width=line)


def finish_picture(image: Image.Image, chance: Chance) -> Image.Image:
    """As paper, print or a camera may leave it."""
    if chance.happens(0.15):
        image = image.filter(ImageFilter.GaussianBlur(chance.draw(0.3, 1.5)))
    if chance.happens(0.15):
        image = image.convert("L").convert("RGB")
    return light_picture(image, chance) if chance.happens(0.2) else image


def light_picture(image: Image.Image, chance: Chance) -> Image.Image:
    """Uneven light, and grain."""
    light: Any = np.linspace(chance.draw(0.6, 1.2), chance.draw(0.6, 1.2), SIDE)[:, None, None]
    light = light if chance.happens(0.5) else light.transpose(1, 0, 2)
    grain = chance.generator.normal(0, chance.draw(0, 10), (SIDE, SIDE, 3))
    pixels = np.asarray(image, np.float32) * light + grain
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
