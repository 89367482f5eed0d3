"""Drawn presenters in motion: what pocket is trained and judged on. Inference never imports this.

Everything is a soft-edged layer over the one before it, in plain tensor operations, so that it runs
eagerly or compiled, on any device, for whole batches. x grows to the right, y downwards, and the
picture spans −1..1 both ways. Head coordinates have their origin between eyes and nose.
"""

import torch
from torch import Tensor

from model.pocket.training.features import (
    draw_beard,
    draw_brows,
    draw_eye,
    draw_glasses,
    draw_mouth,
    draw_nose,
    head_shape,
)
from model.pocket.training.identity import COLUMNS, Look, draw_identities
from model.pocket.training.strokes import (
    Pose,
    Spot,
    ellipse_distance,
    paint_over,
    rounded_box_distance,
    soft_mask,
)

__all__ = [
    "COLUMNS",
    "MOTION",
    "MOTION_COLUMNS",
    "draw_identities",
    "eye_boxes",
    "mouth_box",
    "neutral_motion",
    "pixel_weights",
    "render_faces",
]  # fmt: skip

MOTION = ("dx", "dy", "tilt", "scale", "blink", "squint", "gaze_x", "gaze_y", "brow", "brow_slant",
          "smile", "aperture", "width", "rounding")  # fmt: skip
"""The columns of a motion: dx and dy in half pictures, tilt in radians, scale as a logarithm, blink
0 (open) to 1 (shut), squint −1 (eyes wide) to 1 (narrowed), gaze −1..1, brow −1..1 (up), brow_slant
−1 (inner ends down) to 1 (up), smile −1 (corners of the mouth down) to 1 (up); last the three curves
of speech, aperture, width and rounding 0..1."""
MOTION_COLUMNS = len(MOTION)
REST_WIDTH = 0.5
Window = tuple[int, int, int, int]
MOUTH_WEIGHT, EYE_WEIGHT = 6.0, 8.0
# The head turns as it shifts: features move further than the outline of the head.
_TURN = 0.35
_PIVOT = 0.62


def neutral_motion(n: int, t: int, device: torch.device | str = "cpu") -> Tensor:
    """The motion [n, t, M] of someone who looks at you with a closed mouth."""
    motion = torch.zeros(n, t, MOTION_COLUMNS, device=device)
    motion[..., MOTION.index("width")] = REST_WIDTH
    return motion


def render_faces(
    identity: Tensor, motion: Tensor, size: int = 256, window: Window | None = None
) -> Tensor:
    """Pictures [n, t, 3, size, size] in 0..1 of the identities [n, I] in motion [n, t, M].

    With a window (left, top, right, bottom) in pixels, only that part of each picture.
    """
    look, pose = Look(identity), Pose(*motion[..., None, None].unbind(2))
    x, y = _pixel_grid(size, identity.device)
    if window is not None:
        x, y = x[..., window[0] : window[2]], y[..., window[1] : window[3], :]
    spot = _place_pixels(look, pose, x, y)
    picture = _draw_ground(look, x, y).expand(-1, motion.shape[1], -1, -1, -1)
    picture = _draw_back_hair(picture, look, spot)
    picture = _draw_body(picture, look, pose, spot)
    picture = _draw_head(picture, look, pose, spot)
    picture = draw_nose(picture, look, spot)
    picture = draw_beard(picture, look, pose, spot)
    picture = draw_mouth(picture, look, pose, spot)
    for side in (-1.0, 1.0):
        picture = draw_eye(picture, look, pose, spot, side)
    picture = _draw_hair(picture, look, spot)
    picture = draw_brows(picture, look, pose, spot)
    return _blur_picture(draw_glasses(picture, look, spot).clamp(0, 1))


