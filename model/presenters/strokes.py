"""What every layer of a drawn presenter is made of: places, shapes and paint, soft at the edges."""

from dataclasses import dataclass

import torch
from torch import Tensor

SOFT = 0.0125


@dataclass(frozen=True)
class Pose:
    """The columns of a motion, each [n, t, 1, 1]."""

    dx: Tensor
    dy: Tensor
    tilt: Tensor
    scale: Tensor
    blink: Tensor
    squint: Tensor
    gaze_x: Tensor
    gaze_y: Tensor
    brow: Tensor
    brow_slant: Tensor
    smile: Tensor
    aperture: Tensor
    width: Tensor
    rounding: Tensor


@dataclass(frozen=True)
class Spot:
    """Where each pixel is: in the picture, on the body, on the head, among the features."""

    x: Tensor
    y: Tensor
    body_x: Tensor
    body_y: Tensor
    head_x: Tensor
    head_y: Tensor
    face_x: Tensor
    face_y: Tensor


@dataclass(frozen=True)
class Parts:
    """Colours of what is painted once, moved to each pixel [n, t, c, y, x], and the outline of the head."""

    hair: Tensor
    cover: Tensor
    """What hats, scarves and veils are made of."""
    skin: Tensor
    shade: Tensor
    """[n, t, 1, y, x]: how brightly the face is lit."""
    cloth: Tensor
    neck: Tensor
    """[n, t, 1, y, x]: the same of the neck."""
    head: Tensor
    """[n, t, y, x]: roughly the distance from the outline of the head."""


def soft_mask(distance: Tensor, soft: float = SOFT) -> Tensor:
    """1 within, 0 without, with a smooth edge about three pixels of 256 wide."""
    edge = (0.5 - distance / (2 * soft)).clamp(0, 1)
    return edge * edge * (3 - 2 * edge)


def paint_over(picture: Tensor, colour: Tensor, mask: Tensor) -> Tensor:
    """Colour [n, 1, 3, …] over the picture where the mask [n, t, y, x] is 1."""
    return torch.lerp(picture, colour, mask.unsqueeze(2))


def ellipse_distance(x: Tensor, y: Tensor, wide: Tensor, high: Tensor) -> Tensor:
    """Roughly the distance from an ellipse about the origin."""
    reach = ((x / wide) ** 2 + (y / high) ** 2 + 1e-8).sqrt()
    return (reach - 1) * torch.minimum(wide, high)


def rounded_box_distance(
    x: Tensor, y: Tensor, wide: Tensor, high: Tensor, corner: Tensor | float
) -> Tensor:
    """The distance from a box with round corners about the origin."""
    qx, qy = x.abs() - wide + corner, y.abs() - high + corner
    outside = (qx.clamp(min=0) ** 2 + qy.clamp(min=0) ** 2 + 1e-8).sqrt()
    return outside + torch.maximum(qx, qy).clamp(max=0) - corner
