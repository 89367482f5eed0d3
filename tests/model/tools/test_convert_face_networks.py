"""The published networks that look for faces become pocket's files; what reads the tflite schema needs its package, all else is tried here."""

import hashlib
import io
import json
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from model.pocket.face_finder import DETECTION_FILE, MESH_FILE
from model.pocket.face_network import FaceNetwork
from model.pocket.face_views import WEIGHTS
from model.tools import convert_face_networks as tool
from model.tools.convert_face_networks import Graph, Step

NOTICE = Path(__file__).parents[3] / "NOTICE"


def options(**values: int) -> SimpleNamespace:
    """tflite's own of an operator."""
    plain = {"fusedActivationFunction": 0, "strideH": 1, "strideW": 1, "padding": tool.SAME}
    plain |= {"dilationHFactor": 1, "dilationWFactor": 1, "filterHeight": 2, "filterWidth": 2}
    return SimpleNamespace(**plain | values)


def small_graph() -> Graph:
    """A convolution by one pixel that doubles, more channels, a pool, a sum, and an output that is reshaped."""
    double = 2 * np.eye(3, dtype=np.float16)[:, None, None]  # [out, y, x, in]
    padding = np.array([[0, 0], [0, 0], [0, 0], [0, 1]], np.int32)
    steps = (
        Step("CONV_2D", (0,), (double, np.ones(3, np.float16)), 1, options()),
        Step("PRELU", (1,), (np.zeros((1, 1, 3), np.float16),), 2, None),
        Step("PAD", (2,), (padding,), 3, options()),
        Step("MAX_POOL_2D", (3,), (), 4, options(strideH=2, strideW=2)),
        Step("ADD", (4, 4), (), 5, options()),
        Step("RESHAPE", (5,), (), 6, options()),
        Step("CONCATENATION", (6, 4), (), 7, options()),
    )
    return Graph(steps, 0, (7,), 4)


def test_a_graph_is_the_layers_that_do_the_same(tmp_path: Path) -> None:
    network = tool.convert_graph(small_graph())
    assert network.outputs == ("layer5", "layer4")
    tool.save_network(network, tmp_path / "n.safetensors")
    picture = np.random.default_rng(0).standard_normal((4, 4, 3)).astype(np.float32)
    summed, pooled = FaceNetwork.load(tmp_path / "n.safetensors").apply(picture)
    wanted = np.maximum(2 * picture + 1, 0).reshape(2, 2, 2, 2, 3).max((1, 3))
    assert np.allclose(pooled[..., :3], wanted)
    assert not pooled[..., 3].any()
    assert np.array_equal(summed, 2 * pooled)


def test_a_kernel_of_each_channel_alone_keeps_its_channels() -> None:
    kernel = np.arange(18, dtype=np.float16).reshape(1, 3, 3, 2)
    step = Step(
        "DEPTHWISE_CONV_2D",
        (0,),
        (kernel, np.zeros(2, np.float16)),
        1,
        options(strideH=2, strideW=2),
    )
    layer, weights = tool.convert_step(step, 0)
    assert (layer.kind, layer.inputs, layer.stride, layer.padded) == (
        "depthwise_convolution",
        ("picture",),
        2,
        True,
    )
    assert np.array_equal(weights["weight"], kernel[0])


def pack(folder: Path, network: bytes) -> None:
    """The package as it is published, with other networks in it."""
    files = [
        {"filename": f"/deep/{name}", "start": 3, "end": 3 + len(network)}
        for name, _ in tool.PUBLISHED.values()
    ]
    loader = f"loadPackage({json.dumps({'files': files})});".encode()
    with tarfile.open(folder / tool.ARCHIVE, "w:gz") as archive:
        for name, data in ((tool.PACKED, b"abc" + network), (tool.LOADER, loader)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_a_network_is_found_in_the_package_and_known_by_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(tmp_path, b"network")
    with pytest.raises(
        SystemExit, match=r"face_detection_short_range\.tflite in .* is not the known one"
    ):
        tool.extract_graphs(tmp_path)
    digest = hashlib.sha256(b"network").hexdigest()
    known = {ours: (name, digest) for ours, (name, _) in tool.PUBLISHED.items()}
    monkeypatch.setattr(tool, "PUBLISHED", known)
    assert tool.extract_graphs(tmp_path) == dict.fromkeys(known, b"network")


def test_a_folder_without_the_package_is_told_how_to_fetch_it(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"npm pack @mediapipe/face_mesh@0\.4\.1657299874"):
        tool.main([str(tmp_path)])


@pytest.mark.skipif(find_spec("ai_edge_litert") is not None, reason="the schema is installed")
def test_without_the_schema_the_package_that_has_it_is_named() -> None:
    with pytest.raises(SystemExit, match="pip install ai-edge-litert"):
        tool.read_graph(b"")
    assert tool.SCHEMA not in sys.modules


@pytest.mark.parametrize("name", [DETECTION_FILE, MESH_FILE])
def test_the_notice_names_the_shipped_files_and_those_that_they_were_made_of(name: str) -> None:
    words = NOTICE.read_text(encoding="utf-8")
    assert hashlib.sha256((WEIGHTS / name).read_bytes()).hexdigest() in words
    published, digest = tool.PUBLISHED[name.removesuffix(".safetensors")]
    assert published in words
    assert digest in words
