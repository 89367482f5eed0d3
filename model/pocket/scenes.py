"""Clips to learn from: drawn presenters who say what the training sound says, as latents, made faster than they are used.

A clip is WARM latent frames that stand for the past, then CLIP to be learnt. Its reference is another stretch of the same presenter, and one clip in six begins as a
film does: from the reference, standing still.
"""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor

from model.audio import CONTEXT
from model.pocket.face import draw_identities, neutral, render, weights
from model.pocket.motion import draw_motion
from model.vae import NoPast, walk_encoder

WARM, CLIP = 3, 12
FRAMES = 4 * CLIP
STARTS = 1 / 6
RAMP = 16
"""Frames in which someone who stood still comes into motion."""


@dataclass
class Clips:
    """A batch of clips; also a pool of them."""

    reference: Tensor
    """[n, c, 1, h, w]: the first latent of a still or a stretch, or a later one of it."""
    past: Tensor
    """[n, c, WARM, h, w]: the latents before the clip (of the still, where the clip starts a film)."""
    latents: Tensor
    """[n, c, CLIP, h, w]"""
    worth: Tensor
    """[n, CLIP, h, w]: what a latent pixel is worth to the loss."""
    mel: Tensor
    """[n, band, 4·(FRAMES + 2·CONTEXT)]"""
    curves: Tensor
    """[n, FRAMES, 3]: aperture, width, rounding."""

    def take(self, rows: Tensor) -> "Clips":
        """The clips of these rows."""
        return Clips(*(getattr(self, f.name)[rows] for f in fields(self)))

    def put(self, rows: Tensor, clips: "Clips") -> None:
        """Replace rows."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(clips, field.name)


@dataclass(frozen=True)
class Sound:
    """Training sound: log-mel [frame at 100 Hz, band] and the curves [frame at 25 Hz, 3] of the mouth that says it."""

    mel: Tensor
    curves: Tensor

    def cut(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Mel [n, band, …] of clips with their context, and curves [n, 1 + 4·WARM + FRAMES, 3]."""
        before = max(CONTEXT, 1 + 4 * WARM)
        last = len(self.curves) - FRAMES - CONTEXT
        device = self.curves.device
        start = torch.randint(before, last, (n, 1), generator=generator, device=device)
        video = start + torch.arange(-1 - 4 * WARM, FRAMES, device=device)
        heard = 4 * (start - CONTEXT) + torch.arange(4 * (FRAMES + 2 * CONTEXT), device=device)
        return rearrange(self.mel[heard], "n t b -> n b t"), self.curves[video]


class Studio:
    """Renders and encodes clips on the device of its generator."""

    def __init__(self, vae: torch.nn.Module, sound: Sound, generator: torch.Generator) -> None:
        self.vae, self.sound, self.generator = vae, sound, generator
        mean, std = vae.config.latents_mean, vae.config.latents_std
        self.mean = torch.tensor(mean, device=generator.device).view(-1, 1, 1, 1)
        self.std = torch.tensor(std, device=generator.device).view(-1, 1, 1, 1)

    @torch.no_grad()
    def shoot(self, n: int) -> Clips:
        """n new clips."""
        g, device = self.generator, self.generator.device
        identity = draw_identities(n, g)
        mel, curves = self.sound.cut(n, g)
        motion = draw_motion(n, curves.shape[1], curves, g)
        starts = torch.rand(n, generator=g, device=device) < STARTS
        other, stretch = self._stretch(n, starts)
        motion = torch.where(
            starts[:, None, None], come_into_motion(motion, stretch[:, :1]), motion
        )
        video = self.encode(render(identity, motion))
        still = self.encode(render(identity, stretch))
        single = torch.rand(n, generator=g, device=device) < 0.5
        reference = torch.where(
            single[:, None, None, None, None], still[:, :, :1], still[:, :, 1:2]
        )
        past = torch.where(
            starts[:, None, None, None, None], still[:, :, 1:], video[:, :, 1 : 1 + WARM]
        )
        del other
        worth = weights(identity, motion[:, 1 + 4 * WARM :: 4], 64)
        worth = rearrange(
            F.adaptive_avg_pool2d(worth.flatten(0, 1), video.shape[-2:]),
            "(n t) 1 h w -> n t h w",
            n=n,
        )
        return Clips(
            reference, past, video[:, :, 1 + WARM :], worth, mel, curves[:, 1 + 4 * WARM :]
        )

    def encode(self, pictures: Tensor) -> Tensor:
        """Normalised latents [n, c, 1 + k, h, w] of pictures [n, 1 + 4k, 3, y, x] in 0..1."""
        frames = rearrange(pictures, "n t c y x -> n c t y x") * 2 - 1
        with torch.autocast(frames.device.type, torch.bfloat16):
            mode = walk_encoder(self.vae, frames, NoPast()).chunk(2, 1)[0]
        return (mode.float() - self.mean) / self.std

    def _stretch(self, n: int, starts: Tensor) -> tuple[Tensor, Tensor]:
        """Another stretch [n, 1 + 4·WARM, M]: still for those who start (mostly with a closed mouth), moving for the others."""
        g, device = self.generator, self.generator.device
        _, curves = self.sound.cut(n, g)
        moving = draw_motion(n, 1 + 4 * WARM, curves[:, : 1 + 4 * WARM], g)
        quiet = torch.rand(n, 1, 1, generator=g, device=device) < 0.75
        calm = torch.where(
            quiet, neutral(n, 1, device) + 0.5 * head_only(moving[:, :1]), moving[:, :1]
        )
        still = calm.expand(-1, 1 + 4 * WARM, -1)
        return calm, torch.where(starts[:, None, None], still, moving)


def head_only(motion: Tensor) -> Tensor:
    """The same motion with eyes open and looking straight, and with no mouth."""
    kept = motion.clone()
    kept[..., 4:] = 0
    return kept


def come_into_motion(motion: Tensor, still: Tensor) -> Tensor:
    """Motion [n, 1 + 4·WARM + t, M] that stands at `still` [n, 1, M] through the past and then lets go; speech starts at once."""
    frame = torch.arange(motion.shape[1], device=motion.device) - 4 * WARM
    amount = (frame / RAMP).clamp(0, 1)
    amount = repeat(amount * amount * (3 - 2 * amount), "t -> t m", m=motion.shape[2]).clone()
    amount[:, -3:] = (frame[:, None] > 0).float()
    return still + amount * (motion - still)
