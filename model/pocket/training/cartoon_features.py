"""Eyes, mouths, noses, beards and glasses of cartoons, each of many kinds: whatever a pen makes them. Each eye and mouth tells where it lies."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from model.pocket.training.cartoon_sketch import (
    INK,
    WHITE,
    Chance,
    Colour,
    Points,
    Sketch,
    join_arcs,
    make_arc,
    make_ellipse,
    shade_colour,
)

RED, DARK_RED, TONGUE = (220, 90, 95), (150, 40, 50), (230, 100, 110)


@dataclass(frozen=True)
class EyeLook:
    """What both eyes share."""

    tall: float
    power: float
    pupil: float
    gaze: tuple[float, float]
    white: Colour
    iris: Colour
    skin: Colour
    rim: int
    line: int
    bend: float
    slant: float
    lid: float
    """How far the upper lid is down; 0: no lid is seen."""


def make_eye_look(chance: Chance, skin: Colour) -> EyeLook:
    """Any."""
    draw = chance.draw
    return EyeLook(
        tall=draw(0.6, 1.5), power=draw(1.8, 3.5), pupil=draw(0.25, 0.65), gaze=(draw(-1, 1), draw(-1, 1)),
        white=chance.colour((WHITE,), 0.85), iris=chance.colour((INK,), 0.6), skin=skin,
        rim=chance.count(0, 5), line=chance.count(2, 9), bend=draw(-0.8, 0.8), slant=draw(-0.03, 0.06),
        lid=draw(0.0, 0.7) if chance.happens(0.25) else 0.0,
    )  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where a feature is, and its half width."""

    x: float
    y: float
    wide: float

    def move(self, shape: Points) -> Points:
        """A shape round the middle of the head, round this place."""
        return shape + np.array([self.x, self.y])


Eye = Callable[[Sketch, Place, EyeLook], list[Points]]
Mouth = Callable[[Sketch, Place], list[Points]]


def draw_dot_eye(sketch: Sketch, at: Place, look: EyeLook) -> list[Points]:
    """A dot."""
    dot = make_ellipse(at.x, at.y, 0.5 * at.wide, 0.5 * at.wide * look.tall)
    return [sketch.fill_outlined(dot, look.iris, 0)]


def draw_round_eye(sketch: Sketch, at: Place, look: EyeLook) -> list[Points]:
    """White with a pupil, perhaps with half a lid."""
    wide, high = at.wide, at.wide * look.tall
    white = make_ellipse(at.x, at.y, wide, high, look.power)
    parts = [sketch.fill_outlined(white, look.white, look.rim)]
    x, y = at.x + 0.4 * wide * look.gaze[0], at.y + 0.4 * high * look.gaze[1]
    size = look.pupil * wide, look.pupil * min(wide, high)
    sketch.fill_outlined(make_ellipse(x, y, *size), look.iris, 0)
    spark = make_ellipse(x - 0.15 * wide, at.y - 0.2 * high, 0.12 * wide, 0.12 * wide)
    sketch.fill_outlined(spark, WHITE, 0)
    if look.lid:
        lid = make_ellipse(at.x, at.y, 1.03 * wide, 1.03 * high, look.power)
        lid[:, 1] = np.minimum(lid[:, 1], at.y - high * look.lid)
        sketch.fill_outlined(lid, look.skin, look.rim)
    return parts


def draw_shut_eye(sketch: Sketch, at: Place, look: EyeLook) -> list[Points]:
    """A line, asleep or laughing."""
    return [sketch.stroke(make_arc(at.x, at.y, at.wide, look.bend * at.wide), look.line)]


def draw_almond_eye(sketch: Sketch, at: Place, look: EyeLook) -> list[Points]:
    """Two lids that meet at corners."""
    high, slant = at.wide * look.tall, look.slant * float(np.sign(at.x))
    above = make_arc(at.x, at.y, at.wide, -0.8 * high, slant)
    below = make_arc(at.x, at.y, at.wide, 0.6 * high, slant)
    parts = [sketch.fill_outlined(join_arcs(above, below), look.white, max(1, look.rim))]
    iris, x = 0.55 * min(at.wide, high), at.x + 0.3 * at.wide * look.gaze[0]
    sketch.fill_outlined(make_ellipse(x, at.y, iris, iris), look.iris, 0)
    lash = make_arc(at.x, at.y, 1.05 * at.wide, -0.85 * high, slant)
    return [*parts, sketch.stroke(lash, look.line)]


