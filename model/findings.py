"""What is the matter with a folder of published weights: all of it at once, in seconds, before anything is loaded. No torch."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from model import checkpoint, shapes
from model.checkpoint import Place, missing, read_json
from model.headers import Contents, Stored, read_contents
from model.shapes import Shapes
from storage.errors import (
    ModelError,
    OtherLora,
    OtherWeights,
    WeightsDamaged,
    WeightsMissing,
    count,
)

KINDS = ("BF16", "F32")
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
class Part:
    """One part of the weights, as it was found."""

    name: str
    path: Path
    says: str
    """What it holds."""
    size: int
    """Bytes on the disk."""
    faults: tuple[ModelError, ...]


@dataclass(frozen=True)
class Pair:
    """The two halves of a LoRA for one weight [out, in]."""

    a: Stored
    """[rank, in]"""
    b: Stored
    """[out, rank]"""


def check(place: Place) -> list[Part]:
    """Every part, with all that is the matter with it."""
    parts = [check_transformer(place)]
    if place.lora is not None:
        parts.append(check_lora(place, place.lora))
    return [*parts, _vae(place), _text(place), _tokenizer(place), _speech(place)]


def require(parts: Iterable[Part]) -> None:
    """Nothing, where nothing is the matter; else raises the gravest fault, which tells all the others too."""
    faults = join([fault for part in parts for fault in part.faults])
    if faults:
        faults[0].also = tuple(faults[1:])
        raise faults[0]


def join(faults: Iterable[ModelError]) -> Faults:
    """The gravest first, and what is missing in one folder as one sentence."""
    order = [WeightsMissing, WeightsDamaged, OtherWeights, OtherLora]
    ranked = sorted(faults, key=lambda fault: (order.index(type(fault)), str(fault.args[0])))
    found: Faults = []
    for (kind, where), group in groupby(ranked, lambda fault: (type(fault), str(fault.args[0]))):
        each = list(group)
        found += [_together(where, each)] if kind is WeightsMissing else each
    return found


def _together(where: str, faults: Faults) -> WeightsMissing:
    names, sources = (dict.fromkeys(str(fault.args[i]) for fault in faults) for i in (1, 2))
    return WeightsMissing(where, ", ".join(names), " and ".join(sources))


def check_transformer(place: Place) -> Part:
    """The transformer's configuration, index and shards; names, shapes and kinds must be those that the configuration implies."""
    faults: Faults = []
    expected: Shapes = {}
    index: dict[str, Path] = {}
    contents: Contents = {}
    with _noted(faults):
        expected = shapes.transformer(place.config)
    with _noted(faults):
        index = place.index
    for path in sorted(set(index.values())):
        with _noted(faults):
            contents |= _shard(place, path, {name for name, at in index.items() if at == path})
    if expected and index and (said := differences(expected, contents, index)):
        faults.append(OtherWeights(place.folder, said))
    files = [path for path in set(index.values()) if path.is_file()]
    says = f"{count(len(contents), 'tensor')} in {count(len(files), 'file')}, {_kinds(contents)}"
    return Part("transformer", place.folder, says, _size(*files), tuple(faults))


def _shard(place: Place, path: Path, told: set[str]) -> Contents:
    found = _read(place, path)
    if told != set(found):
        differing = len(told.symmetric_difference(found))
        raise OtherWeights(path, f"it and {checkpoint.INDEX} differ in {count(differing, 'name')}")
    return found


def check_lora(place: Place, path: Path) -> Part:
    """The LoRA: a pair of the right rank for each weight that it changes, and nothing else."""
    faults: Faults = []
    contents: Contents = {}
    with _noted(faults):
        contents = _read(place, path)
        said = _misfits(contents, place) if _configured(place) else ""
        if said:
            raise OtherLora(path, said)
    says = f"{count(len(contents), 'tensor')}, {_kinds(contents)}"
    return Part("LoRA", path, says, _size(path), tuple(faults))


