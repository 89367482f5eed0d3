"""What does not change of a drawn presenter, painted once: skin, hair and cloth as pictures that are then moved."""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.presenters.identity import Look
from model.presenters.strokes import Spot, ellipse_distance, paint_over

OCTAVES = (4, 8, 16, 32, 64, 128)
# Half extents of the paints: of the face, of the head with hair and hat, of the body.
FACE_SPAN, HEAD_SPAN, BODY_SPAN = 0.9, 1.25, 1.8
BODY_MIDDLE = 1.3
SKIN, HAIR, CLOTH, GROUND = range(4)


def sample_paint(paint: Tensor, x: Tensor, y: Tensor, span: float) -> Tensor:
    """A paint [n, c, r, r] that spans ±span, at x and y (together [n, t, h, w]) of its coordinates: [n, t, c, h, w]."""
    x, y = torch.broadcast_tensors(x, y)
    n, t, h, w = x.shape
    grid = torch.stack([x / span, y / span], -1).view(n, t * h, w, 2)
    moved = F.grid_sample(paint, grid, padding_mode="border", align_corners=False)
    return moved.view(n, -1, t, h, w).transpose(1, 2)


def paint_ground(look: Look, x: Tensor, y: Tensor, resolution: int) -> Tensor:
    """The background [n, 1, 3, h, w] at the pixels of a picture: two colours, stripes, a disc and noise."""
    slant = look.number("ground_slant")
    along = 0.5 + 0.35 * (torch.cos(slant) * x + torch.sin(slant) * y)
    picture = torch.lerp(
        look.colour("ground"), look.colour("ground_far"), along.clamp(0, 1).unsqueeze(2)
    )
    number, phase, on = look.numbers("stripe")
    wave = torch.cos(number * (torch.cos(slant) * x - torch.sin(slant) * y) + 3 * phase)
    picture = paint_over(picture, look.colour("stripe_colour"), on * look.mask(-0.12 * wave, 0.03))
    cx, cy, radius, on = look.numbers("disc")
    disc = ellipse_distance(x - cx, y - cy, radius, radius)
    picture = paint_over(picture, look.colour("disc_colour"), on * look.mask(disc, 0.02))
    picture = _paint_furniture(picture, look, x, y)
    noise = _draw_noise(look, GROUND, resolution, rough=2)
    wide = (look.number("size") * 0 + x + 0 * y, look.number("size") * 0 + y + 0 * x)
    grain = sample_paint(noise, *wide, 1.0)
    return picture * (1 + look.number("grain", GROUND).unsqueeze(2) * grain).clamp(0.2, 2)


def paint_face(look: Look, resolution: int) -> Tensor:
    """Skin with all that is drawn on it, and how it is lit, in face coordinates [n, 3 + 1, r, r]."""
    spot = _grid_spot(look, resolution, FACE_SPAN, 0.0)
    skin = look.colour("skin")
    lit = 1 + 0.10 * look.number("light") * spot.face_x - 0.06 * spot.face_y
    picture = skin * lit.unsqueeze(2)
    noise = _draw_noise(look, SKIN, resolution, rough=0)[:, None]
    tint = _draw_noise(look, SKIN + 4, resolution, rough=1)[:, None]
    grain = look.number("grain", SKIN).unsqueeze(2)
    picture = picture * (
        1 + grain * noise + 0.5 * grain * tint * skin.new_tensor([0.2, -0.6, -0.6])[:, None, None]
    )
    picture = _paint_muzzle(picture, look, spot)
    picture = _paint_cheeks(picture, look, spot)
    picture = _paint_wrinkles(picture, look, spot)
    picture = _paint_nose(picture, look, spot)
    picture = _paint_beard(picture, look, spot, noise)
    shade = _shade_ball(look, spot.face_x, spot.face_y)
    hollow = ellipse_distance(spot.face_x.abs() - look.number("eye_place"), spot.face_y - look.number("eye_place", 1),
                              look.number("eye_size") * 1.5, look.number("eye_size", 1) * 2.2)  # fmt: skip
    shade = shade * (1 - 0.22 * look.number("relief") * look.mask(hollow, 0.06))
    shine = ellipse_distance(spot.face_x - 0.3 * look.number("relief", 1) * look.number("head_width"),
                             spot.face_y + 0.32, look.number("head_width") * 0.4, look.number("head_top") * 0.2)  # fmt: skip
    picture = picture + (look.number("sheen") * look.mask(shine, 0.1)).unsqueeze(2) * 0.6
    return torch.cat([picture, shade.unsqueeze(2)], 2)[:, 0].clamp(0, 2)