def draw_lidded_eye(sketch: Sketch, at: Place, look: EyeLook) -> list[Points]:
    """A pupil under the line of a lid."""
    high = at.wide * look.tall
    lid = make_arc(at.x, at.y - 0.3 * high, at.wide, -0.5 * high)
    pupil = make_ellipse(at.x, at.y, 0.4 * at.wide, 0.5 * high)
    return [sketch.stroke(lid, look.line), sketch.fill_outlined(pupil, look.iris, 0)]


def draw_comic_eye(sketch: Sketch, at: Place, look: EyeLook) -> list[Points]:
    """Large and shining."""
    wide, high = at.wide, at.wide * look.tall
    white = make_ellipse(at.x, at.y, wide, 1.3 * high, 2.5)
    parts = [sketch.fill_outlined(white, look.white, look.rim)]
    y = at.y + 0.1 * high
    sketch.fill_outlined(make_ellipse(at.x, y, 0.75 * wide, high), look.iris, 0)
    sketch.fill_outlined(make_ellipse(at.x, y, 0.4 * wide, 0.6 * high), INK, 0)
    spark = make_ellipse(at.x - 0.25 * wide, at.y - 0.4 * high, 0.25 * wide, 0.25 * wide)
    sketch.fill_outlined(spark, WHITE, 0)
    lash = make_arc(at.x, at.y - 0.9 * high, 1.1 * wide, -0.4 * high)
    return [*parts, sketch.stroke(lash, look.line)]


def draw_cross_eye(sketch: Sketch, at: Place, look: EyeLook) -> list[Points]:
    """A cross."""
    across = np.array([[-1.0, -1.0], [1.0, 1.0]])
    ways = [across * at.wide, across * [at.wide, -at.wide]]
    return [sketch.stroke(at.move(way), look.line) for way in ways]


EYES: tuple[tuple[float, Eye], ...] = (
    (0.20, draw_dot_eye), (0.28, draw_round_eye), (0.13, draw_shut_eye), (0.15, draw_almond_eye),
    (0.10, draw_lidded_eye), (0.10, draw_comic_eye), (0.04, draw_cross_eye),
)  # fmt: skip
"""Each kind with its share."""
WITHOUT_LASHES = (draw_shut_eye, draw_cross_eye)


