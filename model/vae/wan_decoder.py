"""A walk through the decoder of Wan2.1's VAE as a card wants it: channels last, and one pass over memory between two convolutions.

Weights stay in their modules, under their names and in their shapes; only their order in memory is what the convolutions here read, but for upsamplers,
whose convolutions are others (`sum_taps`) of 5 MB in all in bfloat16, and for the kernel of a Hopper card (conv3d_hopper.py), which reads copies in an order of
its own, 59 MB in all. Biases are no convolution's matter, they are added by whatever reads the result. What a layer remembers are two frames, zeros before there
were any.
Numbers between two convolutions are float32 and rounded once, where the reference rounds after each step. On a card norm, SiLU and joining are one kernel
(wan_decoder_triton.py); all else between two convolutions is small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from model.ops.fused import has_kernels
from model.ops.operands import PendingSum
from model.vae import wan_modules
from model.vae.conv3d_choice import has_kernel, is_quicker
from model.vae.wan_layout import CACHED_FRAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from model.vae.wan_modules import FeatureCache


class JoinedFrames(NamedTuple):
    """What a causal convolution reads: [b, t + 2, h, w, c] or, folded, each frame with the two before it, [b, t, h, w, 3 c]."""

    frames: Tensor
    last: Tensor
    """The two frames [b, 2, h, w, c] that are to be remembered."""


FOLDED_BELOW = 192
"""Channels below which time is folded into channels, and a convolution in three dimensions is one in two, where there is no kernel of our own (conv3d_choice.py).

Measured on an H200 in bfloat16 in ms, one latent of 384x704, as conv3d and as conv2d with its fold: 96 channels 2.23 and 1.76; 192 channels 1.05 and 1.29;
384 channels at 96x176 .48 and .44, at 48x88 .110 and .125.
"""
TILE = 4
"""Height and width of the squares of pixels that the last convolution makes at once.

