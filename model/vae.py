"""A stock AutoencoderKLWan (Wan2.1's, pocket's) as an encoder and as a stream of frames.

The module and its weights stay diffusers'. What is ours is the walk through them: one function serves a stream (one latent at a time, its
past kept here and not on the module) and training (the whole clip at once), so what is trained is what runs. Tensors inside the walk are
[b, t, h, w, c], the order in which a CPU and a GPU convolve fastest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    Module = Any  # diffusers is untyped, and so are the parts of its modules

HISTORY = 2  # frames that a causal convolution of kernel 3 looks back


def decoder_memory(config: Mapping[str, Any]) -> int:
    """Latent frames after which the decoder has forgotten an input, from the layers of its configuration.

    Walks back from the first frame of a latent: a causal convolution reaches two frames further, a doubling of time halves the position.
    A stream that starts this many latents early is bit for bit the unbroken one.
    """
    doublings = list(config["temperal_downsample"])[::-1]
    block = HISTORY * 2 * (config["num_res_blocks"] + 1)
    frame = -HISTORY  # conv_out
    for level in reversed(range(len(config["dim_mult"]))):
        if level < len(doublings) and doublings[level]:
            frame = frame // 2 - HISTORY  # time_conv sees frames before they are doubled
        frame -= block
    return -(frame - HISTORY * 4 - HISTORY)  # two residual blocks in the middle, conv_in


class Past(Protocol):
    """Where the frames before a chunk come from."""

    begins: bool
    """True while the chunk starts with the stream's very first frame, which is never doubled."""
    fold: bool
    """Whether 3-D convolutions run as 2-D ones: where the machine has no good kernel for the former."""
    normalise: Callable[[Module, Tensor], Tensor]
    """The norm and SiLU before a convolution; a trainer hands in a compiled one."""

    def extend(self, layer: Module, x: Tensor) -> Tensor:
        """Put the two frames that came before in front of x [b, t, h, w, c]."""


class NoPast:
    """A whole clip at once: before its first frame there is nothing."""

    begins = True

    def __init__(self, *, fold: bool = False) -> None:
        self.fold = fold
        self.normalise: Callable[[Module, Tensor], Tensor] = normalise

    def extend(self, layer: Module, x: Tensor) -> Tensor:  # noqa: ARG002
        """Put two frames of zeros in front."""
        from torch.nn import functional as F

        return F.pad(x, (0, 0, 0, 0, 0, 0, HISTORY, 0))


class KeptPast:
    """The last two frames that each layer saw: the whole state of a stream."""

    def __init__(self, *, fold: bool = False) -> None:
        self.begins = True
        self.fold = fold
        self.normalise: Callable[[Module, Tensor], Tensor] = normalise
        self._frames: dict[Module, Tensor] = {}

    def extend(self, layer: Module, x: Tensor) -> Tensor:
        """Put the kept frames (zeros at first) in front, and keep the last two."""
        import torch

        kept = self._frames.get(layer)
        if kept is None:
            kept = x.new_zeros(x.shape[0], HISTORY, *x.shape[2:])
        x = torch.cat((kept, x), dim=1)
        self._frames[layer] = x[:, -HISTORY:].clone()
        return x


def normalise(layer: Module, x: Tensor) -> Tensor:
    """RMS norm and SiLU of x [..., c]: the same as the stock pair, rounded once instead of five times."""
    import torch
    from torch.nn import functional as F

    gamma = layer.gamma.flatten().to(x.dtype)
    x = F.rms_norm(x, gamma.shape, gamma, eps=1e-24)
    return F.silu(x, inplace=not torch.is_grad_enabled())


