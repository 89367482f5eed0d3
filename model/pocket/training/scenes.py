"""Clips to learn from: drawn presenters who say what the training sound says, as motion latents, made faster than they are used.

A clip is WARM latent frames that stand for the past, then CLIP to be learnt. Its reference is the presenter's picture, and one clip in six begins as a
film does: from the picture, standing still.
"""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor

from model.encoders.log_mel import SILENCE
from model.encoders.mel_encoder import CONTEXT_FRAMES
from model.pocket.motion_autoencoder import FRAMES as LATENT_FRAMES
from model.pocket.motion_autoencoder import MotionAutoencoder, box_planes
from model.pocket.training.drawn_clips import ClipRenderer, DrawnClips
from model.pocket.training.motion import draw_acts, draw_motion
from model.presenters.face import draw_identities, rest_motion

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

    picture: Tensor
    """[n, 3, y, x], bytes: the presenter at rest."""
    boxes: Tensor
    """[n, 3, 4]: mouth, left and right eye of the picture, in half pictures."""
    acts: Tensor
    """[n, ACTS]: what is asked."""
    past: Tensor
    """[n, c, WARM, h, w]: the latents before the clip (standing still, where the clip starts a film)."""
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

    def __init__(
        self, autoencoder: MotionAutoencoder, sound: Sound, generator: torch.Generator
    ) -> None:
        self.autoencoder, self.sound, self.generator = autoencoder, sound, generator
        self.renderer = ClipRenderer(generator)

    @torch.no_grad()
    def shoot(self, n: int) -> Clips:
        """So many new clips."""
        g = self.generator
        mel, curves = self.sound.cut(n, g)
        acts = draw_acts(n, g)
        motion = draw_motion(n, curves.shape[1], curves, g, acts)
        identity = draw_identities(n, g)
        rest = draw_rest(identity, draw_motion(n, 1, self.sound.cut(n, g)[1][:, :1], g), g)
        starts = draw_some(n, STARTS, g)
        motion = torch.where(starts, come_into_motion(motion, rest), motion)
        drawn = self.renderer.draw(identity, rest, motion)
        still, latents = self.encode(drawn)
        past, clip = latents.split((WARM, CLIP), 2)
        past = torch.where(starts[..., None, None], still, past)
        worth = drawn.worth[:, LATENT_FRAMES * WARM + 1 :: LATENT_FRAMES].flatten(0, 1)
        worth = F.adaptive_avg_pool2d(worth, clip.shape[-2:]).unflatten(0, (n, CLIP))[:, :, 0]
        picture = (drawn.rest * 255).round().to(torch.uint8)
        return Clips(picture, drawn.boxes, acts, past, clip, worth, mel, curves[:, 4 * WARM :])

    def encode(self, drawn: DrawnClips) -> tuple[Tensor, Tensor]:
        """Normalised latents of the pictures standing still [n, c, 1, h, w] and of the frames [n, c, k, h, w]."""
        picture = drawn.rest * 2 - 1
        planes = box_planes(drawn.boxes, *picture.shape[-2:])
        still = repeat(picture, "n c y x -> n c t y x", t=LATENT_FRAMES)
        frames = rearrange(drawn.frames, "n t c y x -> n c t y x") * 2 - 1
        with torch.autocast(picture.device.type, torch.bfloat16):
            latents = self.autoencoder.encode(picture, planes, torch.cat([still, frames], 2))
        return latents[:, :, :1], latents[:, :, 1:]


def draw_some(n: int, share: float, generator: torch.Generator) -> Tensor:
    """A random choice [n, 1, 1] of a share."""
    return torch.rand(n, 1, 1, generator=generator, device=generator.device) < share


def draw_rest(identity: Tensor, moment: Tensor, generator: torch.Generator) -> Tensor:
    """How presenters [n, I] stand in their picture [n, 1, M], given some moment of theirs: as they like to be seen, their heads a little turned, a quarter as they are."""
    posed = rest_motion(identity) + 0.5 * head_only(moment)
    return torch.where(draw_some(len(moment), 0.75, generator), posed, moment)


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