A picture's three channels fill a small part of what kernels for tensor cores compute at least; those of a square fill most of it. On an H200, one latent of
384x704: .72 ms padded to eight channels, .44, .36 and .51 with squares of 2, 4 and 8.
"""


class WanDecoder:
    """The decoder, one latent at a time."""

    def __init__(self, decoder: wan_modules.Decoder) -> None:
        norm, _, conv = decoder.head
        self._conv_in = CausalConv3d(decoder.conv1)
        self._steps = list(_steps_of(decoder))
        self._head = HeadConv(conv, min(TILE, 2 ** sum(map(_enlarges, decoder.upsamples))))
        self._norm = NormActConv(norm, self._head)

    def use_kernel_always(self) -> None:
        """Let the kernel of a Hopper card make pictures of any size, also such as another is quicker for."""
        for step in self._steps:
            for conv in step.convolutions if isinstance(step, Block) else ():
                conv.by_kernel_always = True

    def decode(self, z: Tensor, past: FeatureCache) -> Tensor:
        """Frames [b, 3, 4 (1 at the very first), y, x] in -1..1 of a latent [b, c, 1, h, w] behind `conv2`; `past` is brought up to date."""
        rows = rearrange(z, "b c t h w -> b t h w c")
        joined = join_frames(
            rows, self._conv_in.remembered(rows, past, rows.shape), folded=self._conv_in.folded
        )
        parts = PendingSum(self._conv_in.convolve(joined, past), self._conv_in.bias)
        for step in self._steps:
            parts = step(parts, past)
        _, convolved = self._norm(parts, past)
        return to_frames(PendingSum(convolved, self._head.bias))


def _layers_of(decoder: wan_modules.Decoder) -> Iterator[nn.Module]:
    """Everything between the first and the last convolution, in the order in which it runs."""
    yield from decoder.middle
    yield from decoder.upsamples


def _enlarges(layer: nn.Module) -> bool:
    return isinstance(layer, wan_modules.Upsample)


def _steps_of(
    decoder: wan_modules.Decoder,
) -> Iterator[Callable[[PendingSum, FeatureCache], PendingSum]]:
    several = False
    for layer in _layers_of(decoder):
        if isinstance(layer, wan_modules.ResidualBlock):
            yield Block(layer, several=several)
        elif isinstance(layer, wan_modules.Attention):
            yield Attention(layer)
        else:
            yield Upsampler(layer)
            several = several or hasattr(layer, "time_conv")


class CausalConv3d:
    """A convolution over a frame and the two before it, its weight [o, c, 3, y, x] laid out in memory for the way it is run.

    `several` says that a latent has several frames there, for which there may be a kernel of our own.
    """

    def __init__(self, conv: Any, *, folded: bool = False, several: bool = False) -> None:
        channels, size = conv.weight.shape[1], conv.weight.shape[-1]
        self.by_kernel_always = False
        quick = several and has_kernel(conv.weight.data)
        self._ordered = _order_weight(conv.weight.data) if quick else None
        self.folded = folded or size == 1 or (channels < FOLDED_BELOW and not quick)
        order = "o c t y x -> o y x t c" if self.folded else "o c t y x -> o t y x c"
        stored = rearrange(conv.weight.data, order).contiguous()
        back = " -> ".join(reversed(order.split(" -> ")))
        conv.weight.data = rearrange(stored, back)  # a view: the module's weight is this one
        whole = conv.weight.data
        self._weight = rearrange(whole, "o c t y x -> o (t c) y x") if self.folded else whole
        self._margin = size // 2
        self.bias = widen_dtype(conv.bias.data)

    def remembered(self, like: Tensor, past: FeatureCache, shape: Sequence[int]) -> Tensor:
        """The last two frames [b, 2, h, w, c] of what this layer has seen, of a `shape` [b, t, h, w, c]; numbers as in `like`."""
        if self not in past:
            past[self] = like.new_zeros(shape[0], CACHED_FRAMES, *shape[2:])
        return past[self]

    def begins(self, past: FeatureCache) -> bool:
        """Whether this layer has seen nothing yet."""
        return self not in past

    def convolve(self, joined: JoinedFrames, past: FeatureCache) -> Tensor:
        """[b, t, h, w, c] → the same with o channels; what is to be remembered is from now on."""
        past[self] = joined.last
        frames, margin = joined.frames, self._margin
        if self.folded:
            images = rearrange(frames, "b t h w c -> (b t) c h w")
            y = F.conv2d(images, self._weight, padding=margin)
            return rearrange(y, "(b t) o h w -> b t h w o", b=len(frames))
        if self._ordered is not None and self._is_for_kernel(frames):
            from model.vae import conv3d_hopper

            return conv3d_hopper.convolve_frames(frames, self._ordered)
        volume = rearrange(frames, "b t h w c -> b c t h w")
        y = F.conv3d(volume, self._weight, padding=(0, margin, margin))
        return rearrange(y, "b o t h w -> b t h w o")

    def _is_for_kernel(self, frames: Tensor) -> bool:
        return self.by_kernel_always or is_quicker(frames.shape, len(self._weight))


def _order_weight(weight: Tensor) -> Tensor:
    from model.vae import conv3d_hopper

    return conv3d_hopper.order_weight(weight)


class DoublingConv(CausalConv3d):
    """A convolution in time alone that makes two frames of each."""

    def __init__(self, conv: Any) -> None:
        super().__init__(conv)
        self._halves = [
            (weight[:, :, 0, 0], bias)
            for weight, bias in zip(self._weight.chunk(2), conv.bias.data.chunk(2), strict=True)
        ]

    def double(self, joined: JoinedFrames, past: FeatureCache) -> Tensor:
        """[b, t, h, w, 3 c] → [b, 2 t, h, w, c], the bias added; what is to be remembered is from now on."""
        past[self] = joined.last
        frames = [F.linear(joined.frames, weight, bias) for weight, bias in self._halves]
        return torch.stack(frames, 2).flatten(1, 2)


class HeadConv(CausalConv3d):
    """The last convolution, which makes a square of pixels at each step of as many."""

    def __init__(self, conv: Any, tile: int) -> None:
        super().__init__(conv, folded=True)
        self._tile = tile

    def convolve(self, joined: JoinedFrames, past: FeatureCache) -> Tensor:
        """[b, t, h, w, 3 c] → [b, t, h, w, o]; what is to be remembered is from now on."""
        past[self] = joined.last
        images = rearrange(joined.frames, "b t h w c -> (b t) c h w")
        weight = tile_outputs(self._weight, self._tile)
        y = F.conv2d(images, weight, stride=self._tile, padding=self._margin)
        order = "(b t) (y x o) h w -> b t (h y) (w x) o"
        return rearrange(y, order, b=len(joined.frames), y=self._tile, x=self._tile)


class NormActConv:
    """A norm, a SiLU and the causal convolution behind them."""

    def __init__(self, norm: Any, conv: CausalConv3d) -> None:
        self._gamma = norm.gamma.data.flatten()
        self.conv = conv

    def __call__(self, parts: PendingSum, past: FeatureCache) -> tuple[Tensor | None, Tensor]:
        """The sum, if it has more than a bias to add, and its convolution."""
        kept = self.conv.remembered(parts.convolved, past, parts.shape)
        added, joined = norm_activate(parts, self._gamma, kept, folded=self.conv.folded)
        return added, self.conv.convolve(joined, past)


class Block:
    """A residual block of two convolutions."""

    def __init__(self, block: wan_modules.ResidualBlock, *, several: bool) -> None:
        norm1, _, conv1, norm2, _, _, conv2 = block.residual
        self._first = NormActConv(norm1, CausalConv3d(conv1, several=several))
        self._second = NormActConv(norm2, CausalConv3d(conv2, several=several))
        shortcut = block.shortcut
        self._shortcut = shortcut if isinstance(shortcut, nn.Conv3d) else None
        self._nothing = torch.zeros_like(self._second.conv.bias)

    @property
    def convolutions(self) -> tuple[CausalConv3d, CausalConv3d]:
        """Both of them."""
        return self._first.conv, self._second.conv

    def __call__(self, parts: PendingSum, past: FeatureCache) -> PendingSum:
        """[b, t, h, w, c] → [b, t, h, w, o]."""
        added, convolved = self._first(parts, past)
        around = self._around(parts, added)
        _, convolved = self._second(PendingSum(convolved, self._first.conv.bias), past)
        return PendingSum(convolved, self._second.conv.bias + around.bias, around.convolved)

    def _around(self, parts: PendingSum, added: Tensor | None) -> PendingSum:
        """What goes around the two convolutions; a bias that nobody added goes with it."""
        if self._shortcut is not None:
            x = add_parts(parts) if added is None else added
            x = F.linear(x, self._shortcut.weight.flatten(1), self._shortcut.bias)
            return PendingSum(x, self._nothing)
        return parts if added is None else PendingSum(added, self._nothing)


class Attention:
    """Each frame's pixels attend to each other, in one head."""

    def __init__(self, block: Any) -> None:
        self._gamma = block.norm.gamma.data.flatten()
        self._qkv, self._out = block.to_qkv, block.proj
        self._bias = widen_dtype(block.proj.bias.data)

    def __call__(self, parts: PendingSum, _: FeatureCache) -> PendingSum:
        """[b, t, h, w, c] → the same."""
        x = add_parts(parts)
        normed = rms_normalize(widen_dtype(x), self._gamma).to(x.dtype)
        qkv = F.linear(normed, self._qkv.weight.flatten(1), self._qkv.bias)
        q, k, v = rearrange(qkv, "b t h w (three c) -> three (b t) 1 (h w) c", three=3)
        seen = F.scaled_dot_product_attention(q, k, v)
        b, t, h, _w, _c = x.shape
        rows = rearrange(seen, "(b t) 1 (h w) c -> b t h w c", b=b, t=t, h=h)
        return PendingSum(F.linear(rows, self._out.weight.flatten(1)), self._bias, x)


