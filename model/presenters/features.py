"""The features of a drawn face that move by themselves, each a few soft layers: mouth, eyes and brows."""

import torch
from torch import Tensor

from model.presenters.identity import Look
from model.presenters.strokes import Pose, Spot, ellipse_distance, paint_over

GAP = 0.22
"""How far a mouth opens, in half pictures: a quarter of it up, the rest down."""


def head_shape(look: Look, pose: Pose, spot: Spot) -> Tensor:
    """Roughly the distance from the outline of the head, whose chin drops as the mouth opens."""
    wide, top = look.number("head_width"), look.number("head_top")
    bottom = look.number("head_bottom") + look.number("drop") * pose.aperture
    power = look.number("head_power")
    below = spot.head_y.clamp(min=0) / bottom
    wide = wide * (1 - look.number("jaw") * 0.55 * below.square() + 0.04 * below)
    high = torch.where(spot.head_y < 0, top, bottom)
    # The chin goes to the side that the head is turned to.
    x = spot.head_x - 0.07 * look.number("turn") * below
    reach = ((x / wide).abs() ** power + (spot.head_y / high).abs() ** power + 1e-8) ** (1 / power)
    return (reach - 1) * 0.5


def mouth_extent(look: Look, pose: Pose) -> tuple[Tensor, Tensor, Tensor]:
    """Half width, gap between the lips and how far its corners are up, each shaped as the pose's columns."""
    half = look.number("mouth_size") * (0.86 + 0.28 * pose.width) * (1 - 0.40 * pose.rounding)
    smile = lifted_smile(look, pose)
    half = half * (1 + (0.07 + 0.11 * look.number("grin")) * smile)
    gap = 0.006 + GAP * look.number("mouth_gap") * pose.aperture * (1 - 0.15 * pose.rounding)
    return half, gap, look.number("smile") + 0.32 * half * smile


def lifted_smile(look: Look, pose: Pose) -> Tensor:
    """How much of a smile [n, t, 1, 1] is left beside a round or open mouth: lifelike ones give way, as no face can purse its lips and grin, and an open jaw draws its corners in."""
    gives_way = (0.75 * pose.rounding + 0.3 * pose.aperture).clamp(max=0.85)
    return pose.smile * (1 - look.number("grin") * gives_way)


def draw_mouth(picture: Tensor, look: Look, pose: Pose, spot: Spot) -> Tensor:
    """Lips, or a line, round an opening with teeth above and tongue below; the shape follows aperture, width, rounding and smile alone."""
    _, upper, lower = look.numbers("mouth_size")
    half, gap, smile = mouth_extent(look, pose)
    x, y = spot.face_x, spot.face_y - look.number("mouth_place")
    arch = (1 - ((x / half).abs() + 1e-6) ** look.number("mouth_power")).clamp(-1, 1)
    y = y - smile * arch + 0.4 * smile
    top, bottom = -0.25 * gap * arch, 0.75 * gap * arch
    grin = look.number("grin")
    wide_smile = grin * lifted_smile(look, pose).clamp(min=0)
    plump = (1 + 0.5 * pose.rounding) * (1 - 0.35 * wide_smile)
    picture = _draw_creases(picture, look, pose, spot)
    bow = 1 - 0.35 * torch.exp(-((x / (0.22 * half)) ** 2))
    line = look.number("lip_line")
    lips = torch.maximum(top - upper * plump * arch * bow - y, y - bottom - lower * plump * arch)
    lips = torch.maximum(lips - line, x.abs() - half - 0.01)
    # The upper lip lies in its own shadow.
    shadow = 1 - 0.35 * look.number("relief") * look.mask(y - 0.5 * (top + bottom), 0.02)
    picture = paint_over(picture, look.colour("lip") * shadow.unsqueeze(2), look.mask(lips))
    shine = torch.exp(
        -(((y - bottom - 0.5 * lower) / (0.3 * lower)) ** 2 + (x / (0.45 * half)) ** 2)
    )
    picture = paint_over(
        picture, look.colour("lip") * 0.6 + 0.4, 0.35 * look.number("lip_shine") * shine
    )
    inner = torch.maximum(torch.maximum(top - y, y - bottom), x.abs() - 0.97 * half)
    opening = look.mask(inner)
    dark = (pose.aperture * 6).clamp(0, 1).unsqueeze(2)
    cavity = picture.new_tensor([0.15, 0.04, 0.05])[:, None, None]
    picture = paint_over(picture, torch.lerp(look.colour("lip") * 0.55, cavity, dark), opening)
    seen = (pose.aperture * (4 + 8 * grin) - 0.4).clamp(0, 1) * opening
    bared = seen * (1 - 0.85 * grin * pose.rounding)
    tongue = ellipse_distance(x, y - 0.78 * gap, 0.58 * half, 0.30 * gap + 0.01)
    picture = paint_over(
        picture, picture.new_tensor([0.74, 0.33, 0.36])[:, None, None], seen * look.mask(tongue)
    )
    # Of a drawn mouth the more of the teeth shows the more it smiles; on people they hang from the skull at one height, and a smile bares them.
    drawn = y + 0.25 * gap * arch - (0.22 + 0.3 * pose.smile.clamp(min=0)) * gap
    bare = look.number("grin", 1) * (0.3 + 0.7 * wide_smile)
    teeth = torch.lerp(drawn, y - bare * (0.35 + 0.65 * arch) + 0.15 * gap * arch, grin)
    teeth = torch.maximum(teeth, x.abs() - (0.8 + 0.08 * grin) * half)
    enamel = picture.new_tensor([0.95, 0.93, 0.90])[:, None, None]
    deep = 1 - 0.45 * grin * (x / half).square() - 0.12 * grin * look.number("grin", 4)
    across = x / torch.lerp(half, look.number("mouth_size").expand_as(half), grin)
    gaps = (shade_tooth_gaps(look, across) * deep).unsqueeze(2)
    return paint_over(picture, enamel * gaps, bared * look.mask(teeth))


