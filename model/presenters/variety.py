"""The wide family of drawn presenters: proportions, places, ages, styles and what they wear, drawn at random."""

import torch
from torch import Tensor

from model.presenters.portraits import (
    HAIRS,
    IRISES,
    SKINS,
    Chance,
    Uniform,
    blend_palette,
    draw_shade,
    pick_colour,
)

# What plain portraits have of the columns that only the wide family varies.
PLAIN: dict[str, tuple[float, ...]] = {
    "seed": (1.0,), "tilt": (0.0,), "turn": (0.0,), "head_power": (2.2,), "drop": (0.05,),
    # smile, aperture, width, squint, brow, brow_slant, gaze_x, gaze_y
    "rest": (0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0), "sharp": (0.0,),
    "mouth_power": (2.0,), "mouth_gap": (1.0,), "lip_line": (0.0,), "lip_shine": (1.0,),
    "eye_power": (1.0,), "eye_rim": (0.0,), "brow_on": (1.0,), "brow_colour": (0.0, 0.0, 0.0, 0.0),
    "ink": (0.0, 0.0, 0.0, 0.0, 0.016),  # colour, how much of it, thickness
    "grain": (0.0, 0.0, 0.0, 0.0),  # of skin, hair, cloth and ground
    "roughness": (1.0, 1.0, 1.0), "relief": (0.0, 0.0, 0.0), "sheen": (0.0,), "glow": (0.0, 0.0, 0.0),
    "wrinkles": (0.0, 0.0), "muzzle": (0.0, 0.2, 0.2, 0.3), "snout": (0.0,),
    "animal_ear": (0.0, 0.3, 0.15, 0.25, 0.0), "antenna": (0.0, 0.2), "pattern": (0.0, 20.0, 0.0),
    "box_one": (0.0, 0.0, 0.0, 0.1, 0.1), "box_two": (0.0, 0.0, 0.0, 0.1, 0.1),
    "box_three": (0.0, 0.0, 0.0, 0.1, 0.1),  # on, centre, half extent
    "hat": (0.0, -0.3, 0.4, 0.1, 2.2), "veil": (0.0, 0.07, 0.1), "scarf": (0.0, 0.3),
    "phones": (0.0,), "cover": (0.5, 0.5, 0.5), "cover_far": (0.5, 0.5, 0.5),
    "lens": (0.10, 0.706, 0.85), "lens_colour": (1.0, 1.0, 1.0),
    "grin": (0.0, 0.06, 0.0, 0.0, 0.0),  # how lifelike smiles are; height of teeth; depth of creases, of dimples; cheeks
}  # fmt: skip
PHOTO, INKED, LINES, FLAT = range(4)
STYLE_SHARES = (0.58, 0.17, 0.11, 0.14)
ROBOTS, ANIMALS = 0.05, 0.08
FURS = (
    (0.55, 0.55, 0.58), (0.80, 0.50, 0.24), (0.45, 0.31, 0.20), (0.86, 0.78, 0.64),
    (0.28, 0.26, 0.27), (0.92, 0.90, 0.88), (0.62, 0.45, 0.33), (0.85, 0.62, 0.60),
)  # fmt: skip
Values = dict[str, Tensor]


