"""Who a drawn presenter is: every shape and colour that does not move, as one row of numbers."""

import torch
from torch import Tensor

from model.presenters.portraits import draw_portraits
from model.presenters.strokes import SOFT, soft_mask
from model.presenters.variety import PLAIN, vary_portraits

# Name -> how many columns. Lengths are in half pictures (the picture spans −1..1 both ways).
LAYOUT: dict[str, int] = {
    "ground": 3, "ground_far": 3, "ground_slant": 1, "disc": 4, "disc_colour": 3,
    "stripe": 3, "stripe_colour": 3, "skin": 3, "hair": 3, "lip": 3, "iris": 3, "cloth": 3,
    "cloth_far": 3, "centre": 2, "size": 1, "head_width": 1, "head_top": 1, "head_bottom": 1,
    "jaw": 1, "ear": 2, "neck": 1, "shoulder": 3, "neckline": 2, "collar": 1,
    "cap": 3, "hairline": 4, "sideburn": 1, "bumps": 3, "back_hair": 3, "bun": 3, "hair_on": 1,
    "eye_place": 2, "eye_size": 2, "eye_white": 1, "iris_size": 1, "lash": 1, "lid": 1,
    "brow_place": 1, "brow_shape": 4, "nose": 3, "nose_on": 2, "mouth_place": 1, "mouth_size": 3,
    "smile": 1, "blush": 1, "light": 1, "outline": 1, "beard": 2, "moustache": 1,
    "glasses": 2, "glasses_colour": 3, "earring": 1, "freckles": 1,
    **{name: len(row) for name, row in PLAIN.items()},
}  # fmt: skip
COLUMNS = sum(LAYOUT.values())
PLAIN_SHARE = 0.25
WIDEST_EDGE = 0.02
"""Half the width of the softest line or outline; what is softer is a shade."""


def draw_identities(n: int, generator: torch.Generator, plain: bool = False) -> Tensor:
    """`n` presenters [n, COLUMNS], each drawn at random; a quarter of them, or with `plain` all, are plain portraits.

    The others are of every build, age and style, in any place of the picture: photographs nearly, outlined,
    line drawings, robots and animals among them; with glasses, beards, hats, scarves and veils.
    """
    values = draw_portraits(n, generator)
    known = {name: values["size"].new_tensor(row).expand(n, -1) for name, row in PLAIN.items()}
    values |= known
    # Noise of its own, also for the plain: no texture of a picture is that of another.
    values["seed"] = torch.randint(
        1, 1 << 20, (n, 1), generator=generator, device=generator.device
    ).float()
    if not plain:
        same = torch.rand(n, 1, generator=generator, device=generator.device) < PLAIN_SHARE
        varied = vary_portraits(values, n, generator)
        values = {name: torch.where(same, value, varied[name]) for name, value in values.items()}
    return join_columns(values)


def join_columns(values: dict[str, Tensor]) -> Tensor:
    """Identities [n, COLUMNS] out of the columns [n, …] by name."""
    return torch.cat([values[name] for name in LAYOUT], dim=1)


class Look:
    """The columns of identities by name, shaped to broadcast over [n, t, y, x] planes."""

    def __init__(self, identity: Tensor, edge: float = 1.0) -> None:
        self._edge = edge
        parts = torch.split(identity, list(LAYOUT.values()), 1)
        self._columns: dict[str, Tensor] = dict(zip(LAYOUT, parts, strict=True))

    def number(self, name: str, column: int = 0) -> Tensor:
        """One column as [n, 1, 1, 1]."""
        return self._columns[name][:, column, None, None, None]

    def numbers(self, name: str) -> tuple[Tensor, ...]:
        """All the columns of a name, each as [n, 1, 1, 1]."""
        return tuple(self.number(name, column) for column in range(LAYOUT[name]))

    def colour(self, name: str) -> Tensor:
        """The first three columns as [n, 1, 3, 1, 1]."""
        return self._columns[name][:, None, :3, None, None]

    def mask(self, distance: Tensor, soft: float = SOFT) -> Tensor:
        """1 within, 0 without; how wide an edge is goes with the look's, that of a shade stays."""
        return soft_mask(distance, soft * self._edge if soft <= WIDEST_EDGE else soft)