def _blur_picture(picture: Tensor) -> Tensor:
    """A binomial blur over three pixels: no edge is sharper than a small VAE can keep."""
    for axis in (-1, -2):
        size = picture.shape[axis]
        before = torch.cat([picture.narrow(axis, 0, 1), picture.narrow(axis, 0, size - 1)], axis)
        after = torch.cat([picture.narrow(axis, 1, size - 1), picture.narrow(axis, -1, 1)], axis)
        picture = 0.5 * picture + 0.25 * (before + after)
    return picture


def mouth_box(identity: Tensor, motion: Tensor) -> Tensor:
    """Centre x, centre y, half width, half height [n, t, 4] of a box that holds the mouth, moving with it."""
    look = Look(identity)
    width = look.number("mouth_size")[..., 0, 0] * 1.25
    return _picture_box(
        look, motion, (0.0, look.number("mouth_place")[..., 0, 0] + 0.07), (width, 0.19)
    )


def eye_boxes(identity: Tensor, motion: Tensor) -> Tensor:
    """Centre x, centre y, half width, half height [n, t, 2, 4] of boxes that hold the left and the right eye, moving with them."""
    look = Look(identity)
    across, down = (value[..., 0, 0] for value in look.numbers("eye_place"))
    wide, high = (value[..., 0, 0] for value in look.numbers("eye_size"))
    boxes = [
        _picture_box(look, motion, (side * across, down), (1.25 * wide, 1.35 * high))
        for side in (-1.0, 1.0)
    ]
    return torch.stack(boxes, 2)


def pixel_weights(identity: Tensor, motion: Tensor, size: int) -> Tensor:
    """What a pixel is worth to a loss [n, t, 1, size, size]: 1, and more on the mouth and the eyes."""
    x, y = _pixel_grid(size, identity.device)

    def hill(box: Tensor, spread: float) -> Tensor:
        cx, cy, wide, high = box[..., None, None].unbind(2)
        return torch.exp(-0.5 * (((x - cx) / wide) ** 2 + ((y - cy) / high) ** 2) / spread**2)

    eyes = eye_boxes(identity, motion)
    total = 1 + MOUTH_WEIGHT * hill(mouth_box(identity, motion), 0.7)
    total = total + EYE_WEIGHT * (hill(eyes[:, :, 0], 0.8) + hill(eyes[:, :, 1], 0.8))
    return total.unsqueeze(2)