def vary_portraits(
    plain: Values, n: int, generator: torch.Generator, only: int | None = None
) -> Values:
    """Every column of the wide family by name, begun from `plain` portraits; `only` in one of the styles PHOTO, INKED, LINES and FLAT."""
    device = generator.device

    def uniform(low: float, high: float, columns: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(n, columns, generator=generator, device=device)

    def chance(probability: float) -> Tensor:
        return (uniform(0, 1) < probability).float()

    bounds = uniform(0, 1).new_tensor(STYLE_SHARES).cumsum(0)[:-1]
    style = torch.bucketize(uniform(0, 1), bounds)
    style = style if only is None else torch.full_like(style, only)
    kind = uniform(0, 1)
    kinds = Kinds(
        photo=style == PHOTO, inked=style == INKED, lines=style == LINES, flat=style == FLAT,
        robot=kind < ROBOTS, animal=(kind >= ROBOTS) & (kind < ROBOTS + ANIMALS),
        child=uniform(0, 1) < 0.14, old=uniform(0, 1) < 0.18,
    )  # fmt: skip
    values = dict(plain)
    values |= _vary_build(kinds, uniform)
    values |= _vary_eyes(values, kinds, uniform, chance)
    values |= _vary_mouth(values, kinds, uniform)
    values |= _vary_hair(values, kinds, uniform, chance)
    values |= _vary_wear(values, kinds, uniform, chance)
    values |= _vary_colours(values, kinds, uniform, chance)
    values |= _vary_style(kinds, uniform, chance)
    values |= _vary_creatures(values, kinds, uniform, chance)
    values |= _vary_place(values, kinds, uniform)
    values |= _vary_grin(values, kinds)
    return values | _vary_rest(uniform)


class Kinds:
    """What sort of picture and of presenter each is, as masks [n, 1]."""

    def __init__(self, **masks: Tensor) -> None:
        self.photo, self.inked, self.lines = masks["photo"], masks["inked"], masks["lines"]
        self.flat, self.robot, self.animal = masks["flat"], masks["robot"], masks["animal"]
        self.creature = self.robot | self.animal
        self.child = masks["child"] & ~self.creature
        self.old = masks["old"] & ~self.creature & ~self.child
        self.drawn = ~self.photo


def _vary_build(kinds: Kinds, uniform: Uniform) -> Values:
    pick = torch.where
    wide = pick(kinds.photo, uniform(0.40, 0.50), uniform(0.35, 0.58))
    bottom = pick(kinds.photo, uniform(0.52, 0.66), uniform(0.44, 0.70))
    bottom = pick(kinds.child, uniform(0.42, 0.52), bottom)
    power = pick(kinds.photo, uniform(2.0, 2.5), uniform(1.9, 3.4))
    power = pick(kinds.robot, uniform(5.0, 9.0), power)
    jaw = pick(kinds.photo, uniform(0.05, 0.4), uniform(-0.15, 0.5))
    jaw = pick(kinds.robot, uniform(-0.1, 0.1), pick(kinds.child, uniform(0.0, 0.2), jaw))
    neck = (wide * uniform(0.32, 0.52)).clamp(0.13, 0.26)
    return {
        "head_width": wide, "head_top": uniform(0.46, 0.62), "head_bottom": bottom,
        "head_power": power, "jaw": jaw, "neck": pick(kinds.lines, neck * 0.8, neck),
        "ear": torch.cat([uniform(0.05, 0.11), uniform(0.08, 0.16)], 1),
        "shoulder": torch.cat([uniform(0.5, 0.95), (bottom + uniform(0.08, 0.2)).clamp(0.58, 0.82),
                               uniform(0.2, 0.5)], 1),
    }  # fmt: skip


def _vary_eyes(values: Values, kinds: Kinds, uniform: Uniform, chance: Chance) -> Values:
    pick, width = torch.where, values["head_width"]
    big = kinds.drawn & (uniform(0, 1) < 0.3)
    dots = kinds.drawn & ~big & (uniform(0, 1) < 0.25)
    wide = pick(kinds.photo, uniform(0.075, 0.115), uniform(0.06, 0.125))
    high = wide * pick(kinds.photo, uniform(0.38, 0.62), uniform(0.4, 0.85))
    wide = pick(big, uniform(0.11, 0.17), wide)
    high = pick(big, wide * uniform(0.75, 1.15), high)
    iris = pick(kinds.photo, wide * uniform(0.42, 0.52), high * uniform(0.5, 1.0))
    iris = pick(big, high * uniform(0.35, 0.75), iris).clamp(min=0.018)
    dot = uniform(0.024, 0.05)
    wide, high, iris = (
        pick(dots, to, own) for to, own in ((dot * 1.3, wide), (dot * 1.3, high), (dot, iris))
    )
    wide = torch.minimum(wide, width * 0.38)
    across = pick(kinds.photo, width * uniform(0.37, 0.47), width * uniform(0.3, 0.52))
    across = torch.maximum(across, wide * 1.12 + 0.02).minimum(width * 0.92 - wide)
    down = pick(kinds.photo, uniform(-0.1, 0.02), uniform(-0.17, 0.1))
    down = pick(kinds.child, uniform(0.0, 0.1), down)
    brow = torch.cat([wide * uniform(0.9, 1.35), uniform(0.008, 0.034), uniform(-0.25, 0.35),
                      uniform(0, 0.05)], 1)  # fmt: skip
    lash = pick(kinds.photo, uniform(0.004, 0.014), uniform(0.004, 0.022))
    return {
        "eye_place": torch.cat([across, down], 1), "eye_size": torch.cat([wide, high], 1),
        "eye_white": 1 - dots.float(), "iris_size": iris,
        "lash": pick(dots, 0.002 + 0 * lash, lash),
        "lid": pick(kinds.photo, uniform(0.0, 0.3), uniform(0, 0.25)) * (1 - dots.float()),
        "eye_power": pick(big | dots, uniform(0.45, 0.6), uniform(0.6, 1.1)),
        "eye_rim": pick(kinds.drawn & ~dots, chance(0.5) * uniform(0.5, 1), 0 * wide),
        "brow_place": high + uniform(0.035, 0.1), "brow_shape": brow,
        "brow_on": pick(kinds.drawn, chance(0.8), 1 + 0 * wide),
        "nose_on": torch.cat([pick(kinds.photo, uniform(0.3, 0.7), uniform(0.0, 0.6)),
                              chance(0.4) * uniform(0.1, 0.5)], 1),
        "nose": torch.cat([down + uniform(0.15, 0.27), uniform(0.03, 0.1), uniform(0.025, 0.06)], 1),
    }  # fmt: skip


def _vary_mouth(values: Values, kinds: Kinds, uniform: Uniform) -> Values:
    pick = torch.where
    width, bottom, nose = values["head_width"], values["head_bottom"], values["nose"]
    low = (nose[:, :1] + nose[:, 2:] + 0.05).minimum(bottom - 0.22)
    place = torch.lerp(low, bottom - 0.12, pick(kinds.photo, uniform(0.15, 0.6), uniform(0, 0.9)))
    extent = uniform(0, 1)
    half = pick(
        extent < 0.15,
        uniform(0.07, 0.13),
        pick(extent > 0.85, uniform(0.26, 0.36), uniform(0.15, 0.26)),
    )
    half = pick(kinds.photo, uniform(0.14, 0.235), half)
    below = (place / bottom).clamp(0, 0.95)
    room = (
        width
        * (1 - values["jaw"] * 0.55 * below**2)
        * (1 - below ** values["head_power"]) ** (1 / values["head_power"])
    )
    half = half.minimum(room * 0.72)
    thin = kinds.drawn & (uniform(0, 1) < 0.6) | kinds.robot
    upper = pick(
        thin, 0.001 + 0 * half, pick(kinds.photo, uniform(0.016, 0.044), uniform(0.01, 0.06))
    )
    lower = pick(
        thin, 0.001 + 0 * half, pick(kinds.photo, uniform(0.024, 0.06), uniform(0.015, 0.08))
    )
    # A mouth low on the chin opens with the chin, which then goes further down.
    gap = uniform(0.9, 1.08) * (half / 0.21).clamp(0.55, 1.15)
    drop = (place + lower + 0.19 * gap + 0.04 - bottom).clamp(0.04, 0.16)
    gap = gap.minimum((bottom + drop - 0.03 - place - lower) / 0.19).clamp(min=0.3)
    return {
        "mouth_place": place, "mouth_size": torch.cat([half, upper.minimum(0.3 * half), lower.minimum(0.4 * half)], 1),
        "mouth_power": pick(kinds.robot, uniform(4, 9), pick(kinds.photo, uniform(1.8, 2.4), uniform(1.5, 3.5))),
        "mouth_gap": gap, "drop": drop, "lip_line": pick(thin, uniform(0.005, 0.013), 0 * half),
        "lip_shine": pick(thin, 0 * half, uniform(0, 1)),
        "smile": pick(kinds.robot, 0 * half, half * uniform(-0.12, 0.3)),
    }  # fmt: skip


def _vary_hair(values: Values, kinds: Kinds, uniform: Uniform, chance: Chance) -> Values:
    pick = torch.where
    eye_top = values["eye_place"][:, 1:] - values["eye_size"][:, 1:]
    height = (eye_top - uniform(0.07, 0.24)).clamp(min=-0.42).maximum(0.04 - values["head_top"])
    # A slanting or bowed hairline leaves the eyes free.
    reach = values["eye_place"][:, :1] + values["eye_size"][:, :1]
    slant, bow = values["hairline"][:, 1:2], values["hairline"][:, 2:3]
    lower = (slant.abs() * reach + bow * reach**2).clamp(min=1e-4)
    free = (0.8 * (eye_top - height) / lower).clamp(0, 1)
    bald = chance(0.12) * (1 - kinds.child.float())
    hairy = (1 - bald) * (1 - kinds.creature.float())
    volume = pick(uniform(0, 1) < 0.2, uniform(0.1, 0.3), values["cap"][:, :1])
    return {
        "hairline": torch.cat([height, slant * free, bow * free, values["hairline"][:, 3:]], 1), "hair_on": hairy,
        "cap": torch.cat([volume, values["cap"][:, 1:2] + 0.6 * (volume - values["cap"][:, :1]).clamp(min=0),
                          uniform(-0.25, 0.3)], 1),
        "back_hair": torch.cat([values["back_hair"][:, :1] * hairy, values["back_hair"][:, 1:]], 1),
        "bun": torch.cat([values["bun"][:, :1] * hairy, values["bun"][:, 1:]], 1),
        "beard": torch.cat([chance(0.2) * (1 - kinds.child.float()) * (1 - kinds.creature.float()) * uniform(0.4, 1),
                            uniform(-0.02, 0.2)], 1),
        "moustache": chance(0.14) * (1 - kinds.child.float()) * (1 - kinds.creature.float()) * uniform(0.5, 1),
    }  # fmt: skip


def _vary_wear(values: Values, kinds: Kinds, uniform: Uniform, chance: Chance) -> Values:
    person = 1 - kinds.creature.float()
    brow = values["eye_place"][:, 1:] - values["brow_place"] - 0.04
    hat_line = brow.minimum(values["hairline"][:, :1] + 0.05) - uniform(0.0, 0.06)
    what = uniform(0, 1)
    hat, veil = (what < 0.16).float() * person, ((what > 0.16) & (what < 0.25)).float() * person
    phones = ((what > 0.25) & (what < 0.29)).float()
    brim = torch.where(uniform(0, 1) < 0.45, uniform(0.01, 0.04), uniform(0.12, 0.34))
    wide, down = values["eye_size"][:, :1], values["eye_place"]
    lens = (wide * uniform(1.15, 1.5)).clamp(0.11, 0.2).minimum(down[:, :1] - 0.012)
    dark = chance(0.12)
    return {
        "hat": torch.cat([hat, hat_line, values["head_top"] + uniform(0.04, 0.28), brim, uniform(2, 5)], 1),
        "veil": torch.cat([veil, uniform(0.03, 0.09), uniform(0.06, 0.16)], 1),
        "hair_on": values["hair_on"] * (1 - veil), "phones": phones,
        "back_hair": torch.cat([values["back_hair"][:, :1] * (1 - veil), values["back_hair"][:, 1:]], 1),
        "bun": torch.cat([values["bun"][:, :1] * (1 - veil) * (1 - hat), values["bun"][:, 1:]], 1),
        "scarf": torch.cat([chance(0.08) * (1 - veil), uniform(0.12, 0.24)], 1),
        "glasses": torch.cat([chance(0.25) * uniform(0.7, 1), lens], 1),
        "lens": torch.cat([torch.where(dark > 0, uniform(0.75, 1.0), uniform(0.0, 0.15)), uniform(0.15, 1),
                           uniform(0.7, 1)], 1),
        "lens_colour": torch.where(dark > 0, uniform(0.03, 0.2, 3), uniform(0.7, 1, 3)),
        "earring": chance(0.15) * uniform(0.5, 1) * (1 - veil) * person,
    }  # fmt: skip


def _vary_colours(values: Values, kinds: Kinds, uniform: Uniform, chance: Chance) -> Values:
    pick = torch.where
    skin = (
        blend_palette(SKINS, uniform(0, 1)) * uniform(0.85, 1.02) + uniform(-0.03, 0.03, 3)
    ).clamp(0.08, 1)
    odd = kinds.drawn & (uniform(0, 1) < 0.25)
    skin = pick(odd, draw_shade(uniform, 0.4), skin)
    skin = pick(
        kinds.robot, torch.lerp(uniform(0.4, 0.9), draw_shade(uniform, 0.4), uniform(0, 0.7)), skin
    )
    fur = (pick_colour(FURS, uniform(0, 1)) * uniform(0.8, 1.1) + uniform(-0.04, 0.04, 3)).clamp(
        0.1, 1
    )
    skin = pick(kinds.animal & ~odd, fur, skin)
    paper = uniform(0.9, 1) * (1 - uniform(0, 0.12) * skin.new_tensor([0.0, 0.3, 1.0]))
    skin = pick(kinds.lines, paper, skin)
    hair = (pick_colour(HAIRS, uniform(0, 1)) * uniform(0.8, 1.1) + uniform(-0.03, 0.03, 3)).clamp(
        0.05, 0.97
    )
    hair = pick(kinds.old, (uniform(0.5, 0.95) + uniform(-0.03, 0.03, 3)).clamp(0.3, 0.95), hair)
    hair = pick(odd & (uniform(0, 1) < 0.6), draw_shade(uniform, 0.2), hair)
    hair = pick(kinds.lines & (uniform(0, 1) < 0.5), paper, hair)
    lip = torch.lerp(
        skin * skin.new_tensor([0.88, 0.66, 0.64]),
        skin.new_tensor([0.72, 0.25, 0.27]),
        uniform(0, 0.6),
    )
    lip = pick(values["lip_line"] > 0, torch.lerp(skin * 0.3, skin * 0 + 0.08, uniform(0, 1)), lip)
    ground = pick(
        kinds.lines & (uniform(0, 1) < 0.7), uniform(0.88, 1) + 0 * skin, draw_shade(uniform, 0.08)
    )
    far = torch.lerp(
        ground, draw_shade(uniform, 0.08), pick(kinds.photo, uniform(0.2, 1), uniform(0, 0.6))
    )
    cloth = pick(kinds.lines & (uniform(0, 1) < 0.6), paper, draw_shade(uniform, 0.06))
    return {
        "skin": skin, "hair": hair, "lip": lip.clamp(0.05, 0.95), "ground": ground, "ground_far": far,
        "iris": pick(odd, draw_shade(uniform, 0.1, 0.7),
                     (pick_colour(IRISES, uniform(0, 1)) * uniform(0.7, 1.1)).clamp(0.04, 0.7)),
        "cloth": cloth, "cloth_far": draw_shade(uniform, 0.1), "cover": draw_shade(uniform, 0.1),
        "cover_far": draw_shade(uniform, 0.1), "glasses_colour": draw_shade(uniform, 0.04, 0.7),
        "blush": pick(kinds.lines, chance(0.3) * uniform(0, 0.6), uniform(0, 0.5)),
        "brow_colour": torch.cat([skin * 0.2, kinds.lines | (kinds.drawn & (uniform(0, 1) < 0.3))], 1),
    }  # fmt: skip


def _vary_style(kinds: Kinds, uniform: Uniform, chance: Chance) -> Values:
    pick = torch.where
    nothing = 0 * uniform(0, 1)
    some = chance(0.35)
    grain = pick(kinds.photo, uniform(0.3, 1.0, 4), some * uniform(0.1, 0.8, 4))
    grain = grain * grain.new_tensor([0.09, 0.4, 0.3, 0.25])
    grain = pick(kinds.lines, 0.3 * grain, grain)
    outline = pick(kinds.inked | kinds.lines, uniform(0.8, 1), chance(0.15) * uniform(0.4, 0.9))
    ink = torch.cat([uniform(0, 0.16, 3), pick(kinds.lines, nothing + 1, pick(kinds.inked, chance(0.7), nothing)),
                     uniform(0.008, 0.024)], 1)  # fmt: skip
    room = chance(0.5)
    boxes = {
        name: torch.cat([room * chance(0.7) * uniform(0.4, 1), uniform(-1, 1, 2), uniform(0.04, 0.5, 2)], 1)
        for name in ("box_one", "box_two", "box_three")
    }  # fmt: skip
    angle = uniform(-3.14, 3.14)
    relief = pick(kinds.photo, uniform(0.25, 0.8), chance(0.35) * uniform(0, 0.5))
    return boxes | {
        "grain": grain, "roughness": uniform(0.0, 1, 3) * uniform(0.4, 1.0, 3) * nothing.new_tensor([0.7, 1.2, 2.5]),
        "outline": pick(kinds.photo, nothing, outline), "ink": ink, "sharp": uniform(0, 1),
        "relief": torch.cat([pick(kinds.lines, 0.2 * relief, relief), angle.sin(), angle.cos()], 1),
        "sheen": pick(kinds.photo | kinds.robot, uniform(0, 0.35), chance(0.2) * uniform(0, 0.3)),
        "glow": torch.cat([pick(kinds.photo, uniform(0, 0.5), chance(0.2) * uniform(0, 0.4)), uniform(-1, 1, 2)], 1),
        "wrinkles": torch.cat([pick(kinds.old, uniform(0.4, 1), pick(kinds.photo, uniform(0, 0.25), nothing)),
                               uniform(0, 6.28)], 1),
        "freckles": chance(0.12) * uniform(0.2, 0.6), "light": uniform(-1, 1),
        "pattern": torch.cat([chance(0.35) * uniform(0.2, 0.8), uniform(8, 40), uniform(0, 1)], 1),
    }  # fmt: skip


def _vary_creatures(values: Values, kinds: Kinds, uniform: Uniform, chance: Chance) -> Values:
    animal, robot = kinds.animal.float(), kinds.robot.float()
    pick, nose, place = torch.where, values["nose"], values["mouth_place"]
    half = values["mouth_size"][:, :1]
    furry = pick(kinds.animal & kinds.photo, uniform(0.08, 0.25), values["grain"][:, :1])
    return {
        "muzzle": torch.cat([animal * chance(0.8), (half * uniform(1.1, 1.5)).minimum(values["head_width"] * 0.75),
                             (place - nose[:, :1]).clamp(min=0.08) + uniform(0.05, 0.12), uniform(0.1, 0.6)], 1),
        "snout": animal, "antenna": torch.cat([robot * chance(0.7), uniform(0.1, 0.3)], 1),
        "animal_ear": torch.cat([animal, values["head_width"] * uniform(0.55, 0.85), uniform(0.1, 0.2),
                                 uniform(0.14, 0.5), chance(0.5)], 1),
        "ear": pick(kinds.animal, 0.02 + 0 * values["ear"], values["ear"]),
        "earring": values["earring"] * (1 - animal) * (1 - robot),
        "grain": torch.cat([furry, values["grain"][:, 1:]], 1),
        "nose": pick(kinds.animal, torch.cat([nose[:, :1], uniform(0.05, 0.1), uniform(0.03, 0.06)], 1), nose),
        "nose_on": values["nose_on"] * (1 - robot) * (1 - 0.5 * animal),
    }  # fmt: skip


def _vary_place(values: Values, kinds: Kinds, uniform: Uniform) -> Values:
    pick = torch.where
    size = pick(uniform(0, 1) < 0.5, uniform(0.8, 1.1), uniform(0.55, 1.25))
    far = (1.3 - size).clamp(0.05, 0.5)
    across = uniform(-0.6, 0.6) * far
    down = (-0.12 + uniform(-0.6, 0.5) * far).maximum(size * (values["head_top"] * 0.6) - 0.95)
    turn = pick(uniform(0, 1) < 0.5, uniform(-0.25, 0.25), uniform(-1, 1)) * (
        1 - 0.6 * kinds.robot.float()
    )
    tilt = pick(uniform(0, 1) < 0.6, uniform(-0.1, 0.1), uniform(-0.35, 0.35))
    return {
        "size": size, "centre": torch.cat([across, down], 1), "tilt": tilt,
        "turn": turn * _turn_room(values),
    }  # fmt: skip


def _turn_room(values: Values) -> Tensor:
    """How far each may turn, 0..1, before the far eye or the far corner of the mouth leaves the head [n, 1]."""
    width = values["head_width"]
    reach = values["eye_place"][:, :1] + values["eye_size"][:, :1]
    reach = torch.maximum(
        reach, values["mouth_size"][:, :1] * (1 + 0.2 * values["jaw"].clamp(min=0))
    )
    return ((0.98 * width - 0.86 * reach) / 0.17).clamp(0.1, 1)


def _vary_grin(values: Values, kinds: Kinds) -> Values:
    """How a smile shows: on photographs nearly always as on people, with creases and teeth of one height; on drawings now and then. Their seed decides, so that nothing else of anybody is drawn otherwise."""
    number = torch.remainder(values["seed"], 4096)
    share = torch.frac(number * number.new_tensor([0.613, 0.271, 0.839, 0.457, 0.193]))
    people = (share[:, :1] < torch.where(kinds.photo, 0.9, 0.3)).float()
    people = people * (1 - kinds.creature.float())
    teeth = values["mouth_size"][:, :1] * (0.24 + 0.12 * share[:, 1:2])
    return {
        "grin": torch.cat([people, teeth, share[:, 2:] * people], 1),
        "mouth_gap": values["mouth_gap"] * (1 - 0.14 * people),
    }


def _vary_rest(uniform: Uniform) -> Values:
    """The expression of the picture that a film begins with: two in five are neutral; a quarter smile broadly with teeth, as people in photographs do; others smile, look sad, cross or surprised, or have their mouth ajar."""
    what = uniform(0, 1)
    nothing = 0 * what
    smile, ajar, width, squint, brow, slant = (nothing.clone() for _ in range(6))
    width = width + 0.5
    strong = uniform(0.4, 1)
    grin, teeth = (what > 0.4) & (what < 0.54), (what > 0.54) & (what < 0.82)
    smile = torch.where(grin | teeth, strong, smile)
    squint = torch.where(grin | teeth, 0.4 * strong, squint)
    ajar = torch.where(teeth, uniform(0.12, 0.45), ajar)
    width = torch.where(teeth, uniform(0.5, 0.95), width)
    ajar = torch.where((what > 0.82) & (what < 0.9), uniform(0.06, 0.35), ajar)
    sad, cross, wide = ((what > at) & (what < at + 0.035) for at in (0.9, 0.935, 0.97))
    smile = torch.where(sad | cross, -0.7 * strong, smile)
    slant = torch.where(sad, strong, torch.where(cross, -strong, slant))
    brow = torch.where(wide, strong, torch.where(cross, -0.5 * strong, brow))
    squint = torch.where(wide, -strong, torch.where(cross, 0.4 * strong, squint))
    aside = (uniform(0, 1) < 0.3).float() * uniform(-0.8, 0.8, 2)
    return {"rest": torch.cat([smile, ajar, width, squint, brow, slant, aside], 1)}
