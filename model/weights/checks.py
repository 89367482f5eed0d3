"""What is the matter with a folder of published weights: all of it at once, in seconds, before anything is loaded. No torch."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from model.weights import checkpoint, published_shapes
from model.weights.checkpoint import WeightsLocation, missing_file, read_json
from model.weights.file_headers import Contents, StoredTensor, read_contents
from model.weights.published_shapes import Shapes
from storage.errors import (
    ModelError,
    OtherLora,
    OtherWeights,
    WeightsDamaged,
    WeightsMissing,
    count_noun,
)

PUBLISHED_DTYPES = ("BF16", "F32")
"""Kinds of numbers in the published files; a file with others has been converted by somebody."""
LORA_NAME = re.compile(
    r"(?:base_model\.model\.)?(?:diffusion_model\.)?(?P<layer>.+)"
    r"\.lora_(?P<half>[AB])(?:\.default)?\.weight"
)
SPEECH_AT = ("wav2vec2.", "")
"""Before the names of the speech encoder, with and without its head."""
FEW = 3
"""Names given as examples."""

Faults = list[ModelError]


@dataclass(frozen=True)
class PartReport:
    """One part of the weights, as it was found."""

    name: str
    path: Path
    says: str
    """What it holds."""
    size: int
    """Bytes on the disk."""
    faults: tuple[ModelError, ...]


@dataclass(frozen=True)
class LoraPair:
    """The two halves of a LoRA for one weight [out, in]."""

    a: StoredTensor
    """[rank, in]"""
    b: StoredTensor
    """[out, rank]"""


def check_weights(place: WeightsLocation) -> list[PartReport]:
    """Every part, with all that is the matter with it."""
    parts = [check_transformer(place)]
    if place.lora is not None:
        parts.append(check_lora(place, place.lora))
    return [
        *parts,
        _check_vae(place),
        _check_text(place),
        _check_tokenizer(place),
        _check_speech(place),
    ]


def require_sound(parts: Iterable[PartReport]) -> None:
    """Nothing, where nothing is the matter; else raises the gravest fault, which tells all the others too."""
    faults = merge_faults([fault for part in parts for fault in part.faults])
    if faults:
        faults[0].also = tuple(faults[1:])
        raise faults[0]


def merge_faults(faults: Iterable[ModelError]) -> Faults:
    """The gravest first, and what is missing in one folder as one sentence."""
    order = [WeightsMissing, WeightsDamaged, OtherWeights, OtherLora]
    ranked = sorted(faults, key=lambda fault: (order.index(type(fault)), str(fault.args[0])))
    found: Faults = []
    for (kind, where), group in groupby(ranked, lambda fault: (type(fault), str(fault.args[0]))):
        each = list(group)
        found += [_merge_missing(where, each)] if kind is WeightsMissing else each
    return found


def _merge_missing(where: str, faults: Faults) -> WeightsMissing:
    names, sources = (dict.fromkeys(str(fault.args[i]) for fault in faults) for i in (1, 2))
    return WeightsMissing(where, ", ".join(names), " and ".join(sources))


def check_transformer(place: WeightsLocation) -> PartReport:
    """The transformer's configuration, index and shards; names, shapes and kinds must be those that the configuration implies."""
    faults: Faults = []
    expected: Shapes = {}
    index: dict[str, Path] = {}
    contents: Contents = {}
    with _collect_fault(faults):
        expected = published_shapes.transformer_shapes(place.config)
    with _collect_fault(faults):
        index = place.index
    for path in sorted(set(index.values())):
        with _collect_fault(faults):
            contents |= _check_shard(
                place, path, {name for name, at in index.items() if at == path}
            )
    if expected and index and (said := describe_differences(expected, contents, index)):
        faults.append(OtherWeights(place.folder, said))
    files = [path for path in set(index.values()) if path.is_file()]
    says = f"{count_noun(len(contents), 'tensor')} in {count_noun(len(files), 'file')}, {_list_dtypes(contents)}"
    return PartReport("transformer", place.folder, says, _total_size(*files), tuple(faults))


def _check_shard(place: WeightsLocation, path: Path, told: set[str]) -> Contents:
    found = _read_contents(place, path)
    if told != set(found):
        differing = len(told.symmetric_difference(found))
        raise OtherWeights(
            path, f"it and {checkpoint.INDEX} differ in {count_noun(differing, 'name')}"
        )
    return found