def draw_lashes(sketch: Sketch, at: Place, look: EyeLook, side: int) -> list[Points]:
    """Some lashes at an eye's outer corner."""
    high, ways = at.wide * look.tall, []
    for k in range(sketch.chance.count(1, 4)):
        out = side * at.wide * (0.6 + 0.25 * k)
        way = np.array([[0.9 * out, -0.6 * high], [1.25 * out, -0.95 * high]])
        ways.append(sketch.stroke(at.move(way), max(1, look.line // 2)))
    return ways


def draw_smile(sketch: Sketch, at: Place) -> list[Points]:
    """A line that hangs, or a sad one."""
    chance = sketch.chance
    bend = chance.draw(0.1, 0.9) if chance.happens(0.7) else chance.draw(-0.6, 0)
    way = make_arc(at.x, at.y, at.wide, bend * at.wide, chance.draw(-0.06, 0.06))
    return [sketch.stroke(way, chance.count(2, 8))]


def draw_straight_mouth(sketch: Sketch, at: Place) -> list[Points]:
    """A straight line, perhaps a short one."""
    chance = sketch.chance
    way = make_arc(at.x, at.y, at.wide * chance.draw(0.4, 1), 0.0, chance.draw(-0.06, 0.06))
    return [sketch.stroke(way, chance.count(2, 8))]


def draw_laughing_mouth(sketch: Sketch, at: Place) -> list[Points]:
    """Open, flat above and round below, perhaps with teeth and a tongue."""
    chance, high = sketch.chance, at.wide * sketch.chance.draw(0.4, 1.3)
    lip = make_arc(at.x, at.y, at.wide, at.wide * chance.draw(0, 0.25))
    shape = join_arcs(lip, make_arc(at.x, at.y, at.wide, high))
    parts = [sketch.fill_outlined(shape, draw_dark(chance), chance.count(0, 5))]
    if chance.happens(0.6):
        edge = make_arc(at.x, at.y, 0.9 * at.wide, high * chance.draw(0.2, 0.6))
        teeth = join_arcs(make_arc(at.x, at.y, 0.9 * at.wide, 0.1 * at.wide), edge)
        sketch.fill_outlined(teeth, WHITE, 0)
    if chance.happens(0.5):
        tongue = make_ellipse(at.x, at.y + 0.75 * high, 0.45 * at.wide, 0.2 * high)
        sketch.fill_outlined(tongue, TONGUE, 0)
    return parts


def draw_lips(sketch: Sketch, at: Place) -> list[Points]:
    """Two lips."""
    chance, t = sketch.chance, np.linspace(-1, 1, 21)
    bow = (1 - t * t) * (1 - 0.35 * np.exp(-((t / 0.18) ** 2)))
    upper = np.stack([at.x + at.wide * t, at.y - at.wide * chance.draw(0.12, 0.4) * bow], -1)
    lower = make_arc(at.x, at.y, at.wide, at.wide * chance.draw(0.15, 0.5))
    colour = shade_colour(RED, chance.draw(0.5, 1.1))
    parts = [sketch.fill_outlined(join_arcs(upper, lower), colour, chance.count(0, 3))]
    if chance.happens(0.75):
        line = make_arc(at.x, at.y, 0.95 * at.wide, chance.draw(-0.02, 0.04))
        sketch.stroke(line, chance.count(1, 4), shade_colour(colour, 0.5))
    return parts


def draw_round_mouth(sketch: Sketch, at: Place) -> list[Points]:
    """Round and open."""
    chance, size = sketch.chance, at.wide * sketch.chance.draw(0.3, 0.7)
    shape = make_ellipse(at.x, at.y, size, size * chance.draw(0.6, 1.5))
    return [sketch.fill_outlined(shape, draw_dark(chance), chance.count(0, 5), RED)]


def draw_teeth(sketch: Sketch, at: Place) -> list[Points]:
    """Two rows of teeth."""
    chance, high = sketch.chance, at.wide * sketch.chance.draw(0.25, 0.7)
    shape, line = make_ellipse(at.x, at.y, at.wide, high, chance.draw(2, 6)), chance.count(1, 3)
    parts = [sketch.fill_outlined(shape, WHITE, line)]
    sketch.stroke(make_arc(at.x, at.y, 0.95 * at.wide, 0), line)
    for x in np.linspace(-0.7, 0.7, chance.count(2, 7)) * at.wide + at.x:
        sketch.stroke(np.array([[x, at.y - 0.7 * high], [x, at.y + 0.7 * high]]), line)
    return parts


def draw_wavy_mouth(sketch: Sketch, at: Place) -> list[Points]:
    """A wave."""
    t = np.linspace(-1, 1, 25)
    wave = 0.15 * at.wide * np.sin(t * sketch.chance.draw(5, 10))
    return [sketch.stroke(np.stack([at.x + at.wide * t, at.y + wave], -1), 4)]


def draw_cat_mouth(sketch: Sketch, at: Place) -> list[Points]:
    """Two arcs, as a cat has."""
    half, line = at.wide / 2, sketch.chance.count(2, 7)
    return [
        sketch.stroke(make_arc(at.x + side * half, at.y, half, 0.4 * at.wide), line)
        for side in (-1, 1)
    ]


def draw_tongue(sketch: Sketch, at: Place) -> list[Points]:
    """A line with the tongue out."""
    chance = sketch.chance
    way = make_arc(at.x, at.y, at.wide, at.wide * chance.draw(0.1, 0.4))
    x = at.x + at.wide * chance.draw(-0.4, 0.4)
    tongue = make_ellipse(x, at.y + 0.45 * at.wide, 0.3 * at.wide, 0.35 * at.wide)
    return [sketch.stroke(way, chance.count(2, 7)), sketch.fill_outlined(tongue, TONGUE, 2)]


def draw_pointed_mouth(sketch: Sketch, at: Place) -> list[Points]:
    """A triangle."""
    down = at.wide * sketch.chance.draw(0.5, 1.2)
    shape = np.array([[at.x - at.wide, at.y], [at.x + at.wide, at.y], [at.x, at.y + down]])
    return [sketch.fill(shape, draw_dark(sketch.chance))]


MOUTHS: tuple[tuple[float, Mouth], ...] = (
    (0.28, draw_smile), (0.07, draw_straight_mouth), (0.17, draw_laughing_mouth), (0.14, draw_lips),
    (0.08, draw_round_mouth), (0.06, draw_teeth), (0.06, draw_wavy_mouth), (0.05, draw_cat_mouth),
    (0.05, draw_tongue), (0.04, draw_pointed_mouth),
)  # fmt: skip
"""Each kind with its share."""


def draw_dark(chance: Chance) -> Colour:
    """What the inside of a mouth may have for a colour."""
    return INK if chance.happens(0.4) else shade_colour(DARK_RED, chance.draw(0.3, 1.3))


def draw_nose(sketch: Sketch, x: float, y: float, skin: Colour) -> None:
    """A nose of lines, a ball, nostrils, a wedge, or none."""
    chance, size = sketch.chance, sketch.chance.draw(0.05, 0.2)
    kind, side, line = chance.pick((0.2, 0.2, 0.15, 0.15, 0.15, 0.15)), 1, chance.count(2, 7)
    side = 1 if chance.happens(0.5) else -1
    if kind == 0:
        way = np.array([[x, y - 2 * size], [x + side * size, y], [x, y]])
        sketch.stroke(way, line)
    elif kind == 1:
        sketch.stroke(make_arc(x, y, size, size * chance.draw(0.3, 1)), line)
    elif kind == 2:
        ball = make_ellipse(x, y, size, size * chance.draw(0.7, 1.2))
        sketch.fill_outlined(ball, shade_colour(skin, chance.draw(0.75, 1.05)), chance.count(0, 4))
    elif kind == 3:
        for each in (-0.5, 0.5):
            sketch.fill_outlined(make_ellipse(x + each * size, y, 0.025, 0.02), sketch.ink, 0)
    elif kind == 4:
        wedge = np.array([[x, y - 2 * size], [x + side * size, y], [x - side * 0.3 * size, y]])
        sketch.fill_outlined(wedge, shade_colour(skin, chance.draw(0.6, 0.9)), chance.count(0, 3))


def draw_brow(sketch: Sketch, at: Place, line: int, lean: float) -> None:
    """One brow."""
    sketch.stroke(make_arc(at.x, at.y, at.wide, -sketch.chance.draw(-0.03, 0.15), lean), line)


def draw_beard(sketch: Sketch, mouth: float, wide: float, colour: Colour) -> None:
    """A beard round a mouth at this height, a moustache above it, or both."""
    chance, upper = sketch.chance, mouth - 0.2
    if chance.happens(0.6):
        t = np.linspace(0, np.pi, 20)
        down = 1.0 - mouth + chance.draw(0.2, 0.5)
        rim = np.stack([0.98 * wide * np.cos(t), upper + down * np.sin(t)], -1)
        wave = chance.draw(0.0, 0.18) * np.cos(np.linspace(-4, 4, 14))
        edge = np.stack([np.linspace(-0.98 * wide, 0.98 * wide, 14), upper + wave], -1)
        sketch.fill(np.concatenate([rim, edge]), colour)
    if chance.happens(0.6):
        half, high, y = (
            chance.draw(0.2, 0.5),
            chance.draw(0.05, 0.14),
            mouth - chance.draw(0.1, 0.2),
        )
        below = make_arc(0, y, half, chance.draw(-0.02, high))
        sketch.fill(join_arcs(make_arc(0, y, half, -high), below), colour)
    if chance.happens(0.35):
        draw_tuft(sketch, mouth, colour)


def draw_tuft(sketch: Sketch, mouth: float, colour: Colour) -> None:
    """Some hair on the chin alone, which is no mouth: square, round or pointed."""
    chance = sketch.chance
    wide, high = chance.draw(0.05, 0.28), chance.draw(0.04, 0.16)
    tuft = make_ellipse(0, mouth + high + chance.draw(0.08, 0.26), wide, high, chance.draw(1.4, 5))
    sketch.fill(tuft, colour)


def draw_cover(sketch: Sketch, mouth: float, wide: float) -> None:
    """A mask or a scarf over a mouth at this height."""
    chance = sketch.chance
    high, power = chance.draw(0.22, 0.4), chance.draw(2, 6)
    cover = make_ellipse(
        0, mouth + chance.draw(-0.05, 0.1), wide * chance.draw(0.6, 1.05), high, power
    )
    sketch.fill(cover, chance.colour((WHITE, INK), 0.4))


def draw_lock(sketch: Sketch, eye: Place, colour: Colour) -> None:
    """Hair that hangs over one eye."""
    chance, side = sketch.chance, float(np.sign(eye.x))
    down = eye.y + chance.draw(0.1, 0.5)
    inner, outer = eye.x - side * chance.draw(1.0, 1.6) * eye.wide, side * chance.draw(0.9, 1.15)
    rim = [
        (side * 0.1, -1.05),
        (outer, -0.5),
        (outer, down),
        (eye.x, down + 0.1),
        (inner, eye.y),
        (inner, -0.6),
    ]
    sketch.fill(np.array(rim), colour)


def draw_glasses(sketch: Sketch, eyes: tuple[Place, Place]) -> None:
    """Frames round both eyes, and what joins them."""
    chance, (left, right) = sketch.chance, eyes
    line, power, ink = chance.count(2, 8), chance.draw(1.8, 6), chance.colour((sketch.ink,), 0.6)
    apart = right.x - left.x
    size = max(1.15 * left.wide, apart * chance.draw(0.25, 0.46))
    high = size * chance.draw(0.7, 1.0)
    for eye in eyes:
        sketch.fill_outlined(make_ellipse(eye.x, eye.y, size, high, power), None, line, ink)
    bridge = np.array([[left.x + size, left.y], [right.x - size, right.y]])
    sketch.stroke(bridge, line, ink)
