"""The face of a drawing: a network that learnt from cartoons looks at a whole picture, then closer and closer at what it has found. Without torch."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from model.pocket.face_network import FaceNetwork
from model.pocket.face_views import Float, Square, load_network, sigmoid

if TYPE_CHECKING:
    from PIL.Image import Image, Resampling

CARTOON_FILE = "cartoon_face.safetensors"
PIXELS = 128
"""Of a side of what the network looks at."""
SCALE = 3.0
"""Sizes are told as e to the power of what is told less this."""
PASSES = 3
DISTANCE = 0.24
"""From the eyes to the mouth, in sides of a view that is cut round a face."""
STEADY = 0.2
"""Of the distance from eyes to mouth: a face whose parts still move by so much from view to view is a third as sure."""
FLAT_PIXELS, FLAT_STEP = 256, 2
"""How small a picture is made to see how flat it is, and what is one colour: a difference, to the right and down together, of 255."""


class CartoonFace(NamedTuple):
    """The face of a drawing."""

    edges: Float
    """[mouth, left eye, right eye; left, top, right, bottom] in the picture's pixels."""
    distance: float
    """From between the eyes to the mouth, in pixels."""
    confidence: float
    """0 to 1: the least presence of all views, and less where these do not agree."""


class CartoonReading(NamedTuple):
    """A drawn face as one view shows it."""

    edges: Float
    """[mouth, left eye, right eye; left, top, right, bottom], in the picture's pixels unless said otherwise."""
    presence: float
    """How sure the network is that mouth and eyes are in the view, 0 to 1."""

    @property
    def middles(self) -> Float:
        """The middles of mouth, left eye and right eye [3, x and y]."""
        return (self.edges[:, :2] + self.edges[:, 2:]) / 2

    @property
    def distance(self) -> float:
        """From between the eyes to the mouth."""
        mouth, left, right = self.middles
        return float(np.linalg.norm((left + right) / 2 - mouth))


def read_cartoon(image: "Image", square: Square) -> CartoonReading:
    """What is in a square of a picture: the mean of what it and its mirror show, so that a mirrored picture has mirrored faces."""
    network = load_network(CARTOON_FILE)
    pixels = square.cut_out(image, network.side) / 127.5 - 1
    straight, mirrored = (_read_view(network, view) for view in (pixels, pixels[:, ::-1]))
    left, top, right, bottom = mirrored.edges[[0, 2, 1]].T
    back = np.stack([1 - right, top, 1 - left, bottom], 1)
    edges = square.to_picture(((straight.edges + back) / 2).reshape(-1, 2)).reshape(-1, 4)
    return CartoonReading(edges, (straight.presence + mirrored.presence) / 2)


def _read_view(network: FaceNetwork, view: Float) -> CartoonReading:
    """What is in a view [y, x, rgb] in −1..1; edges are 0 to 1 along it."""
    heat, edges, presence = network.apply(view)
    return CartoonReading(read_edges(heat, edges), float(sigmoid(presence.max())))


def read_edges(heat: Float, edges: Float) -> Float:
    """The left, upper, right and lower edge of each part [part, 4], 0 to 1 along the view, out of the network's outputs [y, x, part] and [y, x, 4 · part]."""
    height, width, parts = heat.shape
    weights = np.exp(heat - heat.max((0, 1))).reshape(-1, parts)
    weights /= weights.sum(0)
    rows, columns = ((np.arange(n) + 0.5) / n for n in (height, width))
    places = np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)
    middle = weights.T @ places
    told = np.einsum("pk,pkc->kc", weights, edges.reshape(-1, parts, 4))
    away = np.exp(told - SCALE)
    return np.concatenate([middle - away[:, :2], middle + away[:, 2:]], 1).astype(np.float32)


def look_closer(image: "Image", square: Square) -> "CartoonFace":
    """What is found in a square, looked at again and again, each time round what was found before."""
    sure, moved = 1.0, 0.0
    reading = read_cartoon(image, square)
    for _ in range(PASSES - 1):
        before = reading
        reading = read_cartoon(image, cut_round(before))
        sure = min(sure, before.presence)
        moved = float(np.abs(reading.middles - before.middles).max()) / max(reading.distance, 1.0)
    steady = float(np.exp(-((moved / STEADY) ** 2)))
    return CartoonFace(reading.edges, reading.distance, min(sure, reading.presence) * steady)


def cut_round(found: CartoonReading) -> Square:
    """The square in which a face that was found is as large as most of those that the network learnt from."""
    mouth, left, right = found.middles
    x, y = ((left + right) / 2 + mouth) / 2
    return Square(float(x), float(y), max(found.distance, 1.0) / DISTANCE, 0.0)


def measure_flatness(image: "Image") -> float:
    """The share of a picture that is of one colour with what is to the right and below: of drawings of flat colours most, of photographs mostly a third."""
    small = np.asarray(image.resize((FLAT_PIXELS, FLAT_PIXELS), _box_filter()), np.int16)
    across = np.abs(np.diff(small, axis=1)).max(-1)[1:]
    down = np.abs(np.diff(small, axis=0)).max(-1)[:, 1:]
    return float((across + down <= FLAT_STEP).mean())


def _box_filter() -> "Resampling":
    from PIL.Image import Resampling

    return Resampling.BOX