def check_lora(place: WeightsLocation, path: Path) -> PartReport:
    """The LoRA: a pair of the right rank for each weight that it changes, and nothing else."""
    faults: Faults = []
    contents: Contents = {}
    with _collect_fault(faults):
        contents = _read_contents(place, path)
        said = _describe_misfits(contents, place) if _config_or_none(place) else ""
        if said:
            raise OtherLora(path, said)
    says = f"{count_noun(len(contents), 'tensor')}, {_list_dtypes(contents)}"
    return PartReport("LoRA", path, says, _total_size(path), tuple(faults))


def pair_lora(contents: Contents) -> tuple[dict[str, LoraPair], list[str]]:
    """The LoRA's pairs by the weight that each changes, whatever prefix its names have; and the names that are in none."""
    halves: dict[str, dict[str, StoredTensor]] = {}
    unused = []
    for name, stored in contents.items():
        match = LORA_NAME.fullmatch(name)
        mine = halves.setdefault(f"{match['layer']}.weight", {}) if match else {}
        if match is None or match["half"] in mine or len(stored.shape) != 2:
            unused.append(name)
        else:
            mine[match["half"]] = stored
    pairs = {
        name: LoraPair(each["A"], each["B"]) for name, each in halves.items() if len(each) == 2
    }
    unused += [f"a half for {name}" for name, each in halves.items() if len(each) == 1]
    return pairs, unused


def _describe_misfits(contents: Contents, place: WeightsLocation) -> str:
    expected = published_shapes.transformer_shapes(place.config)
    targets = published_shapes.lora_targets(expected)
    pairs, unused = pair_lora(contents)
    mine = {name: pairs[name] for name in targets if name in pairs}
    ranks = {size for each in pairs.values() for size in (each.a.shape[0], each.b.shape[1])}
    said = []
    if ranks - {place.rank}:
        given = " and ".join(map(str, sorted(ranks)))
        said.append(f"its rank is {given} and not {place.rank}, so that its scale cannot be known")
    unused += [name for name in pairs if name not in mine]
    said += _count_phrase(unused, "tensors without use: {}")
    bare = [name for name in targets if name not in pairs]
    said += _count_phrase(bare, f"weights without a pair in it: {{}} of {len(targets)}")
    other = [n for n, each in mine.items() if (each.b.shape[0], each.a.shape[1]) != expected[n]]
    said += _count_phrase(other, "pairs of another shape: {}")
    return "; ".join([*said, *_odd_dtypes(contents)])


def describe_differences(expected: Shapes, found: Contents, names: Collection[str]) -> str:
    """How `names`, and the tensors `found` of them, differ from what is expected; empty where they do not."""
    known = {name: stored for name, stored in found.items() if name in expected}
    other = [name for name, stored in known.items() if stored.shape != expected[name]]
    shown = [
        f"{n}: {_format_shape(found[n].shape)} and not {_format_shape(expected[n])}" for n in other
    ]
    lacking = [name for name in expected if name not in names]
    said = _count_phrase(lacking, f"tensors missing: {{}} of {len(expected)}")
    said += _count_phrase([name for name in names if name not in expected], "tensors unknown: {}")
    said += _count_phrase(shown, "tensors of another shape: {}")
    return "; ".join([*said, *_odd_dtypes(known)])


def _odd_dtypes(found: Contents) -> list[str]:
    """Tensors in kinds of numbers that are not published."""
    odd = [
        f"{name}: {stored.kind}"
        for name, stored in found.items()
        if stored.kind not in PUBLISHED_DTYPES
    ]
    return _count_phrase(odd, f"neither {' nor '.join(PUBLISHED_DTYPES)}: {{}}")


def _check_vae(place: WeightsLocation) -> PartReport:
    def expect(found: Contents) -> Shapes:
        return published_shapes.vae_shapes(
            _read_side(found, "encoder.conv1.weight", 96), place.config["in_dim"]
        )

    return _check_archive(place, "VAE", checkpoint.VAE, expect)


def _check_text(place: WeightsLocation) -> PartReport:
    def expect(found: Contents) -> Shapes:
        position = "blocks.0.pos_embedding.embedding.weight"
        layers = {name.split(".")[1] for name in found if name.startswith("blocks.")}
        sizes = {
            "vocabulary": _read_side(found, "token_embedding.weight", 256384),
            "dim": place.config["text_dim"],
            "inner": _read_side(found, "blocks.0.attn.q.weight", 4096),
            "ffn_dim": _read_side(found, "blocks.0.ffn.fc1.weight", 10240),
            "heads": _read_side(found, position, 64, -1),
            "buckets": _read_side(found, position, 32),
            "layers": len(layers) or 24,
        }
        return published_shapes.text_shapes(sizes)

    return _check_archive(place, "text encoder", checkpoint.TEXT, expect)


