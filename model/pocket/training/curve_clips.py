"""Clips for the transformer to learn from: the sound, and the motion curves of somebody who says it, as latents. Nothing is rendered.

A clip is WARM latents that stand for the past, then CLIP to be learnt. One clip in six begins as a film does: from the picture, standing still.

    python -m model.pocket.training.curve_clips --sound FILE      prints the spreads of model.pocket.curve_layout.CURVES
"""

import argparse
import math
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from einops import rearrange, repeat
from torch import Tensor

from model.encoders.log_mel import SILENCE
from model.encoders.mel_encoder import CONTEXT_FRAMES
from model.motion_columns import MOTION, MOTION_COLUMNS
from model.pocket.curve_layout import FRAMES as LATENT_FRAMES
from model.pocket.curve_layout import RESTED, RESTED_COLUMNS
from model.pocket.motion_curves import cosines, encode_curves, stand_still
from model.pocket.training.motion import draw_acts, draw_motion

WARM, CLIP = 3, 12
FRAMES = LATENT_FRAMES * CLIP
STARTS = 1 / 6
QUIET = 1 / 16
"""Share of clips in which nothing at all is heard; noise and pauses are in the training sound."""
TEMPO = 0.25
"""How much quicker or slower than it was said a clip may be heard and seen: no synthesiser has all paces."""
RAMP = 16
"""Frames in which someone who stood still comes into motion."""
OPEN_PICTURES = 0.35
"""Share of pictures whose mouth is open, a little or wide."""


@dataclass(frozen=True)
class Clips:
    """A batch of clips."""

    still: Tensor
    """[n, c, 1, h, w]: the picture, standing still."""
    acts: Tensor
    """[n, ACTS]: what is asked."""
    past: Tensor
    """[n, c, WARM, h, w]: the latents before the clip (standing still, where the clip starts a film)."""
    latents: Tensor
    """[n, c, CLIP, h, w]"""
    mel: Tensor
    """[n, band, 4·(FRAMES + 2·CONTEXT)]"""
    lips: Tensor
    """[n, FRAMES, 3]: aperture, width, rounding."""


