"""The features of a drawn face, each a few soft layers: nose, beard, mouth, eyes, brows and glasses."""

import torch
from torch import Tensor

from model.pocket.training.identity import Look
from model.pocket.training.strokes import (
    Pose,
    Spot,
    ellipse_distance,
    paint_over,
    rounded_box_distance,
    soft_mask,
)


def head_shape(look: Look, pose: Pose, spot: Spot) -> Tensor:
    """Roughly the distance from the outline of the head, whose chin drops as the mouth opens."""
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


def draw_nose(picture: Tensor, look: Look, spot: Spot) -> Tensor:
    """Its tip, the line under it and one side of its bridge."""
    down, wide, high = look.numbers("nose")
    dark, bridge = look.numbers("nose_on")
    skin = look.colour("skin")
    x, y = spot.face_x, spot.face_y - down
    tip = ellipse_distance(x, y, wide, high)
    picture = paint_over(
        picture,
        skin * skin.new_tensor([0.92, 0.80, 0.76])[:, None, None],
        0.6 * soft_mask(tip, 0.03),
    )
    under = (y - high * (1 - (x / wide).square())).abs() - 0.008
    under = torch.maximum(under, x.abs() - wide * 0.9)
    picture = paint_over(
        picture,
        skin * skin.new_tensor([0.62, 0.5, 0.48])[:, None, None],
        dark * 1.5 * soft_mask(under),
    )
    side = torch.maximum(
        (x - wide * 0.55 * look.number("light").sign()).abs() - 0.008, (y + 0.1).abs() - 0.1
    )
    return paint_over(picture, skin * 0.75, bridge * soft_mask(side, 0.02))


def draw_beard(picture: Tensor, look: Look, pose: Pose, spot: Spot) -> Tensor:
    """Beard and moustache, with the mouth left free."""
    on, high = look.numbers("beard")
    place = look.number("mouth_place")
    head = head_shape(look, pose, spot)
    cheek = place - 0.16 + high - 0.6 * spot.face_x.square()
    mouth = ellipse_distance(spot.face_x, spot.face_y - place - 0.04 - 0.06 * pose.aperture,
                     look.number("mouth_size") * 1.1, 0.09 + 0.1 * pose.aperture)  # fmt: skip
    beard = soft_mask(head) * soft_mask(cheek - spot.face_y, 0.05) * soft_mask(-mouth, 0.03)
    # Never as dark as the open mouth: how far the lips part must be seen.
    colour = torch.lerp(look.colour("hair"), look.colour("skin"), 0.3)
    picture = paint_over(picture, colour, on * beard)
    lip = ellipse_distance(spot.face_x, spot.face_y - place + 0.075 + 0.5 * spot.face_x.square(),
                   look.number("mouth_size") * 0.95, spot.face_x.new_tensor(0.035))  # fmt: skip
    return paint_over(picture, colour, look.number("moustache") * soft_mask(lip, 0.02))


def draw_mouth(picture: Tensor, look: Look, pose: Pose, spot: Spot) -> Tensor:
    """Lips round an opening with teeth above and tongue below; the shape follows aperture, width and rounding alone."""
    half, upper, lower = look.numbers("mouth_size")
    half = half * (0.86 + 0.28 * pose.width) * (1 - 0.40 * pose.rounding) * (1 + 0.07 * pose.smile)
    gap = 0.006 + 0.25 * pose.aperture * (1 - 0.15 * pose.rounding)
    x, y = spot.face_x, spot.face_y - look.number("mouth_place")
    arch = (1 - (x / half).square()).clamp(-1, 1)
    smile = look.number("smile") + 0.32 * half * pose.smile
    y = y - smile * arch + 0.4 * smile
    top, bottom = -0.25 * gap * arch, 0.75 * gap * arch
    plump = 1 + 0.5 * pose.rounding
    bow = 1 - 0.35 * torch.exp(-((x / (0.22 * half)) ** 2))
    lips = torch.maximum(top - upper * plump * arch * bow - y, y - bottom - lower * plump * arch)
    lips = torch.maximum(lips, x.abs() - half - 0.01)
    picture = paint_over(picture, look.colour("lip"), soft_mask(lips))
    shine = torch.exp(
        -(((y - bottom - 0.5 * lower) / (0.3 * lower)) ** 2 + (x / (0.45 * half)) ** 2)
    )
    picture = paint_over(picture, look.colour("lip") * 0.6 + 0.4, 0.35 * shine)
    inner = torch.maximum(torch.maximum(top - y, y - bottom), x.abs() - 0.97 * half)
    opening = soft_mask(inner)
    dark = (pose.aperture * 6).clamp(0, 1).unsqueeze(2)
    cavity = picture.new_tensor([0.15, 0.04, 0.05])[:, None, None]
    picture = paint_over(picture, torch.lerp(look.colour("lip") * 0.55, cavity, dark), opening)
    seen = (pose.aperture * 4 - 0.4).clamp(0, 1) * opening
    tongue = ellipse_distance(x, y - 0.78 * gap, 0.58 * half, 0.30 * gap + 0.01)
    picture = paint_over(
        picture, picture.new_tensor([0.74, 0.33, 0.36])[:, None, None], seen * soft_mask(tongue)
    )
    teeth = y + 0.25 * gap * arch - 0.22 * gap
    teeth = torch.maximum(teeth, x.abs() - 0.8 * half)
    return paint_over(
        picture, picture.new_tensor([0.95, 0.93, 0.90])[:, None, None], seen * soft_mask(teeth)
    )


