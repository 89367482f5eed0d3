"""Drawn presenters whose motion is known, as films of uint8 frames with their picture and their boxes."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.motion_columns import MOTION
from model.presenters.face import (
    draw_identities,
    eye_boxes,
    mouth_box,
    neutral_motion,
    render_faces,
)

SIDE = 256
Byte = NDArray[np.uint8]


@dataclass(frozen=True)
class Presenter:
    """A plain drawn portrait."""

    identity: torch.Tensor

    @property
    def picture(self) -> Byte:
        """At rest [y, x, rgb]."""
        return self.draw([{}])[0]

    @property
    def boxes(self) -> NDArray[np.float32]:
        """Mouth, left and right eye [3, 4] in pixels."""
        rest = neutral_motion(1, 1)
        rows = [mouth_box(self.identity, rest)[0, 0], *eye_boxes(self.identity, rest)[0, 0]]
        edges = [
            ((x - w + 1) * SIDE / 2, (y - h + 1) * SIDE / 2, w * SIDE, h * SIDE)
            for x, y, w, h in rows
        ]
        return np.array(edges, np.float32)

    def draw(self, poses: list[dict[str, float]], size: int = SIDE) -> Byte:
        """Frames [frame, y, x, rgb] of these poses, by the names of MOTION; what is not named is at rest."""
        motion = neutral_motion(1, len(poses))
        for frame, pose in enumerate(poses):
            for name, value in pose.items():
                motion[0, frame, MOTION.index(name)] = value
        drawn = render_faces(self.identity, motion, size)[0]
        return (drawn * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def draw_presenter(seed: int) -> Presenter:
    """A plain portrait that nobody was trained on."""
    return Presenter(draw_identities(1, torch.Generator().manual_seed(seed), plain=True))


def blend(picture: Byte, other: Byte, box: tuple[float, float, float, float]) -> Byte:
    """The other picture within an ellipse (middle, half sides), softly."""
    x, y, wide, high = box
    rows, columns = np.mgrid[: len(picture), : picture.shape[1]]
    away = np.hypot((columns - x) / wide, (rows - y) / high)
    share = np.clip(3 - 2.5 * away, 0, 1)[..., None]
    return (picture * (1 - share) + other * share).round().astype(np.uint8)
