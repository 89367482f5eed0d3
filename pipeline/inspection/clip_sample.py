"""What is measured of one clip for the film at a glance."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ClipSample:
    """Statistics of one clip's latents, of the clips chosen from a film."""

    clip: int
    norm: float
    """Root of the mean square of its latents."""
    norms: tuple[float, ...]
    """The same after each step, where the steps are kept."""
    drift: float
    """How far its mean picture is from that of the first sample, in spreads of the latents."""
    means: tuple[float, ...]
    """Of each channel."""
    deviations: tuple[float, ...]
    nan: int
