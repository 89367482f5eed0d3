"""A face's motion undone: where each part of a picture's face has gone in a frame, and what is seen there. Without torch.

The head is looked for by its pixels, then followed as a similarity (shift, turn, size) by Lucas and Kanade's method in its inverse compositional form
(Baker and Matthews, "Lucas-Kanade 20 years on", IJCV 2004), from coarse to fine; then each region goes on by itself from where the head is. Points of
a picture are complex numbers x + iy, in pixels; a similarity is then one product and one sum.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Byte = NDArray[np.uint8]
Float = NDArray[np.float32]
Points = NDArray[np.complex64]

REGIONS = (
    "left eye", "right eye", "left brow", "right brow", "hair on the left", "hair", "hair on the right",
    "outline on the left", "outline on the right", "left mouth corner", "right mouth corner",
)  # fmt: skip
"""Left and right as one sees them in the picture."""
LONG, SHORT = 32, 20
"""Points of a region along its longer and its shorter side; of an outline the longer one is upright."""
EYE_DISTANCE = 54
"""Pixels between the eyes at which a face is measured: larger ones are made smaller, so that a film of twice the size is measured alike."""
REACH = 0.1
"""Of the picture's width: how far a head may have gone."""
_COARSE = 4
_LUMA = np.array([0.25, 0.5, 0.25], np.float32)
_ROUNDS = (4, 3, 4)
"""Of the coarse head, the fine head, and the regions."""
_BROWS = (2, 3)
_NEAR = (0.7, 0.35)
"""Of the half sides of a brow's region: brows move by themselves, so the hair above and the lid below them count less."""
_DAMPING = 1e-3
_UNSURE = 1.5
_FEW = 7
"""Of so many points one, where many places are tried."""
_LIFTS = np.arange(-3, 4) / 10
"""Eye distances by which a brow may be raised or drawn down: looked for, as it is further than Lucas and Kanade's method sees."""
_ASTRAY, _SHRUNK, _GROWN = 0.4, 0.8, 1.25
"""A region that leaves its head further than that, in eye distances, or changes its size so much, has lost its way."""


@dataclass(frozen=True)
class FaceAxes:
    """The coordinates of a face: its origin between the eyes, one unit from eye to eye, x to the right along them and y towards the mouth."""

    origin: complex
    across: complex
    """One unit to the right, in pixels."""
    mouth: complex
    """The middle of the mouth, in units."""
    eye: complex
    """The middle of the left eye, in units."""
    mouth_width: float
    eye_size: tuple[float, float]

    @property
    def unit(self) -> float:
        """Pixels of one unit."""
        return abs(self.across)

    def to_pixels(self, place: Points | complex) -> Points:
        """Places of the face as points of the picture."""
        return np.asarray(self.origin + place * self.across, np.complex64)


def measure_axes(boxes: NDArray[np.floating]) -> FaceAxes:
    """The axes of a face by the boxes [3, 4] (x, y, width, height in pixels) of its mouth, left and right eye."""
    mouth, left, right = (complex(x + w / 2, y + h / 2) for x, y, w, h in boxes.tolist())
    apart = right - left
    origin = (left + right) / 2
    down = ((mouth - origin) / (apart / abs(apart))).imag
    # A face turned aside has its eyes near each other: then the way to the mouth tells its size.
    across = apart / abs(apart) * max(abs(apart), 0.75 * down)
    unit = abs(across)
    size = boxes[1:, 2:].mean(0) / unit
    return FaceAxes(
        origin,
        across,
        (mouth - origin) / across,
        (left - origin) / across,
        float(np.clip(boxes[0, 2] / unit, 0.6, 1.6)),
        (float(np.clip(size[0], 0.4, 0.95)), float(np.clip(size[1], 0.25, 0.7))),
    )


def place_regions(axes: FaceAxes) -> Points:
    """The points of every region in the picture [region, LONG · SHORT]."""
    wide, high = axes.eye_size[0] * 0.525, axes.eye_size[1] * 0.55
    over = 1j * (axes.eye_size[1] / 2 + 0.18)
    corner = 0.38 * axes.mouth_width
    eyes = (axes.eye, -axes.eye)
    places = [
        *((eye, wide, high) for eye in eyes),
        *((eye - over, 0.45, 0.2) for eye in eyes),
        *((place, 0.5, 0.31) for place in (-0.8 - 0.95j, -1.1j, 0.8 - 0.95j)),
        *((place, 0.31, 0.5) for place in (-1.15 + 0.25j, 1.15 + 0.25j)),
        *((axes.mouth + side * corner, 0.26, 0.2) for side in (-1, 1)),
    ]
    return np.stack([axes.to_pixels(_spread_grid(*place)) for place in places])


