"""The small networks that look for faces, run by numpy: so little work that torch, whose import takes seconds, is not needed before a film is begun.

Arrays are [y, x, channel]. A file of weights (`model/tools/convert_face_networks.py` writes it) has the list of layers in its metadata.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]
METADATA = "network"


@dataclass(frozen=True)
class Layer:
    """One layer; its weights are called after it (`NAME.weight`, `NAME.bias`, `NAME.slope`)."""

    kind: str
    """One of KINDS."""
    name: str
    """What its output is called, too."""
    inputs: tuple[str, ...]
    stride: int = 1
    padded: bool = False
    """Zeros all round, so that the output has a stride-th of the input's pixels; the odd one goes right and below."""
    channels: int = 0
    """Of add_channels: how many of zeros come behind those that are there."""


@dataclass(frozen=True)
class FaceNetwork:
    """A network that takes a square picture and gives arrays."""

    side: int
    """Pixels of the square."""
    layers: tuple[Layer, ...]
    outputs: tuple[str, ...]
    weights: Mapping[str, Float]

    @classmethod
    def load(cls, path: Path) -> "FaceNetwork":
        """The network out of a file as `describe` and its weights were written into."""
        from safetensors import safe_open

        with safe_open(path, "numpy") as file:
            facts = json.loads(file.metadata()[METADATA])
            weights = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118 - no mapping
        layers = [Layer(**{**each, "inputs": tuple(each["inputs"])}) for each in facts["layers"]]
        return cls(facts["side"], tuple(layers), tuple(facts["outputs"]), weights)

    def describe(self) -> str:
        """All but the weights, as JSON."""
        facts = {
            "side": self.side,
            "layers": list(map(asdict, self.layers)),
            "outputs": self.outputs,
        }
        return json.dumps(facts, separators=(",", ":"))

    def apply(self, picture: Float) -> list[Float]:
        """The outputs [y, x, channel] for a picture [side, side, rgb]."""
        made: dict[str, Float] = {"picture": picture}
        for layer in self.layers:
            made[layer.name] = KINDS[layer.kind](
                self, layer, *(made[name] for name in layer.inputs)
            )
        return [made[name] for name in self.outputs]

    def _convolve(self, layer: Layer, image: Float) -> Float:
        kernel, bias = self.weights[f"{layer.name}.weight"], self.weights[f"{layer.name}.bias"]
        height, width, _, channels = kernel.shape
        if (height, width) == (1, 1):
            patches = image[:: layer.stride, :: layer.stride]
        else:
            patches = cut_patches(
                pad_borders(image, (height, width), layer), (height, width), layer
            )
        rows = patches.reshape(-1, kernel[..., 0].size) @ kernel.reshape(-1, channels)
        rows += bias
        return rows.reshape(*patches.shape[:2], channels)

    def _convolve_depthwise(self, layer: Layer, image: Float) -> Float:
        """Each channel with its own kernel [ky, kx, channel]."""
        kernel, bias = self.weights[f"{layer.name}.weight"], self.weights[f"{layer.name}.bias"]
        size = kernel.shape[:2]
        image = pad_borders(image, size, layer)
        height, width = (
            (n - k) // layer.stride + 1 for n, k in zip(image.shape, size, strict=False)
        )
        summed = np.empty((height, width, image.shape[2]), np.float32)
        summed[:] = bias
        product = np.empty_like(summed)
        for y, x in np.ndindex(*size):
            rows = slice(y, y + (height - 1) * layer.stride + 1, layer.stride)
            columns = slice(x, x + (width - 1) * layer.stride + 1, layer.stride)
            np.multiply(image[rows, columns], kernel[y, x], out=product)
            summed += product
        return summed

    def _rectify(self, layer: Layer, image: Float) -> Float:  # noqa: ARG002 - as every kind
        return np.maximum(image, 0)

    def _rectify_leaking(self, layer: Layer, image: Float) -> Float:
        return np.maximum(image, 0) + np.minimum(image, 0) * self.weights[f"{layer.name}.slope"]

    def _add(self, layer: Layer, one: Float, other: Float) -> Float:  # noqa: ARG002 - as every kind
        return one + other

    def _add_channels(self, layer: Layer, image: Float) -> Float:
        return np.pad(image, ((0, 0), (0, 0), (0, layer.channels)))

    def _pool_largest(self, layer: Layer, image: Float) -> Float:
        """The largest of each square of stride × stride, which fill the image."""
        n = layer.stride
        height, width, channels = image.shape
        squares = image.reshape(height // n, n, width // n, n, channels)
        return squares.max((1, 3))

    def _enlarge(self, layer: Layer, image: Float) -> Float:
        """Each pixel as a square of stride × stride."""
        return image.repeat(layer.stride, 0).repeat(layer.stride, 1)


KINDS: Mapping[str, Callable[..., Float]] = {
    "convolution": FaceNetwork._convolve,
    "depthwise_convolution": FaceNetwork._convolve_depthwise,
    "relu": FaceNetwork._rectify,
    "prelu": FaceNetwork._rectify_leaking,
    "add": FaceNetwork._add,
    "add_channels": FaceNetwork._add_channels,
    "max_pool": FaceNetwork._pool_largest,
    "enlarge": FaceNetwork._enlarge,
}
"""What a layer may be."""


def pad_borders(image: Float, size: tuple[int, ...], layer: Layer) -> Float:
    """The image with the zeros round it that a kernel of this size needs, if the layer is padded."""
    if not layer.padded:
        return image
    ends = [
        max((-(-n // layer.stride) - 1) * layer.stride + k - n, 0)
        for n, k in zip(image.shape, size, strict=False)
    ]
    return np.pad(image, [(end // 2, end - end // 2) for end in ends] + [(0, 0)])


def cut_patches(image: Float, size: tuple[int, int], layer: Layer) -> Float:
    """What the kernel sees at each place: [y, x, ky, kx, channel]."""
    windows: Any = sliding_window_view(image, size, (0, 1))[:: layer.stride, :: layer.stride]
    return windows.transpose(0, 1, 3, 4, 2)
