"""Plain portraits: faces that look straight at you, flat, in the middle of the picture, as the examples' are."""

from collections.abc import Callable

import torch
from torch import Tensor

Uniform = Callable[..., Tensor]
Chance = Callable[[float], Tensor]
SKINS = (
    (0.99, 0.88, 0.80), (0.97, 0.82, 0.71), (0.94, 0.76, 0.62), (0.89, 0.69, 0.53),
    (0.82, 0.60, 0.44), (0.72, 0.50, 0.35), (0.60, 0.40, 0.28), (0.50, 0.33, 0.24),
)  # fmt: skip
HAIRS = (
    (0.13, 0.11, 0.12), (0.20, 0.14, 0.12), (0.30, 0.19, 0.13), (0.42, 0.27, 0.16),
    (0.58, 0.38, 0.20), (0.84, 0.67, 0.38), (0.93, 0.83, 0.60), (0.66, 0.28, 0.13),
    (0.55, 0.55, 0.58), (0.86, 0.86, 0.88), (0.30, 0.36, 0.62), (0.80, 0.42, 0.55),
)  # fmt: skip
IRISES = (
    (0.28, 0.17, 0.10), (0.36, 0.22, 0.12), (0.20, 0.13, 0.10), (0.25, 0.42, 0.62),
    (0.28, 0.48, 0.36), (0.42, 0.46, 0.48), (0.12, 0.11, 0.12),
)  # fmt: skip