def pair(contents: Contents) -> tuple[dict[str, Pair], list[str]]:
    """The LoRA's pairs by the weight that each changes, whatever prefix its names have; and the names that are in none."""
    halves: dict[str, dict[str, Stored]] = {}
    unused = []
    for name, stored in contents.items():
        match = LORA_NAME.fullmatch(name)
        mine = halves.setdefault(f"{match['layer']}.weight", {}) if match else {}
        if match is None or match["half"] in mine or len(stored.shape) != 2:
            unused.append(name)
        else:
            mine[match["half"]] = stored
    pairs = {name: Pair(each["A"], each["B"]) for name, each in halves.items() if len(each) == 2}
    unused += [f"a half for {name}" for name, each in halves.items() if len(each) == 1]
    return pairs, unused


def _misfits(contents: Contents, place: Place) -> str:
    expected = shapes.transformer(place.config)
    targets = shapes.adapted(expected)
    pairs, unused = pair(contents)
    mine = {name: pairs[name] for name in targets if name in pairs}
    ranks = {size for each in pairs.values() for size in (each.a.shape[0], each.b.shape[1])}
    said = []
    if ranks - {place.rank}:
        given = " and ".join(map(str, sorted(ranks)))
        said.append(f"its rank is {given} and not {place.rank}, so that its scale cannot be known")
    unused += [name for name in pairs if name not in mine]
    said += _counted(unused, "tensors without use: {}")
    bare = [name for name in targets if name not in pairs]
    said += _counted(bare, f"weights without a pair in it: {{}} of {len(targets)}")
    other = [n for n, each in mine.items() if (each.b.shape[0], each.a.shape[1]) != expected[n]]
    said += _counted(other, "pairs of another shape: {}")
    return "; ".join([*said, *_odd(contents)])


def differences(expected: Shapes, found: Contents, names: Collection[str]) -> str:
    """How `names`, and the tensors `found` of them, differ from what is expected; empty where they do not."""
    known = {name: stored for name, stored in found.items() if name in expected}
    other = [name for name, stored in known.items() if stored.shape != expected[name]]
    shown = [f"{n}: {_sides(found[n].shape)} and not {_sides(expected[n])}" for n in other]
    lacking = [name for name in expected if name not in names]
    said = _counted(lacking, f"tensors missing: {{}} of {len(expected)}")
    said += _counted([name for name in names if name not in expected], "tensors unknown: {}")
    said += _counted(shown, "tensors of another shape: {}")
    return "; ".join([*said, *_odd(known)])


def _odd(found: Contents) -> list[str]:
    """Tensors in kinds of numbers that are not published."""
    odd = [f"{name}: {stored.kind}" for name, stored in found.items() if stored.kind not in KINDS]
    return _counted(odd, f"neither {' nor '.join(KINDS)}: {{}}")


def _vae(place: Place) -> Part:
    def expect(found: Contents) -> Shapes:
        return shapes.vae(_side(found, "encoder.conv1.weight", 96), place.config["in_dim"])

    return _archive(place, "VAE", checkpoint.VAE, expect)


def _text(place: Place) -> Part:
    def expect(found: Contents) -> Shapes:
        position = "blocks.0.pos_embedding.embedding.weight"
        layers = {name.split(".")[1] for name in found if name.startswith("blocks.")}
        sizes = {
            "vocabulary": _side(found, "token_embedding.weight", 256384),
            "dim": place.config["text_dim"],
            "inner": _side(found, "blocks.0.attn.q.weight", 4096),
            "ffn_dim": _side(found, "blocks.0.ffn.fc1.weight", 10240),
            "heads": _side(found, position, 64, -1),
            "buckets": _side(found, position, 32),
            "layers": len(layers) or 24,
        }
        return shapes.text(sizes)

    return _archive(place, "text encoder", checkpoint.TEXT, expect)


