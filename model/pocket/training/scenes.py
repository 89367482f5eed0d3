"""Clips to learn from: drawn presenters who say what the training sound says, as latents, made faster than they are used.

A clip is WARM latent frames that stand for the past, then CLIP to be learnt. Its reference is another stretch of the same presenter, and one clip in six begins as a
film does: from the reference, standing still.
"""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor

from model.encoders.log_mel import SILENCE
from model.encoders.mel_encoder import CONTEXT_FRAMES
from model.pocket.training.motion import draw_motion
from model.pocket.vae import PocketVAE
from model.presenters.face import draw_identities, neutral_motion, pixel_weights, render_faces

WARM, CLIP = 3, 12
FRAMES = 4 * CLIP
STARTS = 1 / 6
QUIET = 1 / 16
"""Share of clips in which nothing at all is heard; noise and pauses are in the training sound."""
RAMP = 16
"""Frames in which someone who stood still comes into motion."""


@dataclass
class Clips:
    """A batch of clips; also a pool of them."""

    reference: Tensor
    """[n, c, 1, h, w]: four frames of another moment, moving or still."""
    past: Tensor
    """[n, c, WARM, h, w]: the latents before the clip (the reference, where the clip starts a film)."""
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
        """Mel [n, band, …] of clips with their context, and curves [n, 4·WARM + FRAMES, 3]."""
        before = max(CONTEXT_FRAMES, 4 * WARM)
        last = len(self.curves) - FRAMES - CONTEXT_FRAMES
        device = self.curves.device
        start = torch.randint(before, last, (n, 1), generator=generator, device=device)
        video = start + torch.arange(-4 * WARM, FRAMES, device=device)
        heard = 4 * (start - CONTEXT_FRAMES) + torch.arange(
            4 * (FRAMES + 2 * CONTEXT_FRAMES), device=device
        )
        quiet = torch.rand(n, 1, 1, generator=generator, device=device) < QUIET
        mel = torch.where(quiet, SILENCE, self.mel[heard])
        return rearrange(mel, "n t b -> n b t"), torch.where(quiet, 0.0, self.curves[video])


class SceneStudio:
    """Renders and encodes clips on the device of its generator."""

    def __init__(self, vae: PocketVAE, sound: Sound, generator: torch.Generator) -> None:
        self.vae, self.sound, self.generator = vae, sound, generator

    @torch.no_grad()
    def shoot(self, n: int) -> Clips:
        """So many new clips."""
        g = self.generator
        identity = draw_identities(n, g)
        mel, curves = self.sound.cut(n, g)
        motion = draw_motion(n, curves.shape[1], curves, g)
        starts = self._some(n, STARTS)
        stretch = self._stretch(n, starts)
        motion = torch.where(starts, come_into_motion(motion, stretch[:, :1]), motion)
        latents = self.encode(render_faces(identity, torch.cat([stretch, motion], 1)))
        reference, past, clip = latents.split((1, WARM, CLIP), 2)
        past = torch.where(starts[..., None, None], reference, past)
        worth = pixel_weights(identity, motion[:, 4 * WARM + 1 :: 4], 64).flatten(0, 1)
        worth = F.adaptive_avg_pool2d(worth, clip.shape[-2:]).unflatten(0, (n, CLIP))[:, :, 0]
        return Clips(reference, past, clip, worth, mel, curves[:, 4 * WARM :])

    def encode(self, pictures: Tensor) -> Tensor:
        """Normalised latents [n, c, k, h, w] of pictures [n, 4k, 3, y, x] in 0..1."""
        frames = rearrange(pictures, "n t c y x -> n c t y x") * 2 - 1
        with torch.autocast(frames.device.type, torch.bfloat16):
            return self.vae.encode(frames)

    def _some(self, n: int, share: float) -> Tensor:
        """A random choice [n, 1, 1]."""
        g = self.generator
        return torch.rand(n, 1, 1, generator=g, device=g.device) < share

    def _stretch(self, n: int, starts: Tensor) -> Tensor:
        """Four frames [n, 4, M] of another moment: a still for those who start and for half of the others, mostly with a closed mouth."""
        g = self.generator
        _, curves = self.sound.cut(n, g)
        moving = draw_motion(n, 4, curves[:, :4], g)
        posed = neutral_motion(n, 1, g.device) + 0.5 * head_only(moving[:, :1])
        still = torch.where(self._some(n, 0.75), posed, moving[:, :1]).expand(-1, 4, -1)
        return torch.where(starts | self._some(n, 0.5), still, moving)


def head_only(motion: Tensor) -> Tensor:
    """A motion with its eyes open and looking straight, and with no mouth."""
    kept = motion.clone()
    kept[..., 4:] = 0
    return kept


def come_into_motion(motion: Tensor, still: Tensor) -> Tensor:
    """Motion [n, 4·WARM + t, M] that stands at `still` [n, 1, M] through the past and then lets go; speech starts at once."""
    frame = torch.arange(motion.shape[1], device=motion.device) - 4 * WARM
    amount = (frame / RAMP).clamp(0, 1)
    amount = repeat(amount * amount * (3 - 2 * amount), "t -> t m", m=motion.shape[2]).clone()
    amount[:, -3:] = (frame[:, None] > 0).float()
    return still + amount * (motion - still)
