"""The transformer's weights, streamed from the published files onto a device; the LoRA is merged as they pass.

The model is built on the meta device and filled tensor by tensor: nothing exists twice but the one tensor that is being merged.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from model.device.heap import trim_heap
from model.device.layer_offload import LayerStream
from model.ops.fp8 import FP8_DTYPE, Fp8Linear, quantize_rows, replace_linears
from model.s2v.attention import PROJECTIONS, Attention
from model.s2v.config import S2VConfig
from model.s2v.transformer import S2VTransformer
from model.weights import checks, published_shapes
from model.weights.checkpoint import WeightsLocation
from model.weights.checks import LoraPair
from model.weights.empty_modules import empty_modules
from model.weights.file_headers import Contents, StoredTensor, read_contents
from model.weights.tensor_reader import AHEAD_BYTES, TensorReader
from storage.errors import DeviceTooSmall, OtherWeights


@dataclass(frozen=True)
class Placement:
    """Where weights go, and as what."""

    device: torch.device
    dtype: torch.dtype = torch.bfloat16
    fp8: bool = False
    """Linear layers of the blocks in eight-bit floats. The injector's are few and stay: they err most (docs/LOG.md)."""
    waiting: tuple[int, ...] = ()
    """Blocks whose weights stay on the host."""
    held: range | None = None
    """Blocks that are loaded, with their injectors; None: all."""

    def device_of(self, name: str) -> torch.device:
        """Where the weight of this name goes."""
        part, _, rest = name.partition(".")
        waits = part == "blocks" and int(rest.partition(".")[0]) in self.waiting
        return torch.device("cpu") if waits else self.device

    def is_held(self, name: str, injected: Sequence[int]) -> bool:
        """Whether the weight of this name is loaded; `injected` are the blocks that the injector's layers belong to."""
        parts = name.split(".")
        if self.held is None or parts[0] not in {"blocks", "audio_injector"}:
            return True
        if parts[0] == "blocks":
            return int(parts[1]) in self.held
        return sorted(injected)[int(parts[2])] in self.held

    def is_kept(self, name: str) -> bool:
        """Whether the weight of this name stays on the device."""
        return self.device_of(name) == self.device

    def size_of(self, name: str) -> int:
        """Bytes of each of its numbers."""
        return (
            FP8_DTYPE.itemsize
            if self.fp8 and published_shapes.is_linear(name)
            else self.dtype.itemsize
        )


@dataclass(frozen=True)
class WeightSource:
    """Where each weight comes from, and what is added to it."""

    contents: Contents
    pairs: Mapping[str, LoraPair]
    scale: float

    @property
    def order(self) -> list[str]:
        """The weights as they lie in the files, so that these are read from their beginning to their end."""
        return sorted(self.contents, key=lambda n: (self.contents[n].path, self.contents[n].offset))

    def only(self, is_wanted: Callable[[str], bool]) -> "WeightSource":
        """Those of the weights that are wanted; no byte of the others is read."""
        contents = {name: held for name, held in self.contents.items() if is_wanted(name)}
        pairs = {name: pair for name, pair in self.pairs.items() if name in contents}
        return replace(self, contents=contents, pairs=pairs)

    @property
    def largest_merged(self) -> int:
        """Numbers in the largest weight that is changed."""
        return max((prod(self.contents[name].shape) for name in self.pairs), default=0)

    def pieces(self) -> Iterator[StoredTensor]:
        """What must be read: each weight, followed by the two halves that change it."""
        for name in self.order:
            yield self.contents[name]
            if name in self.pairs:
                yield self.pairs[name].a
                yield self.pairs[name].b


def load_transformer(
    place: WeightsLocation, placement: Placement, **switches: Any
) -> S2VTransformer:
    """The transformer with the LoRA merged, in evaluation, on the device; `switches` are fields of its configuration that no file tells.

    Raises WeightsMissing, WeightsDamaged, OtherWeights, OtherLora or DeviceTooSmall before a tensor is read.
    """
    source = open_source(place)
    every = source.contents
    injected = S2VConfig(**{**place.config, **switches}).audio_inject_layers
    source = source.only(lambda name: placement.is_held(name, injected))
    require_memory(placement, source)
    with empty_modules():
        model = S2VTransformer(S2VConfig(**{**place.config, **switches}))
    expected = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    if said := checks.describe_differences(expected, every, every):
        raise OtherWeights(place.folder, said)
    if placement.fp8:
        replace_linears(model.blocks)
    # Before there are numbers: joined behind them, each layer would leave a hole in the device's memory.
    model.join_projections()
    try:
        for name, weight in stream_weights(source, placement):
            _assign_weight(model, name, weight, placement.device_of(name))
    except torch.OutOfMemoryError as error:
        raise _too_small(placement, source) from error
    model.held = placement.held or model.held
    model.eval().requires_grad_(requires_grad=False)
    if placement.waiting:
        model.stream = LayerStream(model.blocks, placement.waiting, placement.device)
        # What they were read into: half as much again.
        trim_heap()
    return model