def _draw_creases(picture: Tensor, look: Look, pose: Pose, spot: Spot) -> Tensor:
    """What a lifelike smile folds: lines from the nose to beside the mouth, dimples at its corners, and cheeks that stand out. All of it goes as the mouth grows narrow or round."""
    half, _, smile = mouth_extent(look, pose)
    own, nose, mouth = look.number("mouth_size"), look.number("nose"), look.number("mouth_place")
    lifted = lifted_smile(look, pose).clamp(min=0)
    strong = lifted * ((half / own - 0.86) / 0.24).clamp(0, 1)
    _, _, fold, dimple, cheek = look.numbers("grin")
    corner = mouth - 0.4 * smile
    begin, end = look.number("nose", 1) + 0.02, half + 0.02 + 0.22 * own
    down = ((spot.face_y - nose) / (corner + 0.03 - nose).clamp(min=0.05)).clamp(-1, 2)
    across = spot.face_x.abs() - begin - (end - begin) * down.clamp(0, 1) ** 0.8
    within = look.mask((down - 0.55).abs() - 0.6, 0.12)
    line = torch.exp(-((across / (0.012 + 0.02 * cheek)) ** 2)) * within
    picture = paint_over(picture, picture * 0.55, 0.9 * strong * fold * line)
    # The cheek beside the line catches light, and what lies inside of it is in its shadow.
    lit = torch.exp(-(((across - 0.07) / 0.06) ** 2)) * within
    picture = picture * (1 + 0.22 * strong * cheek * lit).unsqueeze(2)
    spread = (spot.face_x.abs() - half - 0.015) / 0.03, (spot.face_y - corner) / 0.045
    dent = torch.exp(-(spread[0].square() + spread[1].square()))
    return paint_over(picture, picture * 0.5, strong * dimple * dent)


def shade_tooth_gaps(look: Look, across: Tensor) -> Tensor:
    """How light teeth are at places across a mouth (half mouths): darker where one ends, with some presenters; their seed decides."""
    seed = look.number("seed")
    depth = (torch.frac(seed * 0.37) - 0.4).clamp(min=0)
    tooth = 0.16 + 0.14 * torch.frac(seed * 0.71)
    beside = torch.frac(across / tooth + 100.5) - 0.5
    return 1 - depth * torch.exp(-((beside / 0.13) ** 2))


