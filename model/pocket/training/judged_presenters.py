"""Drawn presenters that training never met, and true films of them: what pocket's own films are judged by."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from model.pocket.face_boxes import Box as FaceBox
from model.pocket.face_boxes import FaceBoxes
from model.pocket.training.measures import Box, Byte, Float
from model.pocket.training.motion import draw_motion
from model.pocket.training.mouth_shape import MouthReader
from model.presenters.face import (
    draw_identities,
    eye_boxes,
    mouth_reach,
    neutral_motion,
    render_faces,
)

SEED = 700_000
"""Where the identities of the judged faces begin; training's generators are elsewhere."""
_GROW = 0.06
_EYE_GROW = 0.03
_FAR_APART = 6
"""Frames between two poses of the head with which a mouth is learnt to be read."""


@dataclass(frozen=True)
class Presenter:
    """A drawn face: its identity [1, I], its reference picture, and where things are in it."""

    identity: torch.Tensor
    picture: Byte
    face: FaceBoxes
    mouth: Box
    eyes: tuple[Box, ...]
    crown: Box
    still: NDArray[np.bool_]
    """Where nothing moves, however the head does [y, x]."""

    def cut_mouth(self, frames: Byte) -> Byte:
        """Where the picture has its mouth, of frames [frame, y, x, rgb]."""
        left, top, right, bottom = self.mouth
        return frames[:, top:bottom, left:right]

    def draw_mouths(self, motion: torch.Tensor) -> Byte:
        """Where the picture has its mouth, of a true film of this motion [1, t, M]."""
        return render_film(self, motion, self.mouth)


def make_presenters(number: int, size: int, first: int = SEED) -> list[Presenter]:
    """Presenters that nobody was trained on."""
    return [_make_presenter(first + place, size) for place in range(number)]


def render_film(who: Presenter, motion: torch.Tensor, window: Box | None = None) -> Byte:
    """A true film [frame, y, x, rgb] of a motion [1, t, M], or a window of it, drawn a few frames at a time."""
    size, parts = who.picture.shape[0], torch.split(motion, 16, 1)
    return np.concatenate(
        [to_bytes(render_faces(who.identity, part, size, window)[0]) for part in parts]
    )


def move_with_speech(curves: Float, seed: int) -> torch.Tensor:
    """A true motion [1, t, M] of somebody who says what these curves [t, 3] are of."""
    generator = torch.Generator().manual_seed(seed)
    return draw_motion(1, len(curves), torch.from_numpy(curves)[None], generator)


def learn_mouth(who: Presenter, curves: Sequence[Float], poses: int = 110) -> MouthReader:
    """A reader of somebody's mouth, from true renders of so many moments of true curves [frame, 3], the head somewhere else in each."""
    said = np.concatenate(curves)
    said = said[np.linspace(0, len(said) - 1, poses).astype(int)]
    generator = torch.Generator().manual_seed(1)
    motion = draw_motion(1, poses * _FAR_APART, None, generator)[:, ::_FAR_APART].clone()
    motion[0, :, -3:] = torch.from_numpy(said)
    return MouthReader(who.draw_mouths(motion), said)


def to_bytes(pictures: torch.Tensor) -> Byte:
    """[frame, rgb, y, x] in 0..1 as [frame, y, x, rgb] in 0..255."""
    return (pictures * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def _make_presenter(seed: int, size: int) -> Presenter:
    identity = draw_identities(1, torch.Generator().manual_seed(seed), plain=True)
    rest = neutral_motion(1, 1)
    picture = to_bytes(render_faces(identity, rest, size)[0])[0]
    mouth = mouth_reach(identity, rest)[0, 0]
    eyes = eye_boxes(identity, rest)[0, 0]
    top = float(eyes[0, 1] - 2.5 * eyes[0, 3])
    crown = torch.tensor([float(mouth[0]), top - 0.3, 0.5, 0.3])
    moved = to_bytes(render_faces(identity, _extreme_poses(), size)[0]).astype(np.int16)
    still = np.abs(moved - picture).max((0, 3)) <= 1
    face = FaceBoxes(*(_to_face_box(box, size) for box in (mouth, *eyes)))
    return Presenter(identity, picture, face, _box_in_pixels(mouth, size, _GROW),
                     tuple(_box_in_pixels(eye, size, _EYE_GROW) for eye in eyes), _box_in_pixels(crown, size, 0), still)  # fmt: skip


def _extreme_poses() -> torch.Tensor:
    """Poses further out than any that presenters take [1, t, M]."""
    ends = [(-0.12, 0.12), (-0.08, 0.08), (-0.12, 0.12), (-0.04, 0.04), (0.0, 1.0)]
    poses = torch.tensor(list(product(*ends)))
    motion = neutral_motion(1, len(poses))
    motion[0, :, :4], motion[0, :, -3] = poses[:, :4], poses[:, 4]
    return motion


def _box_in_pixels(box: torch.Tensor, size: int, grow: float) -> Box:
    cx, cy, wide, high = box.tolist()
    edges = (cx - wide - grow, cy - high - grow, cx + wide + grow, cy + high + grow)
    left, top, right, bottom = (min(max(round((edge + 1) * size / 2), 0), size) for edge in edges)
    return left, top, right, bottom


def _to_face_box(box: torch.Tensor, size: int) -> FaceBox:
    cx, cy, wide, high = (value * size / 2 for value in box.tolist())
    return cx - wide + size / 2, cy - high + size / 2, 2 * wide, 2 * high
