"""Drawn presenters in motion: what pocket is trained and judged on. Inference never imports this.

Everything is a soft-edged layer over the one before it, in plain tensor operations, so that it runs
eagerly or compiled, on any device, for whole batches. x grows to the right, y downwards, and the
picture spans −1..1 both ways. Head coordinates have their origin between eyes and nose.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.pocket.identity import COLUMNS, Look, draw_identities

__all__ = ["COLUMNS", "MOTION", "MOTION_COLUMNS", "draw_identities", "eye_boxes", "mouth_box",
           "neutral", "render", "weights"]  # fmt: skip

MOTION = ("dx", "dy", "tilt", "scale", "blink", "gaze_x", "gaze_y", "brow", "aperture", "width",
          "rounding")  # fmt: skip
"""The columns of a motion: dx and dy in half pictures, tilt in radians, scale as a logarithm, blink
0 (open) to 1 (shut), gaze −1..1, brow −1..1 (up), aperture, width and rounding 0..1."""
MOTION_COLUMNS = len(MOTION)
REST_WIDTH = 0.5
Window = tuple[int, int, int, int]
MOUTH_WEIGHT, EYE_WEIGHT = 6.0, 8.0
_SOFT = 0.0125
# The head turns as it shifts: features move further than the outline of the head.
_TURN = 0.35
_PIVOT = 0.62


def neutral(n: int, t: int, device: torch.device | str = "cpu") -> Tensor:
    """The motion [n, t, M] of someone who looks at you with a closed mouth."""
    motion = torch.zeros(n, t, MOTION_COLUMNS, device=device)
    motion[..., MOTION.index("width")] = REST_WIDTH
    return motion


def render(
    identity: Tensor, motion: Tensor, size: int = 256, window: Window | None = None
) -> Tensor:
    """Pictures [n, t, 3, size, size] in 0..1 of the identities [n, I] in motion [n, t, M].

    With a window (left, top, right, bottom) in pixels, only that part of each picture.
    """
    look, pose = Look(identity), _Pose(*motion[..., None, None].unbind(2))
    x, y = _grid(size, identity.device)
    if window is not None:
        x, y = x[..., window[0] : window[2]], y[..., window[1] : window[3], :]
    spot = _place(look, pose, x, y)
    picture = _draw_ground(look, x, y).expand(-1, motion.shape[1], -1, -1, -1)
    picture = _draw_back_hair(picture, look, spot)
    picture = _draw_body(picture, look, pose, spot)
    picture = _draw_head(picture, look, pose, spot)
    picture = _draw_nose(picture, look, spot)
    picture = _draw_beard(picture, look, pose, spot)
    picture = _draw_mouth(picture, look, pose, spot)
    for side in (-1.0, 1.0):
        picture = _draw_eye(picture, look, pose, spot, side)
    picture = _draw_hair(picture, look, spot)
    picture = _draw_brows(picture, look, pose, spot)
    return _soften(_draw_glasses(picture, look, spot).clamp(0, 1))


def _soften(picture: Tensor) -> Tensor:
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
    return _box(look, motion, (0.0, look.number("mouth_place")[..., 0, 0] + 0.07), (width, 0.19))


def eye_boxes(identity: Tensor, motion: Tensor) -> Tensor:
    """The same for the left and the right eye [n, t, 2, 4]."""
    look = Look(identity)
    across, down = (value[..., 0, 0] for value in look.numbers("eye_place"))
    wide, high = (value[..., 0, 0] for value in look.numbers("eye_size"))
    boxes = [
        _box(look, motion, (side * across, down), (1.25 * wide, 1.35 * high))
        for side in (-1.0, 1.0)
    ]
    return torch.stack(boxes, 2)


def weights(identity: Tensor, motion: Tensor, size: int) -> Tensor:
    """What a pixel is worth to a loss [n, t, 1, size, size]: 1, and more on the mouth and the eyes."""
    x, y = _grid(size, identity.device)

    def hill(box: Tensor, spread: float) -> Tensor:
        cx, cy, wide, high = box[..., None, None].unbind(2)
        return torch.exp(-0.5 * (((x - cx) / wide) ** 2 + ((y - cy) / high) ** 2) / spread**2)

    eyes = eye_boxes(identity, motion)
    total = 1 + MOUTH_WEIGHT * hill(mouth_box(identity, motion), 0.7)
    total = total + EYE_WEIGHT * (hill(eyes[:, :, 0], 0.8) + hill(eyes[:, :, 1], 0.8))
    return total.unsqueeze(2)


@dataclass(frozen=True)
class _Pose:
    """The columns of a motion, each [n, t, 1, 1]."""

    dx: Tensor
    dy: Tensor
    tilt: Tensor
    scale: Tensor
    blink: Tensor
    gaze_x: Tensor
    gaze_y: Tensor
    brow: Tensor
    aperture: Tensor
    width: Tensor
    rounding: Tensor


@dataclass(frozen=True)
class _Spot:
    """Where each pixel is: in the picture, on the body, on the head, among the features."""

    x: Tensor
    y: Tensor
    body_x: Tensor
    body_y: Tensor
    head_x: Tensor
    head_y: Tensor
    face_x: Tensor
    face_y: Tensor


def _grid(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    line = (torch.arange(size, device=device, dtype=torch.float32) + 0.5) * (2 / size) - 1
    return line[None, None, None, :], line[None, None, :, None]


def _place(look: Look, pose: _Pose, x: Tensor, y: Tensor) -> _Spot:
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
    return _Spot(
        x, y, body_x, body_y, head_x, head_y, head_x - _TURN * pose.dx, head_y - _TURN * pose.dy
    )


def _box(
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


def _inside(distance: Tensor, soft: float = _SOFT) -> Tensor:
    """1 within, 0 without, with a smooth edge about three pixels of 256 wide."""
    edge = (0.5 - distance / (2 * soft)).clamp(0, 1)
    return edge * edge * (3 - 2 * edge)


def _paint(picture: Tensor, colour: Tensor, mask: Tensor) -> Tensor:
    return torch.lerp(picture, colour, mask.unsqueeze(2))


def _ellipse(x: Tensor, y: Tensor, wide: Tensor, high: Tensor) -> Tensor:
    """Roughly the distance from an ellipse about the origin."""
    reach = ((x / wide) ** 2 + (y / high) ** 2 + 1e-8).sqrt()
    return (reach - 1) * torch.minimum(wide, high)


def _rounded(x: Tensor, y: Tensor, wide: Tensor, high: Tensor, corner: Tensor | float) -> Tensor:
    """The distance from a box with round corners about the origin."""
    qx, qy = x.abs() - wide + corner, y.abs() - high + corner
    outside = (qx.clamp(min=0) ** 2 + qy.clamp(min=0) ** 2 + 1e-8).sqrt()
    return outside + torch.maximum(qx, qy).clamp(max=0) - corner


def _draw_ground(look: Look, x: Tensor, y: Tensor) -> Tensor:
    slant = look.number("ground_slant")
    along = 0.5 + 0.35 * (torch.cos(slant) * x + torch.sin(slant) * y)
    picture = torch.lerp(
        look.colour("ground"), look.colour("ground_far"), along.clamp(0, 1).unsqueeze(2)
    )
    number, phase, on = look.numbers("stripe")
    wave = torch.cos(number * (torch.cos(slant) * x - torch.sin(slant) * y) + 3 * phase)
    picture = _paint(picture, look.colour("stripe_colour"), on * _inside(-0.12 * wave, 0.03))
    cx, cy, radius, on = look.numbers("disc")
    disc = _ellipse(x - cx, y - cy, radius, radius)
    return _paint(picture, look.colour("disc_colour"), on * _inside(disc, 0.02))


def _draw_back_hair(picture: Tensor, look: Look, spot: _Spot) -> Tensor:
    length, spread, corner = look.numbers("back_hair")
    wide = look.number("head_width") + spread
    top = look.number("head_top")
    # Long hair hangs from the crown, and its ends go less far than the head does.
    high = 0.5 * (top + 0.95 * length)
    x = spot.head_x - 0.1 * spot.head_x * (spot.head_y - 0.2)
    hair = _rounded(x, spot.head_y - high + top, wide, high, wide * (0.55 + 0.4 * corner))
    on = look.number("hair_on") * (length > 0.05)
    picture = _paint(picture, look.colour("hair") * 0.78, on * _inside(hair))
    radius, across, lift = look.numbers("bun")
    bun = _ellipse(
        spot.head_x - across, spot.head_y + top + lift + 0.4 * radius, radius + 1e-3, radius + 1e-3
    )
    return _paint(picture, look.colour("hair") * 0.9, on.ceil() * (radius > 0.05) * _inside(bun))


def _draw_body(picture: Tensor, look: Look, pose: _Pose, spot: _Spot) -> Tensor:
    wide, top, corner = look.numbers("shoulder")
    slope = 0.16 * (spot.body_x / wide).square()
    shoulders = _rounded(
        spot.body_x, spot.body_y - top - slope - 1.0, wide, torch.ones_like(wide), corner
    )
    shade = 1 - 0.12 * look.number("light").sign() * spot.body_x
    cloth = look.colour("cloth") * shade.unsqueeze(2)
    body = _inside(shoulders)
    picture = _paint(picture, cloth, body)
    skin = look.colour("skin")
    open_wide, open_deep = look.numbers("neckline")
    neckline = _ellipse(spot.body_x, spot.body_y - top + 0.02, open_wide + 0.05, open_deep)
    picture = _paint(
        picture, look.colour("cloth_far"), body * look.number("collar") * _inside(neckline - 0.05)
    )
    picture = _paint(picture, skin * 0.93, body * _inside(neckline))
    # The neck goes from the head, which moves, to the collar, which hardly does.
    down = ((spot.y - 0.3) / 0.4).clamp(0, 1)
    neck_x = torch.lerp(spot.head_x, spot.body_x, down)
    neck = torch.maximum(
        neck_x.abs() - look.number("neck") * (1 + 0.25 * down * down), spot.y - top - 0.04
    )
    picture = _paint(picture, skin * 0.93, _inside(torch.maximum(neck, 0.1 - spot.y)))
    chin = look.number("head_bottom") + 0.05 * pose.aperture
    shadow = _ellipse(
        spot.head_x, spot.head_y - chin + 0.02, look.number("neck") * 1.2, chin * 0.22
    )
    return _paint(picture, skin * 0.78, _inside(neck) * _inside(shadow, 0.05))


def _head_shape(look: Look, pose: _Pose, spot: _Spot) -> Tensor:
    drop = 0.05 * pose.aperture
    wide, top = look.number("head_width"), look.number("head_top")
    bottom = look.number("head_bottom") + drop
    below = spot.head_y.clamp(min=0) / bottom
    wide = wide * (1 - look.number("jaw") * 0.55 * below.square() + 0.04 * below)
    high = torch.where(spot.head_y < 0, top, bottom)
    reach = ((spot.head_x / wide).abs() ** 2.2 + (spot.head_y / high).abs() ** 2.2 + 1e-8) ** (
        1 / 2.2
    )
    return (reach - 1) * 0.5


def _draw_head(picture: Tensor, look: Look, pose: _Pose, spot: _Spot) -> Tensor:
    skin, outline = look.colour("skin"), look.number("outline")
    ear_wide, ear_high = look.numbers("ear")
    # The ears sit where the head is widest, and the far one hides as the head turns.
    ear = _ellipse(
        spot.head_x.abs() - look.number("head_width") * 0.99, spot.head_y - 0.06, ear_wide, ear_high
    )
    picture = _paint(picture, skin * 0.35, outline * _inside(ear - 0.016))
    picture = _paint(picture, skin * 0.9, _inside(ear))
    stud = _ellipse(spot.head_x.abs() - look.number("head_width") - 0.03, spot.head_y - 0.06 - ear_high,
                    look.number("ear") * 0 + 0.035, look.number("ear") * 0 + 0.035)  # fmt: skip
    picture = _paint(picture, look.colour("cloth_far"), look.number("earring") * _inside(stud))
    head = _head_shape(look, pose, spot)
    picture = _paint(picture, skin * 0.35, outline * _inside(head - 0.016))
    lit = 1 + 0.10 * look.number("light") * spot.face_x - 0.06 * spot.face_y
    rim = ((head + 0.10) / 0.10).clamp(0, 1)
    face = _inside(head)
    picture = _paint(picture, skin * (lit - 0.10 * rim * rim).unsqueeze(2), face)
    cheek_x, cheek_y = spot.face_x.abs() - 0.27, spot.face_y - 0.19
    glow = torch.exp(-(cheek_x.square() + cheek_y.square()) / 0.016)
    rosy = skin * skin.new_tensor([1.0, 0.72, 0.70])[:, None, None]
    picture = _paint(picture, rosy, face * look.number("blush") * glow)
    spots = torch.cos(52 * spot.face_x) * torch.cos(47 * spot.face_y + 26 * spot.face_x)
    dots = (
        _inside(0.55 - spots, 0.25) * torch.exp(-(((spot.face_y - 0.16) / 0.07) ** 2)) * glow.sqrt()
    )
    return _paint(picture, skin * 0.72, face * look.number("freckles") * dots)


def _draw_nose(picture: Tensor, look: Look, spot: _Spot) -> Tensor:
    down, wide, high = look.numbers("nose")
    dark, bridge = look.numbers("nose_on")
    skin = look.colour("skin")
    x, y = spot.face_x, spot.face_y - down
    tip = _ellipse(x, y, wide, high)
    picture = _paint(
        picture, skin * skin.new_tensor([0.92, 0.80, 0.76])[:, None, None], 0.6 * _inside(tip, 0.03)
    )
    under = (y - high * (1 - (x / wide).square())).abs() - 0.008
    under = torch.maximum(under, x.abs() - wide * 0.9)
    picture = _paint(
        picture,
        skin * skin.new_tensor([0.62, 0.5, 0.48])[:, None, None],
        dark * 1.5 * _inside(under),
    )
    side = torch.maximum(
        (x - wide * 0.55 * look.number("light").sign()).abs() - 0.008, (y + 0.1).abs() - 0.1
    )
    return _paint(picture, skin * 0.75, bridge * _inside(side, 0.02))


def _draw_beard(picture: Tensor, look: Look, pose: _Pose, spot: _Spot) -> Tensor:
    on, high = look.numbers("beard")
    place = look.number("mouth_place")
    head = _head_shape(look, pose, spot)
    cheek = place - 0.16 + high - 0.6 * spot.face_x.square()
    mouth = _ellipse(spot.face_x, spot.face_y - place - 0.04 - 0.06 * pose.aperture,
                     look.number("mouth_size") * 1.1, 0.09 + 0.1 * pose.aperture)  # fmt: skip
    beard = _inside(head) * _inside(cheek - spot.face_y, 0.05) * _inside(-mouth, 0.03)
    # Never as dark as the open mouth: how far the lips part must be seen.
    colour = torch.lerp(look.colour("hair"), look.colour("skin"), 0.3)
    picture = _paint(picture, colour, on * beard)
    lip = _ellipse(spot.face_x, spot.face_y - place + 0.075 + 0.5 * spot.face_x.square(),
                   look.number("mouth_size") * 0.95, spot.face_x.new_tensor(0.035))  # fmt: skip
    return _paint(picture, colour, look.number("moustache") * _inside(lip, 0.02))


def _draw_mouth(picture: Tensor, look: Look, pose: _Pose, spot: _Spot) -> Tensor:
    half, upper, lower = look.numbers("mouth_size")
    half = half * (0.86 + 0.28 * pose.width) * (1 - 0.40 * pose.rounding)
    gap = 0.006 + 0.25 * pose.aperture * (1 - 0.15 * pose.rounding)
    x, y = spot.face_x, spot.face_y - look.number("mouth_place")
    arch = (1 - (x / half).square()).clamp(-1, 1)
    # Smiling corners are higher; the more open, the less.
    y = y - look.number("smile") * arch + 0.4 * look.number("smile")
    top, bottom = -0.25 * gap * arch, 0.75 * gap * arch
    plump = 1 + 0.5 * pose.rounding
    bow = 1 - 0.35 * torch.exp(-((x / (0.22 * half)) ** 2))
    lips = torch.maximum(top - upper * plump * arch * bow - y, y - bottom - lower * plump * arch)
    lips = torch.maximum(lips, x.abs() - half - 0.01)
    picture = _paint(picture, look.colour("lip"), _inside(lips))
    shine = torch.exp(
        -(((y - bottom - 0.5 * lower) / (0.3 * lower)) ** 2 + (x / (0.45 * half)) ** 2)
    )
    picture = _paint(picture, look.colour("lip") * 0.6 + 0.4, 0.35 * shine)
    inner = torch.maximum(torch.maximum(top - y, y - bottom), x.abs() - 0.97 * half)
    opening = _inside(inner)
    dark = (pose.aperture * 6).clamp(0, 1).unsqueeze(2)
    cavity = picture.new_tensor([0.15, 0.04, 0.05])[:, None, None]
    picture = _paint(picture, torch.lerp(look.colour("lip") * 0.55, cavity, dark), opening)
    seen = (pose.aperture * 4 - 0.4).clamp(0, 1) * opening
    tongue = _ellipse(x, y - 0.78 * gap, 0.58 * half, 0.30 * gap + 0.01)
    picture = _paint(
        picture, picture.new_tensor([0.74, 0.33, 0.36])[:, None, None], seen * _inside(tongue)
    )
    teeth = y + 0.25 * gap * arch - 0.22 * gap
    teeth = torch.maximum(teeth, x.abs() - 0.8 * half)
    return _paint(
        picture, picture.new_tensor([0.95, 0.93, 0.90])[:, None, None], seen * _inside(teeth)
    )


def _draw_eye(picture: Tensor, look: Look, pose: _Pose, spot: _Spot, side: float) -> Tensor:
    across, down = look.numbers("eye_place")
    wide, high = look.numbers("eye_size")
    white = look.number("eye_white")
    x, y = spot.face_x - side * across, spot.face_y - down
    arch = (1 - (x / wide).square()).clamp(-1, 1)
    # The upper lid comes all the way down, the lower one a little up.
    droop = 1 - (1 - look.number("lid")) * (1 - pose.blink)
    upper = -high * (1 - 1.55 * droop) * arch
    lower = high * (0.85 - 0.30 * pose.blink) * arch
    upper = torch.minimum(upper, lower)
    eye = torch.maximum(torch.maximum(upper - y, y - lower), x.abs() - wide)
    open_eye = _inside(eye)
    eyeball = picture.new_tensor([0.97, 0.97, 0.98])[:, None, None]
    picture = _paint(picture, eyeball, white * open_eye)
    shade = torch.exp(-(((y - upper) / 0.02) ** 2))
    picture = _paint(picture, eyeball * 0.72, white * open_eye * shade * 0.6)
    ix, iy = x - 0.35 * wide * pose.gaze_x, y - 0.3 * high * pose.gaze_y
    radius = look.number("iris_size")
    iris = _inside((ix.square() + iy.square() + 1e-8).sqrt() - radius) * open_eye
    picture = _paint(picture, look.colour("iris"), iris)
    pupil = _inside((ix.square() + iy.square() + 1e-8).sqrt() - 0.5 * radius) * open_eye
    picture = _paint(picture, picture.new_tensor([0.06, 0.05, 0.06])[:, None, None], pupil)
    spark = _inside(
        ((ix + 0.32 * radius).square() + (iy + 0.35 * radius).square() + 1e-8).sqrt()
        - 0.32 * radius
    )
    picture = _paint(picture, eyeball, 0.9 * spark * open_eye)
    lash = look.number("lash") * (0.35 + 0.65 * arch.clamp(min=0).sqrt())
    line = torch.maximum((y - upper + 0.3 * lash).abs() - lash, x.abs() - 1.06 * wide)
    picture = _paint(picture, look.colour("hair") * 0.35, _inside(line))
    crease = torch.maximum((y + (high * 1.32) * arch).abs() - 0.005, x.abs() - 0.85 * wide)
    return _paint(picture, look.colour("skin") * 0.7, 0.45 * white * _inside(crease))


def _draw_hair(picture: Tensor, look: Look, spot: _Spot) -> Tensor:
    volume, lift, low = look.numbers("cap")
    bumps, number, phase = look.numbers("bumps")
    wide, high = look.number("head_width") + volume, look.number("head_top") + lift
    x, y = spot.head_x, spot.head_y
    turn = torch.atan2(y, x)
    cap = _ellipse(x, y, wide, high) - bumps * torch.cos(number * turn + phase)
    cap = torch.maximum(cap, y - low - look.number("sideburn").clamp(min=-0.05))
    height, slant, bow, wave = look.numbers("hairline")
    fx, fy = spot.face_x, spot.face_y
    line = height + slant * fx + bow * fx.square() + wave * torch.cos(22 * fx)
    temple = look.number("head_width") * 0.93 - fx.abs()
    bare = torch.maximum(line - fy, -temple)
    hair = look.number("hair_on") * _inside(cap) * _inside(-bare, 0.02)
    shine = 1 + 0.28 * torch.exp(
        -(((y + 0.72 * high) / 0.09) ** 2) - ((x - 0.18 * look.number("light")) / 0.24) ** 2
    )
    picture = _paint(picture, look.colour("hair") * 0.45, look.number("outline") * look.number("hair_on")
                     * _inside(cap - 0.016) * _inside(-bare, 0.02))  # fmt: skip
    return _paint(picture, look.colour("hair") * shine.unsqueeze(2), hair)


def _draw_brows(picture: Tensor, look: Look, pose: _Pose, spot: _Spot) -> Tensor:
    across, down = look.numbers("eye_place")
    wide, thick, slant, bow = look.numbers("brow_shape")
    x = spot.face_x.abs() - across
    y = spot.face_y - down + look.number("brow_place") + 0.045 * pose.brow
    middle = -slant * 0.5 * x * -1 - bow * (1 - (x / wide).square())
    taper = thick * (1 - 0.5 * ((x / wide + 1) / 2).clamp(0, 1))
    brow = torch.maximum((y - middle).abs() - taper, x.abs() - wide)
    colour = torch.lerp(look.colour("hair") * 0.7, look.colour("skin") * 0.4, 0.25)
    return _paint(picture, colour, _inside(brow, 0.018))


def _draw_glasses(picture: Tensor, look: Look, spot: _Spot) -> Tensor:
    across, down = look.numbers("eye_place")
    on, radius = look.numbers("glasses")
    x, y = spot.face_x.abs() - across, spot.face_y - down - 0.01
    lens = _rounded(x, y, radius, radius * 0.85, radius * 0.6)
    rim = lens.abs() - 0.011
    bridge = torch.maximum((y + 0.03).abs() - 0.010, spot.face_x.abs() - across + radius)
    arm = torch.maximum(
        (y + 0.03).abs() - 0.010,
        torch.maximum(radius - x, spot.head_x.abs() - look.number("head_width")),
    )
    frame = torch.minimum(torch.minimum(rim, bridge), arm)
    picture = _paint(picture, picture.new_ones(3, 1, 1), 0.10 * (on > 0) * _inside(lens))
    return _paint(picture, look.colour("glasses_colour"), on * _inside(frame))
