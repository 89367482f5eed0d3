"""A walk through the decoder of diffusers' AutoencoderKLWan as a card wants it: channels last, and one pass over memory between two convolutions.

Weights stay in diffusers' module, under its names and in its shapes; only their order in memory is what the convolutions here read. Biases are no
convolution's matter, they are added by whatever reads the result. What a layer remembers are two frames, zeros before there were any.
Numbers between two convolutions are float32 and rounded once, where diffusers rounds after each step.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from einops import rearrange, repeat
from torch import Tensor
from torch.nn import functional as F

from model.fused import as_written, fused
from model.vae_layout import HISTORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    Module = Any  # diffusers is untyped, and so are the parts of its modules
    Past = list[Any]  # a slot for each layer that remembers: None, then a tensor

Remembered = tuple[Tensor, Tensor]


class Joined(NamedTuple):
    """What a causal convolution reads: [b, t + 2, h, w, c] at once or, folded, each frame with the two before it, t times [b, h, w, 3 c]."""

    frames: tuple[Tensor, ...]
    last: tuple[Tensor, ...]
    """The folded's frames [b, h, w, c] that are to be remembered, two at the most."""


FOLDED_BELOW = 192
"""Channels below which time is folded into channels, and a convolution in three dimensions is one in two.

Measured on an H200 in bfloat16 in ms, one latent of 384x704, as conv3d and as conv2d with its fold: 96 channels 2.23 and 1.76; 192 channels 1.05 and 1.29;
384 channels at 96x176 .48 and .44, at 48x88 .110 and .125.
"""
Frames = Tensor | tuple[Tensor, ...]
"""[b, t, h, w, c], or each frame by itself: t times [b, h, w, c]."""
ALIGNED = 8
"""Channels that kernels for tensor cores come in: the three of a picture alone would miss them."""


class Sum(NamedTuple):
    """What a layer makes before its parts are added: its convolution, its bias [c], and what went around a block."""

    convolved: Frames
    bias: Tensor
    around: Frames | None = None


class WanDecoder:
    """The decoder of an AutoencoderKLWan without residual shortcuts (Wan2.1's), one latent at a time."""

    def __init__(self, decoder: Module) -> None:
        slots = count()
        self._conv_in = Causal(decoder.conv_in, next(slots))
        self._steps = list(_steps(decoder, slots))
        self._head = Activated(decoder.norm_out, decoder.conv_out, next(slots))

    def decode(self, z: Tensor, past: Past) -> Tensor:
        """Frames [b, 3, 4 (1 at the very first), y, x] in -1..1 of a latent [b, c, 1, h, w] behind `post_quant_conv`; `past` is brought up to date."""
        if past[0] is None:  # with shapes that a stream has once
            with as_written():
                return self._walk(z, past)
        return self._walk(z, past)

    def _walk(self, z: Tensor, past: Past) -> Tensor:
        rows = rearrange(z, "b c t h w -> b t h w c")
        joined = join(rows, self._conv_in.remembered(rows, past), folded=self._conv_in.folded)
        parts = Sum(self._conv_in.convolve(joined, past), self._conv_in.bias)
        for step in self._steps:
            parts = step(parts, past)
        _, convolved = self._head(parts, past)
        return to_frames(Sum(convolved, self._head.conv.bias))


def _steps(decoder: Module, slots: Iterator[int]) -> Iterator[Any]:
    """Everything between the first and the last convolution, in the order in which it runs."""
    middle = decoder.mid_block
    yield Block(middle.resnets[0], slots)
    for attention, block in zip(middle.attentions, middle.resnets[1:], strict=True):
        yield Attention(attention)
        yield Block(block, slots)
    for level in decoder.up_blocks:
        for block in level.resnets:
            yield Block(block, slots)
        for upsampler in level.upsamplers or ():
            yield Upsampler(upsampler, slots)


