"""Turn the published networks that look for faces into pocket's files: python -m model.tools.convert_face_networks DIR [--out model/pocket/weights].

DIR has the npm package @mediapipe/face_mesh 0.4.1657299874 (Apache-2.0), as `npm pack @mediapipe/face_mesh@0.4.1657299874` leaves it: one archive
holds both networks as tflite graphs. Reading these needs the schema in the package ai-edge-litert (`pip install ai-edge-litert`), here alone.
"""

import argparse
import hashlib
import json
import re
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.pocket.face_network import METADATA, FaceNetwork, Layer

ARCHIVE = "mediapipe-face_mesh-0.4.1657299874.tgz"
PACKED, LOADER = (
    f"package/face_mesh_solution_packed_assets{end}" for end in (".data", "_loader.js")
)
PUBLISHED = {
    "face_detection": (
        "face_detection_short_range.tflite",
        "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
    ),
    "face_mesh": (
        "face_landmark.tflite",
        "c603fa6149219a3e9487dc9abd7a0c24474c77263273d24868378cdf40aa26d1",
    ),
}
"""Our file → the published one and its SHA-256."""
SCHEMA = "ai_edge_litert.schema_py_generated"
NUMBERS = {0: np.float32, 1: np.float16, 2: np.int32}
"""tflite's number of a type → numpy's."""
SAME = 0
"""tflite's number of the padding that keeps the size."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Step:
    """One operator of a tflite graph, its constants read."""

    kind: str
    """As tflite calls it."""
    inputs: tuple[int, ...]
    """Of what is computed."""
    constants: tuple[Array, ...]
    output: int
    options: Any
    """tflite's own; None where it has none."""


@dataclass(frozen=True)
class Graph:
    """A tflite graph of one input."""

    steps: tuple[Step, ...]
    input: int
    outputs: tuple[int, ...]
    side: int


def extract_graphs(folder: Path) -> dict[str, bytes]:
    """The published networks by the names of our files, out of the package in a folder; the program ends with a line where one is not the known one."""
    path = folder / ARCHIVE
    if not path.is_file():
        sys.exit(f"{path} is missing. Fetch it with: npm pack @mediapipe/face_mesh@0.4.1657299874")
    with tarfile.open(path) as archive:
        packed, loader = (read_member(archive, name) for name in (PACKED, LOADER))
    places = find_places(loader.decode())
    graphs = {}
    for ours, (name, digest) in PUBLISHED.items():
        graphs[ours] = packed[slice(*places[name])]
        if hashlib.sha256(graphs[ours]).hexdigest() != digest:
            sys.exit(f"{name} in {path} is not the known one (SHA-256 {digest})")
    return graphs


def read_member(archive: tarfile.TarFile, name: str) -> bytes:
    """One file of an archive."""
    file = archive.extractfile(name)
    if file is None:
        sys.exit(f"{name} is no file of {ARCHIVE}")
    return file.read()


def find_places(loader: str) -> dict[str, tuple[int, int]]:
    """Where each file lies among the packed ones, by its last name: the loader's own table."""
    table = re.search(r"loadPackage\((\{.*\})\);", loader)
    if table is None:
        sys.exit(f"{LOADER} has no table of files")
    files = json.loads(table[1])["files"]
    return {Path(each["filename"]).name: (each["start"], each["end"]) for each in files}


def import_schema() -> Any:
    """The schema of tflite's files; the program ends with a line where its package is not installed."""
    try:
        return import_module(SCHEMA)
    except ModuleNotFoundError:
        sys.exit("The schema of tflite is needed: pip install ai-edge-litert")


def read_graph(data: bytes) -> Graph:
    """A tflite file's operators with their constants; halves that are made floats in the graph are read as they are."""
    schema = import_schema()
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    constants = read_constants(model, graph)
    steps = []
    for each in graph.operators:
        code = model.operatorCodes[each.opcodeIndex]
        kind = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        inputs, output = [int(n) for n in each.inputs], int(each.outputs[0])
        if kind == "DEQUANTIZE":
            constants[output] = constants[inputs[0]]
            continue
        computed = tuple(n for n in inputs if n not in constants)
        read = tuple(constants[n] for n in inputs if n in constants)
        steps.append(Step(kind, computed, read, output, each.builtinOptions))
    shape = graph.tensors[graph.inputs[0]].shape
    return Graph(tuple(steps), int(graph.inputs[0]), tuple(map(int, graph.outputs)), int(shape[1]))