def _spread_grid(centre: complex, wide: float, high: float) -> Points:
    """Points of a rectangle of these half sides, in rows along its longer side."""
    along = (np.arange(LONG) - (LONG - 1) / 2) / (LONG / 2)
    aside = (np.arange(SHORT) - (SHORT - 1) / 2) / (SHORT / 2)
    upright = high > wide
    x, y = (aside * wide, along * high) if upright else (along * wide, aside * high)
    grid = x[None, :] + 1j * y[:, None] if upright else x[:, None] + 1j * y[None, :]
    return np.asarray(centre + grid.ravel(), np.complex64)


def weigh_points() -> Float:
    """What each point counts in its region [region, LONG · SHORT]: 1, and less beside a brow."""
    along = (np.arange(LONG) - (LONG - 1) / 2) / (LONG / 2) / _NEAR[0]
    aside = (np.arange(SHORT) - (SHORT - 1) / 2) / (SHORT / 2) / _NEAR[1]
    weights = np.ones((len(REGIONS), LONG, SHORT), np.float32)
    weights[list(_BROWS)] = np.exp(-0.5 * (along[:, None] ** 2 + aside[None] ** 2))
    return weights.reshape(len(REGIONS), -1)


def sample_image(image: NDArray[np.generic], points: Points) -> Float:
    """Values of an image [y, x] or [y, x, channel] at points, bilinear; beyond its edge the edge goes on."""
    height, width = image.shape[:2]
    x = np.clip(points.real, 0, width - 1.001)
    y = np.clip(points.imag, 0, height - 1.001)
    column, row = x.astype(np.int32), y.astype(np.int32)
    aside, down = x - column, y - row
    if image.ndim == 3:
        aside, down = aside[..., None], down[..., None]
    pixels = image.reshape(height * width, *image.shape[2:])
    at = row * width + column
    above, below = pixels[at] * (1 - aside), pixels[at + width] * (1 - aside)
    above += pixels[at + 1] * aside
    below += pixels[at + width + 1] * aside
    return np.asarray(above + (below - above) * down, np.float32)


