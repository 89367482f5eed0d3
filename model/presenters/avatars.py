"""Presenters as `longtake avatar` draws them: in one style, upright, with a shut mouth and the whole head in the picture."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.presenters.face import Finish, eye_boxes, mouth_box, render_faces, rest_motion
from model.presenters.identity import join_columns
from model.presenters.portraits import (
    HAIRS,
    IRISES,
    SKINS,
    Uniform,
    blend_palette,
    draw_portraits,
    pick_colour,
)
from model.presenters.variety import (
    FLAT,
    FURS,
    INKED,
    LINES,
    PHOTO,
    PLAIN,
    Values,
    vary_portraits,
)

STYLES = {"flat": FLAT, "outlined": INKED, "shaded": FLAT, "textured": PHOTO, "line": LINES}
GROUNDS = (
    (0.95, 0.83, 0.66), (0.72, 0.84, 0.86), (0.96, 0.78, 0.70), (0.76, 0.82, 0.70),
    (0.84, 0.78, 0.90), (0.55, 0.70, 0.74), (0.93, 0.88, 0.80), (0.32, 0.42, 0.50),
    (0.98, 0.87, 0.56), (0.62, 0.74, 0.90), (0.40, 0.50, 0.44), (0.88, 0.66, 0.62),
)  # fmt: skip
CLOTHS = (
    (0.16, 0.24, 0.40), (0.74, 0.30, 0.26), (0.22, 0.44, 0.42), (0.93, 0.91, 0.86),
    (0.88, 0.62, 0.24), (0.42, 0.30, 0.44), (0.20, 0.21, 0.24), (0.40, 0.54, 0.36),
    (0.90, 0.56, 0.50), (0.46, 0.62, 0.76), (0.13, 0.33, 0.36), (0.30, 0.34, 0.58),
)  # fmt: skip
METALS = (
    (0.72, 0.76, 0.80), (0.56, 0.66, 0.74), (0.86, 0.80, 0.68), (0.62, 0.74, 0.68),
    (0.85, 0.62, 0.50), (0.80, 0.82, 0.84),
)  # fmt: skip
FRAMES = ((0.12, 0.11, 0.13), (0.34, 0.20, 0.14), (0.20, 0.26, 0.42), (0.62, 0.46, 0.24))
PAPER = (0.99, 0.97, 0.94)
NATURAL_HAIRS = 10
"""So many of HAIRS are no dye's."""


@dataclass(frozen=True)
class Drawing:
    """A picture of a presenter."""

    pixels: NDArray[np.uint8]
    """[size, size, 3]."""
    places: tuple[tuple[float, float], ...]
    """The middle (x, y) in pixels of the mouth, of the left and of the right eye."""


