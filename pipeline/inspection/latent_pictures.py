"""Latents into pictures: by the preview of the model, by its own decoder, or, for a model nobody knows here, by guess."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model import registry
from model.avatar import Options

if TYPE_CHECKING:
    from model.latent_preview import Painter
    from storage.run import Run

Float = NDArray[np.float32]
Byte = NDArray[np.uint8]


class PrincipalDirections:
    """Latents as colours by their three main directions (red, green, blue), found from one clip."""

    says = "their three main directions, as nothing is known of this model's VAE"

    def __init__(self, latents: Float) -> None:
        flat = np.where(np.isfinite(latents), latents, 0).reshape(len(latents), -1)
        self._mean, self._deviation = flat.mean(1), flat.std() + 1e-6
        self._directions = np.linalg.eigh(np.atleast_2d(np.cov(flat)))[1][:, ::-1][:, :3]

    def paint(self, latents: Float) -> Byte:
        """Pictures [t, y, x, rgb] of latents [c, t, h, w]."""
        centred = np.where(np.isfinite(latents), latents, 0) - self._mean[:, None, None, None]
        colours = np.einsum("cthw,cd->thwd", centred, self._directions)
        # Of fewer than three channels the last colours stay grey.
        grey = ((0, 0), (0, 0), (0, 0), (0, 3 - colours.shape[-1]))
        shown = 127 + 64 * np.pad(colours, grey) / self._deviation
        painted: Byte = np.clip(np.rint(shown), 0, 255).astype(np.uint8)
        return painted


class ModelDecoder:
    """Latents as frames by the model's own decoder, which needs the clips before."""

    says = "the model's own decoder"

    def __init__(self, run: "Run", clip: int) -> None:
        self._run, self._clip = run, clip

    def paint(self, latents: Float) -> Byte:
        """The middle frame [t, y, x, rgb] of each latent frame of latents [c, t, h, w]."""
        from tasks.replay import decode_latents

        whole = np.ascontiguousarray(np.where(np.isfinite(latents), latents, 0), np.float32)
        each = self._run.spec.frames_per_latent
        return decode_latents(self._run, self._clip, whole)[each // 2 :: each]


def choose_painter(run: "Run", latents: Callable[[], Float]) -> "Painter":
    """What makes pictures of this run's latents without its model; `latents` is called where no preview is known for them."""
    spec = run.spec
    known = registry.read_preview(spec.model, Options(weights=run.settings.weights))
    if known and known.reads(spec.latent_channels, spec.latent_height, spec.latent_width):
        return known
    return PrincipalDirections(latents())


def render_in_terminal(picture: NDArray[Any], columns: int) -> str:
    """A picture [y, x, rgb] as lines of coloured half blocks, two pixels a letter."""
    from PIL import Image

    height, width = picture.shape[:2]
    columns = min(columns, width)
    rows = max(1, round(columns * height / width / 2))
    small = np.asarray(Image.fromarray(picture).resize((columns, 2 * rows), Image.Resampling.BOX))
    lines = []
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        cells = (
            f"\x1b[38;2;{a[0]};{a[1]};{a[2]}m\x1b[48;2;{b[0]};{b[1]};{b[2]}m▀"
            for a, b in zip(upper, lower, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)
