"""Log-mel of speech as other throats, rooms and microphones would give it: what waves cannot be changed to at the pace of training."""

import torch
import torch.nn.functional as F
from torch import Tensor

WARP = 0.15
"""How far all bands move up or down, of their own height."""
BEND = 0.15
"""How far bands move apart from that, at each of BENDS places: no two throats have their formants alike."""
BENDS = 5
COLOURS, COLOUR = 7, 0.5
"""Places between which a microphone's response runs, and how far it goes, in units of log-mel."""
BLURRED = 0.35
LOST = 5.0
"""Bands that may be lost, to either side of some band."""


class MelAugmenter:
    """Changes drawn with a generator, on its device, other ones for each clip."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator, self.device = generator, generator.device

    def disturb(self, bands: Tensor) -> Tensor:
        """Log-mel [n, band, t] warped, coloured, blurred, over a noise floor and without some bands."""
        x = self._warp_bands(bands)
        x = x + self._draw_curve(len(x), COLOURS, COLOUR, x.shape[1])[..., None]
        x = x + 1.4 * (self._rand(len(x), 1, 1) - 0.5)
        x = torch.where(self._rand(len(x), 1, 1) < BLURRED, blur_bands(blur_bands(x)), x)
        return self._lose_band(self._add_floor(x))

    def _rand(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.device)

    def _draw_curve(self, n: int, places: int, far: float, width: int) -> Tensor:
        """Curves [n, width] that run through random numbers within ±far at some places."""
        knots = far * (2 * self._rand(n, 1, places) - 1)
        return F.interpolate(knots, width, mode="linear", align_corners=True)[:, 0]

    def _warp_bands(self, bands: Tensor) -> Tensor:
        n, width, _ = bands.shape
        centre = torch.arange(width, device=self.device).float()
        warp = 1 + WARP * (2 * self._rand(n, 1) - 1) + self._draw_curve(n, BENDS, BEND, width)
        source = (centre * warp).clamp(0, width - 1)
        low = source.floor().long()
        high = (low + 1).clamp(max=width - 1)
        below, above = (bands.gather(1, rows[..., None].expand_as(bands)) for rows in (low, high))
        return torch.lerp(below, above, (source - low)[..., None])

    def _add_floor(self, x: Tensor) -> Tensor:
        hiss = torch.randn(x.shape, generator=self.generator, device=self.device)
        floor = -2.4 + 2.0 * self._rand(len(x), 1, 1) + 0.25 * hiss
        noisy = torch.logaddexp(x * 3.5, floor * 3.5) / 3.5
        return torch.where(self._rand(len(x), 1, 1) < 0.5, noisy, x)

    def _lose_band(self, x: Tensor) -> Tensor:
        n, width, _ = x.shape
        centre = torch.arange(width, device=self.device).float()[:, None]
        lost = (centre - self._rand(n, 1, 1) * width).abs() < LOST * self._rand(n, 1, 1)
        lost &= self._rand(n, 1, 1) < 0.4
        return torch.where(lost, x.mean(1, keepdim=True), x)


def blur_bands(x: Tensor) -> Tensor:
    """Each band [n, band, t] with half as much of its neighbours."""
    padded = F.pad(x, (0, 0, 1, 1), mode="replicate")
    return 0.5 * x + 0.25 * (padded[:, :-2] + padded[:, 2:])