def draw_avatar(seed: int, style: str, size: int) -> Drawing:
    """A presenter of one of STYLES: the same seed and style are the same person at every size."""
    identity = draw_sitter(seed, style)
    rest = rest_motion(identity)
    picture = _render_finely(identity, rest, size)
    pixels = (picture.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    boxes = [mouth_box(identity, rest)[0, 0], *eye_boxes(identity, rest)[0, 0]]
    places = tuple(((float(x) + 1) * size / 2, (float(y) + 1) * size / 2) for x, y, *_ in boxes)
    return Drawing(pixels, places)


def _render_finely(identity: Tensor, rest: Tensor, size: int) -> Tensor:
    """The picture [3, size, size], its outlines as many pixels wide at every size; eyes, whose lids rise steeply, are drawn twice as large and reduced."""
    finish = Finish(min(1.0, 0.8 * 256 / size), size)
    picture = render_faces(identity, rest, size, finish=finish)[0, 0]
    boxes = (eye_boxes(identity, rest)[0, 0] + torch.tensor([1.0, 1.0, 0.0, 0.0])) * size / 2
    middle, half = boxes[:, :2], 1.2 * boxes[:, 2:] + 4
    left, top = (middle - half).amin(0).floor().int().clamp(0, size).tolist()
    right, bottom = (middle + half).amax(0).ceil().int().clamp(0, size).tolist()
    window = (2 * left, 2 * top, 2 * right, 2 * bottom)
    fine = render_faces(identity, rest, 2 * size, window, finish)[0, 0]
    picture[:, top:bottom, left:right] = F.avg_pool2d(fine, 2)
    return picture


def draw_sitter(seed: int, style: str) -> Tensor:
    """Someone of any age and build who looks at you, friendly: an identity [1, I]."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, columns: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(1, columns, generator=generator)

    values = draw_portraits(1, generator)
    values |= {name: torch.tensor([row]) for name, row in PLAIN.items()}
    values["seed"] = torch.randint(1, 1 << 20, (1, 1), generator=generator).float()
    values = vary_portraits(values, 1, generator, STYLES[style])
    values |= _calm_features(values, uniform)
    values |= _comb_hair(values)
    values |= _choose_colours(values, style, uniform)
    values |= _choose_finish(values, style, uniform)
    return join_columns(values | _sit_upright(values, uniform))


def _calm_features(values: Values, uniform: Uniform) -> Values:
    """A shut mouth that smiles a little, below the nose and above the chin; eyes that do not stare, glasses to look through."""
    half, upper, lower = values["mouth_size"].split(1, 1)
    wide, high = values["eye_size"].split(1, 1)
    wide, high = wide.clamp(max=0.13), high.clamp(max=0.09)
    rest = torch.cat([uniform(0.1, 0.5), torch.tensor([[0.0, 0.5, 0.0]]), uniform(0, 0.25),
                      torch.zeros(1, 3)], 1)  # fmt: skip
    seen = values["iris_size"].maximum(0.66 * high).minimum(0.6 * wide)
    place = values["mouth_place"].minimum(values["head_bottom"] - 0.17)
    nose = values["nose"][:, :1].minimum(place - 0.10)
    half = half.clamp(max=0.21)
    across, brow = values["eye_place"][:, :1], values["brow_shape"]
    return {
        "rest": rest, "smile": values["smile"].maximum(0.12 * half), "mouth_place": place,
        "mouth_size": torch.cat([half, upper, lower], 1),
        "nose": torch.cat([nose, values["nose"][:, 1:]], 1),
        "eye_size": torch.cat([wide, high], 1),
        "iris_size": torch.where(values["eye_white"] > 0, seen, values["iris_size"]),
        "lid": values["lid"].clamp(max=0.15), "brow_on": torch.ones(1, 1),
        "brow_place": values["brow_place"].clamp(max=0.15),
        "brow_shape": torch.cat([across.mul(0.8).minimum(brow[:, :1]), brow[:, 1:]], 1),
        "lens": values["lens"] * torch.tensor([[0.0, 1.0, 1.0]]),
        "grin": torch.tensor([PLAIN["grin"]]),
    }  # fmt: skip


def _comb_hair(values: Values) -> Values:
    """Hair that leaves the brows free, goes under a hat and over what hangs behind it, and lies close to the head where it is short, as do beards."""
    long, hat = values["back_hair"][:, :1] > 0.05, values["hat"][:, :1] > 0
    volume, lift, low = values["cap"].split(1, 1)
    volume = torch.where(long & ~hat, volume.clamp(max=0.16), volume.clamp(max=0.05))
    lift = torch.where(hat, lift.clamp(max=0.03), lift)
    low = torch.where(long, low, low.clamp(-0.12, 0.02))
    spread = values["back_hair"][:, 1:2].maximum(volume + 0.01)
    height, slant, bow, wave = values["hairline"].split(1, 1)
    brow = values["eye_place"][:, 1:] - values["brow_place"]
    height = height.minimum(brow - 0.07).maximum(0.06 - values["head_top"])
    on, line, high, brim, power = values["hat"].split(1, 1)
    beard, short = values["beard"].split(1, 1), (~long & (values["veil"][:, :1] == 0)).float()
    return {
        "cap": torch.cat([volume, lift, low], 1), "sideburn": values["sideburn"].clamp(max=0.08),
        "bumps": values["bumps"] * torch.cat([(~hat).float(), torch.ones(1, 2)], 1),
        "back_hair": torch.cat([values["back_hair"][:, :1], spread, values["back_hair"][:, 2:]], 1),
        "hairline": torch.cat([height, 0.6 * slant, 0.6 * bow, wave], 1),
        "hat": torch.cat([on, line.minimum(brow - 0.03), high.minimum(values["head_top"] + 0.2),
                          brim.clamp(max=0.15), power], 1),
        "beard": torch.cat([short * (beard[0] > 0) * 0.9, beard[1].clamp(min=0.1)], 1),
        "moustache": short * (values["moustache"] > 0) * 0.9,
        "ear": torch.where(values["veil"][:, :1] > 0, 0.02, values["ear"]),
    }  # fmt: skip


def _choose_colours(values: Values, style: str, uniform: Uniform) -> Values:
    """Colours that go together; those of fur, metal or paper where that is what it is made of."""
    robot, animal = values["head_power"] > 4, values["snout"] > 0
    skin = blend_palette(SKINS, uniform(0, 1)) + uniform(-0.02, 0.02)
    skin = torch.where(animal, pick_colour(FURS, uniform(0, 1)), skin)
    skin = torch.where(robot, pick_colour(METALS, uniform(0, 1)), skin)
    dyed, old = uniform(0, 1) < 0.1, values["wrinkles"][:, :1] > 0.39
    hair = pick_colour(HAIRS[:NATURAL_HAIRS], uniform(0, 1))
    hair = torch.where(dyed, pick_colour(CLOTHS, uniform(0, 1)), hair)
    hair = torch.where(old, uniform(0.5, 0.74) * hair.new_tensor([1.0, 0.99, 0.97]), hair)
    ground, cloth = pick_colour(GROUNDS, uniform(0, 1)), pick_colour(CLOTHS, uniform(0, 1))
    disc = torch.lerp(ground, torch.ones(1, 3), 0.35)
    if style == "line":
        skin, disc = torch.tensor([PAPER]), ground
        ground = 0.98 * skin
        cloth = torch.where(uniform(0, 1) < 0.5, skin, cloth)
        hair = torch.where(uniform(0, 1) < 0.3, skin, hair)
    lip = torch.lerp(
        skin * skin.new_tensor([0.86, 0.60, 0.58]),
        skin.new_tensor([0.72, 0.25, 0.27]),
        uniform(0, 0.4),
    )
    lip = torch.where(values["lip_line"] > 0, skin * 0.22, lip)
    far, iris = pick_colour(GROUNDS, uniform(0, 1)), pick_colour(IRISES, uniform(0, 1))
    iris = torch.where(values["eye_white"] > 0, iris, iris.new_tensor([0.13, 0.11, 0.12]))
    return {
        "skin": skin.clamp(0.1, 1), "hair": hair, "lip": lip, "ground": ground,
        "ground_far": torch.lerp(ground, far, 0.3 * (style != "line")),
        "disc_colour": disc, "cloth": cloth, "cloth_far": pick_colour(CLOTHS, uniform(0, 1)),
        "cover": pick_colour(CLOTHS, uniform(0, 1)), "cover_far": pick_colour(CLOTHS, uniform(0, 1)),
        "glasses_colour": pick_colour(FRAMES, uniform(0, 1)), "iris": iris,
        "brow_colour": torch.cat([skin * 0.2, (values["brow_colour"][:, 3:] > 0).float()], 1),
    }  # fmt: skip


def _choose_finish(values: Values, style: str, uniform: Uniform) -> Values:
    """What the style is made with: ink, light, grain; and a quiet background."""
    inked = float(style in {"outlined", "line"})
    relief = {"shaded": 0.4, "textured": 0.36}.get(style, 0.0)
    grain = torch.tensor([[0.032, 0.22, 0.11, 0.05]]) * float(style == "textured")
    furry = (values["snout"] > 0) & (style == "textured")
    grain[:, :1] = torch.where(furry, 0.10, grain[:, :1])
    none = torch.zeros(1, 1)
    side = 1.0 - 2.0 * (uniform(0, 1) < 0.5).float()
    ink = torch.cat([torch.tensor([[0.13, 0.10, 0.12, inked]]), uniform(0.012, 0.018)], 1)
    disc = torch.cat(
        [none, none - 0.1, uniform(0.6, 0.8), ((style == "line") | (uniform(0, 1) < 0.5)).float()],
        1,
    )
    boxes = {name: torch.zeros_like(values[name]) for name in ("box_one", "box_two", "box_three")}
    return boxes | {
        "outline": none + inked, "ink": ink, "grain": grain, "sharp": none + 1, "disc": disc,
        "relief": torch.cat([none + relief, 0.6 * side, none + 0.8], 1),
        "sheen": none + 0.3 * relief, "glow": torch.cat([none + 0.3 * relief, 0.5 * side, none - 0.5], 1),
        "roughness": torch.tensor([[0.8, 0.8, 1.6]]), "stripe": values["stripe"] * 0,
        "blush": uniform(0.1, 0.45) * (style != "line") * (values["head_power"] < 4),
        "wrinkles": values["wrinkles"].clamp(max=0.7) if style != "flat" else values["wrinkles"] * 0.6,
        "pattern": values["pattern"] * torch.tensor([[0.7, 1.0, 1.0]]),
    }  # fmt: skip


def _sit_upright(values: Values, uniform: Uniform) -> Values:
    """In the middle, with a face half as high as the picture, and room above for hair, hat, ears and antenna."""
    top, bottom = values["head_top"], values["head_bottom"]
    above = torch.cat([
        values["hair_on"] * (values["cap"][:, 1:2] + values["bumps"][:, :1]),
        values["hat"][:, :1] * (values["hat"][:, 2:3] - top), values["veil"][:, :1] * values["veil"][:, 2:],
        (values["bun"][:, :1] > 0.05) * (values["bun"][:, :1] * 0.6 + values["bun"][:, 2:]),
        values["animal_ear"][:, :1] * (values["animal_ear"][:, 3:4] - 0.25 * top),
        values["antenna"][:, :1] * (values["antenna"][:, 1:] + 0.05), 0 * top,
    ], 1).amax(1, keepdim=True)  # fmt: skip
    size = (
        (1.06 / (top + bottom))
        .minimum(1.5 / (top + above + bottom))
        .minimum(0.5 / values["head_width"])
    )
    down = (-0.08 + 0.5 * size * (top - bottom)).maximum(size * (top + above) - 0.92)
    return {
        "size": size, "centre": torch.cat([uniform(-0.02, 0.02), down], 1),
        "tilt": uniform(-0.05, 0.05), "turn": 0.3 * values["turn"],
    }  # fmt: skip