class Upsampler:
    """Twice the height and width and, where there is a convolution in time, twice the frames: but for a stream's first.

    The picture is never written four times over: its convolution reads it as it is and makes the four phases.
    """

    def __init__(self, upsample: Any) -> None:
        doubles = hasattr(upsample, "time_conv")
        self._in_time = DoublingConv(upsample.time_conv) if doubles else None
        conv = upsample.resample[1]
        self._weight, self._bias = sum_taps(conv.weight.data), widen_dtype(conv.bias.data)

    def __call__(self, parts: PendingSum, past: FeatureCache) -> PendingSum:
        """[b, t, h, w, c] → [b, t or 2 t, 2 h, 2 w, o], in phases."""
        frames = self._double_frames(parts, past)
        images = rearrange(frames, "b t h w c -> (b t) c h w")
        y = F.conv2d(images, self._weight, padding=1)
        y = rearrange(y, "(b t) o h w -> b t h w o", b=len(frames))
        return PendingSum(y, self._bias)

    def _double_frames(self, parts: PendingSum, past: FeatureCache) -> Tensor:
        time = self._in_time
        if time is None:
            return add_parts(parts)
        first = time.begins(past)
        kept = time.remembered(parts.convolved, past, parts.shape)
        if first:
            return add_parts(parts)  # and it stays unseen: what comes next sees zeros before it
        return time.double(join_sum(parts, kept), past)


# Between two convolutions


def norm_activate(
    parts: PendingSum, gamma: Tensor, past: Tensor, *, folded: bool
) -> tuple[Tensor | None, JoinedFrames]:
    """The sum, if it has more than a bias to add, and its norm behind a SiLU, joined with the past [b, 2, h, w, c]."""
    if has_kernels(parts.convolved):
        from model.vae import wan_decoder_triton

        added, frames, last = wan_decoder_triton.activate_sum(parts, gamma, past, folded=folded)
        return added, JoinedFrames(frames, last)
    x, like = sum_in_float(parts), past.dtype
    joined = join_frames(F.silu(rms_normalize(x, gamma)).to(like), past, folded=folded)
    return None if parts.around is None else x.to(like), joined