def draw_eye(picture: Tensor, look: Look, pose: Pose, spot: Spot, side: float) -> Tensor:
    """One eye (side −1 or 1): white, iris and spark between two lids, the upper of which blinks."""
    across, down = look.numbers("eye_place")
    wide, high = look.numbers("eye_size")
    white = look.number("eye_white")
    x, y = spot.face_x - side * across, spot.face_y - down
    arch = (1 - (x / wide).square()).clamp(-1, 1)
    # The upper lid comes all the way down, the lower one a little up.
    droop = 1 - (1 - look.number("lid")) * (1 - pose.blink)
    narrow, round_eyed = pose.squint.clamp(min=0), (-pose.squint).clamp(min=0)
    cheek = 0.22 * pose.smile.clamp(min=0)
    upper = -high * (1 - 1.55 * droop) * (1 - 0.35 * narrow + 0.35 * round_eyed) * arch
    lower = (
        high * (0.85 - 0.30 * pose.blink) * (1 - 0.35 * narrow - cheek + 0.15 * round_eyed) * arch
    )
    upper = torch.minimum(upper, lower)
    eye = torch.maximum(torch.maximum(upper - y, y - lower), x.abs() - wide)
    open_eye = soft_mask(eye)
    eyeball = picture.new_tensor([0.97, 0.97, 0.98])[:, None, None]
    picture = paint_over(picture, eyeball, white * open_eye)
    shade = torch.exp(-(((y - upper) / 0.02) ** 2))
    picture = paint_over(picture, eyeball * 0.72, white * open_eye * shade * 0.6)
    ix, iy = x - 0.35 * wide * pose.gaze_x, y - 0.3 * high * pose.gaze_y
    radius = look.number("iris_size")
    iris = soft_mask((ix.square() + iy.square() + 1e-8).sqrt() - radius) * open_eye
    picture = paint_over(picture, look.colour("iris"), iris)
    pupil = soft_mask((ix.square() + iy.square() + 1e-8).sqrt() - 0.5 * radius) * open_eye
    picture = paint_over(picture, picture.new_tensor([0.06, 0.05, 0.06])[:, None, None], pupil)
    spark = soft_mask(
        ((ix + 0.32 * radius).square() + (iy + 0.35 * radius).square() + 1e-8).sqrt()
        - 0.32 * radius
    )
    picture = paint_over(picture, eyeball, 0.9 * spark * open_eye)
    lash = look.number("lash") * (0.35 + 0.65 * arch.clamp(min=0).sqrt())
    line = torch.maximum((y - upper + 0.3 * lash).abs() - lash, x.abs() - 1.06 * wide)
    picture = paint_over(picture, look.colour("hair") * 0.35, soft_mask(line))
    crease = torch.maximum((y + (high * 1.32) * arch).abs() - 0.005, x.abs() - 0.85 * wide)
    return paint_over(picture, look.colour("skin") * 0.7, 0.45 * white * soft_mask(crease))


def draw_brows(picture: Tensor, look: Look, pose: Pose, spot: Spot) -> Tensor:
    """Both brows, which rise, fall and slant."""
    across, down = look.numbers("eye_place")
    wide, thick, slant, bow = look.numbers("brow_shape")
    x = spot.face_x.abs() - across
    y = spot.face_y - down + look.number("brow_place") + 0.05 * pose.brow
    middle = (0.5 * slant + 0.4 * pose.brow_slant) * x - bow * (1 - (x / wide).square())
    taper = thick * (1 - 0.5 * ((x / wide + 1) / 2).clamp(0, 1))
    brow = torch.maximum((y - middle).abs() - taper, x.abs() - wide)
    colour = torch.lerp(look.colour("hair") * 0.7, look.colour("skin") * 0.4, 0.25)
    return paint_over(picture, colour, soft_mask(brow, 0.018))


def draw_glasses(picture: Tensor, look: Look, spot: Spot) -> Tensor:
    """Frame, bridge and arms, and a little shine."""
    across, down = look.numbers("eye_place")
    on, radius = look.numbers("glasses")
    x, y = spot.face_x.abs() - across, spot.face_y - down - 0.01
    lens = rounded_box_distance(x, y, radius, radius * 0.85, radius * 0.6)
    rim = lens.abs() - 0.011
    bridge = torch.maximum((y + 0.03).abs() - 0.010, spot.face_x.abs() - across + radius)
    arm = torch.maximum(
        (y + 0.03).abs() - 0.010,
        torch.maximum(radius - x, spot.head_x.abs() - look.number("head_width")),
    )
    frame = torch.minimum(torch.minimum(rim, bridge), arm)
    picture = paint_over(picture, picture.new_ones(3, 1, 1), 0.10 * (on > 0) * soft_mask(lens))
    return paint_over(picture, look.colour("glasses_colour"), on * soft_mask(frame))
