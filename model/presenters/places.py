"""Where the parts of drawn presenters are: pixels in their coordinates, and boxes of theirs in the picture."""

import torch
from torch import Tensor

from model.presenters.identity import Look
from model.presenters.strokes import Pose, Spot

# The head turns as it shifts: features move further than the outline of the head.
_TURN, _SHIFTED_TURN = 0.35, 1.5
# How far a three-quarter view moves the features, and how much narrower its far side is.
_ASIDE, _NARROW = 0.17, 1.0
_PIVOT = 0.62
_BODY = 0.09
"""Bodies stand where they would if their head were so far above the middle."""


def place_pixels(look: Look, pose: Pose, x: Tensor, y: Tensor) -> Spot:
    """The pixels x [1, 1, 1, w] and y [1, 1, h, 1] of a picture in the coordinates of body, head and face."""
    centre_x, centre_y = look.numbers("centre")
    rest = look.number("size")
    size, tilt = rest * torch.exp(pose.scale), pose.tilt + look.number("tilt")
    cos, sin = torch.cos(tilt), torch.sin(tilt)
    px, py = x - centre_x - pose.dx, y - centre_y - pose.dy - _PIVOT * rest
    head_x = (cos * px + sin * py) / size
    head_y = (cos * py - sin * px) / size + _PIVOT
    # The outer shoulders stand still; near the neck the body goes a little with the head.
    near = torch.exp(-(((x - centre_x) / (0.38 * rest)) ** 2))
    body_x = (x - centre_x - 0.35 * pose.dx * near) / rest
    body_y = (y - centre_y - _BODY - 0.25 * pose.dy * near) / rest
    turn = look.number("turn")
    face_x = head_x - _TURN * pose.dx / rest - _ASIDE * turn
    bend = _NARROW * (turn + _SHIFTED_TURN * pose.dx / rest).clamp(-1, 1)
    face_x = face_x + bend * face_x.square() / (1 + 1.5 * face_x.abs())
    return Spot(x, y, body_x, body_y, head_x, head_y, face_x, head_y - _TURN * pose.dy / rest)


def place_box(
    look: Look,
    motion: Tensor,
    at: tuple[Tensor | float, Tensor],
    half: tuple[Tensor, Tensor],
) -> Tensor:
    """Centre and half extent [n, t, 4] in the picture of what fills an ellipse of face coordinates."""
    dx, dy, tilt, scale = motion[..., :4].unbind(-1)
    turn, rest, own_tilt = (_number(look, name) for name in ("turn", "size", "tilt"))
    bend = _NARROW * (turn + _SHIFTED_TURN * dx / rest).clamp(-1, 1)
    left, right = (_unbend(at[0] + side * half[0] + 0 * dx, bend) for side in (-1, 1))
    hx = 0.5 * (left + right) + _TURN * dx / rest + _ASIDE * turn
    hy = at[1] + _TURN * dy / rest - _PIVOT
    wide, high = 0.5 * (right - left), half[1] + 0 * dx
    size = rest * torch.exp(scale)
    cos, sin = torch.cos(tilt + own_tilt) * size, torch.sin(tilt + own_tilt) * size
    centre_x, centre_y = (value[..., 0, 0] for value in look.numbers("centre"))
    cx = cos * hx - sin * hy + centre_x + dx
    cy = sin * hx + cos * hy + centre_y + dy + _PIVOT * rest
    across = ((cos * wide).square() + (sin * high).square()).sqrt()
    down = ((sin * wide).square() + (cos * high).square()).sqrt()
    return torch.stack([cx, cy, across, down], -1)


def _unbend(face_x: Tensor, bend: Tensor) -> Tensor:
    """The x before the turn that a face's x comes from, by Newton's steps."""
    x = face_x
    for _ in range(6):
        far = 1 + 1.5 * x.abs()
        wrong = x + bend * x.square() / far - face_x
        x = x - wrong / (1 + bend * (2 * x + 1.5 * x * x.abs()) / far.square())
    return x


def _number(look: Look, name: str, column: int = 0) -> Tensor:
    return look.number(name, column)[..., 0, 0]
