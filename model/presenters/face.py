"""Drawn presenters in motion: what pocket is trained and judged on, and what `longtake avatar` draws.

Everything is a soft-edged layer over the one before it, in plain tensor operations, so that it runs
eagerly or compiled, on any device, for whole batches. x grows to the right, y downwards, and the
picture spans −1..1 both ways. Head coordinates have their origin between eyes and nose. What does
not change (skin, hair, cloth) is painted once for each presenter and then moved with its part.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.motion_columns import MOTION, MOTION_COLUMNS
from model.presenters.features import (
    draw_brows,
    draw_eyes,
    draw_mouth,
    head_shape,
    jaw_drop,
    lid_edges,
    mouth_extent,
)
from model.presenters.identity import COLUMNS, Look, draw_identities
from model.presenters.places import place_box, place_pixels
from model.presenters.strokes import (
    Parts,
    Pose,
    Spot,
    ellipse_distance,
    paint_over,
    rounded_box_distance,
)
from model.presenters.textures import (
    BODY_MIDDLE,
    BODY_SPAN,
    FACE_SPAN,
    HEAD_SPAN,
    paint_body,
    paint_face,
    paint_ground,
    paint_head,
    sample_paint,
)
from model.presenters.wear import (
    draw_animal_ears,
    draw_glasses,
    draw_hat,
    draw_headphones,
    draw_scarf,
    draw_veil,
)

__all__ = [
    "COLUMNS",
    "Finish",
    "draw_identities",
    "eye_boxes",
    "mouth_box",
    "mouth_reach",
    "neutral_motion",
    "pixel_weights",
    "render_faces",
    "rest_motion",
]  # fmt: skip

REST_WIDTH = 0.5
Window = tuple[int, int, int, int]
MOUTH_WEIGHT, EYE_WEIGHT = 6.0, 8.0


@dataclass(frozen=True)
class Finish:
    """How finely a picture is drawn."""

    edge: float = 1.0
    """How soft outlines are: 1 is right for 256 pixels."""
    paint: int | None = None
    """Pixels of a side of what is painted once; None: as many as the picture's."""


AS_TRAINED = Finish()


def neutral_motion(n: int, t: int, device: torch.device | str = "cpu") -> Tensor:
    """The motion [n, t, M] of someone who looks at you with a closed mouth."""
    motion = torch.zeros(n, t, MOTION_COLUMNS, device=device)
    motion[..., MOTION.index("width")] = REST_WIDTH
    return motion


def rest_motion(identity: Tensor) -> Tensor:
    """The motion [n, 1, M] of the picture that a film begins with: neutral for half of the identities; others smile, some with teeth, or have another expression."""
    motion = neutral_motion(len(identity), 1, identity.device)
    names = ("smile", "aperture", "width", "squint", "brow", "brow_slant", "gaze_x", "gaze_y")
    for column, name in enumerate(names):
        motion[..., MOTION.index(name)] = Look(identity).number("rest", column)[..., 0, 0]
    return motion


def render_faces(
    identity: Tensor,
    motion: Tensor,
    size: int = 256,
    window: Window | None = None,
    finish: Finish = AS_TRAINED,
) -> Tensor:
    """Pictures [n, t, 3, size, size] in 0..1 of the identities [n, I] in motion [n, t, M].

    With a window (left, top, right, bottom) in pixels, only that part of each picture.
    """
    look, pose, paint = Look(identity, finish.edge), _pose_of(motion), finish.paint or size
    x, y = _pixel_grid(size, identity.device)
    if window is not None:
        x, y = x[..., window[0] : window[2]], y[..., window[1] : window[3], :]
    spot = place_pixels(look, pose, x, y)
    parts = _move_paints(look, pose, spot, paint)
    picture = paint_ground(look, x, y, paint).expand(-1, motion.shape[1], -1, -1, -1)
    picture = _draw_back_hair(picture, look, spot, parts)
    picture = _draw_body(picture, look, pose, spot, parts)
    picture = draw_scarf(picture, look, spot, parts)
    picture = draw_animal_ears(picture, look, spot)
    picture = _draw_ears(picture, look, spot)
    picture = _draw_head(picture, look, pose, spot, parts)
    picture = _draw_hair(picture, look, spot, parts)
    picture = draw_veil(picture, look, spot, parts)
    picture = draw_brows(picture, look, pose, spot)
    picture = draw_hat(picture, look, spot, parts)
    picture = draw_headphones(picture, look, spot)
    picture = draw_glasses(picture, look, spot)
    strength, along, down = look.numbers("glow")
    light = 1 + 0.7 * strength * (along * x + down * y)
    picture = (picture * light.unsqueeze(2)).clamp(0, 1)
    sharp = look.number("sharp").unsqueeze(2)
    return torch.lerp(_blur_picture(picture), picture, sharp)