class Causal:
    """A convolution over a frame and the two before it, its weight [o, c, 3, y, x] laid out in memory for the way it is run."""

    def __init__(self, conv: Module, slot: int) -> None:
        self._slot = slot
        channels, size = conv.weight.shape[1], conv.weight.shape[-1]
        self.folded = channels < FOLDED_BELOW or size == 1
        order = "o c t y x -> o y x t c" if self.folded else "o c t y x -> o t y x c"
        stored = rearrange(conv.weight.data, order).contiguous()
        back = " -> ".join(reversed(order.split(" -> ")))
        conv.weight.data = rearrange(stored, back)  # a view: the module's weight is this one
        whole = conv.weight.data
        self._weight = rearrange(whole, "o c t y x -> o (t c) y x") if self.folded else whole
        self._margin = size // 2
        self.bias = wide(conv.bias.data)

    def remembered(self, like: Frames, past: Past) -> Remembered:
        """The last two frames [b, h, w, c] of what this layer has seen; sizes as in `like`."""
        if past[self._slot] is None:
            frame = apart(like)[0]
            past[self._slot] = (torch.zeros_like(frame), torch.zeros_like(frame))
        kept: Remembered = past[self._slot]
        return kept

    def begins(self, past: Past) -> bool:
        """Whether this layer has seen nothing yet."""
        return past[self._slot] is None

    def convolve(self, joined: Joined, past: Past) -> Frames:
        """[b, t, h, w, c] → the same with o channels; what is to be remembered is from now on."""
        if self.folded:
            past[self._slot] = (*past[self._slot], *joined.last)[-HISTORY:]
            return tuple(map(self._convolve_frame, joined.frames))
        span = joined.frames[0]
        # Copies, and not the compiler's, which would let them hold the whole.
        past[self._slot] = tuple(frame.clone() for frame in apart(span)[-HISTORY:])
        volume = rearrange(span, "b t h w c -> b c t h w")
        y = F.conv3d(volume, self._weight, padding=(0, self._margin, self._margin))
        return rearrange(y, "b o t h w -> b t h w o")

    def _convolve_frame(self, frame: Tensor) -> Tensor:
        if self._weight.shape[-1] == 1:
            return F.linear(frame, self._weight[:, :, 0, 0])
        image = rearrange(frame, "b h w c -> b c h w")
        y = F.conv2d(image, aligned(self._weight), padding=self._margin)
        return rearrange(y, "b o h w -> b h w o")[..., : len(self.bias)]


class Activated:
    """A norm, a SiLU and the causal convolution behind them."""

    def __init__(self, norm: Module, conv: Module, slot: int) -> None:
        self._gamma = norm.gamma.data.flatten()
        self.conv = Causal(conv, slot)

    def __call__(self, parts: Sum, past: Past) -> tuple[Frames | None, Frames]:
        """The sum, if it has more than a bias to add, and its convolution."""
        kept = self.conv.remembered(parts.convolved, past)
        if self.conv.folded:
            parts = by_frame(parts)
        added, joined = activate(parts, self._gamma, kept, folded=self.conv.folded)
        return added, self.conv.convolve(joined, past)


class Block:
    """A residual block of two convolutions."""

    def __init__(self, block: Module, slots: Iterator[int]) -> None:
        self._first = Activated(block.norm1, block.conv1, next(slots))
        self._second = Activated(block.norm2, block.conv2, next(slots))
        self._shortcut = None if block.in_dim == block.out_dim else block.conv_shortcut
        self._nothing = torch.zeros_like(self._second.conv.bias)

    def __call__(self, parts: Sum, past: Past) -> Sum:
        """[b, t, h, w, c] → [b, t, h, w, o]."""
        added, convolved = self._first(parts, past)
        around = self._around(parts, added)
        _, convolved = self._second(Sum(convolved, self._first.conv.bias), past)
        return Sum(convolved, self._second.conv.bias + around.bias, around.convolved)

    def _around(self, parts: Sum, added: Frames | None) -> Sum:
        """What goes around the two convolutions; a bias that nobody added goes with it."""
        if self._shortcut is not None:
            x = add(parts) if added is None else together(added)
            x = F.linear(x, self._shortcut.weight.flatten(1), self._shortcut.bias)
            return Sum(x, self._nothing)
        return parts if added is None else Sum(added, self._nothing)


class Attention:
    """Each frame's pixels attend to each other, in one head."""

    def __init__(self, block: Module) -> None:
        self._gamma = block.norm.gamma.data.flatten()
        self._qkv, self._out = block.to_qkv, block.proj
        self._bias = wide(block.proj.bias.data)

    def __call__(self, parts: Sum, _: Past) -> Sum:
        """[b, t, h, w, c] → the same."""
        x, normed = normalise(parts, self._gamma)
        qkv = F.linear(normed, self._qkv.weight.flatten(1), self._qkv.bias)
        q, k, v = rearrange(qkv, "b t h w (three c) -> three (b t) 1 (h w) c", three=3)
        seen = F.scaled_dot_product_attention(q, k, v)
        b, t, h, _w, _c = x.shape
        rows = rearrange(seen, "(b t) 1 (h w) c -> b t h w c", b=b, t=t, h=h)
        return Sum(F.linear(rows, self._out.weight.flatten(1)), self._bias, x)


class Upsampler:
    """Twice the height and width and, where there is a convolution in time, twice the frames: but for a stream's first."""

    def __init__(self, resample: Module, slots: Iterator[int]) -> None:
        doubles = resample.mode == "upsample3d"
        self._in_time = Causal(resample.time_conv, next(slots)) if doubles else None
        conv = resample.resample[1]
        conv.weight.data = conv.weight.data.contiguous(memory_format=torch.channels_last)
        self._conv, self._bias = conv, wide(conv.bias.data)

    def __call__(self, parts: Sum, past: Past) -> Sum:
        """[b, t, h, w, c] → [b, t or 2 t, 2 h, 2 w, o]."""
        frames = self._spread(parts, past)
        images = rearrange(frames, "b t h w c -> (b t) c h w")
        y = F.conv2d(images, self._conv.weight, padding=1)
        return Sum(rearrange(y, "(b t) o h w -> b t h w o", b=len(frames)), self._bias)

    def _spread(self, parts: Sum, past: Past) -> Tensor:
        time = self._in_time
        if time is None:
            return spread(parts, 1)
        first = time.begins(past)
        kept = time.remembered(parts.convolved, past)
        if first:
            return spread(parts, 1)  # and it stays unseen: what comes next sees zeros before it
        return spread(Sum(time.convolve(remember(parts, kept), past), time.bias), 2)