def convolve(layer: Module, x: Tensor, past: Past) -> Tensor:
    """A causal 3-D convolution of x [b, t, h, w, c]."""
    from torch.nn import functional as F

    weight, bias = layer.weight.to(x.dtype), layer.bias.to(x.dtype)
    time, height, width = layer.kernel_size
    if time * height * width == 1:
        return F.linear(x, weight.flatten(1), bias)
    if time > 1:
        x = past.extend(layer, x)
    if past.fold:
        return _convolve_folded(x, weight, bias)
    y = F.conv3d(x.permute(0, 4, 1, 2, 3), weight, bias, padding=(0, height // 2, width // 2))
    return y.permute(0, 2, 3, 4, 1)


def _convolve_folded(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    # Time goes into the channels of a 2-D convolution: six times faster than the 3-D one in fp32 on a CPU, 5 % slower in bf16.
    import torch
    from torch.nn import functional as F

    time, height, width = weight.shape[2:]
    frames = x.shape[1] - time + 1
    x = torch.cat([x[:, i : i + frames] for i in range(time)], dim=-1)
    weight = weight.transpose(1, 2).flatten(1, 2)
    y = F.conv2d(
        x.flatten(0, 1).permute(0, 3, 1, 2), weight, bias, padding=(height // 2, width // 2)
    )
    y = y.permute(0, 2, 3, 1)
    return y.reshape(x.shape[0], frames, *y.shape[1:])


def _convolve_pictures(layer: Module, x: Tensor) -> Tensor:
    from torch.nn import functional as F

    y = F.conv2d(
        x.flatten(0, 1).permute(0, 3, 1, 2),
        layer.weight.to(x.dtype),
        layer.bias.to(x.dtype),
        layer.stride,
        layer.padding,
    )
    y = y.permute(0, 2, 3, 1)
    return y.reshape(*x.shape[:2], *y.shape[1:])


def _residual(block: Module, x: Tensor, past: Past) -> Tensor:
    y = convolve(block.conv1, past.normalise(block.norm1, x), past)
    y = convolve(block.conv2, past.normalise(block.norm2, y), past)
    if block.in_dim != block.out_dim:
        x = convolve(block.conv_shortcut, x, past)
    return x + y


def _attend(block: Module, x: Tensor) -> Tensor:
    from torch.nn import functional as F

    gamma = block.norm.gamma.flatten().to(x.dtype)
    y = F.rms_norm(x, gamma.shape, gamma, eps=1e-24)
    y = F.linear(y, block.to_qkv.weight.flatten(1).to(x.dtype), block.to_qkv.bias.to(x.dtype))
    q, k, v = y.flatten(2, 3).flatten(0, 1).unsqueeze(1).chunk(3, dim=-1)
    y = F.scaled_dot_product_attention(q, k, v).view_as(x)
    return x + F.linear(y, block.proj.weight.flatten(1).to(x.dtype), block.proj.bias.to(x.dtype))


def _middle(block: Module, x: Tensor, past: Past) -> Tensor:
    x = _residual(block.resnets[0], x, past)
    for attention, residual in zip(block.attentions, block.resnets[1:], strict=True):
        x = _residual(residual, _attend(attention, x), past)
    return x


def _enlarge(layer: Module, x: Tensor, past: Past) -> Tensor:
    import torch

    if layer.mode == "upsample3d":
        first = x[:, : int(past.begins)]
        x = x[:, int(past.begins) :]
        if x.shape[1]:
            x = convolve(layer.time_conv, x, past)
            x = x.view(*x.shape[:4], 2, -1).permute(0, 1, 4, 2, 3, 5).flatten(1, 2)
        x = torch.cat((first, x), dim=1) if past.begins else x
    b, t, h, w, c = x.shape
    x = x[:, :, :, None, :, None].expand(b, t, h, 2, w, 2, c).reshape(b, t, 2 * h, 2 * w, c)
    return _convolve_pictures(layer.resample[1], x)


def _reduce(layer: Module, x: Tensor) -> Tensor:
    import torch
    from torch.nn import functional as F

    x = _convolve_pictures(layer.resample[1], F.pad(x, (0, 0, 0, 1, 0, 1)))
    if layer.mode == "downsample2d" or x.shape[1] == 1:
        return x
    weight, bias = layer.time_conv.weight.to(x.dtype), layer.time_conv.bias.to(x.dtype)
    rest = F.conv3d(x.permute(0, 4, 1, 2, 3), weight, bias, stride=(2, 1, 1))
    return torch.cat((x[:, :1], rest.permute(0, 2, 3, 4, 1)), dim=1)


def walk_decoder(vae: Module, z: Tensor, past: Past) -> Tensor:
    """Frames [b, 3, t, y, x] from latents [b, c, t, h, w] as the module knows them, not clamped."""
    decoder = vae.decoder
    x = convolve(vae.post_quant_conv, z.permute(0, 2, 3, 4, 1), past)
    x = _middle(decoder.mid_block, convolve(decoder.conv_in, x, past), past)
    for block in decoder.up_blocks:
        for residual in block.resnets:
            x = _residual(residual, x, past)
        if block.upsamplers is not None:
            x = _enlarge(block.upsamplers[0], x, past)
    x = convolve(decoder.conv_out, past.normalise(decoder.norm_out, x), past)
    side = vae.config.patch_size or 1
    b, t, h, w, _ = x.shape
    # The stock patches count x before y; memory stays [t, y, x, rgb], as a picture wants it.
    x = x.view(b, t, h, w, -1, side, side).permute(0, 1, 2, 6, 3, 5, 4)
    return x.reshape(b, t, h * side, w * side, -1).permute(0, 4, 1, 2, 3)


def walk_encoder(vae: Module, frames: Tensor, past: Past) -> Tensor:
    """Mean and log-variance [b, 2c, t, h, w] of frames [b, 3, 1 + 4k, y, x], the whole clip at once."""
    encoder, side = vae.encoder, vae.config.patch_size or 1
    b, c, t, h, w = frames.shape
    x = frames.view(b, c, t, h // side, side, w // side, side)
    x = x.permute(0, 2, 3, 5, 1, 6, 4).reshape(b, t, h // side, w // side, -1)
    x = convolve(encoder.conv_in, x, past)
    for layer in encoder.down_blocks:
        x = _residual(layer, x, past) if hasattr(layer, "conv1") else _reduce(layer, x)
    x = past.normalise(encoder.norm_out, _middle(encoder.mid_block, x, past))
    x = convolve(vae.quant_conv, convolve(encoder.conv_out, x, past), past)
    return x.permute(0, 4, 1, 2, 3)


def arrange(module: Module) -> None:
    """Lay the convolutions' weights out as the kernels want them: the same numbers, other strides."""
    import torch

    for weight in module.parameters():
        if weight.ndim in (4, 5):
            order = torch.channels_last if weight.ndim == 4 else torch.channels_last_3d
            weight.data = weight.data.contiguous(memory_format=order)


class StreamingVAE:
    """An AutoencoderKLWan whose latents are normalised and whose decoder can be streamed."""

    def __init__(self, module: Module) -> None:
        import torch

        self.module = module.eval().requires_grad_(False)
        arrange(module)
        config = module.config
        self.dtype, self.device = module.dtype, module.device
        self.mean = torch.tensor(config.latents_mean, device=self.device).view(-1, 1, 1, 1)
        self.std = torch.tensor(config.latents_std, device=self.device).view(-1, 1, 1, 1)

    @property
    def memory(self) -> int:
        """Latent frames after which the decoder has forgotten everything."""
        return decoder_memory(self.module.config)

    def encode(self, frames: Tensor) -> Tensor:
        """Normalised latents [b, c, 1 + k, h, w], float32, of frames [b, 3, 1 + 4k, y, x] in -1..1."""
        import torch

        with torch.inference_mode():
            posterior = self.module.encode(frames.to(self.device, self.dtype)).latent_dist
            mode: Tensor = posterior.mode()
            return (mode.float() - self.mean) / self.std

    def raw(self, latents: Tensor) -> Tensor:
        """Latents as the module knows them, from normalised ones."""
        return (latents.to(self.device).float() * self.std + self.mean).to(self.dtype)


class DecoderStream:
    """Latents into frames, one after the other, without end; its past is its own, so any number of streams share a module."""

    def __init__(self, vae: StreamingVAE) -> None:
        self._vae = vae
        self._stock = bool(vae.module.config.is_residual)  # Wan2.2's blocks go the stock way
        self.reset()

    def reset(self) -> None:
        """Stand before the first latent again, which becomes one frame."""
        vae = self._vae
        self._past = KeptPast(fold=vae.device.type == "cpu" and vae.dtype.itemsize == 4)
        self._cache: list[Any] = [None] * self._vae.module._cached_conv_counts["decoder"]

    def push(self, latents: Tensor) -> Tensor:
        """The frames [b, 3, t', y, x] in -1..1 of the next latents [b, c, t, h, w]: four each, the very first one.

        One latent at a time, so that frames never depend on how latents were cut into pushes.
        """
        import torch

        with torch.inference_mode():
            raw = self._vae.raw(latents)
            frames = [self._decode(raw[:, :, i : i + 1]) for i in range(raw.shape[2])]
            return torch.cat(frames, dim=2).clamp_(-1, 1)

    def _decode(self, z: Tensor) -> Tensor:
        module, begins = self._vae.module, self._past.begins
        if self._stock:
            return self._decode_stock(z, begins=begins)
        frames = walk_decoder(module, z, self._past)
        self._past.begins = False
        return frames

    def _decode_stock(self, z: Tensor, *, begins: bool) -> Tensor:
        from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

        module = self._vae.module
        x: Tensor = module.decoder(
            module.post_quant_conv(z), feat_cache=self._cache, feat_idx=[0], first_chunk=begins
        )
        self._past.begins = False
        side = module.config.patch_size
        if side is not None:
            x = unpatchify(x, side)
        return x