def shrink_image(image: NDArray[np.generic], factor: int) -> NDArray[np.generic]:
    """An image made smaller by a whole factor, each pixel a mean."""
    if factor == 1:
        return image
    height, width = (edge // factor for edge in image.shape[:2])
    cut = image[: height * factor, : width * factor]
    rows = cut.reshape(height, factor, *cut.shape[1:]).sum(1, dtype=np.float32)
    return np.asarray(sum(rows[:, first::factor] for first in range(factor)) / factor**2)


def to_luma(image: NDArray[np.generic]) -> Float:
    """Brightness [y, x] of an image [y, x, rgb], 0..255."""
    return np.asarray(image.astype(np.float32) @ _LUMA)


@dataclass
class Similarity:
    """Where patches have gone: a point q of a patch, seen from its middle c, lies at c + turn · q + shift; each an array [patch]."""

    turn: Points
    shift: Points

    def carry(self, away: Points) -> "Similarity":
        """The motion of patches whose middles lie `away` [patch] from these, and which move as one with them."""
        return Similarity(
            np.broadcast_to(self.turn, away.shape),
            np.asarray((self.turn - 1) * away + self.shift, np.complex64),
        )


class PatchTracker:
    """Follows patches of one image, points [patch, point], into other images."""

    def __init__(self, image: Float, points: Points, weights: Float | None = None) -> None:
        self.middle = points.mean(1, keepdims=True)
        self._offsets = points - self.middle
        self._seen = sample_image(image, points)
        self._weights = np.ones(points.shape, np.float32) if weights is None else weights
        across = (sample_image(image, points + 1) - sample_image(image, points - 1)) / 2
        down = (sample_image(image, points + 1j) - sample_image(image, points - 1j)) / 2
        x, y = self._offsets.real, self._offsets.imag
        slopes = np.stack([across, down, across * x + down * y, down * x - across * y], 1)
        slopes -= slopes.mean(2, keepdims=True)
        weighted = slopes * self._weights[:, None]
        hessian = weighted @ slopes.transpose(0, 2, 1)
        diagonal = np.einsum("pii->pi", hessian)
        diagonal *= 1 + _DAMPING
        diagonal += 1e-2
        self._answers = np.linalg.solve(hessian, weighted).astype(np.float32)

    def place_points(self, motion: Similarity) -> Points:
        """Where the points of the patches are [patch, point]."""
        return np.asarray(
            self._offsets * motion.turn[:, None] + (self.middle + motion.shift[:, None]),
            np.complex64,
        )

    def choose(self, image: Float, motion: Similarity, shifts: Points) -> Similarity:
        """The motion and that one of the further shifts [shift, patch] with which a few points of each patch are likest to the image."""
        few = slice(None, None, _FEW)
        points = self.place_points(motion)[:, few] + shifts[..., None]
        error = sample_image(image, points) - self._seen[:, few]
        error -= error.mean(2, keepdims=True)
        size = (error * error * self._weights[:, few]).sum(2)
        size[np.abs(shifts) > 0] *= _UNSURE
        best = size.argmin(0)
        return Similarity(motion.turn, motion.shift + shifts[best, np.arange(len(best))])

    def follow(self, image: Float, motion: Similarity, rounds: int) -> Similarity:
        """The motion, from a first guess on, with which the patches are likest to the image but for brightness; of all rounds the best."""
        best, least = motion, np.full(len(self._offsets), np.inf, np.float32)
        for left in range(rounds, -1, -1):
            error = sample_image(image, self.place_points(motion)) - self._seen
            error -= error.mean(1, keepdims=True)
            size = (error * error * self._weights).mean(1)
            better = size < least
            least = np.where(better, size, least)
            best = Similarity(
                np.where(better, motion.turn, best.turn), np.where(better, motion.shift, best.shift)
            )
            if left:
                x, y, grown, turned = (self._answers @ error[..., None])[..., 0].T
                step = 1 / (1 + grown + 1j * turned)
                moved = motion.shift - motion.turn * step * (x + 1j * y)
                motion = Similarity(
                    (motion.turn * step).astype(np.complex64), moved.astype(np.complex64)
                )
        return best


class FaceTracker:
    """Finds the regions of one picture's face [y, x, rgb] in frames of its film; `boxes` as `measure_axes` takes them."""

    def __init__(self, picture: Byte, boxes: NDArray[np.floating]) -> None:
        unit = measure_axes(boxes).unit
        self._factor = max(1, round(unit / EYE_DISTANCE))
        self.picture = image = shrink_image(picture, self._factor)
        """The picture in the size in which faces are measured."""
        self.axes = measure_axes(boxes / self._factor)
        height, width = image.shape[:2]
        luma = to_luma(image)
        coarse = np.asarray(shrink_image(luma, _COARSE), np.float32)
        self.points = regions = place_regions(self.axes)
        """Where the regions are in the picture [region, point]."""
        head = self._place_head(0.05)
        self._head = PatchTracker(luma, head, _lie_inside(head, width, height))
        rough = self._place_head(0.1)
        weights = _lie_inside(rough, width, height)
        self._rough = PatchTracker(coarse, _to_coarse(rough), weights)
        self._search = _HeadSearch(coarse, _to_coarse(rough[:, ::2]), weights[:, ::2])
        self.inside = _lie_inside(regions, width, height)
        """Whether a point of a region lies in the picture [region, point]."""
        self._regions = PatchTracker(luma, regions, self.inside * weigh_points())
        brows = np.isin(np.arange(len(REGIONS)), _BROWS)
        self._lifts = np.asarray(1j * self.axes.across * _LIFTS[:, None] * brows, np.complex64)
        self.still = sample_image(image, regions)
        """What the picture shows of each region [region, point, rgb], 0..255."""

    def follow(self, frame: Byte) -> "TrackedFace":
        """Where the regions are in a frame of the picture's size."""
        image = shrink_image(frame, self._factor)
        luma = to_luma(image)
        coarse = np.asarray(shrink_image(luma, _COARSE), np.float32)
        rough = self._rough.follow(coarse, self._search.find(coarse), _ROUNDS[0])
        rough = Similarity(rough.turn, rough.shift * _COARSE)
        middle = self._rough.middle * _COARSE + (_COARSE - 1) / 2 * (1 + 1j)
        head = rough.carry((self._head.middle - middle)[:, 0])
        head = self._head.follow(luma, head, _ROUNDS[1])
        with_head = head.carry((self._regions.middle - self._head.middle)[:, 0])
        lifted = self._regions.choose(luma, with_head, self._lifts)
        alone = self._regions.follow(luma, lifted, _ROUNDS[2])
        return TrackedFace(image, self._keep_to_head(alone, with_head), head, self)

    @property
    def head_middle(self) -> complex:
        """The point around which a head turns and grows."""
        return complex(self._head.middle[0, 0])

    def place_regions(self, motion: Similarity) -> Points:
        """Where the points of the regions are [region, point] with a motion."""
        return self._regions.place_points(motion)

    def _place_head(self, step: float) -> Points:
        """Points all over the head [1, point], without the mouth and what is below it."""
        x, y = np.arange(-1.3, 1.301, step), np.arange(-1.4, 0.701, step)
        return self.axes.to_pixels((x[None] + 1j * y[:, None]).reshape(1, -1))

    def _keep_to_head(self, alone: Similarity, with_head: Similarity) -> Similarity:
        size = np.abs(alone.turn / with_head.turn)
        far = np.abs(alone.shift - with_head.shift) > _ASTRAY * self.axes.unit
        lost = far | (size < _SHRUNK) | (size > _GROWN)
        return Similarity(
            np.where(lost, with_head.turn, alone.turn), np.where(lost, with_head.shift, alone.shift)
        )


@dataclass(frozen=True)
class TrackedFace:
    """The regions of a face in one frame."""

    image: NDArray[np.generic]
    """The frame in the size in which it is measured [y, x, rgb]."""
    alone: Similarity
    """The motion of each region."""
    head: Similarity
    """The motion of the head [1]."""
    tracker: FaceTracker

    def sample_regions(self) -> Float:
        """What is seen of each region [region, point, rgb], 0..255, after its motion is undone."""
        return sample_image(self.image, self.tracker.place_regions(self.alone))

    def place_on_head(self, points: Points) -> Points:
        """Where points of the picture would lie if all were one stiff head."""
        middle = self.tracker.head_middle
        return np.asarray(
            (points - middle) * self.head.turn[0] + middle + self.head.shift[0], np.complex64
        )


class _HeadSearch:
    """How far a head has gone, to the nearest pixel of a coarse image."""

    def __init__(self, image: Float, points: Points, weights: Float) -> None:
        height, width = image.shape
        reach = int(np.ceil(REACH * width))
        steps = np.arange(-reach, reach + 1)
        self._shifts = (steps[None] + 1j * steps[:, None]).ravel()
        self._pad = pad = reach + 1
        column = np.clip(np.rint(points.real[0]).astype(int), 0, width - 1)
        row = np.clip(np.rint(points.imag[0]).astype(int), 0, height - 1)
        self._seen, self._weights = image[row, column], weights[0]
        at = (row + pad) * (width + 2 * pad) + column + pad
        shifts = (steps[:, None] * (width + 2 * pad) + steps[None]).reshape(-1, 1)
        self._places = at + shifts

    def find(self, image: Float) -> Similarity:
        """The shift [1] at which the head is likest."""
        padded = np.pad(image, self._pad, mode="edge").ravel()
        error = padded[self._places] - self._seen
        error -= error.mean(1, keepdims=True)
        nearest = int(((error * error) @ self._weights).argmin())
        return Similarity(
            np.ones(1, np.complex64), np.asarray(self._shifts[nearest : nearest + 1], np.complex64)
        )


def _to_coarse(points: Points) -> Points:
    return np.asarray((points + 0.5 + 0.5j) / _COARSE - (0.5 + 0.5j), np.complex64)


def _lie_inside(points: Points, width: int, height: int) -> Float:
    x, y = points.real, points.imag
    return np.asarray((x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1), np.float32)
