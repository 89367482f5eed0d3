"""The network that finds drawn faces, as it is trained; model/pocket/face_network.py runs what `export_network` makes of it.

A pyramid goes down to a thirty-second of the side and up again to a quarter. Where mouth and eyes are is the mean place of a softmax
(integral regression: Sun et al. 2018, arXiv:1711.08229), and how large they are is read there.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn

from model.pocket.cartoon_finder import PIXELS, SCALE
from model.pocket.face_network import FaceNetwork, Layer

GRID = PIXELS // 4
"""Places along a side at which mouth and eyes are looked for."""
PARTS = 3
"""Mouth, left eye, right eye."""


class CartoonReading(NamedTuple):
    """What the network says of views."""

    heat: Tensor
    """[n, PARTS, GRID, GRID]: logits of where each part is."""
    edges: Tensor
    """[n, 4 · PARTS, GRID, GRID]: how far the left, upper, right and lower edge of the part would be from there, as `read_edges` takes it."""
    presence: Tensor
    """[n]: the logit of a face being there."""


class SeparableConvolution(nn.Module):
    """A convolution of each channel by itself, then one of all at each place; what went in is added where it fits."""

    def __init__(self, inner: int, outer: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inner, inner, 3, stride, groups=inner)
        self.pointwise = nn.Conv2d(inner, outer, 1)
        self.adds = stride == 1 and inner == outer

    def forward(self, x: Tensor) -> Tensor:
        """[n, inner, y, x] → [n, outer, y / stride, x / stride]."""
        made = self.pointwise(self.depthwise(pad_same(x, self.depthwise.stride[0])))
        return F.relu(made + x if self.adds else made)


def pad_same(x: Tensor, stride: int) -> Tensor:
    """With the zeros that a kernel of 3 needs, where face_network.py puts them."""
    return F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))


def go_down(inner: int, outer: int, number: int) -> nn.Sequential:
    """Half the size, and so many layers there."""
    further = (SeparableConvolution(outer, outer) for _ in range(number - 1))
    return nn.Sequential(SeparableConvolution(inner, outer, 2), *further)


class CartoonNetwork(nn.Module):
    """Views [n, 3, PIXELS, PIXELS] in −1..1 to a CartoonReading."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 24, 3, 2)
        self.down = nn.ModuleList(
            [go_down(24, 40, 2), go_down(40, 80, 3), go_down(80, 128, 3), go_down(128, 192, 3)]
        )
        self.top = nn.ModuleList([nn.Conv2d(n, m, 1) for n, m in ((192, 96), (96, 64), (64, 48))])
        self.side = nn.ModuleList([nn.Conv2d(n, m, 1) for n, m in ((128, 96), (80, 64), (40, 48))])
        self.up = nn.ModuleList(
            nn.Sequential(*(SeparableConvolution(n, n) for _ in range(number)))
            for n, number in ((96, 1), (64, 1), (48, 2))
        )
        self.heat = nn.Conv2d(48, PARTS, 1)
        self.edges = nn.Conv2d(48, 4 * PARTS, 1)
        self.presence = nn.Conv2d(192, 1, 1)

    def forward(self, views: Tensor) -> CartoonReading:
        """Look at views [n, 3, PIXELS, PIXELS]."""
        x = F.relu(self.first(pad_same(views, 2)))
        levels = []
        for go in self.down:
            x = go(x)
            levels.append(x)
        presence = self.presence(x).amax((2, 3))[:, 0]
        for top, side, up, level in zip(self.top, self.side, self.up, levels[-2::-1], strict=True):
            enlarged = F.interpolate(top(x), scale_factor=2, mode="nearest")
            x = up(F.relu(enlarged + side(level)))
        return CartoonReading(self.heat(x), self.edges(x), presence)


def read_edges(reading: CartoonReading) -> Tensor:
    """The left, upper, right and lower edge [n, PARTS, 4] of each part, 0 to 1 along the view."""
    weights = reading.heat.flatten(2).softmax(-1)
    place = (torch.arange(GRID, device=weights.device) + 0.5) / GRID
    places = rearrange(torch.stack(torch.meshgrid(place, place, indexing="xy")), "c y x -> (y x) c")
    middle = weights @ places
    told = rearrange(reading.edges, "n (k c) y x -> n k c (y x)", k=PARTS)
    away = torch.exp(einsum(weights, told, "n k p, n k c p -> n k c") - SCALE)
    return torch.cat([middle - away[..., :2], middle + away[..., 2:]], -1)


class NetworkWriter:
    """Layers and weights of a FaceNetwork, written one after another."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.weights: dict[str, Tensor] = {}

    def add(self, kind: str, *inputs: str, stride: int = 1, padded: bool = False) -> str:
        """A layer without weights; what it is called."""
        name = f"{kind}_{len(self.layers)}"
        self.layers.append(Layer(kind, name, inputs, stride, padded))
        return name

    def convolve(self, layer: nn.Conv2d, source: str) -> str:
        """A convolution; what it is called."""
        depthwise = layer.groups > 1
        kind = "depthwise_convolution" if depthwise else "convolution"
        name = self.add(kind, source, stride=layer.stride[0], padded=layer.kernel_size[0] > 1)
        order = "c 1 y x -> y x c" if depthwise else "o i y x -> y x i o"
        assert layer.bias is not None
        self.weights[f"{name}.weight"] = rearrange(layer.weight.detach(), order)
        self.weights[f"{name}.bias"] = layer.bias.detach()
        return name

    def convolve_separably(self, layers: nn.Sequential, x: str) -> str:
        """SeparableConvolutions; what the last is called."""
        for layer in layers:
            assert isinstance(layer, SeparableConvolution)
            made = self.convolve(layer.pointwise, self.convolve(layer.depthwise, x))
            x = self.add("relu", self.add("add", made, x) if layer.adds else made)
        return x


def export_network(network: CartoonNetwork) -> tuple[FaceNetwork, dict[str, Tensor]]:
    """The network as numpy runs it, without its weights, and these by name: outputs heat, edges and presence [y, x, channel]."""
    write = NetworkWriter()
    x = write.add("relu", write.convolve(network.first, "picture"))
    levels = []
    for go in network.down:
        assert isinstance(go, nn.Sequential)
        x = write.convolve_separably(go, x)
        levels.append(x)
    presence = write.convolve(network.presence, x)
    for top, side, up, level in zip(
        network.top, network.side, network.up, levels[-2::-1], strict=True
    ):
        assert isinstance(top, nn.Conv2d)
        assert isinstance(side, nn.Conv2d)
        assert isinstance(up, nn.Sequential)
        enlarged = write.add("enlarge", write.convolve(top, x), stride=2)
        joined = write.add("add", enlarged, write.convolve(side, level))
        x = write.convolve_separably(up, write.add("relu", joined))
    outputs = (write.convolve(network.heat, x), write.convolve(network.edges, x), presence)
    return FaceNetwork(PIXELS, tuple(write.layers), outputs, {}), write.weights