def mouth_box(identity: Tensor, motion: Tensor) -> Tensor:
    """Centre x, centre y, half width, half height [n, t, 4] of the box round the lips, as they are in that motion."""
    look, pose = Look(identity), _pose_of(motion)
    half, gap, smile = mouth_extent(look, pose)
    _, upper, lower = look.numbers("mouth_size")
    plump, line = 1 + 0.5 * pose.rounding, look.number("lip_line")
    corner = -0.4 * smile
    top = torch.minimum(0.6 * smile - 0.25 * gap - 0.8 * upper * plump, corner) - line
    bottom = torch.maximum(0.6 * smile + 0.75 * gap + lower * plump, corner) + line
    down = look.number("mouth_place") + 0.5 * (top + bottom)
    halves = (half + 0.01)[..., 0, 0], (0.5 * (bottom - top))[..., 0, 0] + 0.008
    return place_box(look, motion, (0.0, down[..., 0, 0]), halves)


def mouth_reach(identity: Tensor, motion: Tensor) -> Tensor:
    """The box, as `mouth_box` has it, that holds the mouth however far it opens, and the chin below it."""
    look = Look(identity)
    half, _, lower = (value[..., 0, 0] for value in look.numbers("mouth_size"))
    gap = look.number("mouth_gap")[..., 0, 0]
    place = look.number("mouth_place")[..., 0, 0]
    return place_box(look, motion, (0.0, place + 0.07 * gap), (1.25 * half, 0.145 * gap + lower))


def eye_boxes(identity: Tensor, motion: Tensor) -> Tensor:
    """Centre x, centre y, half width, half height [n, t, 2, 4] of the boxes round the left and the right eye, lids included; a blink leaves them as they are."""
    look = Look(identity)
    across, down = (value[..., 0, 0] for value in look.numbers("eye_place"))
    shut = motion.clone()
    shut[..., MOTION.index("blink")] = 0
    upper, lower = (edge[..., 0, 0] for edge in lid_edges(look, _pose_of(shut)))
    upper = upper - look.number("lash")[..., 0, 0] - 0.008
    down, high = down + 0.5 * (upper + lower), 0.5 * (lower - upper) + 0.004
    wide = 1.06 * look.number("eye_size")[..., 0, 0]
    boxes = [place_box(look, motion, (side * across, down), (wide, high)) for side in (-1.0, 1.0)]
    return torch.stack(boxes, 2)


def pixel_weights(identity: Tensor, motion: Tensor, size: int) -> Tensor:
    """What a pixel is worth to a loss [n, t, 1, size, size]: 1, and more on the mouth and the eyes."""
    x, y = _pixel_grid(size, identity.device)

    def hill(box: Tensor, spread: float) -> Tensor:
        cx, cy, wide, high = box[..., None, None].unbind(2)
        return torch.exp(-0.5 * (((x - cx) / wide) ** 2 + ((y - cy) / high) ** 2) / spread**2)

    eyes = eye_boxes(identity, motion)
    total = 1 + MOUTH_WEIGHT * hill(mouth_reach(identity, motion), 0.7)
    total = total + EYE_WEIGHT * (hill(eyes[:, :, 0], 1.0) + hill(eyes[:, :, 1], 1.0))
    return total.unsqueeze(2)