def draw_portraits(n: int, generator: torch.Generator) -> dict[str, Tensor]:
    """The columns of `n` plain presenters by name, different in build, colours, hair, clothes and background."""
    device = generator.device

    def uniform(low: float, high: float, columns: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(n, columns, generator=generator, device=device)

    def chance(probability: float) -> Tensor:
        return (uniform(0, 1) < probability).float()

    values = _draw_colours(n, generator) | _draw_build(uniform) | _draw_features(uniform, chance)
    return values | _draw_hair(uniform, chance) | _draw_extras(uniform, chance)


def _draw_colours(n: int, generator: torch.Generator) -> dict[str, Tensor]:
    def uniform(low: float, high: float, columns: int = 1) -> Tensor:
        noise = torch.rand(n, columns, generator=generator, device=generator.device)
        return low + (high - low) * noise

    skin = blend_palette(SKINS, uniform(0, 1)) + uniform(-0.03, 0.03) + uniform(-0.02, 0.02, 3)
    hair = pick_colour(HAIRS, uniform(0, 1)) + uniform(-0.03, 0.05) + uniform(-0.03, 0.03, 3)
    red = skin.new_tensor([0.78, 0.27, 0.30])
    lip = torch.lerp(skin * skin.new_tensor([0.88, 0.66, 0.64]), red, uniform(0.05, 0.6))
    ground = draw_shade(uniform)
    return {
        "skin": skin.clamp(0.1, 1), "hair": hair.clamp(0.06, 0.96), "lip": lip.clamp(0.1, 0.95),
        "iris": (pick_colour(IRISES, uniform(0, 1)) + uniform(-0.03, 0.03, 3)).clamp(0.06, 0.7),
        "ground": ground, "ground_far": torch.lerp(ground, draw_shade(uniform), uniform(0, 0.6)),
        "disc_colour": torch.lerp(ground, draw_shade(uniform), uniform(0.2, 0.8)),
        "stripe_colour": torch.lerp(ground, draw_shade(uniform), uniform(0.1, 0.5)),
        "cloth": draw_shade(uniform, 0.12), "cloth_far": draw_shade(uniform, 0.12),
        "glasses_colour": draw_shade(uniform, 0.1, 0.5),
    }  # fmt: skip


def _draw_build(uniform: Uniform) -> dict[str, Tensor]:
    return {
        "ground_slant": uniform(-3.14, 3.14),
        "centre": torch.cat([uniform(-0.05, 0.05), uniform(-0.14, -0.04)], 1),
        "size": uniform(0.9, 1.1), "head_width": uniform(0.42, 0.52),
        "head_top": uniform(0.50, 0.58), "head_bottom": uniform(0.53, 0.63),
        "jaw": uniform(0.0, 0.42), "neck": uniform(0.17, 0.24),
        "ear": torch.cat([uniform(0.06, 0.1), uniform(0.09, 0.14)], 1),
        "shoulder": torch.cat([uniform(0.6, 0.9), uniform(0.62, 0.76), uniform(0.3, 0.5)], 1),
        "light": uniform(-1, 1), "blush": uniform(0, 0.5),
    }  # fmt: skip


def _draw_features(uniform: Uniform, chance: Chance) -> dict[str, Tensor]:
    eye = torch.cat([uniform(0.085, 0.125), uniform(0.05, 0.088)], 1)
    dots = chance(0.12)
    return {
        "eye_place": torch.cat([uniform(0.165, 0.21), uniform(-0.09, 0.01)], 1),
        "eye_size": eye, "eye_white": 1 - dots, "iris_size": uniform(0.046, 0.062),
        "lash": uniform(0.008, 0.022), "lid": uniform(0, 0.22),
        "brow_place": uniform(0.115, 0.165),
        "brow_shape": torch.cat([uniform(0.09, 0.13), uniform(0.012, 0.03), uniform(-0.2, 0.3),
                                 uniform(0, 0.05)], 1),
        "nose": torch.cat([uniform(0.13, 0.2), uniform(0.045, 0.085), uniform(0.03, 0.05)], 1),
        "nose_on": torch.cat([uniform(0.1, 0.55), chance(0.3) * uniform(0.2, 0.5)], 1),
        "mouth_place": uniform(0.32, 0.38),
        "mouth_size": torch.cat([uniform(0.20, 0.255), uniform(0.022, 0.042),
                                 uniform(0.034, 0.058)], 1),
        "smile": uniform(0.015, 0.08),
    }  # fmt: skip


def _draw_hair(uniform: Uniform, chance: Chance) -> dict[str, Tensor]:
    bangs = chance(0.25)
    curly = chance(0.3)
    back = torch.cat([chance(0.5) * uniform(0.3, 1), uniform(0.03, 0.13), uniform(0.2, 0.7)], 1)
    volume = uniform(0.02, 0.09) + curly * uniform(0, 0.12)
    return {
        "cap": torch.cat([volume, uniform(0.03, 0.11) + curly * uniform(0, 0.1),
                          uniform(-0.08, 0.12)], 1),
        # height, slant, bow and wave of the line between hair and forehead
        "hairline": torch.cat([uniform(-0.37, -0.27) + bangs * uniform(0.03, 0.08),
                               uniform(-0.3, 0.3) * (1 - bangs), uniform(0.2, 1.1) * (1 - bangs),
                               chance(0.4) * uniform(0.0, 0.025)], 1),
        "sideburn": uniform(-0.15, 0.15),
        "bumps": torch.cat([curly * uniform(0.01, 0.035), uniform(8, 16).round(),
                            uniform(0, 6.28)], 1),
        "back_hair": back, "hair_on": 1 - chance(0.07),
        "bun": torch.cat([chance(0.12) * uniform(0.12, 0.2), uniform(-0.15, 0.15),
                          uniform(0.02, 0.1)], 1),
    }  # fmt: skip


def _draw_extras(uniform: Uniform, chance: Chance) -> dict[str, Tensor]:
    disc = torch.cat([uniform(-1, 1), uniform(-1, 0.4), uniform(0.15, 0.7), chance(0.5)], 1)
    stripe = torch.cat([uniform(2, 7), uniform(-0.8, 0.8), chance(0.3) * uniform(0.3, 1)], 1)
    bearded = chance(0.2)
    return {
        "disc": disc, "stripe": stripe,
        "neckline": torch.cat([uniform(0.15, 0.3), uniform(0.05, 0.3)], 1),
        "collar": chance(0.4) * uniform(0.7, 1), "outline": chance(0.25) * uniform(0.4, 0.9),
        "beard": torch.cat([bearded * uniform(0.35, 0.8), uniform(0.0, 0.2)], 1),
        "moustache": bearded * chance(0.6) * uniform(0.3, 0.8),
        "glasses": torch.cat([chance(0.25) * uniform(0.6, 1), uniform(0.13, 0.165)], 1),
        "earring": chance(0.2) * uniform(0.5, 1), "freckles": chance(0.15) * uniform(0.2, 0.6),
    }  # fmt: skip


def blend_palette(palette: tuple[tuple[float, float, float], ...], at: Tensor) -> Tensor:
    """Colours [n, 3] between neighbours of a palette, at [n, 1] in 0..1."""
    colours = at.new_tensor(palette)
    place = at[:, 0] * (len(palette) - 1)
    low = place.floor().long().clamp(max=len(palette) - 2)
    return torch.lerp(colours[low], colours[low + 1], (place - low)[:, None])


def pick_colour(palette: tuple[tuple[float, float, float], ...], at: Tensor) -> Tensor:
    """Colours [n, 3] of a palette, at [n, 1] in 0..1."""
    return at.new_tensor(palette)[(at[:, 0] * len(palette)).long().clamp(max=len(palette) - 1)]


def draw_shade(uniform: Uniform, darkest: float = 0.2, brightest: float = 1.0) -> Tensor:
    """A colour of any hue, more often muted than loud."""
    hue, value = uniform(0, 1), uniform(darkest, brightest)
    wheel = torch.cat([hue, hue + 1 / 3, hue + 2 / 3], 1)
    pure = (0.5 + 0.8 * torch.cos(wheel * 6.2832)).clamp(0, 1)
    return (value * torch.lerp(torch.ones_like(pure), pure, uniform(0, 0.75).square())).clamp(0, 1)
