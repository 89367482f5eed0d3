"""Where the faces are in a picture, photographed or drawn: a detector and a face mesh (NOTICE names them) look at several sizes of it, and the views vote.

Without torch, one thread, some 0.1 s a picture; the same picture gives the same boxes.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model.pocket.cartoon_finder import CartoonFace, look_closer, measure_flatness
from model.pocket.face_boxes import Box, FaceBoxes, clip_box
from model.pocket.face_views import Square, load_network, sigmoid

if TYPE_CHECKING:
    from PIL.Image import Image

Float = NDArray[np.floating[Any]]
Byte = NDArray[np.uint8]

DETECTION_FILE, MESH_FILE = "face_detection.safetensors", "face_mesh.safetensors"

ZOOMS = (1.0, 1.5, 2.2)
"""The views: the picture fills the detector's square, and is so many times smaller in it. A drawn face is mostly found where it is no larger than a photographed one would be."""
FACES_A_VIEW = 6
LEAST_SCORE = 0.1
"""Of a detection; faces are judged by all views together."""
LEAST_CONFIDENCE, LEAST_SIZE = 0.14, 0.12
"""Below these there is no face: how sure the views are together, and the face's share of the picture's longer side."""
LEAST_CONTRAST = 10
"""Of 255: by how much a colour differs in the middle of a mouth; where by less, nothing is drawn."""
LEAST_CARTOON = 0.5
"""Of the network for cartoons, below which it is not sure."""
ALIKE = 0.15, 1.4
"""How far two readings of a face may lie apart, in distances of its eyes, and how much wider one's mouth may be."""
MASKED = 0.4
"""A confidence from which a face without a mouth is one, and not a drawing that the networks for photographs cannot read."""
LEAST_EDGE = 0.05
"""Of the distance from its eyes to its mouth: so far the mouth and eyes of a drawn face are from the picture's edge."""
FACE_SIZE, CARTOON_VIEW = 2.4, 1.75
"""Brow to chin of a drawn face, in distances from its eyes to its mouth, and the side of the view that is cut round it, in such sizes."""
FLAT, RATHER_FLAT = 0.75, 0.6
"""Of a picture: of 180 photographs the flattest has .74, and 170 less than .6; of 264 drawings of flat colours the least flat has .81."""
CLEAR = 0.75
"""A confidence below which the mirrored picture is asked, too: turned and drawn faces are seen half as far beside their middle then."""
LEAST_TURN = 0.5
"""The narrower eye's width as a share of the wider one's: below it, it is a profile."""
MOUTH_FIT, EYE_FIT = (1.15, 1.06), (1.17, 1.67)
"""What makes the mesh's boxes those that drawn presenters have (model/presenters/face.py, medians of 36), with which pocket learns: width and height. The middles agree: that of the mouth within .007 of the eyes' distance (median of 80)."""
PASSES = 2
"""Of the mesh: the second looks at where the first has found the face."""

# Points of the mesh: the outer edge of the lips; the lids' edges, left and right as one sees them in the picture.
# fmt: off
LIPS = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185]
LEFT_EYE = [33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246]
RIGHT_EYE = [263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466]
# fmt: on
LEFT_CORNER, RIGHT_CORNER = LEFT_EYE[0], RIGHT_EYE[0]
"""The outer corners of the eyes: the line through them is the face's horizontal."""
MOUTH = 3
"""Of the detector's keypoints, which are the two eyes, the nose, the mouth and the ears."""


@dataclass(frozen=True)
class FoundFace:
    """A face that was found."""

    boxes: FaceBoxes
    """In pixels of the picture that was looked at."""
    size: float
    """Its longer side, brow to chin or cheek to cheek, in pixels."""
    confidence: float
    """0 to 1."""
    mesh_confidence: float = 0.0
    """The same by the networks for photographs alone: the one for cartoons takes hair above a chin for a face, surely."""
    has_mouth: bool = True
    """Something is drawn where the mouth would be: not in a face behind a mask, nor where a drawing has its mouth elsewhere."""

    @property
    def centre(self) -> Float:
        """The middle of mouth and eyes (x, y)."""
        boxes = self.boxes.to_array()
        middle: Float = (boxes[:, :2] + boxes[:, 2:] / 2).mean(0)
        return middle

    def overlaps(self, other: "FoundFace") -> bool:
        """Whether the two lie so near each other that one of them is none."""
        apart = float(np.linalg.norm(self.centre - other.centre))
        return apart < 0.5 * max(self.size, other.size)

    def cut_to(self, picture: tuple[int, int]) -> "FoundFace":
        """The face with boxes that lie in a picture of this size."""
        return replace(self, boxes=self.boxes.map_boxes(lambda box: clip_box(box, *picture)))