def _pixel_grid(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    line = (torch.arange(size, device=device, dtype=torch.float32) + 0.5) * (2 / size) - 1
    return line[None, None, None, :], line[None, None, :, None]


def _blur_picture(picture: Tensor) -> Tensor:
    """A binomial blur over three pixels."""
    for axis in (-1, -2):
        size = picture.shape[axis]
        before = torch.cat([picture.narrow(axis, 0, 1), picture.narrow(axis, 0, size - 1)], axis)
        after = torch.cat([picture.narrow(axis, 1, size - 1), picture.narrow(axis, -1, 1)], axis)
        picture = 0.5 * picture + 0.25 * (before + after)
    return picture


def _pose_of(motion: Tensor) -> Pose:
    return Pose(*motion[..., None, None].unbind(2))


def _move_paints(look: Look, pose: Pose, spot: Spot, size: int) -> Parts:
    worn = sample_paint(paint_head(look, size), spot.head_x, spot.head_y, HEAD_SPAN)
    down = spot.face_y - jaw_drop(look, pose, spot)
    face = sample_paint(paint_face(look, size), spot.face_x, down, FACE_SPAN)
    body = paint_body(look, size)
    body = sample_paint(body, spot.body_x, spot.body_y - BODY_MIDDLE, BODY_SPAN)
    (hair, cover), (skin, shade), (cloth, neck) = (
        worn.split(3, 2), face.split((3, 1), 2), body.split((3, 1), 2)
    )  # fmt: skip
    return Parts(hair, cover, skin, shade, cloth, neck, head_shape(look, pose, spot))


def _line_colour(look: Look, own: Tensor) -> Tensor:
    """What a part is outlined with: its own colour, darker, or ink."""
    return torch.lerp(own, look.colour("ink"), look.number("ink", 3).unsqueeze(2))


def _draw_back_hair(picture: Tensor, look: Look, spot: Spot, parts: Parts) -> Tensor:
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
    outline, thick = look.number("outline") * look.number("ink", 3), look.number("ink", 4)
    ink = look.colour("ink")
    picture = paint_over(picture, ink, on * outline * look.mask(hair - thick))
    picture = paint_over(picture, parts.hair * 0.78, on * look.mask(hair))
    radius, across, lift = look.numbers("bun")
    bun = ellipse_distance(
        spot.head_x - across, spot.head_y + top + lift + 0.4 * radius, radius + 1e-3, radius + 1e-3
    )
    on = on.ceil() * (radius > 0.05)
    picture = paint_over(picture, ink, on * outline * look.mask(bun - thick))
    return paint_over(picture, parts.hair * 0.9, on * look.mask(bun))


def _draw_body(picture: Tensor, look: Look, pose: Pose, spot: Spot, parts: Parts) -> Tensor:
    wide, top, corner = look.numbers("shoulder")
    slope = 0.16 * (spot.body_x / wide).square()
    shoulders = rounded_box_distance(
        spot.body_x, spot.body_y - top - slope - 1.5, wide, torch.full_like(wide, 1.5), corner
    )
    body = look.mask(shoulders)
    inked, thick = look.number("outline") * look.number("ink", 3), look.number("ink", 4)
    picture = paint_over(picture, look.colour("ink"), inked * look.mask(shoulders - thick))
    picture = paint_over(picture, parts.cloth, body)
    skin = look.colour("skin") * parts.neck * 0.93
    open_wide, open_deep = look.numbers("neckline")
    neckline = ellipse_distance(spot.body_x, spot.body_y - top + 0.02, open_wide + 0.05, open_deep)
    picture = paint_over(
        picture, look.colour("cloth_far"), body * look.number("collar") * look.mask(neckline - 0.05)
    )
    picture = paint_over(picture, skin, body * look.mask(neckline))
    # The neck goes from the head, which moves, to the collar, which hardly does.
    down = ((spot.body_y - 0.3) / 0.4).clamp(0, 1)
    neck_x = torch.lerp(spot.head_x, spot.body_x, down)
    neck = torch.maximum(
        neck_x.abs() - look.number("neck") * (1 + 0.25 * down * down), spot.body_y - top - 0.04
    )
    neck = torch.maximum(neck, 0.1 - spot.head_y)
    picture = paint_over(picture, look.colour("ink"), inked * look.mask(neck - thick))
    picture = paint_over(picture, skin, look.mask(neck))
    chin = look.number("head_bottom") + look.number("drop") * pose.aperture
    shadow = ellipse_distance(
        spot.head_x, spot.head_y - chin + 0.02, look.number("neck") * 1.2, chin * 0.22
    )
    return paint_over(picture, skin * 0.84, look.mask(neck) * look.mask(shadow, 0.05))


def _draw_ears(picture: Tensor, look: Look, spot: Spot) -> Tensor:
    skin, outline = look.colour("skin"), look.number("outline")
    ear_wide, ear_high = look.numbers("ear")
    # The ears sit where the head is widest, and the far one hides as the head turns.
    away = 0.12 * (look.number("turn") * spot.head_x.sign()).clamp(min=0)
    x = spot.head_x.abs() - look.number("head_width") * 0.99 + away
    ear = ellipse_distance(x, spot.head_y - 0.06, ear_wide, ear_high)
    line = _line_colour(look, skin * 0.35)
    picture = paint_over(picture, line, outline * look.mask(ear - look.number("ink", 4)))
    picture = paint_over(picture, skin * 0.9, look.mask(ear))
    stud = ellipse_distance(spot.head_x.abs() - look.number("head_width") - 0.03, spot.head_y - 0.06 - ear_high,
                    look.number("ear") * 0 + 0.035, look.number("ear") * 0 + 0.035)  # fmt: skip
    return paint_over(picture, look.colour("cloth_far"), look.number("earring") * look.mask(stud))


def _draw_head(picture: Tensor, look: Look, pose: Pose, spot: Spot, parts: Parts) -> Tensor:
    line = _line_colour(look, look.colour("skin") * 0.35)
    picture = paint_over(
        picture, line, look.number("outline") * look.mask(parts.head - look.number("ink", 4))
    )
    rim = ((parts.head + 0.10) / 0.10).clamp(0, 1)
    face = look.mask(parts.head)
    picture = paint_over(picture, parts.skin * (1 - 0.10 * rim * rim).unsqueeze(2), face)
    picture = draw_mouth(picture, look, pose, spot)
    picture = draw_eyes(picture, look, pose, spot)
    return picture * torch.lerp(torch.ones_like(parts.shade), parts.shade, face.unsqueeze(2))


def _draw_hair(picture: Tensor, look: Look, spot: Spot, parts: Parts) -> Tensor:
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
    # Beside the head there is hair also where a turned face has its far temple.
    bare = torch.maximum(torch.maximum(line - fy, -temple), parts.head)
    on = look.number("hair_on")
    ink = _line_colour(look, look.colour("hair") * 0.45)
    outline = torch.minimum(
        look.mask(cap - look.number("ink", 4)),
        look.mask(-bare - look.number("ink", 4) * look.number("ink", 3), 0.02),
    )
    picture = paint_over(picture, ink, look.number("outline") * on * outline)
    return paint_over(picture, parts.hair, on * look.mask(cap) * look.mask(-bare, 0.02))