def join_sum(parts: PendingSum, past: Tensor) -> JoinedFrames:
    """The sum joined with the past [b, 2, h, w, c], folded."""
    if has_kernels(parts.convolved):
        from model.vae import wan_decoder_triton

        _, frames, last = wan_decoder_triton.activate_sum(parts, None, past, folded=True)
        return JoinedFrames(frames, last)
    return join_frames(add_parts(parts), past, folded=True)


def add_parts(parts: PendingSum) -> Tensor:
    """The sum [b, t, h, w, c]."""
    if has_kernels(parts.convolved):
        from model.vae import wan_decoder_triton

        return wan_decoder_triton.add_parts(parts)
    return sum_in_float(parts).to(parts.convolved.dtype)


def to_frames(parts: PendingSum) -> Tensor:
    """The sum [b, t, y, x, 3] → [b, 3, t, y, x] in -1..1."""
    x = sum_in_float(parts).clamp(-1, 1).to(parts.convolved.dtype)
    return rearrange(x, "b t y x c -> b c t y x").contiguous()


def join_frames(frames: Tensor, past: Tensor, *, folded: bool) -> JoinedFrames:
    """Frames [b, t, h, w, c] behind the two that are remembered."""
    span = torch.cat([past, frames], 1)
    # A copy: a view would hold the whole.
    last = span[:, -CACHED_FRAMES:].clone()
    if not folded:
        return JoinedFrames(span, last)
    return JoinedFrames(torch.cat([span[:, :-2], span[:, 1:-1], span[:, 2:]], -1), last)


def rms_normalize(x: Tensor, gamma: Tensor) -> Tensor:
    """RMSNorm of model/vae/wan_modules.py over the last dimension, in the precision of x."""
    return F.normalize(x, dim=-1) * (widen_dtype(gamma) * x.shape[-1] ** 0.5)


def sum_in_float(parts: PendingSum) -> Tensor:
    """In float32 at least."""
    x = _as_pixels(parts, parts.convolved) + parts.bias  # which is as wide as that
    return x if parts.around is None else x + _as_pixels(parts, parts.around)


def _as_pixels(parts: PendingSum, part: Tensor) -> Tensor:
    return interleave_phases(part) if parts.in_phases(part) else part


def widen_dtype(x: Tensor) -> Tensor:
    """In float32, or in float64 if it was."""
    return x if x.dtype == torch.float64 else x.float()


def tile_outputs(weight: Tensor, tile: int) -> Tensor:
    """The weight [t t o, c, t + 2, t + 2] that makes, at every t-th pixel, the t x t pixels that [o, c, 3, 3] makes one by one: shifted, zeros around."""
    size = tile + weight.shape[-1] - 1
    windows = F.pad(weight, [tile - 1] * 4).unfold(2, size, 1).unfold(3, size, 1).flip(2, 3)
    shifted = rearrange(windows, "o c row column y x -> (row column o) c y x")
    return shifted.contiguous(memory_format=torch.channels_last)


def sum_taps(weight: Tensor) -> Tensor:
    """The weight [4 o, c, 2, 2] that makes of a picture, with a margin of one, what [o, c, 3, 3] makes of it with each pixel four times: in phases.

    Taps that fall on the same pixel are added in float32, and rounded once.
    """
    rows = _sum_pairs(widen_dtype(weight), 2)
    phases = rearrange(_sum_pairs(rows, 4), "x y o c h w -> (y x o) c h w")
    return phases.to(weight.dtype).contiguous(memory_format=torch.channels_last)


def _sum_pairs(weight: Tensor, dim: int) -> Tensor:
    """For even and for odd pixels [2, …], the two taps along a dimension that had three."""
    before, at, behind = weight.unbind(dim)
    even, odd = (before, at + behind), (before + at, behind)
    return torch.stack([torch.stack(taps, dim) for taps in (even, odd)])


def interleave_phases(phases: Tensor) -> Tensor:
    """[b, t, h + 1, w + 1, (y x c)] → [b, t, 2 h, 2 w, c]: pixel (2 i + y, 2 j + x) is that of phase (y, x) at (i + y, j + x)."""
    h, w = (size - 1 for size in phases.shape[2:4])
    cut = [
        phase[:, :, i // 2 : i // 2 + h, i % 2 : i % 2 + w]
        for i, phase in enumerate(phases.chunk(4, -1))
    ]
    return rearrange(cut, "(y x) b t h w c -> b t (h y) (w x) c", y=2)