def _check_archive(
    place: WeightsLocation, part: str, name: str, expect: Callable[[Contents], Shapes]
) -> PartReport:
    """A .pth file of one model, whose free sizes are read from itself."""
    path, faults = place.folder / name, Faults()
    contents: Contents = {}
    with _collect_fault(faults):
        contents = _read_contents(place, path)
        said = (
            describe_differences(expect(contents), contents, contents)
            if _config_or_none(place)
            else ""
        )
        if said:
            raise OtherWeights(path, said)
    says = f"{count_noun(len(contents), 'tensor')}, {_list_dtypes(contents)}"
    return PartReport(part, path, says, _total_size(path), tuple(faults))


def _check_tokenizer(place: WeightsLocation) -> PartReport:
    """One file of several, which must be whole; spiece.model alone would be read as another tokenizer."""
    faults: Faults = []
    table = place.tokenizer / checkpoint.TOKENIZER_TABLE
    with _collect_fault(faults):
        if not table.is_file():
            raise missing_file(place.folder, f"{checkpoint.TOKENIZER}/{table.name}")
        read_json(place.tokenizer, table.name)
    size = _total_size(table) if table.is_file() else 0
    return PartReport("tokenizer", place.tokenizer, table.name, size, tuple(faults))


def _check_speech(place: WeightsLocation) -> PartReport:
    """wav2vec 2.0, as wide and deep as the transformer hears it."""
    faults: Faults = []
    contents: Contents = {}
    told: dict[str, Any] = {}
    with _collect_fault(faults):
        told = read_json(place.folder, checkpoint.SPEECH_CONFIG)
    with _collect_fault(faults):
        read_json(place.folder, checkpoint.SPEECH_INPUT)
    with _collect_fault(faults):
        contents = _read_contents(place, place.speech)
    if told and (said := "; ".join(_speech_misfits(told, contents, place))):
        faults.append(OtherWeights(place.speech.parent, said))
    says = f"{count_noun(len(contents), 'tensor')}, {_list_dtypes(contents)}"
    return PartReport(
        "speech encoder", place.speech, says, _total_size(place.speech), tuple(faults)
    )


def _speech_misfits(
    told: Mapping[str, Any], contents: Contents, place: WeightsLocation
) -> Iterator[str]:
    width, layers = told.get("hidden_size"), told.get("num_hidden_layers")
    config = _config_or_none(place)
    if config and width != config["audio_dim"]:
        yield f"its hidden_size is {width} and the transformer hears {config['audio_dim']}"
    if config and layers != config["audio_layers"] - 1:
        yield f"it has {layers} layers and the transformer hears {config['audio_layers'] - 1}"
    if contents and isinstance(layers, int):
        lasts = [f"{at}encoder.layers.{layers - 1}.attention.q_proj.weight" for at in SPEECH_AT]
        found = [contents[name].shape for name in lasts if name in contents]
        if found != [(width, width)]:
            yield f"its config.json tells of other tensors than it holds ({lasts[0]})"
    yield from _odd_dtypes(contents)


def _config_or_none(place: WeightsLocation) -> dict[str, Any] | None:
    """The configuration, if it can be used; where it cannot, the transformer's part says so."""
    try:
        return place.config
    except ModelError:
        return None


@contextmanager
def _collect_fault(faults: Faults) -> Iterator[None]:
    try:
        yield
    except ModelError as fault:
        faults.append(fault)


def _read_contents(place: WeightsLocation, path: Path) -> Contents:
    if not path.is_file():
        inside = path.is_relative_to(place.folder)
        at = place.folder if inside else path.parent
        raise missing_file(at, str(path.relative_to(at)))
    return read_contents(path)


def _read_side(found: Contents, name: str, published: int, axis: int = 0) -> int:
    stored = found.get(name)
    return stored.shape[axis] if stored and stored.shape else published


def _count_phrase(names: list[str], phrase: str) -> list[str]:
    """The phrase with their number, and a few of them; nothing where there are none."""
    if not names:
        return []
    more = ", …" if len(names) > FEW else ""
    return [f"{phrase.format(len(names))} ({', '.join(names[:FEW])}{more})"]


def _format_shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a number"


def _list_dtypes(contents: Contents) -> str:
    return ", ".join(sorted({stored.kind for stored in contents.values()})) or "nothing"


def _total_size(*paths: Path) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())
