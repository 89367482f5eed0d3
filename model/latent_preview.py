"""What makes small pictures of latents, as `longtake inspect` asks for them. Without torch."""

from typing import Protocol

from model.avatar import Byte, Float


class Painter(Protocol):
    """What makes pictures of latents."""

    @property
    def says(self) -> str:
        """How the pictures are made, in words."""

    def paint(self, latents: Float) -> Byte:
        """Pictures [t, y, x, rgb] of latents [c, t, h, w], one a latent frame; what is no number is painted as nothing."""


class LatentPreview(Painter, Protocol):
    """A painter that belongs to a model, and needs neither its weights nor torch."""

    def reads(self, channels: int, height: int, width: int) -> bool:
        """Whether latents of this shape can be painted."""