def _pixel_grid(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    line = (torch.arange(size, device=device, dtype=torch.float32) + 0.5) * (2 / size) - 1
    return line[None, None, None, :], line[None, None, :, None]


def _place_pixels(look: Look, pose: Pose, x: Tensor, y: Tensor) -> Spot:
    centre_x, centre_y = look.numbers("centre")
    size = look.number("size") * torch.exp(pose.scale)
    cos, sin = torch.cos(pose.tilt), torch.sin(pose.tilt)
    px, py = x - centre_x - pose.dx, y - centre_y - pose.dy - _PIVOT
    head_x = (cos * px + sin * py) / size
    head_y = (cos * py - sin * px) / size + _PIVOT
    # The outer shoulders stand still; near the neck the body goes a little with the head.
    near = torch.exp(-(((x - centre_x) / 0.38) ** 2))
    body_x = x - centre_x - 0.35 * pose.dx * near
    body_y = y - 0.25 * pose.dy * near
    return Spot(
        x, y, body_x, body_y, head_x, head_y, head_x - _TURN * pose.dx, head_y - _TURN * pose.dy
    )


def _picture_box(
    look: Look,
    motion: Tensor,
    at: tuple[Tensor | float, Tensor],
    half: tuple[Tensor, Tensor | float],
) -> Tensor:
    """A box of head coordinates where it stands in the picture."""
    dx, dy, tilt, scale = motion[..., :4].unbind(-1)
    centre_x, centre_y = (value[..., 0, 0] for value in look.numbers("centre"))
    size = look.number("size")[..., 0, 0] * torch.exp(scale)
    hx, hy = at[0] + _TURN * dx, at[1] + _TURN * dy - _PIVOT
    cos, sin = torch.cos(tilt) * size, torch.sin(tilt) * size
    cx, cy = cos * hx - sin * hy + centre_x + dx, sin * hx + cos * hy + centre_y + dy + _PIVOT
    wide, high = half[0] * size + 0 * cx, half[1] * size + 0 * cx
    return torch.stack([cx, cy, wide, high], -1)


def _draw_ground(look: Look, x: Tensor, y: Tensor) -> Tensor:
    slant = look.number("ground_slant")
    along = 0.5 + 0.35 * (torch.cos(slant) * x + torch.sin(slant) * y)
    picture = torch.lerp(
        look.colour("ground"), look.colour("ground_far"), along.clamp(0, 1).unsqueeze(2)
    )
    number, phase, on = look.numbers("stripe")
    wave = torch.cos(number * (torch.cos(slant) * x - torch.sin(slant) * y) + 3 * phase)
    picture = paint_over(picture, look.colour("stripe_colour"), on * soft_mask(-0.12 * wave, 0.03))
    cx, cy, radius, on = look.numbers("disc")
    disc = ellipse_distance(x - cx, y - cy, radius, radius)
    return paint_over(picture, look.colour("disc_colour"), on * soft_mask(disc, 0.02))


def _draw_back_hair(picture: Tensor, look: Look, spot: Spot) -> Tensor:
    length, spread, corner = look.numbers("back_hair")
    wide = look.number("head_width") + spread
    top = look.number("head_top")
    # Long hair hangs from the crown, and its ends go less far than the head does.
    high = 0.5 * (top + 0.95 * length)
    x = spot.head_x - 0.1 * spot.head_x * (spot.head_y - 0.2)
    hair = rounded_box_distance(
        x, spot.head_y - high + top, wide, high, wide * (0.55 + 0.4 * corner)
    )
    on = look.number("hair_on") * (length > 0.05)
    picture = paint_over(picture, look.colour("hair") * 0.78, on * soft_mask(hair))
    radius, across, lift = look.numbers("bun")
    bun = ellipse_distance(
        spot.head_x - across, spot.head_y + top + lift + 0.4 * radius, radius + 1e-3, radius + 1e-3
    )
    return paint_over(
        picture, look.colour("hair") * 0.9, on.ceil() * (radius > 0.05) * soft_mask(bun)
    )


def _draw_body(picture: Tensor, look: Look, pose: Pose, spot: Spot) -> Tensor:
    wide, top, corner = look.numbers("shoulder")
    slope = 0.16 * (spot.body_x / wide).square()
    shoulders = rounded_box_distance(
        spot.body_x, spot.body_y - top - slope - 1.0, wide, torch.ones_like(wide), corner
    )
    shade = 1 - 0.12 * look.number("light").sign() * spot.body_x
    cloth = look.colour("cloth") * shade.unsqueeze(2)
    body = soft_mask(shoulders)
    picture = paint_over(picture, cloth, body)
    skin = look.colour("skin")
    open_wide, open_deep = look.numbers("neckline")
    neckline = ellipse_distance(spot.body_x, spot.body_y - top + 0.02, open_wide + 0.05, open_deep)
    picture = paint_over(
        picture, look.colour("cloth_far"), body * look.number("collar") * soft_mask(neckline - 0.05)
    )
    picture = paint_over(picture, skin * 0.93, body * soft_mask(neckline))
    # The neck goes from the head, which moves, to the collar, which hardly does.
    down = ((spot.y - 0.3) / 0.4).clamp(0, 1)
    neck_x = torch.lerp(spot.head_x, spot.body_x, down)
    neck = torch.maximum(
        neck_x.abs() - look.number("neck") * (1 + 0.25 * down * down), spot.y - top - 0.04
    )
    picture = paint_over(picture, skin * 0.93, soft_mask(torch.maximum(neck, 0.1 - spot.y)))
    chin = look.number("head_bottom") + 0.05 * pose.aperture
    shadow = ellipse_distance(
        spot.head_x, spot.head_y - chin + 0.02, look.number("neck") * 1.2, chin * 0.22
    )
    return paint_over(picture, skin * 0.78, soft_mask(neck) * soft_mask(shadow, 0.05))


def _draw_head(picture: Tensor, look: Look, pose: Pose, spot: Spot) -> Tensor:
    skin, outline = look.colour("skin"), look.number("outline")
    ear_wide, ear_high = look.numbers("ear")
    # The ears sit where the head is widest, and the far one hides as the head turns.
    ear = ellipse_distance(
        spot.head_x.abs() - look.number("head_width") * 0.99, spot.head_y - 0.06, ear_wide, ear_high
    )
    picture = paint_over(picture, skin * 0.35, outline * soft_mask(ear - 0.016))
    picture = paint_over(picture, skin * 0.9, soft_mask(ear))
    stud = ellipse_distance(spot.head_x.abs() - look.number("head_width") - 0.03, spot.head_y - 0.06 - ear_high,
                    look.number("ear") * 0 + 0.035, look.number("ear") * 0 + 0.035)  # fmt: skip
    picture = paint_over(
        picture, look.colour("cloth_far"), look.number("earring") * soft_mask(stud)
    )
    head = head_shape(look, pose, spot)
    picture = paint_over(picture, skin * 0.35, outline * soft_mask(head - 0.016))
    lit = 1 + 0.10 * look.number("light") * spot.face_x - 0.06 * spot.face_y
    rim = ((head + 0.10) / 0.10).clamp(0, 1)
    face = soft_mask(head)
    picture = paint_over(picture, skin * (lit - 0.10 * rim * rim).unsqueeze(2), face)
    cheek_x, cheek_y = spot.face_x.abs() - 0.27, spot.face_y - 0.19
    glow = torch.exp(-(cheek_x.square() + cheek_y.square()) / 0.016)
    rosy = skin * skin.new_tensor([1.0, 0.72, 0.70])[:, None, None]
    picture = paint_over(picture, rosy, face * look.number("blush") * glow)
    spots = torch.cos(52 * spot.face_x) * torch.cos(47 * spot.face_y + 26 * spot.face_x)
    dots = (
        soft_mask(0.55 - spots, 0.25)
        * torch.exp(-(((spot.face_y - 0.16) / 0.07) ** 2))
        * glow.sqrt()
    )
    return paint_over(picture, skin * 0.72, face * look.number("freckles") * dots)


def _draw_hair(picture: Tensor, look: Look, spot: Spot) -> Tensor:
    volume, lift, low = look.numbers("cap")
    bumps, number, phase = look.numbers("bumps")
    wide, high = look.number("head_width") + volume, look.number("head_top") + lift
    x, y = spot.head_x, spot.head_y
    turn = torch.atan2(y, x)
    cap = ellipse_distance(x, y, wide, high) - bumps * torch.cos(number * turn + phase)
    cap = torch.maximum(cap, y - low - look.number("sideburn").clamp(min=-0.05))
    height, slant, bow, wave = look.numbers("hairline")
    fx, fy = spot.face_x, spot.face_y
    line = height + slant * fx + bow * fx.square() + wave * torch.cos(22 * fx)
    temple = look.number("head_width") * 0.93 - fx.abs()
    bare = torch.maximum(line - fy, -temple)
    hair = look.number("hair_on") * soft_mask(cap) * soft_mask(-bare, 0.02)
    shine = 1 + 0.28 * torch.exp(
        -(((y + 0.72 * high) / 0.09) ** 2) - ((x - 0.18 * look.number("light")) / 0.24) ** 2
    )
    picture = paint_over(picture, look.colour("hair") * 0.45, look.number("outline") * look.number("hair_on")
                     * soft_mask(cap - 0.016) * soft_mask(-bare, 0.02))  # fmt: skip
    return paint_over(picture, look.colour("hair") * shine.unsqueeze(2), hair)