@dataclass(frozen=True)
class Detection:
    """What the detector takes for a face."""

    score: float
    centre: Float
    side: float
    keypoints: Float
    """[6, x and y]"""


@dataclass(frozen=True)
class Proposal:
    """A face as one view sees it."""

    view: float
    """Its zoom, below 0 in a mirror."""
    weight: float
    """How sure detector and mesh are together."""
    presence: float
    """How sure the mesh is."""
    size: float
    boxes: Float
    """[mouth, left eye, right eye; left, top, right, bottom] in the picture's pixels."""

    @property
    def centres(self) -> Float:
        """The middle of each box [mouth, left eye, right eye; x and y]."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2

    @property
    def rank(self) -> float:
        """What is proposed first is what others join."""
        return self.weight * math.sqrt(self.size)

    def mirror(self, width: int) -> "Proposal":
        """What a mirror shows, in a picture of this width."""
        right, left = self.boxes[:, 0], self.boxes[:, 2]
        edges = [width - left, self.boxes[:, 1], width - right, self.boxes[:, 3]]
        return replace(self, view=-self.view, boxes=np.stack(edges, 1)[[0, 2, 1]])

    def agrees_with(self, other: "Proposal") -> bool:
        """Whether the two are one face."""
        apart = float(np.abs(self.centres - other.centres).max())
        return apart < 0.2 * other.size and 0.6 < self.size / other.size < 1.7


def find_faces(picture: Byte) -> list[FoundFace]:
    """Every face in a picture [y, x, rgb], the largest first of those that have a mouth and are half as sure as the surest; none where nothing is sure and large enough."""
    from PIL import Image, ImageOps

    if min(picture.shape[:2]) <= LEAST_SIZE / 2 * max(picture.shape[:2]):
        return []  # no face fits in; PIL ends the process at a picture without a pixel
    image = Image.fromarray(picture)
    proposals = [each for zoom in ZOOMS for each in propose_faces(image, zoom)]
    faces = judge_proposals(proposals, len(ZOOMS), picture)
    if faces and max(face.confidence for face in faces) < CLEAR:
        mirrored = ImageOps.mirror(image)
        proposals += [
            each.mirror(image.width) for zoom in ZOOMS for each in propose_faces(mirrored, zoom)
        ]
        faces = judge_proposals(proposals, 2 * len(ZOOMS), picture)
    return find_drawn_faces(image, faces) if is_drawn(image, faces) else faces


def is_drawn(image: "Image", faces: Iterable[FoundFace]) -> bool:
    """Whether a picture is as flat as drawings are; where its faces are clear to the networks for photographs, flatter than any photograph."""
    clear = any(face.confidence >= CLEAR for face in faces)
    return measure_flatness(image) >= (FLAT if clear else RATHER_FLAT)


def find_drawn_faces(image: "Image", faces: list[FoundFace]) -> list[FoundFace]:
    """The faces of a drawing, given those that the networks for photographs see in it: each as the one for cartoons sees it, where that is sure, and one that they missed."""
    whole = Square(image.width / 2, image.height / 2, float(max(image.size)), 0.0)
    seen = judge_cartoon(image, look_closer(image, whole))
    known = [face for face in faces if seen is not None and seen.overlaps(face)]
    drawn = [look_at_cartoon(image, face, seen if face in known else None) for face in faces]
    missed = [seen] if seen is not None and not known else []
    return sorted([*drawn, *missed], key=lambda face: (not face.has_mouth, -face.size))


def look_at_cartoon(image: "Image", face: FoundFace, seen: FoundFace | None) -> FoundFace:
    """A face as the network for cartoons has seen it, or sees it now; as it was found, where that is not sure of it."""
    if face.confidence >= MASKED and not face.has_mouth:
        return face  # behind a mask, where a nose would be taken for a mouth
    if seen is None:
        x, y = map(float, face.centre)
        seen = judge_cartoon(image, look_closer(image, Square(x, y, CARTOON_VIEW * face.size, 0.0)))
    if seen is None or not seen.overlaps(face):
        return face
    if face.confidence >= CLEAR and is_alike(face.boxes, seen.boxes):
        return face  # the mesh is finer where it can read a drawing
    return replace(seen, mesh_confidence=face.confidence)


def is_alike(one: FaceBoxes, other: FaceBoxes) -> bool:
    """Whether two say the same of a face: where mouth and eyes are, and how wide the mouth is."""
    boxes = one.to_array(), other.to_array()
    middles = [each[:, :2] + each[:, 2:] / 2 for each in boxes]
    apart = np.abs(middles[0] - middles[1]).max() / np.linalg.norm(middles[0][1] - middles[0][2])
    wider = max(boxes[0][0, 2], boxes[1][0, 2]) / min(boxes[0][0, 2], boxes[1][0, 2])
    return bool(apart < ALIKE[0] and wider < ALIKE[1])


def judge_cartoon(image: "Image", seen: CartoonFace) -> FoundFace | None:
    """A drawn face, if the network is sure of it and it is large enough, upright and in the picture with all of its mouth and eyes."""
    left, top, right, bottom = seen.edges.T
    boxes = FaceBoxes.from_array(np.stack([left, top, right - left, bottom - top], 1))
    face = FoundFace(boxes, FACE_SIZE * seen.distance, seen.confidence)
    sure = seen.confidence >= LEAST_CARTOON and is_shown(face, image.size)
    # Of an eye that the picture cuts through, it sees the half.
    edge = LEAST_EDGE * seen.distance
    inside = min(left.min(), top.min()) > edge and (seen.edges[:, 2:] + edge < image.size).all()
    if not (sure and inside and boxes.is_upright):
        return None
    picture = np.asarray(image)
    mouth, *eyes = (is_drawn_in(picture, box) for box in face.boxes)
    return replace(face, has_mouth=mouth) if all(eyes) else None


def judge_proposals(proposals: Iterable[Proposal], views: int, picture: Byte) -> list[FoundFace]:
    """The faces that so many views of a picture are sure of together, in the order of `find_faces`."""
    size = picture.shape[1], picture.shape[0]
    faces = [merge_proposals(group, views) for group in group_proposals(proposals)]
    sure = [each.cut_to(size) for each in faces if is_sure(each, size)]
    apart = [
        replace(each, has_mouth=is_drawn_in(picture, each.boxes.mouth))
        for each in drop_overlapping(sure)
    ]
    supported = 0.5 * max((face.confidence for face in apart), default=0.0)
    return sorted(
        apart, key=lambda face: (not face.has_mouth, face.confidence < supported, -face.size)
    )


def drop_overlapping(faces: Iterable[FoundFace]) -> list[FoundFace]:
    """The faces but for those that lie over a surer one, the surest first."""
    kept: list[FoundFace] = []
    for face in sorted(faces, key=lambda each: -each.confidence):
        if not any(map(face.overlaps, kept)):
            kept.append(face)
    return kept


def is_drawn_in(picture: Byte, box: Box) -> bool:
    """Whether anything is drawn in the middle of where a mouth or an eye would be."""
    x, y, width, height = box
    rows = slice(int(y), math.ceil(y + height))
    columns = slice(int(x + 0.2 * width), math.ceil(x + 0.8 * width))
    return bool(np.ptp(picture[rows, columns], (0, 1)).max() >= LEAST_CONTRAST)


def is_sure(face: FoundFace, picture: tuple[int, int]) -> bool:
    """Whether the views are sure enough of a face that is large enough, looks this way, and whose mouth and eyes are for the most part in the picture."""
    sure = face.confidence >= LEAST_CONFIDENCE
    return sure and is_shown(face, picture) and looks_this_way(face.boxes)


def is_shown(face: FoundFace, picture: tuple[int, int]) -> bool:
    """Whether a face is large enough, and its mouth and eyes are for the most part in the picture."""
    shown = (clip_box(box, *picture) for box in face.boxes)
    whole = all(
        2 * part[2] * part[3] > box[2] * box[3] for part, box in zip(shown, face.boxes, strict=True)
    )
    return whole and face.size >= LEAST_SIZE * max(picture)


def looks_this_way(face: FaceBoxes) -> bool:
    """False for a profile, and for a face that lies on its side."""
    narrow, wide = sorted((face.left_eye[2], face.right_eye[2]))
    return narrow >= LEAST_TURN * wide and face.is_upright


def propose_faces(image: "Image", zoom: float) -> Iterator[Proposal]:
    """The faces that one view shows."""
    for found in detect_faces(image, zoom)[:FACES_A_VIEW]:
        presence, points = fit_mesh(image, found)
        size = float(np.ptp(points, 0).max())
        boxes = np.stack([bound_points(points[ring]) for ring in (LIPS, LEFT_EYE, RIGHT_EYE)])
        if size > 0 and boxes[1, 0] < boxes[2, 0]:
            weight = found.score * (0.2 + 0.8 * presence)
            yield Proposal(zoom, weight, presence, size, boxes)


def detect_faces(image: "Image", zoom: float) -> list[Detection]:
    """What the detector finds in one view, the surest first; of detections that overlap, the mean of those around the surest."""
    network = load_network(DETECTION_FILE)
    square = Square(image.width / 2, image.height / 2, max(image.size) * zoom, 0.0)
    pixels = square.cut_out(image, network.side)
    fine, coarse, fine_scores, coarse_scores = network.apply(pixels / 127.5 - 1)
    scores = sigmoid(np.concatenate([fine_scores.ravel(), coarse_scores.ravel()]))
    places = np.concatenate([read_places(fine), read_places(coarse)])
    found: list[Detection] = []
    for best in np.argsort(-scores, kind="stable"):
        if scores[best] < LEAST_SCORE:
            break
        if any(np.abs(each.centre - places[best, 0]).max() < each.side / 2 for each in found):
            continue
        apart = np.abs(places[:, 0] - places[best, 0]).max(1)
        near = (apart < 0.35 * places[best, 1].mean()) & (scores >= LEAST_SCORE)
        found.append(average_places(float(scores[best]), places[near], scores[near]))
    return [
        Detection(
            each.score,
            square.to_picture(each.centre[None])[0],
            each.side * square.side,
            square.to_picture(each.keypoints),
        )
        for each in found
    ]


def read_places(output: Float) -> Float:
    """Centre, width and height, and six keypoints [n, 8, 2] for each anchor of an output [y, x, anchors · 16]; 0 to 1 along the square."""
    height, width, _ = output.shape
    places = output.reshape(height, width, -1, 8, 2) / 128
    rows, columns = (np.arange(n, dtype=np.float32) + 0.5 for n in (height, width))
    anchors = np.stack(np.meshgrid(columns / width, rows / height), -1)[:, :, None, None]
    moved = places + anchors
    moved[..., 1, :] = places[..., 1, :]  # a size is none that could be moved
    return moved.reshape(-1, 8, 2).astype(np.float32)


def average_places(score: float, places: Float, scores: Float) -> Detection:
    """One detection out of several, each counting as much as it is sure."""
    mean: Float = np.average(places, 0, scores).astype(np.float32)
    return Detection(score, mean[0], float(mean[1].mean()), mean[2:])


def fit_mesh(image: "Image", found: Detection) -> tuple[float, Float]:
    """How sure the mesh is that this is a face, 0 to 1, and its points [468, x and y] in the picture's pixels."""
    network = load_network(MESH_FILE)
    eyes, mouth = found.keypoints[:2], found.keypoints[MOUTH]
    centre = found.keypoints[: MOUTH + 1].mean(0)
    side = max(1.5 * found.side, 3.0 * float(np.linalg.norm(eyes.mean(0) - mouth)))
    angle = angle_of(eyes[1] - eyes[0])
    for _ in range(PASSES):
        square = Square(float(centre[0]), float(centre[1]), side, angle)
        output, presence = network.apply(square.cut_out(image, network.side) / 255)
        points = square.to_picture(output.reshape(-1, 3)[:, :2] / network.side)
        angle = angle_of(points[RIGHT_CORNER] - points[LEFT_CORNER])
        centre = (points.min(0) + points.max(0)) / 2
        side = 1.5 * float(np.ptp(points, 0).max())
    return float(sigmoid(presence.ravel())[0]), points


