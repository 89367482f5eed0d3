"""Weights on a device: the same bits as in the files, merged where the LoRA says so, and never held twice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model.tools.make_checkpoint import FULL, TINY, make_checkpoint, resize_parts
from model.tools.random_weights import make_header
from model.weights import checkpoint, published_shapes
from model.weights.checkpoint import WeightsLocation
from model.weights.loading import Placement, load_transformer, open_source, stream_weights
from model.weights.tensor_reader import TensorReader
from storage.errors import DeviceTooSmall, OtherLora, OtherWeights, WeightsDamaged
from tests.model.published import Tensors, alter, alter_json, published, published_state, truncate

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")
LOAD = """
import json, sys, threading, time
import torch
from model.weights import tensor_reader, loading
from model.weights.checkpoint import locate_weights
from model.s2v.transformer import S2VTransformer
import accelerate.utils, torch._dynamo

def held():
    status = open("/proc/self/status").read()
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])

tensor_reader.AHEAD_BYTES = int(sys.argv[2])
ended, peak, before = threading.Event(), [0], held()
def watch():
    while not ended.wait(0.001):
        peak[0] = max(peak[0], held())
watcher = threading.Thread(target=watch)
watcher.start()
waiting = range(int(sys.argv[3]))
model = loading.load_transformer(
    locate_weights(sys.argv[1]), loading.Placement(torch.device("cpu"), waiting=tuple(waiting))
)
after = held()
ended.set()
watcher.join()
size = sum(weight.nbytes for weight in model.parameters())
print(json.dumps({"over": peak[0] - before - size, "after": after - before - size, "size": size}))
"""


@pytest.fixture
def place(tmp_path: Path) -> WeightsLocation:
    return published(tmp_path)


def files(place: WeightsLocation) -> Tensors:
    """All tensors of the transformer, read in the ordinary way."""
    return {name: held for path in place.shards for name, held in load_file(path).items()}


def merged(place: WeightsLocation) -> Tensors:
    """The same with the LoRA in float32, by the formula and nothing else."""
    lora = load_file(place.lora)
    weights = {name: held.float() for name, held in files(place).items()}
    for name in published_shapes.lora_targets(published_shapes.transformer_shapes(place.config)):
        a, b = (
            lora[f"{name.removesuffix('.weight')}.lora_{half}.default.weight"].float()
            for half in "AB"
        )
        weights[name] = weights[name] + 0.5 * (b @ a)
    return weights


def test_every_weight_is_the_files_own(place: WeightsLocation):
    """Without a LoRA nothing changes, to the bit, and nothing is left on the meta device."""
    model = load_transformer(WeightsLocation(place.folder, None), Placement(CPU))
    given = files(place)
    state = published_state(model)
    assert set(state) == set(given)
    assert all(torch.equal(held, given[name]) for name, held in state.items())
    assert not model.training
    assert not any(weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32])
def test_the_lora_is_merged_once_in_float32(place: WeightsLocation, kind: torch.dtype):
    """W + 0.5 B A, rounded once at the end; biases, norms and the rest stay."""
    model = load_transformer(place, Placement(CPU, kind))
    for name, held in merged(place).items():
        assert torch.equal(published_state(model)[name], held.to(kind)), name


def test_switches_that_no_file_tells(place: WeightsLocation):
    """They reach the configuration."""
    model = load_transformer(place, Placement(CPU), sigmas="flow_match_even")
    assert model.config.sigmas == "flow_match_even"
    assert model.config.dim == TINY.transformer["dim"]


def test_large_tensors_come_in_pieces(place: WeightsLocation, monkeypatch: pytest.MonkeyPatch):
    """Chunks of a hundred bytes, two hundred ahead: the same weights."""
    monkeypatch.setattr("model.weights.tensor_reader.CHUNK_BYTES", 100)
    monkeypatch.setattr("model.weights.tensor_reader.AHEAD_BYTES", 200)
    truth = merged(place)
    source = open_source(place)
    for name, held in stream_weights(source, Placement(CPU)):
        assert torch.equal(held, truth.pop(name).bfloat16()), name
    assert not truth


def test_precision_of_products_is_put_back(place: WeightsLocation):
    """A process that allows TF32 still merges exactly, and goes on allowing it."""
    torch.set_float32_matmul_precision("medium")
    try:
        made = published_state(load_transformer(place, Placement(CPU)))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    truth = merged(place)
    assert all(torch.equal(held, truth[name].bfloat16()) for name, held in made.items())


def test_faults_are_found_before_anything_is_read(
    place: WeightsLocation, monkeypatch: pytest.MonkeyPatch
):
    """Another LoRA, another configuration, a torn shard: no tensor was touched."""

    def never(*_: object) -> None:
        raise AssertionError("a tensor was read")

    monkeypatch.setattr(TensorReader, "_begin", never)
    alter_json(place.folder / checkpoint.CONFIG, lora_rank=64)
    again = checkpoint.locate_weights(str(place.folder))
    with pytest.raises(OtherLora, match="rank is 8 and not 64"):
        load_transformer(again, Placement(CPU))
    alter_json(place.folder / checkpoint.CONFIG, lora_rank=8, dim=96)
    with pytest.raises(OtherWeights):
        load_transformer(checkpoint.locate_weights(str(place.folder)), Placement(CPU))
    truncate(place.shards[0], 1)
    with pytest.raises(WeightsDamaged):
        load_transformer(place, Placement(CPU))


def test_a_file_that_shrinks_while_it_is_read(place: WeightsLocation):
    """The headers were whole, the bytes are gone: damaged, not noise in the weights."""
    source = open_source(place)
    truncate(place.shards[2], 100_000)
    with pytest.raises(WeightsDamaged, match=r"00003-of-00004.*became shorter"):
        list(stream_weights(source, Placement(CPU)))


def test_a_device_without_room_is_found_first(tmp_path: Path):
    """Four terabytes of weights (a file of holes): what is free and what is needed, and no attempt."""
    told = {**TINY.transformer, "num_layers": 1, "audio_inject_layers": [0], "ffn_dim": 1 << 34}
    whole = published_shapes.transformer_shapes(published_shapes.build_config(told))
    head = make_header(whole, "BF16")
    size = len(head) + 2 * sum(torch.Size(shape).numel() for shape in whole.values())
    with (tmp_path / "all.safetensors").open("wb") as file:
        file.write(head)
        try:
            file.truncate(size)
        except OSError:
            pytest.skip("no file of this length here")
    (tmp_path / checkpoint.CONFIG).write_text(json.dumps(told))
    index = {"weight_map": dict.fromkeys(whole, "all.safetensors")}
    (tmp_path / checkpoint.INDEX).write_text(json.dumps(index))
    with pytest.raises(DeviceTooSmall, match=r"cpu has \S+ GB free, and the transformer needs 3"):
        load_transformer(WeightsLocation(tmp_path, None), Placement(CPU))


def test_weights_in_float32_are_read_too(place: WeightsLocation):
    """A checkpoint that somebody keeps in float32 is rounded once, after the merge."""
    for path in place.shards:
        alter(path, lambda held: {name: each.float() + 1e-5 for name, each in held.items()})
    truth = merged(place)
    model = load_transformer(place, Placement(CPU))
    assert all(
        torch.equal(held, truth[name].bfloat16()) for name, held in published_state(model).items()
    )


def loading(folder: Path, ahead: int, waiting: int = 0) -> dict[str, int]:
    """What a process of its own held that loads the transformer, so many of its blocks waiting on the host."""
    said = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder), str(ahead), str(waiting)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    facts: dict[str, int] = json.loads(said.stdout.splitlines()[-1])
    return facts


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_nothing_is_held_twice(tmp_path: Path):
    """300 MB of weights with their LoRA: at the peak the host holds them once, what is read ahead, and a few large tensors."""
    make_checkpoint(tmp_path, resize_parts(FULL, 1024, 5), parts=("transformer", "lora"))
    ahead = 1 << 24
    facts = loading(tmp_path, ahead)
    assert facts["size"] > 250e6
    assert facts["over"] < ahead + 80e6


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_nothing_stays_twice_of_layers_that_wait(tmp_path: Path):
    """Behind the loading the host holds them once, and two more of them for a card to compute with; the heap has given back what they were read into."""
    make_checkpoint(tmp_path, resize_parts(FULL, 1024, 5), parts=("transformer", "lora"))
    facts = loading(tmp_path, 1 << 24, waiting=5)
    assert facts["after"] < 2 * facts["size"] / 5 + 30e6


@pytest.mark.parametrize("fp8", [False, True])
def test_a_rank_reads_its_own_layers_alone(place: WeightsLocation, fp8: bool) -> None:
    """Of the blocks and their injectors it holds its own, with the bits of the whole model; of the files it reads not one byte more, and the other blocks have none."""
    whole = load_transformer(place, Placement(CPU, fp8=fp8)).state_dict()
    read: set[str] = set()
    for held in (range(2), range(2, 3)):
        placement = Placement(CPU, fp8=fp8, held=held)
        model = load_transformer(place, placement)
        assert model.held == held
        there = {name for name, each in model.state_dict().items() if not each.is_meta}
        assert all(torch.equal(model.state_dict()[name], whole[name]) for name in there)
        blocks = {int(name.split(".")[1]) for name in there if name.startswith("blocks.")}
        injectors = {int(name.split(".")[2]) for name in there if name.startswith("audio_inj")}
        assert blocks == set(held)
        assert injectors == {j for i, j in model.injector_of.items() if i in held}
        read |= there
    assert read == whole.keys()
    injected = place.config["audio_inject_layers"]
    source = open_source(place).only(lambda name: placement.is_held(name, injected))
    assert sum(piece.size for piece in source.pieces()) < sum(
        piece.size for piece in open_source(place).pieces()
    )
