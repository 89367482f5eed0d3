"""A cartoon under way: shapes in the units of its head, filled and outlined with PIL, and where they come to lie."""

import math
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw
from PIL.Image import Image

Points = NDArray[np.float64]
"""[n, x and y]"""
Colour = tuple[int, int, int]

INK: Colour = (20, 18, 24)
WHITE: Colour = (255, 255, 255)


class Chance:
    """A generator of numbers, with the few draws that cartoons need."""

    def __init__(self, *seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def draw(self, low: float, high: float) -> float:
        """A number between the two."""
        return float(self.generator.uniform(low, high))

    def happens(self, share: float) -> bool:
        """True so often."""
        return bool(self.generator.random() < share)

    def count(self, low: int, high: int) -> int:
        """A whole number from `low` to less than `high`."""
        return int(self.generator.integers(low, high))

    def pick(self, shares: tuple[float, ...]) -> int:
        """One of so many, each as often as its share of all says."""
        weights = np.array(shares)
        return int(self.generator.choice(len(shares), p=weights / weights.sum()))

    def colour(self, known: tuple[Colour, ...] = (), share: float = 0.0) -> Colour:
        """So often one of those that are known, else any."""
        if self.happens(share):
            return known[self.count(0, len(known))]
        return cast("Colour", tuple(map(int, self.generator.integers(0, 256, 3))))


@dataclass
class Sketch:
    """A picture that is drawn on. Shapes are in heads: the middle of the head is 0, its half height 1, y grows downwards."""

    chance: Chance
    image: Image
    middle: Points
    """Of the head, in pixels [x and y]."""
    unit: float
    """Pixels of the head's half height."""
    angle: float
    """Radians, clockwise as one sees it."""
    line: int
    """Pixels of an outline; 0: none is drawn."""
    ink: Colour
    canvas: ImageDraw.ImageDraw = field(init=False)

    def __post_init__(self) -> None:
        self.canvas = ImageDraw.Draw(self.image)

    def place(self, shape: Points) -> Points:
        """The shape in pixels."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        turn = np.array([[cos, sin], [-sin, cos]])
        placed: Points = shape @ turn * self.unit + self.middle
        return placed

    def fill(self, shape: Points, colour: Colour) -> Points:
        """Fill a closed shape, and give it an outline where this picture has outlines; where it lies in pixels."""
        return self.fill_outlined(shape, colour, self.line)

    def fill_outlined(
        self, shape: Points, colour: Colour | None, line: int, ink: Colour | None = None
    ) -> Points:
        """Fill a closed shape, or leave it empty, with an outline of so many pixels; where it lies in pixels."""
        placed = self.place(shape)
        flat = _to_pairs(placed)
        if colour is not None:
            self.canvas.polygon(flat, fill=colour)
        if line:
            self.canvas.line([*flat, *flat[:2]], fill=ink or self.ink, width=line, joint="curve")
        return placed

    def stroke(self, way: Points, width: int, ink: Colour | None = None) -> Points:
        """Draw an open line with round ends; where it lies in pixels, its ends included."""
        placed, radius = self.place(way), width / 2
        self.canvas.line(_to_pairs(placed), fill=ink or self.ink, width=width, joint="curve")
        for x, y in _to_pairs(placed[[0, -1]]):
            round_it = [x - radius, y - radius, x + radius, y + radius]
            self.canvas.ellipse(round_it, fill=ink or self.ink)
        return np.concatenate([placed - radius, placed + radius])


def make_ellipse(x: float, y: float, wide: float, high: float, power: float = 2.0) -> Points:
    """The rim of an ellipse with these half sizes; with a higher power it is rather a box."""
    angle = np.linspace(0, math.tau, 40, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    along, across = (np.sign(v) * np.abs(v) ** (2 / power) for v in (cos, sin))
    return np.stack([x + wide * along, y + high * across], -1)


def make_arc(x: float, y: float, wide: float, bend: float, skew: float = 0.0) -> Points:
    """A line of this half width that hangs by `bend` in its middle, and rises by `skew` to the right."""
    t = np.linspace(-1, 1, 21)
    return np.stack([x + wide * t, y + bend * (1 - t * t) - skew * t], -1)


def join_arcs(above: Points, below: Points) -> Points:
    """The shape between two lines that both go from left to right."""
    return np.concatenate([above, below[::-1]])


def bound_parts(parts: list[Points]) -> tuple[float, float, float, float]:
    """The box x, y, width, height round all of them."""
    points = np.concatenate(parts)
    (left, top), (right, bottom) = points.min(0), points.max(0)
    return float(left), float(top), float(right - left), float(bottom - top)


def shade_colour(colour: Colour, by: float) -> Colour:
    """The colour, so many times as bright."""
    return cast("Colour", tuple(int(min(255, value * by)) for value in colour))


def _to_pairs(points: Points) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in points]