def group_proposals(proposals: Iterable[Proposal]) -> list[list[Proposal]]:
    """Proposals that are one face, together; the strongest of each first."""
    groups: list[list[Proposal]] = []
    for each in sorted(proposals, key=lambda proposal: -proposal.rank):
        group = next((group for group in groups if each.agrees_with(group[0])), None)
        if group is None:
            groups.append([each])
        else:
            group.append(each)
    return groups


def merge_proposals(group: list[Proposal], views: int) -> FoundFace:
    """One face out of what so many views say of it; a view that does not see it counts against it."""
    weights = [each.weight * (0.05 + each.presence) for each in group]
    edges = np.average(np.stack([each.boxes for each in group]), 0, weights)
    weight_of: dict[float, float] = {}
    for each in group:
        weight_of[each.view] = max(each.weight, weight_of.get(each.view, 0.0))
    size = float(np.mean([each.size for each in group]))
    boxes = FaceBoxes(*map(fit_box, edges, (MOUTH_FIT, EYE_FIT, EYE_FIT)))
    confidence = sum(weight_of.values()) / views
    return FoundFace(boxes, size, confidence, confidence)


def fit_box(edges: Float, fit: tuple[float, float]) -> Box:
    """A box out of the mesh's left, upper, right and lower edge, so many times as wide and as high about its middle."""
    left, top, right, bottom = map(float, edges)
    width, height = fit[0] * (right - left), fit[1] * (bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - width / 2, y - height / 2, width, height


def bound_points(points: Float) -> Float:
    """The left, upper, right and lower edge of points [n, x and y]."""
    return np.concatenate([points.min(0), points.max(0)])


def angle_of(way: Float) -> float:
    """The angle of a way (x, y), in radians."""
    return math.atan2(float(way[1]), float(way[0]))