def paint_head(look: Look, resolution: int) -> Tensor:
    """Hair, and what is worn on the head, in head coordinates [n, 3 + 3, r, r]."""
    spot = _grid_spot(look, resolution, HEAD_SPAN, 0.0)
    x, y = spot.head_x, spot.head_y
    high = look.number("head_top") + look.number("cap", 1)
    shine = 1 + 0.28 * torch.exp(
        -(((y + 0.72 * high) / 0.09) ** 2) - ((x - 0.18 * look.number("light")) / 0.24) ** 2
    )
    # Strands run out from the crown.
    noise = _draw_noise(look, HAIR, 2 * resolution, rough=1, stretch=8)
    turn, far = (
        torch.atan2(x, y + 1.1) / torch.pi,
        (x.square() + (y + 1.1).square()).sqrt() - 1,
    )
    strands = sample_paint(noise, turn, far, 1.0)
    shade = _shade_ball(look, x * 0.85, y * 0.85).unsqueeze(2)
    grain = 1 + look.number("grain", HAIR).unsqueeze(2) * strands
    hair = look.colour("hair") * shine.unsqueeze(2) * grain.clamp(0.3, 1.8) * shade
    weave = sample_paint(_draw_noise(look, CLOTH, resolution, rough=1), x, y, 1.25)
    cover = (
        look.colour("cover")
        * (1 + look.number("grain", CLOTH).unsqueeze(2) * weave).clamp(0.3, 1.8)
        * shade
    )
    return torch.cat([hair, cover], 2)[:, 0].clamp(0, 1)


def paint_body(look: Look, resolution: int) -> Tensor:
    """Cloth with its pattern, and how a neck is lit, in body coordinates [n, 3 + 1, r, r] about BODY_MIDDLE."""
    spot = _grid_spot(look, resolution, BODY_SPAN, BODY_MIDDLE)
    x, y = spot.body_x, spot.body_y
    shade = 1 - 0.12 * look.number("light").sign() * x
    shade = shade * (
        1 + 0.6 * look.number("relief") * look.number("relief", 1) * x.clamp(-0.8, 0.8)
    )
    cloth = look.colour("cloth") * shade.unsqueeze(2)
    on, number, kind = look.numbers("pattern")
    rows, columns = torch.cos(number * y), torch.cos(number * x)
    wave = torch.where(kind < 0.35, rows, torch.where(kind < 0.6, columns, rows * columns))
    cloth = paint_over(cloth, look.colour("cloth_far"), on * look.mask(0.25 - wave, 0.3))
    weave = _draw_noise(look, CLOTH, resolution, rough=1)[:, None]
    cloth = cloth * (1 + look.number("grain", CLOTH).unsqueeze(2) * weave).clamp(0.3, 1.8)
    noise = _draw_noise(look, SKIN, resolution, rough=0)[:, None]
    neck = (1 + look.number("grain", SKIN).unsqueeze(2) * noise) * shade.unsqueeze(2)
    neck = neck * (1 - 0.25 * look.number("relief").unsqueeze(2))
    return torch.cat([cloth.clamp(0, 1), neck], 2)[:, 0].clamp(0, 2)


def _paint_furniture(picture: Tensor, look: Look, x: Tensor, y: Tensor) -> Tensor:
    """Up to three upright boxes of one colour each: edges that stand still behind the head."""
    for name, colour in (
        ("box_one", "stripe_colour"),
        ("box_two", "disc_colour"),
        ("box_three", "ground_far"),
    ):
        on, cx, cy, wide, high = look.numbers(name)
        box = torch.maximum((x - cx).abs() - wide, (y - cy).abs() - high)
        picture = paint_over(picture, look.colour(colour), on * look.mask(box, 0.015))
    return picture


def _grid_spot(look: Look, resolution: int, span: float, middle: float) -> Spot:
    """The pixels of a paint as places: all coordinates are the same there."""
    like = look.number("size")
    line = (
        torch.arange(resolution, device=like.device, dtype=torch.float32) + 0.5
    ) * 2 / resolution - 1
    x = (0 * like + span * line[None, None, None, :]).expand(-1, -1, resolution, -1)
    y = (0 * like + span * line[None, None, :, None] + middle).expand(-1, -1, -1, resolution)
    return Spot(x, y, x, y, x, y, x, y)


def _shade_ball(look: Look, x: Tensor, y: Tensor) -> Tensor:
    """How bright a light from one side, mostly from above, leaves a round head [n, 1, r, r]."""
    strength, side, above = look.numbers("relief")
    nx = x / (1.1 * look.number("head_width"))
    ny = y / (1.15 * torch.where(y < 0, look.number("head_top"), look.number("head_bottom")))
    nz = (1 - nx.square() - ny.square()).clamp(min=0.06).sqrt()
    light = 0.75 * side * nx - 0.55 * above.abs() * ny + 0.66 * nz
    return (1 + 1.1 * strength * (light - 0.6)).clamp(0.25, 1.5)