def read_constants(model: Any, graph: Any) -> dict[int, Array]:
    """The tensors of a graph that the file holds, by their numbers."""
    found = {}
    for number, tensor in enumerate(graph.tensors):
        data = model.buffers[tensor.buffer].data
        if data is not None and len(data):
            found[number] = np.frombuffer(bytes(data), NUMBERS[tensor.type]).reshape(tensor.shape)
    return found


def convert_graph(graph: Graph) -> FaceNetwork:
    """The graph as pocket's interpreter runs it: reshapes and joins of outputs are left to whoever reads these, the rest is one layer an operator."""
    layers: list[Layer] = []
    weights: dict[str, Array] = {}
    sources: dict[int, tuple[int, ...]] = {}
    for step in graph.steps:
        if step.kind in {"RESHAPE", "CONCATENATION"}:
            parts = (sources.get(each, (each,)) for each in step.inputs)
            sources[step.output] = tuple(each for several in parts for each in several)
            continue
        layer, own = convert_step(step, graph.input)
        layers.append(layer)
        weights |= {f"{layer.name}.{name}": value for name, value in own.items()}
    ends = (each for output in graph.outputs for each in sources.get(output, (output,)))
    outputs = tuple(name_of(each, graph.input) for each in ends)
    return FaceNetwork(graph.side, tuple(layers), outputs, weights)


def convert_step(step: Step, picture: int) -> tuple[Layer, dict[str, Array]]:
    """One operator as a layer, and its weights: kernels [ky, kx, in, out], of each channel alone [ky, kx, channel]."""
    options = step.options
    assert getattr(options, "fusedActivationFunction", 0) == 0, "an activation of its own"
    name, inputs = name_of(step.output), tuple(name_of(each, picture) for each in step.inputs)
    if step.kind in {"CONV_2D", "DEPTHWISE_CONV_2D"}:
        kernel, bias = step.constants
        alone = step.kind == "DEPTHWISE_CONV_2D"
        kernel = kernel[0] if alone else kernel.transpose(1, 2, 3, 0)
        assert options.strideH == options.strideW
        assert options.dilationHFactor == options.dilationWFactor == 1
        kind = "depthwise_convolution" if alone else "convolution"
        layer = Layer(kind, name, inputs, options.strideH, options.padding == SAME)
        return layer, {"weight": kernel, "bias": bias}
    if step.kind == "PRELU":
        return Layer("prelu", name, inputs), {"slope": step.constants[0].reshape(-1)}
    if step.kind == "MAX_POOL_2D":
        assert options.strideH == options.strideW == options.filterHeight == options.filterWidth
        return Layer("max_pool", name, inputs, options.strideH), {}
    if step.kind == "PAD":
        *others, (before, behind) = step.constants[0].tolist()
        assert not np.any(others), "pixels are padded by the layers that need it"
        assert before == 0
        return Layer("add_channels", name, inputs, channels=behind), {}
    return Layer({"ADD": "add", "RELU": "relu"}[step.kind], name, inputs), {}


def name_of(tensor: int, picture: int = -1) -> str:
    """What a tensor is called."""
    return "picture" if tensor == picture else f"layer{tensor}"


def save_network(network: FaceNetwork, path: Path) -> str:
    """Write it, its weights as halves; the file's SHA-256."""
    from safetensors.numpy import save

    halves = {
        name: np.ascontiguousarray(value, np.float16) for name, value in network.weights.items()
    }
    data = save(halves, {METADATA: network.describe()})
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert both networks and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("model/pocket/weights"))
    asked = parser.parse_args(arguments)
    graphs: Mapping[str, bytes] = extract_graphs(asked.folder)
    for name, data in graphs.items():
        digest = save_network(convert_graph(read_graph(data)), asked.out / f"{name}.safetensors")
        print(f"{PUBLISHED[name][0]} {hashlib.sha256(data).hexdigest()}")
        print(f"{name}.safetensors {digest}")


if __name__ == "__main__":
    main()