def _archive(place: Place, part: str, name: str, expect: Callable[[Contents], Shapes]) -> Part:
    """A .pth file of one model, whose free sizes are read from itself."""
    path, faults = place.folder / name, Faults()
    contents: Contents = {}
    with _noted(faults):
        contents = _read(place, path)
        said = differences(expect(contents), contents, contents) if _configured(place) else ""
        if said:
            raise OtherWeights(path, said)
    says = f"{count(len(contents), 'tensor')}, {_kinds(contents)}"
    return Part(part, path, says, _size(path), tuple(faults))


def _tokenizer(place: Place) -> Part:
    """One file of several, which must be whole; spiece.model alone would be read as another tokenizer."""
    faults: Faults = []
    table = place.tokenizer / checkpoint.TOKENIZER_TABLE
    with _noted(faults):
        if not table.is_file():
            raise missing(place.folder, f"{checkpoint.TOKENIZER}/{table.name}")
        read_json(place.tokenizer, table.name)
    size = _size(table) if table.is_file() else 0
    return Part("tokenizer", place.tokenizer, table.name, size, tuple(faults))


def _speech(place: Place) -> Part:
    """wav2vec 2.0, as wide and deep as the transformer hears it."""
    faults: Faults = []
    contents: Contents = {}
    told: dict[str, Any] = {}
    with _noted(faults):
        told = read_json(place.folder, checkpoint.SPEECH_CONFIG)
    with _noted(faults):
        read_json(place.folder, checkpoint.SPEECH_INPUT)
    with _noted(faults):
        contents = _read(place, place.speech)
    if told and (said := "; ".join(_unheard(told, contents, place))):
        faults.append(OtherWeights(place.speech.parent, said))
    says = f"{count(len(contents), 'tensor')}, {_kinds(contents)}"
    return Part("speech encoder", place.speech, says, _size(place.speech), tuple(faults))


def _unheard(told: Mapping[str, Any], contents: Contents, place: Place) -> Iterator[str]:
    width, layers = told.get("hidden_size"), told.get("num_hidden_layers")
    config = _configured(place)
    if config and width != config["audio_dim"]:
        yield f"its hidden_size is {width} and the transformer hears {config['audio_dim']}"
    if config and layers != config["audio_layers"] - 1:
        yield f"it has {layers} layers and the transformer hears {config['audio_layers'] - 1}"
    if contents and isinstance(layers, int):
        lasts = [f"{at}encoder.layers.{layers - 1}.attention.q_proj.weight" for at in SPEECH_AT]
        found = [contents[name].shape for name in lasts if name in contents]
        if found != [(width, width)]:
            yield f"its config.json tells of other tensors than it holds ({lasts[0]})"
    yield from _odd(contents)


def _configured(place: Place) -> dict[str, Any] | None:
    """The configuration, if it can be used; where it cannot, the transformer's part says so."""
    try:
        return place.config
    except ModelError:
        return None


@contextmanager
def _noted(faults: Faults) -> Iterator[None]:
    try:
        yield
    except ModelError as fault:
        faults.append(fault)


def _read(place: Place, path: Path) -> Contents:
    if not path.is_file():
        inside = path.is_relative_to(place.folder)
        at = place.folder if inside else path.parent
        raise missing(at, str(path.relative_to(at)))
    return read_contents(path)


def _side(found: Contents, name: str, published: int, axis: int = 0) -> int:
    stored = found.get(name)
    return stored.shape[axis] if stored and stored.shape else published


def _counted(names: list[str], phrase: str) -> list[str]:
    """The phrase with their number, and a few of them; nothing where there are none."""
    if not names:
        return []
    more = ", …" if len(names) > FEW else ""
    return [f"{phrase.format(len(names))} ({', '.join(names[:FEW])}{more})"]


def _sides(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a number"


def _kinds(contents: Contents) -> str:
    return ", ".join(sorted({stored.kind for stored in contents.values()})) or "nothing"


def _size(*paths: Path) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())
