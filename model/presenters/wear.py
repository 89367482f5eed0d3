"""What a drawn presenter wears on the head, and what grows there besides hair: hats, veils, glasses, ears of animals."""

import torch
from torch import Tensor

from model.presenters.identity import Look
from model.presenters.strokes import (
    Parts,
    Spot,
    ellipse_distance,
    paint_over,
    rounded_box_distance,
)


def draw_animal_ears(picture: Tensor, look: Look, spot: Spot) -> Tensor:
    """Two ears on top of the head, round or pointed, and a robot's antenna: both behind the head."""
    on, across, wide, high, pointed = look.numbers("animal_ear")
    top = look.number("head_top")
    x, up = spot.head_x.abs() - across, -spot.head_y - 0.55 * top
    narrow = wide * (1 - (up / (high + 0.25 * top)).clamp(0, 1))
    triangle = torch.maximum(x.abs() - narrow, torch.maximum(-up, up - high - 0.2 * top))
    ball = ellipse_distance(x, up - 0.5 * high, wide, 0.5 * high + 0.1)
    ear = torch.where(pointed > 0.5, triangle, ball)
    line = torch.lerp(
        look.colour("skin") * 0.35, look.colour("ink"), look.number("ink", 3).unsqueeze(2)
    )
    outline = on * look.number("outline") * look.mask(ear - look.number("ink", 4))
    picture = paint_over(picture, line, outline)
    picture = paint_over(picture, look.colour("skin") * 0.85, on * look.mask(ear))
    rosy = look.colour("skin") * picture.new_tensor([0.9, 0.62, 0.62])[:, None, None]
    picture = paint_over(picture, rosy, on * look.mask(ear + 0.4 * wide, 0.02))
    on, high = look.numbers("antenna")
    up = -spot.head_y - top
    rod = torch.maximum(spot.head_x.abs() - 0.014, (up - 0.5 * high + 0.1).abs() - 0.5 * high - 0.1)
    picture = paint_over(picture, look.colour("skin") * 0.6, on * look.mask(rod))
    knob = ellipse_distance(spot.head_x, up - high, 0.05 + 0 * high, 0.05 + 0 * high)
    return paint_over(picture, look.colour("cover"), on * look.mask(knob))


def draw_scarf(picture: Tensor, look: Look, spot: Spot, parts: Parts) -> Tensor:
    """Round the neck, over the collar."""
    on, high = look.numbers("scarf")
    wide = look.number("neck") + 0.14
    scarf = rounded_box_distance(
        spot.body_x,
        spot.body_y - look.number("shoulder", 1) + 0.05 * high,
        wide,
        high * 0.6,
        high * 0.5,
    )
    return paint_over(picture, parts.cover * 0.95, on * look.mask(scarf))


def draw_veil(picture: Tensor, look: Look, spot: Spot, parts: Parts) -> Tensor:
    """Round the face from crown to shoulders."""
    on, inner, loose = look.numbers("veil")
    wide = look.number("head_width") + loose
    crown = ellipse_distance(
        spot.head_x, spot.head_y.clamp(max=0), wide, look.number("head_top") + loose
    )
    fall = (
        spot.head_x.abs()
        - wide
        - 0.12 * spot.head_y.clamp(min=0)
        + 0.1 * (spot.head_y - 0.5).clamp(min=0)
    )
    fall = torch.maximum(
        torch.where(spot.head_y < 0, crown, fall),
        spot.body_y + 0.45 * spot.body_x.square() - look.number("shoulder", 1) - 0.3,
    )
    veil = look.mask(fall, 0.02)
    picture = paint_over(
        picture, parts.cover * 0.5, on * veil * look.mask(-parts.head - inner * 0.5 - 0.02, 0.03)
    )
    return paint_over(picture, parts.cover, on * veil * look.mask(-parts.head - inner * 0.5))


def draw_hat(picture: Tensor, look: Look, spot: Spot, parts: Parts) -> Tensor:
    """Cap, beanie or hat with a brim, which leaves the brows free."""
    on, line, high, brim, power = look.numbers("hat")
    wide = look.number("head_width") * 1.05 + 0.03
    up = (line - spot.head_y).clamp(min=0)
    reach = ((spot.head_x / wide).abs() ** power + (up / (high + line)) ** power + 1e-8) ** (
        1 / power
    )
    dome = torch.maximum((reach - 1) * 0.4, spot.head_y - line)
    ink = torch.lerp(
        look.colour("cover") * 0.4, look.colour("ink"), look.number("ink", 3).unsqueeze(2)
    )
    outline = on * look.number("outline")
    picture = paint_over(picture, ink, outline * look.mask(dome - look.number("ink", 4)))
    picture = paint_over(picture, parts.cover, on * look.mask(dome))
    band = torch.maximum(dome, (spot.head_y - line + 0.035).abs() - 0.035)
    picture = paint_over(picture, look.colour("cover_far"), on * look.mask(band))
    x = spot.head_x - 0.15 * look.number("turn")
    edge = ellipse_distance(x, spot.head_y - line, wide + brim - 0.03, 0.018 + 0.12 * brim)
    thick = look.number("ink", 4)
    # Round the brim, not off its tips: a flat ellipse is as far from there as it is high.
    rim = ellipse_distance(
        x, spot.head_y - line, wide + brim - 0.03 + thick, 0.018 + 0.12 * brim + thick
    )
    picture = paint_over(picture, ink, outline * look.mask(rim))
    return paint_over(picture, parts.cover * 0.85, on * look.mask(edge))


def draw_headphones(picture: Tensor, look: Look, spot: Spot) -> Tensor:
    """A band over the head and two cups."""
    on, wide = look.number("phones"), look.number("head_width") + 0.04
    high = look.number("head_top") + look.number("cap", 1) * look.number("hair_on") + 0.03
    band = ellipse_distance(spot.head_x, spot.head_y, wide, high).abs() - 0.022
    band = torch.maximum(band, spot.head_y - 0.05)
    cup = rounded_box_distance(
        spot.head_x.abs() - wide, spot.head_y - 0.06, 0.05 + 0 * wide, 0.12 + 0 * wide, 0.04
    )
    return paint_over(picture, look.colour("cover_far"), on * look.mask(torch.minimum(band, cup)))


def draw_glasses(picture: Tensor, look: Look, spot: Spot) -> Tensor:
    """Frame, bridge and arms, and lenses that shine a little or are dark."""
    across, down = look.numbers("eye_place")
    on, radius = look.numbers("glasses")
    dark, round_, high = look.numbers("lens")
    x, y = spot.face_x.abs() - across, spot.face_y - down - 0.01
    lens = rounded_box_distance(x, y, radius, radius * high, radius * high * round_)
    rim = lens.abs() - 0.011
    bridge = torch.maximum((y + 0.03).abs() - 0.010, spot.face_x.abs() - across + radius)
    arm = torch.maximum(
        (y + 0.03).abs() - 0.010,
        torch.maximum(radius - x, spot.head_x.abs() - look.number("head_width")),
    )
    frame = torch.minimum(torch.minimum(rim, bridge), arm)
    picture = paint_over(picture, look.colour("lens_colour"), dark * (on > 0) * look.mask(lens))
    return paint_over(picture, look.colour("glasses_colour"), on * look.mask(frame))