def _assign_weight(model: S2VTransformer, name: str, weight: Tensor, device: torch.device) -> None:
    from accelerate.utils import set_module_tensor_to_device

    path, _, leaf = name.rpartition(".")
    owner, _, part = path.rpartition(".")
    if part in PROJECTIONS and owner.endswith(".self_attn"):
        attention = cast(Attention, model.get_submodule(owner))
        eight = leaf == "weight" and isinstance(attention.qkv, Fp8Linear)
        numbers = quantize_rows(weight)._asdict() if eight else {leaf: weight}
        attention.take_projection(part, {name: each.to(device) for name, each in numbers.items()})
        return
    layer = model.get_submodule(path)
    if isinstance(layer, Fp8Linear) and leaf == "weight":
        layer.take(weight, device)
        return
    # Emptying the device's cache after each of a thousand tensors would take longer than reading them.
    set_module_tensor_to_device(
        model, name, device, value=weight, dtype=weight.dtype, clear_cache=False
    )


def open_source(place: WeightsLocation) -> WeightSource:
    """All weights of the transformer and of its LoRA by their place in the files; raises what is the matter with them."""
    parts = [checks.check_transformer(place)]
    if place.lora is not None:
        parts.append(checks.check_lora(place, place.lora))
    checks.require_sound(parts)
    contents = {name: each for path in place.shards for name, each in read_contents(path).items()}
    if place.lora is None:
        return WeightSource(contents, {}, 0.0)
    pairs, _ = checks.pair_lora(read_contents(place.lora))
    return WeightSource(contents, pairs, place.scale)


def stream_weights(source: WeightSource, placement: Placement) -> Iterator[tuple[str, Tensor]]:
    """Every weight on the device, merged and rounded once."""
    merger = LoraMerger(source, placement.device)
    with TensorReader(placement.device) as reader, _exact_products():
        tensors = reader.stream(source.pieces())
        for name in source.order:
            weight = next(tensors)
            if name in source.pairs:
                weight = merger.merge(weight, next(tensors), next(tensors), placement.dtype)
            yield name, weight.to(placement.dtype)


class LoraMerger:
    """Adds a LoRA's products to weights (arXiv 2106.09685), in two pieces of memory for all of them: new ones for each would leave holes as large as the model."""

    def __init__(self, source: WeightSource, device: torch.device) -> None:
        self._scale = source.scale
        self._sum, self._product = torch.empty(2, source.largest_merged, device=device)

    def merge(self, weight: Tensor, a: Tensor, b: Tensor, kind: torch.dtype) -> Tensor:
        """The weight [out, in] plus scale · b a, with b [out, rank] and a [rank, in], computed in float32 and rounded once."""
        whole = self._sum[: weight.numel()].view_as(weight).copy_(weight)
        product = self._product[: weight.numel()].view_as(weight)
        whole.add_(torch.mm(b.float(), a.float(), out=product), alpha=self._scale)
        return weight.copy_(whole) if weight.dtype == kind else whole.to(kind, copy=True)


@contextmanager
def _exact_products() -> Iterator[None]:
    # A process may have allowed TF32 for its own products; these are made once and stay.
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def require_memory(placement: Placement, source: WeightSource) -> None:
    """Nothing, if the device has room for the weights and for what passes through; else raises DeviceTooSmall."""
    free = free_bytes(placement.device)
    if free is not None and free < needed_bytes(placement, source):
        raise _too_small(placement, source)


def needed_bytes(placement: Placement, source: WeightSource) -> int:
    """Bytes of device memory while the weights are loaded: they themselves, what is read ahead, and where they are merged."""
    there = {name: each for name, each in source.contents.items() if placement.is_kept(name)}
    kept = sum(prod(each.shape) * placement.size_of(name) for name, each in there.items())
    return kept + AHEAD_BYTES + 2 * 4 * source.largest_merged


def free_bytes(device: torch.device) -> int | None:
    """Memory that can be had on a device; None where the system does not say."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    try:
        facts = Path("/proc/meminfo").read_text(encoding="utf-8")
    except OSError:
        return None
    kilobytes = facts.partition("MemAvailable:")[2].split()[:1]
    return 1024 * int(kilobytes[0]) if kilobytes else None


def _too_small(placement: Placement, source: WeightSource) -> DeviceTooSmall:
    free = free_bytes(placement.device) or 0
    need = needed_bytes(placement, source)
    return DeviceTooSmall(
        placement.device, f"{free / 1e9:.1f}", "the transformer", f"{need / 1e9:.1f}"
    )
