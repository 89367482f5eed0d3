"""Pocket's warping network: motion curves say how the picture moves; the picture itself is moved.

    frame = (1 − mask) · warp(picture, flow) + mask · paint

after the idea of first-order motion models (arXiv 2003.00196) and LivePortrait (arXiv 2407.03168). Identity holds by construction: an eye in minute
thirty is the eye of the picture, and only what the picture does not show (the inside of a mouth, a lid) is painted. A frame depends on the picture and on its own curves alone.
"""

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from safetensors.torch import load_file
from torch import Tensor, nn

from model.motion_columns import MOTION_COLUMNS
from model.pocket.curve_layout import CURVES, RESTED, RESTED_COLUMNS
from model.pocket.model_traits import WARPING_FILE, WEIGHTS

BOXES = 3
"""Mouth, left eye, right eye."""
FLOW_PIXELS = 32.0
"""Pixels of the canvas that a flow of 1 moves."""
CURVE_SCALE = (20.0, 20.0, 20.0, 50.0, *(2.0,) * (MOTION_COLUMNS - 4))
"""What makes a curve about as large as the others."""
_MASK_BIAS = -2.0
_MASK_OVER = 0.1
"""How far masks would go beyond 0 and 1: paint that covers nearly all leaves a trace of what is under it."""


class Residual(nn.Module):
    """Two convolutions beside a skip; begins as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = scaled_conv(width, width), scaled_conv(width, width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[n, c, h, w] → [n, c, h, w]."""
        return self.second(F.relu_(self.first(F.relu(x)))).add_(x)