def jaw_drop(look: Look, pose: Pose, spot: Spot) -> Tensor:
    """How far the skin that is seen at a place has come down with the lower lip and the chin [n, t, y, x]."""
    half, gap, _ = mouth_extent(look, pose)
    mouth, chin = look.number("mouth_place"), look.number("drop") * pose.aperture
    lip = 0.75 * gap * torch.exp(-0.5 * (spot.face_x / half).square())
    below, whole = spot.face_y - mouth, look.number("head_bottom") + chin - mouth
    share = ((below - lip) / (whole - lip).clamp(min=0.05)).clamp(0, 1)
    return torch.where(below < lip, below.clamp(min=0), torch.lerp(lip, chin.expand_as(lip), share))


def lid_edges(look: Look, pose: Pose) -> tuple[Tensor, Tensor]:
    """How far the middle of the upper and of the lower lid is below the middle of an eye, shaped as the pose's columns."""
    high = look.number("eye_size", 1)
    # The upper lid comes all the way down, the lower one a little up.
    droop = 1 - (1 - look.number("lid")) * (1 - pose.blink)
    narrow, round_eyed = pose.squint.clamp(min=0), (-pose.squint).clamp(min=0)
    cheek = 0.22 * pose.smile.clamp(min=0)
    upper = -high * (1 - 1.55 * droop) * (1 - 0.35 * narrow + 0.35 * round_eyed)
    lower = high * (0.85 - 0.30 * pose.blink) * (1 - 0.35 * narrow - cheek + 0.15 * round_eyed)
    return torch.minimum(upper, lower), lower


def draw_eyes(picture: Tensor, look: Look, pose: Pose, spot: Spot) -> Tensor:
    """Both eyes at once: white, iris and spark between two lids, the upper of which blinks."""
    across, down = look.numbers("eye_place")
    wide, high = look.numbers("eye_size")
    white = look.number("eye_white")
    x, y = (
        torch.where(spot.face_x < 0, spot.face_x + across, spot.face_x - across),
        spot.face_y - down,
    )
    arch = (1 - (x / wide).square()).clamp(-1, 1)
    arch = torch.where(arch > 0, arch.clamp(min=1e-5) ** look.number("eye_power"), arch)
    upper, lower = (edge * arch for edge in lid_edges(look, pose))
    eye = torch.maximum(torch.maximum(upper - y, y - lower), x.abs() - wide)
    open_eye = look.mask(eye)
    eyeball = picture.new_tensor([0.97, 0.97, 0.98])[:, None, None]
    picture = paint_over(picture, eyeball, white * open_eye)
    shade = torch.exp(-(((y - upper) / 0.02) ** 2))
    picture = paint_over(picture, eyeball * 0.72, white * open_eye * shade * 0.6)
    ix, iy = x - 0.35 * wide * pose.gaze_x, y - 0.3 * high * pose.gaze_y
    radius = look.number("iris_size")
    middle = (ix.square() + iy.square() + 1e-8).sqrt()
    picture = paint_over(picture, look.colour("iris"), look.mask(middle - radius) * open_eye)
    black = picture.new_tensor([0.06, 0.05, 0.06])[:, None, None]
    picture = paint_over(picture, black, look.mask(middle - 0.5 * radius) * open_eye)
    spark = look.mask(
        ((ix + 0.32 * radius).square() + (iy + 0.35 * radius).square() + 1e-8).sqrt()
        - 0.32 * radius
    )
    picture = paint_over(picture, eyeball, 0.9 * spark * open_eye)
    lash = look.number("lash") * (0.35 + 0.65 * arch.clamp(min=0).sqrt())
    line = torch.maximum((y - upper + 0.3 * lash).abs() - lash, x.abs() - 1.06 * wide)
    ink = torch.lerp(
        look.colour("hair") * 0.35, look.colour("ink"), look.number("ink", 3).unsqueeze(2)
    )
    line = torch.maximum(look.mask(line), look.number("eye_rim") * look.mask(
        torch.maximum((y - lower).abs() - 0.004, x.abs() - wide)))  # fmt: skip
    picture = paint_over(picture, ink, line)
    crease = torch.maximum((y + (high * 1.32) * arch).abs() - 0.005, x.abs() - 0.85 * wide)
    return paint_over(picture, look.colour("skin") * 0.7, 0.45 * white * look.mask(crease))


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
    own = look.number("brow_colour", 3).unsqueeze(2)
    colour = torch.lerp(colour, look.colour("brow_colour"), own)
    return paint_over(picture, colour, look.number("brow_on") * look.mask(brow, 0.018))