def _paint_muzzle(picture: Tensor, look: Look, spot: Spot) -> Tensor:
    """An animal's lighter muzzle with whiskers."""
    on, wide, high, light = look.numbers("muzzle")
    middle = 0.5 * (look.number("nose") + look.number("mouth_place"))
    muzzle = ellipse_distance(spot.face_x, spot.face_y - middle, wide, high)
    picture = paint_over(
        picture,
        picture * (1 - light.unsqueeze(2)) + light.unsqueeze(2) * 0.97,
        on * look.mask(muzzle, 0.03),
    )
    hairs = torch.ones_like(spot.face_x)
    for slope in (-0.12, 0.08, 0.3):
        line = spot.face_y - middle + 0.02 - slope * (spot.face_x.abs() - 0.12)
        hairs = torch.minimum(hairs, line.abs() - 0.004)
    hairs = torch.maximum(hairs, (spot.face_x.abs() - 0.32).abs() - 0.17)
    return paint_over(picture, picture * 0.3, look.number("snout") * 0.6 * look.mask(hairs, 0.008))


def _paint_cheeks(picture: Tensor, look: Look, spot: Spot) -> Tensor:
    """Blush and freckles."""
    skin = look.colour("skin")
    cheek_x, cheek_y = spot.face_x.abs() - 0.27, spot.face_y - 0.19
    glow = torch.exp(-(cheek_x.square() + cheek_y.square()) / 0.016)
    rosy = skin.new_tensor([1.0, 0.72, 0.70])[:, None, None]
    picture = paint_over(picture, picture * rosy, look.number("blush") * glow)
    spots = torch.cos(52 * spot.face_x) * torch.cos(47 * spot.face_y + 26 * spot.face_x)
    dots = (
        look.mask(0.55 - spots, 0.25)
        * torch.exp(-(((spot.face_y - 0.16) / 0.07) ** 2))
        * glow.sqrt()
    )
    return paint_over(picture, skin * 0.72, look.number("freckles") * dots)


def _paint_wrinkles(picture: Tensor, look: Look, spot: Spot) -> Tensor:
    """Lines of the forehead, from nose to mouth, and under the eyes."""
    on, phase = look.numbers("wrinkles")
    x, y = spot.face_x, spot.face_y
    across, down = look.numbers("eye_place")
    wide, high = look.numbers("eye_size")
    brow = down - look.number("brow_place") - 0.05
    rows = torch.cos((y + 0.012 * torch.cos(9 * x + phase)) * 2 * torch.pi / 0.06 + phase)
    forehead = look.mask(0.86 - rows, 0.14) * torch.exp(-((x / 0.22) ** 4))
    forehead = forehead * look.mask((y - brow + 0.09).abs() - 0.08, 0.02)
    nose, mouth = look.number("nose"), look.number("mouth_place")
    fold = (x.abs() - look.number("nose", 1) - 0.035 - 0.5 * (y - nose).clamp(min=0)).abs() - 0.004
    fold = torch.maximum(fold, (y - 0.5 * (nose + mouth) - 0.02).abs() - 0.5 * (mouth - nose))
    arch = (1 - ((x.abs() - across) / wide).square()).clamp(-1, 1)
    bag = torch.maximum((y - down - 0.8 * high - 0.045 * arch).abs() - 0.004, -arch)
    lines = torch.maximum(torch.maximum(forehead, look.mask(fold, 0.014)), look.mask(bag, 0.012))
    return paint_over(picture, picture * 0.72, on * lines)


