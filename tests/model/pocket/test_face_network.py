"""model/pocket/face_network.py: layers as torch computes them, by numpy."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from safetensors.numpy import save_file

from model.pocket.cartoon_finder import CARTOON_FILE
from model.pocket.face_finder import DETECTION_FILE, MESH_FILE
from model.pocket.face_network import METADATA, FaceNetwork, Layer
from model.pocket.face_views import WEIGHTS


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def apply_layer(layer: Layer, picture: np.ndarray, **weights: np.ndarray) -> np.ndarray:
    """What a network of one layer makes of a picture."""
    named = {f"{layer.name}.{name}": value for name, value in weights.items()}
    return FaceNetwork(picture.shape[0], (layer,), (layer.name,), named).apply(picture)[0]


def by_torch(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("size", "stride", "padded"),
    [(1, 1, False), (3, 1, True), (3, 2, True), (5, 2, True), (3, 3, False)],
)
@pytest.mark.parametrize("alone", [False, True])
def test_a_convolution_is_that_of_torch(size: int, stride: int, padded: bool, alone: bool) -> None:
    picture, side = noise(12, 12, 4), 12
    kernel, bias = (
        (noise(size, size, 4), noise(4)) if alone else (noise(size, size, 4, 6), noise(6))
    )
    kind = "depthwise_convolution" if alone else "convolution"
    layer = Layer(kind, "c", ("picture",), stride, padded)
    made = apply_layer(layer, picture, weight=kernel, bias=bias)
    more = max((-(-side // stride) - 1) * stride + size - side, 0) if padded else 0
    image = F.pad(by_torch(picture), (more // 2, more - more // 2) * 2)
    if alone:
        weight = rearrange(torch.from_numpy(kernel), "y x c -> c 1 y x")
    else:
        weight = rearrange(torch.from_numpy(kernel), "y x i o -> o i y x")
    wanted = F.conv2d(image, weight, torch.from_numpy(bias), stride, groups=4 if alone else 1)
    assert np.allclose(made, rearrange(wanted[0], "c y x -> y x c").numpy(), atol=1e-4)


def test_the_small_layers_are_what_they_are_called() -> None:
    picture, slope = noise(4, 4, 2), np.array([0.5, -1], np.float32)
    assert np.array_equal(apply_layer(Layer("relu", "r", ("picture",)), picture), picture.clip(0))
    leaking = apply_layer(Layer("prelu", "p", ("picture",)), picture, slope=slope)
    assert np.array_equal(leaking, np.where(picture > 0, picture, picture * slope))
    assert np.array_equal(apply_layer(Layer("add", "a", ("picture",) * 2), picture), 2 * picture)
    wider = apply_layer(Layer("add_channels", "w", ("picture",), channels=3), picture)
    assert wider.shape == (4, 4, 5)
    assert not wider[..., 2:].any()
    enlarged = apply_layer(Layer("enlarge", "e", ("picture",), 2), picture)
    assert np.array_equal(enlarged, np.kron(picture, np.ones((2, 2, 1), np.float32)))
    pooled = apply_layer(Layer("max_pool", "m", ("picture",), 2), picture)
    assert np.array_equal(pooled[..., 0], F.max_pool2d(by_torch(picture), 2)[0, 0].numpy())


def test_a_network_is_itself_again_out_of_its_file(tmp_path: Path) -> None:
    layers = (Layer("prelu", "one", ("picture",)), Layer("add", "two", ("picture", "one")))
    network = FaceNetwork(8, layers, ("two", "one"), {"one.slope": np.ones(3, np.float32)})
    save_file(dict(network.weights), tmp_path / "n.safetensors", {METADATA: network.describe()})
    again = FaceNetwork.load(tmp_path / "n.safetensors")
    assert (again.side, again.layers, again.outputs) == (8, layers, ("two", "one"))
    picture = noise(8, 8, 3)
    assert np.array_equal(again.apply(picture)[0], 2 * picture)


@pytest.mark.parametrize(
    ("name", "side", "shapes"),
    [
        (DETECTION_FILE, 128, [(16, 16, 32), (8, 8, 96), (16, 16, 2), (8, 8, 6)]),
        (MESH_FILE, 192, [(1, 1, 1404), (1, 1, 1)]),
        (CARTOON_FILE, 128, [(32, 32, 3), (32, 32, 12), (4, 4, 1)]),
    ],
)
def test_the_shipped_networks_give_arrays_of_these_shapes(
    name: str, side: int, shapes: list[tuple[int, ...]]
) -> None:
    network = FaceNetwork.load(WEIGHTS / name)
    assert network.side == side
    made = network.apply(np.zeros((side, side, 3), np.float32))
    assert [each.shape for each in made] == shapes
    assert all(each.dtype == np.float32 and np.isfinite(each).all() for each in made)


def test_no_network_needs_torch() -> None:
    code = (
        "import sys, numpy; from model.pocket.face_finder import find_faces;"
        "find_faces(numpy.zeros((64, 64, 3), numpy.uint8)); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
