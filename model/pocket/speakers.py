"""Several speakers in one film: each face is a film of its own for the denoiser, with sound, acts and noise of its own; one decoder moves all of them in one picture.

Latents of the speakers lie below each other, so that the schematic face stands there once for each: [c, t, speaker · SIDE, SIDE].
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from model.avatar import Byte, Denoised, Denoiser, Float, Named, Options, Seed, seed_for_clip
from model.pocket.canvas import locate_face
from model.pocket.curve_layout import FRAMES
from model.pocket.decoder import PocketDecoder
from model.pocket.warping_network import WarpingNetwork
from model.seed_schedule import shift_seeds

BORDER = 0.5
"""How far from the border between two faces motion is led to nothing, in heights of a face from eyes to mouth."""
OWN = ("boxes", "teeth", "still")
"""Inputs of which each speaker has its own, stacked; the others are all speakers'."""
_SPEAKER = "speaker"

Pieces = Iterable[tuple[str, NDArray[np.generic]]]


def count_speakers(inputs: Named) -> int:
    """How many speakers a film's inputs are of."""
    boxes = inputs["boxes"]
    return len(boxes) if boxes.ndim == 3 else 1


def stack_inputs(each: Sequence[Named]) -> Named:
    """The inputs of several speakers as one: what is their own, stacked; prompts once."""
    return {**each[0], **{name: np.stack([inputs[name] for inputs in each]) for name in OWN}}


def inputs_of(inputs: Named, speaker: int) -> Named:
    """The inputs of one speaker, from 0 on, as a film of its own has them."""
    own = {name: inputs[name][speaker] for name in OWN}
    return {**inputs, **own, **shift_seeds(inputs, speaker)}


def seed_of(seed: Seed, speaker: int) -> Seed:
    """The seed of a speaker's own film: the film's, and one more for each speaker, so that no two move alike."""
    if not speaker:
        return seed
    if callable(seed):
        return lambda clip: seed_for_clip(seed, clip) + speaker
    return seed + speaker


class SpeakersDenoiser:
    """The Denoiser of several speakers: one for each, in step."""

    def __init__(self, each: Sequence[Denoiser]) -> None:
        self._each = each

    @property
    def next_clip(self) -> int:
        """The clip that `denoise` makes next."""
        return self._each[0].next_clip

    def denoise(self, audio: Float) -> Denoised:
        """Make the next clip of all from their features [speaker, layer, channel, frame]."""
        made = [one.denoise(heard) for one, heard in zip(self._each, audio, strict=True)]
        latents = rearrange([one.latents for one in made], "speaker c t h w -> c t (speaker h) w")
        steps = rearrange(
            [one.steps for one in made], "speaker step c t h w -> step c t (speaker h) w"
        )
        return Denoised(latents.copy(), steps.copy())

    def carry(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """All that the next clip takes from those before it: the pieces of one speaker after the other."""
        for number, one in enumerate(self._each):
            for name, piece in one.carry():
                yield f"{_SPEAKER}{number}.{name}", piece

    def restore(self, clip: int, carry: Pieces) -> None:
        """Stand before `clip` again; `restore(0, ())` starts over."""
        left = _Ahead(carry)
        for number, one in enumerate(self._each):
            one.restore(clip, left.take(f"{_SPEAKER}{number}."))


class _Ahead:
    """Pieces that are handed out as they come: one that is another's waits."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = iter(pieces)
        self._waiting: tuple[str, NDArray[np.generic]] | None = None

    def take(self, prefix: str) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """Those that come now and whose names begin so, without the beginning."""
        while (found := self._waiting or next(self._pieces, None)) is not None:
            self._waiting = None
            if not found[0].startswith(prefix):
                self._waiting = found
                return
            yield found[0].removeprefix(prefix), found[1]


class SpeakersDecoder:
    """The Decoder of several speakers: each moves its own part of the picture."""

    def __init__(self, network: WarpingNetwork, inputs: Named, options: Options) -> None:
        self._options, speakers = options, range(count_speakers(inputs))
        self._each = [PocketDecoder(network, inputs_of(inputs, n), options) for n in speakers]
        size = (options.height, options.width)
        shares = share_picture(size, inputs["boxes"])
        for one, share in zip(self._each, shares, strict=True):
            one.picture.share(share)
        self._cells = shares > 0

    @property
    def next_clip(self) -> int:
        """The clip that `decode` expects next."""
        return self._each[0].next_clip

    @torch.inference_mode()
    def decode(self, latents: Float) -> Byte:
        """Decode the next clip: [c, t, speaker · h, w] → [frame, y, x, rgb]."""
        each = self._split(latents)
        spans = [one.move(own) for one, own in zip(self._each, each, strict=True)]
        size = (self._options.height, self._options.width)
        made = torch.empty((self._options.clip_frames, *size, 3), dtype=torch.uint8)
        for i, parts in enumerate(zip(*spans, strict=True)):
            pixels = self._join(parts).add_(1).mul_(127.5).round_().clamp_(0, 255)
            made[i * FRAMES : (i + 1) * FRAMES] = rearrange(pixels, "t c y x -> t y x c")
        return made.numpy()

    def motion(self) -> Float:
        """Raise NotImplementedError: a clip takes nothing from the decoded one."""
        raise NotImplementedError

    def seek(self, clip: int, preceding: Float) -> None:
        """Stand before `clip`, given the latents before it."""
        for one, own in zip(self._each, self._split(preceding), strict=True):
            one.seek(clip, own)

    def _join(self, parts: Sequence[Tensor]) -> Tensor:
        """Frames [t, 3, y, x] of which each pixel comes from the speaker whose it is."""
        whole = parts[0].clone()
        for cell, part in zip(self._cells[1:], parts[1:], strict=True):
            whole = torch.where(cell, part, whole)
        return whole

    def _split(self, latents: Float) -> list[Float]:
        return list(
            rearrange(latents, "c t (speaker h) w -> speaker c t h w", speaker=len(self._each))
        )


def share_picture(size: tuple[int, int], boxes: NDArray[np.generic]) -> Tensor:
    """How much of the motion of each face a pixel takes [speaker, y, x]: 1 within its part of the picture, falling to 0 at the border with another's.

    A border stands upright on the way from one face to the other, nearer to the smaller one.
    """
    places = [locate_face(each) for each in boxes.tolist()]
    y, x = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="ij")
    shares = torch.ones(len(places), *size)
    for one, (left, top, unit) in enumerate(places):
        for other, (right, below, its) in enumerate(places):
            if one == other:
                continue
            across, down = right - left, below - top
            apart = (across**2 + down**2) ** 0.5
            along = ((x - left) * across + (y - top) * down) / apart
            border = apart * unit / (unit + its)
            edge = ((border - along) / min(BORDER * unit, border)).clamp(0, 1)
            shares[one] *= edge * edge * (3 - 2 * edge)
    return shares