@dataclass(frozen=True)
class Sound:
    """Training sound: log-mel [frame at 100 Hz, band] and the curves [frame at 25 Hz, 3] of the mouth that says it, of whatever precision."""

    mel: Tensor
    curves: Tensor

    def cut(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Mel [n, band, …] of clips with their context, and curves [n, 4·WARM + FRAMES, 3], each at a pace of its own."""
        device = self.curves.device
        tempo = 1 + TEMPO * (2 * torch.rand(n, 1, generator=generator, device=device) - 1)
        reach = math.ceil((1 + TEMPO) * (FRAMES + max(CONTEXT_FRAMES, 4 * WARM))) + 2
        start = torch.randint(reach, len(self.curves) - reach, (n, 1), generator=generator, device=device)  # fmt: skip
        video = torch.arange(-4 * WARM, FRAMES, device=device)
        heard = torch.arange(-4 * CONTEXT_FRAMES, 4 * (FRAMES + CONTEXT_FRAMES), device=device)
        mel = take_between(self.mel, 4 * start, heard, tempo)
        curves = take_between(self.curves, start, video, tempo)
        quiet = torch.rand(n, 1, 1, generator=generator, device=device) < QUIET
        # A mouth that is silent is shut, and as wide as at rest.
        shut = curves.new_tensor([0.0, 0.5, 0.0])
        mel = rearrange(torch.where(quiet, SILENCE, mel), "n t b -> n b t")
        return mel, torch.where(quiet, shut, curves)


def take_between(rows: Tensor, start: Tensor, place: Tensor, tempo: Tensor) -> Tensor:
    """Rows [frame, c] at the places [t] after each start [n, 1], where time goes `tempo` [n, 1] times as fast: [n, t, c], float32. A row tells the middle of its frame."""
    at = start + (place + 0.5) * tempo - 0.5
    low = at.floor().long()
    return torch.lerp(rows[low].float(), rows[low + 1].float(), (at - low)[..., None])


def draw_clips(n: int, sound: Sound, generator: torch.Generator) -> Clips:
    """So many new clips, on the generator's device."""
    mel, curves = sound.cut(n, generator)
    acts = draw_acts(n, generator)
    motion = draw_motion(n, curves.shape[1], curves, generator, acts)
    rest = draw_rest_curves(n, generator)
    standing = motion.new_zeros(n, 1, MOTION_COLUMNS)
    standing[:, 0, RESTED_COLUMNS] = rest
    starts = torch.rand(n, 1, 1, generator=generator, device=generator.device) < STARTS
    motion = torch.where(starts, come_into_motion(motion, standing), motion)
    past, latents = encode_curves(motion).split((WARM, CLIP), 2)
    still = stand_still(rest)
    past = torch.where(starts[..., None, None], still, past)
    return Clips(still, acts, past, latents, mel, motion[:, 4 * WARM :, -3:])


def draw_rest_curves(n: int, generator: torch.Generator) -> Tensor:
    """What the RESTED columns of pictures [n, RESTED] are: looking at you with a shut mouth, mostly."""
    draw = torch.rand(n, 8, generator=generator, device=generator.device)
    spread = torch.randn(n, 3, generator=generator, device=generator.device)
    opened = (draw[:, 0] < OPEN_PICTURES).float()
    told = {
        "blink": 0.6 * draw[:, 1] * (draw[:, 2] < 0.1),
        "gaze_x": 0.25 * spread[:, 0], "gaze_y": 0.2 * spread[:, 1],
        "aperture": 0.05 * draw[:, 3] + opened * 0.7 * draw[:, 4],
        "width": 0.5 + 0.15 * spread[:, 2], "rounding": draw[:, 5] * (draw[:, 6] < 0.25),
    }  # fmt: skip
    return torch.stack([told[name] for name in RESTED], 1)


def come_into_motion(motion: Tensor, still: Tensor) -> Tensor:
    """Motion [n, 4·WARM + t, M] that stands at `still` [n, 1, M] through the past and then lets go; speech starts at once."""
    frame = torch.arange(motion.shape[1], device=motion.device) - 4 * WARM
    amount = (frame / RAMP).clamp(0, 1)
    amount = repeat(amount * amount * (3 - 2 * amount), "t -> t m", m=motion.shape[2]).clone()
    amount[:, -3:] = (frame[:, None] > 0).float()
    return still + amount * (motion - still)


def load_sound(paths: Sequence[Path], device: torch.device) -> Sound:
    """The training sound of files that model.pocket.training.dataset wrote, one after the other."""
    from model.pocket.training.dataset import read_dataset

    def read(path: Path) -> tuple[Tensor, Tensor]:
        bands, curves = read_dataset(path)
        return bands.to(device, torch.float16), curves.to(device, torch.float16)

    with ThreadPoolExecutor() as pool:
        mel, curves = zip(*pool.map(read, paths), strict=True)
    return Sound(torch.cat(mel), torch.cat(curves))


def measure_curves(motion: Tensor) -> dict[str, tuple[float, ...]]:
    """Mean of each curve of motions [n, 4k, M], and the spread of its cosine coefficients."""
    spans = rearrange(motion, "n (k f) m -> (n k) m f", f=LATENT_FRAMES)
    spread = (spans @ cosines(motion.device).T).std(0)
    return {
        name: (float(motion[..., column].mean()), *spread[column].tolist())
        for column, name in enumerate(MOTION)
    }


def main() -> None:
    """Print what curves are like in training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sound", type=Path, nargs="+", required=True)
    generator = torch.Generator().manual_seed(0)
    sound = load_sound(parser.parse_args().sound, torch.device("cpu"))
    _, curves = sound.cut(4096, generator)
    motion = draw_motion(4096, curves.shape[1], curves, generator, draw_acts(4096, generator))
    for name, told in measure_curves(motion).items():
        sys.stdout.write(f"{name:12s}" + " ".join(f"{x:8.4f}" for x in told) + "\n")


if __name__ == "__main__":
    main()