# Between two convolutions


@fused
def activate(
    parts: Sum, gamma: Tensor, past: Remembered, *, folded: bool
) -> tuple[Frames | None, Joined]:
    """The sum, if it has more than a bias to add, and its norm behind a SiLU, joined with the past."""
    like = past[0].dtype
    # Frame by frame, where they are joined so: a kernel then writes its frame wherever it is wanted.
    sums = [total(each) for each in (each_frame(parts) if folded else [parts])]
    active = [F.silu(rms_normed(x, gamma)).to(like) for x in sums]
    joined = join(tuple(active) if folded else active[0], past, folded=folded)
    if parts.around is None:
        return None, joined
    return tuple(x.to(like) for x in sums) if folded else sums[0].to(like), joined


@fused
def add(parts: Sum) -> Tensor:
    """The sum [b, t, h, w, c]."""
    return total(parts).to(dtype_of(parts))


@fused
def remember(parts: Sum, past: Remembered) -> Joined:
    """The sum, joined with the past and folded."""
    frames = tuple(total(each).to(past[0].dtype) for each in each_frame(parts))
    return join(frames, past, folded=True)


@fused
def normalise(parts: Sum, gamma: Tensor) -> tuple[Tensor, Tensor]:
    """The sum and its norm, both [b, t, h, w, c]."""
    x, like = total(parts), dtype_of(parts)
    return x.to(like), rms_normed(x, gamma).to(like)


@fused
def spread(parts: Sum, frames: int) -> Tensor:
    """The sum [b, t, h, w, frames c] with its frames one after the other, each pixel four times: [b, frames t, 2 h, 2 w, c]."""
    x = total(parts).to(dtype_of(parts))
    return repeat(x, "b t h w (f c) -> b (t f) (h y) (w x) c", f=frames, y=2, x=2)


@fused
def to_frames(parts: Sum) -> Tensor:
    """The sum [b, t, y, x, 3] → [b, 3, t, y, x] in -1..1."""
    x = total(parts).clamp(-1, 1).to(dtype_of(parts))
    return rearrange(x, "b t y x c -> b c t y x").contiguous()


def join(frames: Frames, past: Remembered, *, folded: bool) -> Joined:
    """Frames behind the two that are remembered."""
    if folded:
        now = apart(frames)
        both = [*past, *now]
        triples = zip(both, both[1:], now, strict=False)
        return Joined(tuple(torch.cat(each, -1) for each in triples), tuple(now[-HISTORY:]))
    before = [frame.unsqueeze(1) for frame in past]
    return Joined((torch.cat([*before, together(frames)], 1),), ())


def apart(frames: Frames) -> list[Tensor]:
    """Each frame [b, h, w, c]."""
    return list(frames.unbind(1)) if isinstance(frames, Tensor) else list(frames)


def together(frames: Frames) -> Tensor:
    """[b, t, h, w, c]."""
    return frames if isinstance(frames, Tensor) else torch.stack(frames, 1)


def each_frame(parts: Sum) -> list[Sum]:
    """The sum of each frame, [b, h, w, c]."""
    convolved = apart(parts.convolved)
    around = [None] * len(convolved) if parts.around is None else apart(parts.around)
    return [Sum(y, parts.bias, x) for y, x in zip(convolved, around, strict=True)]


def by_frame(parts: Sum) -> Sum:
    """The same, and the same to a compiler however it came."""
    around = None if parts.around is None else tuple(apart(parts.around))
    return Sum(tuple(apart(parts.convolved)), parts.bias, around)


def dtype_of(parts: Sum) -> torch.dtype:
    """In which the sum is kept."""
    return apart(parts.convolved)[0].dtype


def rms_normed(x: Tensor, gamma: Tensor) -> Tensor:
    """Diffusers' WanRMS_norm over the last dimension, in the precision of x."""
    return F.normalize(x, dim=-1) * (wide(gamma) * x.shape[-1] ** 0.5)


def total(parts: Sum) -> Tensor:
    """In float32 at least."""
    x = wide(together(parts.convolved)) + parts.bias
    return x if parts.around is None else x + wide(together(parts.around))


def wide(x: Tensor) -> Tensor:
    """In float32, or in float64 if it was."""
    return x if x.dtype == torch.float64 else x.float()


def aligned(weight: Tensor) -> Tensor:
    """A convolution's weight [o, c, y, x], with zeros up to eight outputs if it has fewer."""
    wanting = ALIGNED - weight.shape[0]
    if wanting <= 0:
        return weight
    padded = F.pad(weight, (0, 0, 0, 0, 0, 0, 0, wanting))
    return padded.contiguous(memory_format=torch.channels_last)