def _paint_nose(picture: Tensor, look: Look, spot: Spot) -> Tensor:
    """Its tip, the line under it, one side of its bridge; aside where the head is turned. Animals' are dark."""
    down, wide, high = look.numbers("nose")
    dark, bridge = look.numbers("nose_on")
    skin = look.colour("skin")
    # It stands out of the face: a turned head has it nearer to the outline.
    x, y = spot.face_x - 0.045 * look.number("turn"), spot.face_y - down
    tip = ellipse_distance(x, y, wide, high)
    shown = (dark + bridge + look.number("snout") > 0).float()
    tone = picture * skin.new_tensor([0.92, 0.80, 0.76])[:, None, None]
    picture = paint_over(picture, tone, 0.6 * shown * look.mask(tip, 0.03))
    under = (y - high * (1 - (x / wide).square())).abs() - 0.008
    under = torch.maximum(under, x.abs() - wide * 0.9)
    line = torch.lerp(skin * skin.new_tensor([0.62, 0.5, 0.48])[:, None, None], look.colour("ink"),
                      look.number("ink", 3).unsqueeze(2))  # fmt: skip
    picture = paint_over(picture, line, dark * 1.5 * look.mask(under))
    facing = torch.where(
        look.number("turn").abs() > 0.25, look.number("turn"), look.number("light")
    )
    side = torch.maximum((x - wide * 0.55 * facing.sign()).abs() - 0.008, (y + 0.1).abs() - 0.1)
    picture = paint_over(
        picture,
        torch.lerp(skin * 0.75, line, look.number("ink", 3).unsqueeze(2)),
        bridge * look.mask(side, 0.02),
    )
    # A ridge that catches light and throws a shadow to its other side.
    ridge = torch.exp(-((x / (0.5 * wide)) ** 2)) * look.mask((y + 0.09).abs() - 0.1, 0.05)
    cast = torch.exp(
        -(((x + 0.8 * wide * look.number("relief", 1).sign()) / (0.5 * wide)) ** 2)
    ) * look.mask((y + 0.07).abs() - 0.1, 0.05)
    strength = look.number("relief") * shown
    picture = picture * (1 + strength * (0.16 * ridge - 0.26 * cast)).unsqueeze(2)
    nostrils = ellipse_distance(x.abs() - 0.5 * wide, y - 0.6 * high, 0.28 * wide, 0.3 * high)
    picture = paint_over(
        picture, skin * 0.35, (strength * 1.2).clamp(0, 0.8) * look.mask(nostrils, 0.01)
    )
    snout = torch.maximum(tip, y - 0.4 * high + 0.2 * x.abs())
    return paint_over(picture, 0.3 * skin * 0.4 + 0.03, look.number("snout") * look.mask(snout))


def _paint_beard(picture: Tensor, look: Look, spot: Spot, noise: Tensor) -> Tensor:
    """Beard and moustache, with the shut mouth left free."""
    on, high = look.numbers("beard")
    place, half = look.number("mouth_place"), look.number("mouth_size")
    x, y = spot.face_x, spot.face_y
    cheek = place - 0.16 + high - 0.6 * x.square()
    mouth = ellipse_distance(x, y - place - 0.02, half * 1.1, 0.07 + 0 * half)
    beard = look.mask(cheek - y, 0.05) * look.mask(-mouth, 0.03)
    # Never as dark as the open mouth: how far the lips part must be seen.
    colour = torch.lerp(look.colour("hair"), look.colour("skin"), 0.3)
    colour = colour * (1 + look.number("grain", HAIR).unsqueeze(2) * noise).clamp(0.5, 1.6)
    picture = paint_over(picture, colour, on * beard)
    lip = ellipse_distance(x, y - place + 0.075 + 0.5 * x.square(), half * 0.95, 0.035 + 0 * half)
    return paint_over(picture, colour, look.number("moustache") * look.mask(lip, 0.02))


def _draw_noise(look: Look, channel: int, resolution: int, rough: int, stretch: int = 1) -> Tensor:
    """Smooth noise [n, 1, r, r] of several scales, about −2..2, the same at any resolution; stretched, it is finer across."""
    total = power = torch.zeros_like(look.number("seed"))
    for octave, cells in enumerate(OCTAVES):
        noise = _hash_noise(
            look.number("seed"),
            16 * channel + octave,
            cells // (1 if stretch == 1 else 2),
            cells * (stretch // 2 or 1),
        )
        weight = (cells / OCTAVES[0]) ** -(0.8 * look.number("roughness", rough))
        total = total + weight * F.interpolate(
            noise, (resolution, resolution), mode="bicubic", align_corners=False
        )
        power = power + weight.square()
    return total * 1.7 / power.sqrt()


def _hash_noise(seed: Tensor, channel: int, rows: int, columns: int) -> Tensor:
    """Evenly spread numbers −1..1 [n, 1, rows, columns], whole-number arithmetic alone: alike on every device."""
    row = torch.arange(rows, device=seed.device)[:, None] * 374761393
    column = torch.arange(columns, device=seed.device)[None] * 668265263
    mixed = (seed.long() * 2654435761 + channel * 40503 * 65537 + row + column) & 0xFFFFFFFF
    for shift in (13, 16, 15):
        mixed = ((mixed ^ (mixed >> shift)) * 1274126177) & 0xFFFFFFFF
    return ((mixed >> 8) & 0xFFFF).float() / 32767.5 - 1