class ModulatedResidual(nn.Module):
    """A residual of frames whose features are scaled and shifted by what is told of each frame (FiLM, arXiv 1709.07871)."""

    def __init__(self, width: int, told: int) -> None:
        super().__init__()
        self.first, self.second = scaled_conv(width, width), scaled_conv(width, width)
        self.modulate = nn.Linear(told, 2 * width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """[n, c, h, w] and [n, told] → [n, c, h, w]."""
        changed = F.relu_(modulate_channels(x, *self.modulate(told).chunk(2, 1)))
        return self.second(F.relu_(self.first(changed))).add_(x)


def modulate_channels(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """X [n, c, h, w] · (1 + scale) + shift, both [n, c]."""
    c, w = x.shape[1], x.shape[3]
    # Channels lie together; a processor is slow in loops as short as one pixel's, so that it is given a row at a time.
    rows = rearrange(x.contiguous(memory_format=torch.channels_last), "n c h w -> n h (w c)")
    scale, shift = (repeat(v, "n c -> n 1 (w c)", w=w) for v in (scale, shift))
    made = torch.addcmul(rows, rows, scale).add_(shift)
    return rearrange(made, "n h (w c) -> n c h w", c=c)


def scaled_conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the scale of what it sees."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


DOUBTED = 0.3
USUAL = {"width": 0.5}
"""What curves are in most pictures; others are 0: they look at you, eyes open and the mouth shut."""


class PictureFeatures(NamedTuple):
    """What the network knows of a picture, the same for a whole film: features [b, c, y/16, x/16], … y/8, y/4 and [b, c, y/2, x/2], and what the RESTED curves are there [b, RESTED], float32."""

    coarse: Tensor
    middle: Tensor
    fine: Tensor
    finest: Tensor
    rest: Tensor


class MotionFields(NamedTuple):
    """How frames differ from the picture: flow [n, 2, y/2, x/2] (x, y; times FLOW_PIXELS of the canvas), paint [n, 3, y, x] in about -1..1 and mask [n, 1, y, x] in 0..1."""

    flow: Tensor
    paint: Tensor
    mask: Tensor


class WarpingNetwork(nn.Module):
    """Pictures in -1..1 with planes of their boxes, and motion curves, to flow, paint and mask."""

    def __init__(
        self, widths: tuple[int, int, int, int] = (24, 32, 64, 96), told: int = 128
    ) -> None:
        super().__init__()
        w0, w1, w2, w3 = widths
        self.look_finest = nn.Sequential(
            nn.PixelUnshuffle(2), scaled_conv(4 * (3 + BOXES), 32), nn.ReLU(), scaled_conv(32, w0)
        )
        self.look_fine = nn.Sequential(
            nn.PixelUnshuffle(4), scaled_conv(16 * (3 + BOXES), 64), Residual(64)
        )
        self.look_middle = nn.Sequential(scaled_conv(64, 96, 3, 2), Residual(96))
        self.look_coarse = nn.Sequential(scaled_conv(96, 128, 3, 2), Residual(128), Residual(128))
        self.add_coarse, self.add_middle, self.add_fine = (
            scaled_conv(128, w3), scaled_conv(96, w2), scaled_conv(64, w1),
        )  # fmt: skip
        self.rest = nn.Sequential(
            nn.Linear(BOXES * 128, 128), nn.ReLU(), nn.Linear(128, len(RESTED))
        )
        self.tell = nn.Sequential(
            nn.Linear(MOTION_COLUMNS + len(RESTED), told), nn.SiLU(), nn.Linear(told, told), nn.SiLU()
        )  # fmt: skip
        self.coarse = nn.ModuleList(ModulatedResidual(w3, told) for _ in range(3))
        self.grow = scaled_conv(w3, w2)
        self.middle = nn.ModuleList(ModulatedResidual(w2, told) for _ in range(2))
        self.enlarge = nn.Sequential(scaled_conv(w2, 4 * w1), nn.PixelShuffle(2))
        self.fine = ModulatedResidual(w1, told)
        self.enlarge_fine = nn.Sequential(scaled_conv(w1, 4 * w0, 1), nn.PixelShuffle(2))
        self.finest = ModulatedResidual(w0, told)
        self.fields_out = scaled_conv(w0, 2 + 4 * 4)
        with torch.no_grad():
            self.fields_out.weight[:2].zero_()

    def look(self, picture: Tensor, planes: Tensor) -> PictureFeatures:
        """Features of pictures [b, 3, y, x] in -1..1 whose boxes are told by planes [b, BOXES, y, x]."""
        whole = torch.cat([picture, planes], 1)
        fine = self.look_fine(whole)
        middle = self.look_middle(fine)
        coarse = self.look_coarse(middle)
        # What is seen at each box, and around it.
        where = F.adaptive_avg_pool2d(planes, coarse.shape[-2:]).flatten(2) + 1e-4
        seen = torch.einsum("bkp,bcp->bkc", where / where.sum(2, keepdim=True), coarse.flatten(2))
        rest = self.rest(seen.flatten(1)).float()
        if not self.training:
            rest = doubt_rest(rest)
        return PictureFeatures(
            self.add_coarse(coarse),
            self.add_middle(middle),
            self.add_fine(fine),
            self.look_finest(whole),
            rest,
        )

    def fields(self, features: PictureFeatures, curves: Tensor) -> MotionFields:
        """The fields [(b t), …], float32, of frames whose curves [b, t, MOTION] are what model.pocket.motion_curves decodes."""
        told = self.tell_frames(features.rest, curves).to(features.coarse.dtype)
        frames = curves.shape[1]
        x = repeat(features.coarse, "b c h w -> (b t) c h w", t=frames)
        for block in self.coarse:
            x = block(x, told)
        x = self.grow(F.interpolate(x, scale_factor=2, mode="nearest"))
        x = add_picture(x, features.middle)
        for block in self.middle:
            x = block(x, told)
        x = add_picture(self.enlarge(x), features.fine)
        x = self.enlarge_fine(self.fine(x, told))
        x = self.finest(add_picture(x, features.finest), told)
        x = self.fields_out(F.relu_(x)).float()
        paint = F.pixel_shuffle(x[:, 2:], 2)
        return MotionFields(x[:, :2], paint[:, :3], saturate_mask(paint[:, 3:] + _MASK_BIAS))

    def tell_frames(self, rest: Tensor, curves: Tensor) -> Tensor:
        """What frames are told [(b t), told]: their curves, and how those differ from the picture's own [b, RESTED]."""
        apart = curves[..., RESTED_COLUMNS] - rest[:, None]
        scaled = curves * curves.new_tensor(CURVE_SCALE)
        whole = rearrange(torch.cat([scaled, 2 * apart], 2), "b t m -> (b t) m")
        told: Tensor = self.tell(whole.to(self.grow.weight.dtype))
        return told


def saturate_mask(x: Tensor) -> Tensor:
    """A sigmoid that reaches 0 and 1 (the hard concrete of arXiv 1712.01312, without its noise)."""
    return torch.addcmul(x.new_tensor(-_MASK_OVER), torch.sigmoid(x), x.new_tensor(1 + 2 * _MASK_OVER)).clamp(0, 1)  # fmt: skip


def add_picture(x: Tensor, features: Tensor) -> Tensor:
    """Frames [(b t), c, h, w] with the features [b, c, h, w] of their pictures."""
    return (x.unflatten(0, (len(features), -1)) + features[:, None]).flatten(0, 1)


def box_planes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Where boxes are, as planes [n, k, height, width]: a hill on each box [n, k, 4] (centre x, y and half sizes in half canvases), 0.6 at the middle of its sides."""
    x = (torch.arange(width, device=boxes.device) + 0.5) * (2 / width) - 1
    y = (torch.arange(height, device=boxes.device) + 0.5) * (2 / height) - 1
    cx, cy, wide, high = boxes[..., None, None].unbind(2)
    across, down = (x - cx) / wide.clamp(min=1e-3), (y[:, None] - cy) / high.clamp(min=1e-3)
    return torch.exp(-0.5 * (across.square() + down.square()))


def warp_picture(picture: Tensor, flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures [n, 3, Y, X] moved by flows [n, 2, …] that cover them, FLOW_PIXELS to 1 of a canvas of `size` (height, width): frames [n, 3, height, width], float32."""
    height, width = size
    moved = F.interpolate(flow, size=size, mode="bilinear", align_corners=False)
    grid = identity_grid(height, width, flow.device)
    unit = flow.new_tensor([2 * FLOW_PIXELS / width, 2 * FLOW_PIXELS / height])
    grid = grid + rearrange(moved, "n c y x -> n y x c") * unit
    return F.grid_sample(picture.float(), grid, padding_mode="border", align_corners=False)


def identity_grid(height: int, width: int, device: torch.device | str) -> Tensor:
    """Where each pixel's centre is [height, width, (x, y)], in -1..1."""
    x = (torch.arange(width, device=device) + 0.5) * (2 / width) - 1
    y = (torch.arange(height, device=device) + 0.5) * (2 / height) - 1
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def blend_frames(picture: Tensor, fields: MotionFields) -> Tensor:
    """Frames [(b t), 3, y, x] of pictures [b, 3, y, x] on the canvas; what the decoder is trained with."""
    frames = len(fields.flow) // len(picture)
    many = repeat(picture, "b c y x -> (b t) c y x", t=frames)
    moved = warp_picture(many, fields.flow, (picture.shape[-2], picture.shape[-1]))
    return torch.lerp(moved, fields.paint, fields.mask)


def doubt_rest(rest: Tensor) -> Tensor:
    """What RESTED curves are read to be in pictures [b, RESTED], where a face can be so, to within DOUBTED of its reach; else as most pictures have them. Of a picture like none in training some are read far off (lids shut twice over), and nothing of it would move."""
    lows, highs = rest.new_tensor(
        [(CURVES[name].lowest, CURVES[name].highest) for name in RESTED]
    ).T
    spare = DOUBTED * (highs - lows)
    usual = rest.new_tensor([USUAL.get(name, 0.0) for name in RESTED])
    return torch.where((rest < lows - spare) | (rest > highs + spare), usual, rest)


def load_warping_network(folder: Path = WEIGHTS) -> WarpingNetwork:
    """The network whose weights lie in a folder, in float32, channels last, to be evaluated."""
    network = WarpingNetwork()
    network.load_state_dict(load_file(folder / WARPING_FILE))
    return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stub lacks memory_format
