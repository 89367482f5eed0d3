"""Published weights: which files there are, where they may lie, and a digest of them. No torch, and nothing large is read."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from model.weights import published_shapes
from model.weights.file_headers import read_header
from storage.errors import OtherWeights, WeightsDamaged, WeightsMissing

FOLDER, LORA = "Wan2.2-S2V-14B", "liveavatar.safetensors"
HUB, LORA_HUB = "Wan-AI/Wan2.2-S2V-14B", "Quark-Vision/Live-Avatar"
LORA_FOLDERS = (".", "LiveAvatar", "Live-Avatar")
CONFIG, INDEX = "config.json", "diffusion_pytorch_model.safetensors.index.json"
VAE, TEXT = "Wan2.1_VAE.pth", "models_t5_umt5-xxl-enc-bf16.pth"
TOKENIZER, SPEECH = "google/umt5-xxl", "wav2vec2-large-xlsr-53-english"
TOKENIZER_TABLE = "tokenizer.json"
"""Either is enough."""
TOKENIZER_FILES = (
    TOKENIZER_TABLE,
    "spiece.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
SPEECH_CONFIG, SPEECH_INPUT = f"{SPEECH}/config.json", f"{SPEECH}/preprocessor_config.json"
SPEECH_WEIGHTS = (f"{SPEECH}/model.safetensors", f"{SPEECH}/pytorch_model.bin")

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
WHOLE_BELOW, SAMPLE, SAMPLE_EVERY, END = 1 << 26, 1 << 12, 1 << 25, 1 << 16
"""The digest reads files up to WHOLE bytes, and of larger ones SAMPLE bytes in SAMPLE_EVERY and the last END."""


@dataclass(frozen=True)
class WeightsLocation:
    """Where the published parts lie, whether or not they are there."""

    folder: Path
    """Of Wan2.2-S2V-14B."""
    lora: Path | None
    """None for a model without one."""

    @cached_property
    def published_config(self) -> dict[str, Any]:
        """What config.json says; raises WeightsMissing or WeightsDamaged."""
        return read_json(self.folder, CONFIG)

    @cached_property
    def config(self) -> dict[str, Any]:
        """S2VTransformer's configuration; raises what `told` raises, and OtherWeights."""
        try:
            return published_shapes.build_config(self.published_config)
        except ValueError as error:
            raise OtherWeights(self.folder / CONFIG, error) from error

    @property
    def rank(self) -> int:
        """The LoRA's rank: 128, but for a small checkpoint whose config.json says its own."""
        return int(self.published_config.get("lora_rank", published_shapes.RANK))

    @property
    def scale(self) -> float:
        """By which the LoRA's product is multiplied: alpha over rank, 64 / 128."""
        return float(self.published_config.get("lora_alpha", published_shapes.ALPHA)) / self.rank

    @cached_property
    def index(self) -> dict[str, Path]:
        """The transformer's tensors, each with its file; raises WeightsMissing or WeightsDamaged."""
        told = read_json(self.folder, INDEX).get("weight_map")
        # A name with a folder in it would lead out of this one.
        if not isinstance(told, dict) or not all(Path(str(n)).name == n for n in told.values()):
            raise WeightsDamaged(self.folder / INDEX, "it has no map of tensors to files")
        return {name: self.folder / file for name, file in told.items()}

    @property
    def shards(self) -> list[Path]:
        """The transformer's files, by its index."""
        return sorted(set(self.index.values()))

    @property
    def speech(self) -> Path:
        """The speech encoder's weights; the first of the two names where there is neither."""
        paths = [self.folder / name for name in SPEECH_WEIGHTS]
        return next((path for path in paths if path.is_file()), paths[0])

    @property
    def tokenizer(self) -> Path:
        """The tokenizer's folder."""
        return self.folder / TOKENIZER


def locate_weights(
    weights: str, lora: str | None = None, *, fetch: bool = False
) -> WeightsLocation:
    """Where the parts lie: in a folder, in one that holds FOLDER and the LoRA, or in what the hub calls owner/name.

    `lora` names a file, a folder or a repository of its own; "" stands for a model without one. `fetch` allows to download. Raises WeightsMissing.
    """
    root = _find_folder(weights, "*", fetch=fetch)
    inside = root / FOLDER
    folder = inside if inside.is_dir() and not (root / CONFIG).is_file() else root
    if lora == "":
        return WeightsLocation(folder, None)
    if lora is None and root != Path(weights).expanduser():
        lora = LORA_HUB
    if lora is not None:
        path = _find_folder(lora, LORA, fetch=fetch)
        return WeightsLocation(folder, path / LORA if path.is_dir() else path)
    places = [place / each / LORA for place in (root, root.parent) for each in LORA_FOLDERS]
    return WeightsLocation(folder, next((path for path in places if path.is_file()), root / LORA))


def _find_folder(name: str, files: str, *, fetch: bool) -> Path:
    path = Path(name).expanduser()
    if path.exists() or not HUB_NAME.fullmatch(name):
        return path
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(name, allow_patterns=files, local_files_only=not fetch))
    except (OSError, ValueError, HfHubHTTPError) as error:
        why = str(error).partition("\n")[0] if fetch else "nor was it fetched from the hub before"
        raise WeightsMissing("This machine", f"the folder {name} ({why})", HUB) from error


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """A JSON object from a file; raises WeightsMissing or WeightsDamaged."""
    try:
        told = json.loads((folder / name).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise missing_file(folder, name) from error
    except (OSError, ValueError) as error:
        raise WeightsDamaged(folder / name, "it is not JSON") from error
    if not isinstance(told, dict):
        raise WeightsDamaged(folder / name, "it is no JSON object")
    return told


def missing_file(folder: Path, name: str) -> WeightsMissing:
    """The error that says what is missing where, and where to fetch it."""
    where = folder if folder.is_dir() else f"{folder} (no such folder)"
    return WeightsMissing(where, name, LORA_HUB if name == LORA else HUB)


def hash_weights(place: WeightsLocation) -> str:
    """A SHA-256 that stands for all weights, in a second: part of the spec.

    Over every file's published name and size, a safetensors file's header (names, kinds, shapes), and its bytes: all of a file up to 64 MiB,
    of a larger one 4 KiB in every 32 MiB and the last 64 KiB, where a torch archive keeps a checksum of each tensor. It tells one set of weights
    from another wherever they lie; it does not find a flipped bit between two samples. Raises WeightsMissing.
    """
    whole = hashlib.sha256()
    for name, path in _pixel_files(place):
        if not path.is_file():
            raise missing_file(path.parent, path.name)
        whole.update(f"{name}\0{path.stat().st_size}\0".encode())
        if path.suffix == ".safetensors":
            whole.update(read_header(path))
        for sample in _sample_bytes(path):
            whole.update(sample)
    return whole.hexdigest()


def _pixel_files(place: WeightsLocation) -> Iterator[tuple[str, Path]]:
    """Every file that decides pixels, by its published name."""
    yield from ((name, place.folder / name) for name in (CONFIG, INDEX))
    yield from ((path.name, path) for path in place.shards)
    yield from ((name, place.folder / name) for name in (VAE, TEXT, SPEECH_CONFIG, SPEECH_INPUT))
    yield SPEECH, place.speech
    for name in TOKENIZER_FILES:
        if (place.tokenizer / name).is_file():
            yield name, place.tokenizer / name
    if place.lora is not None:
        yield LORA, place.lora


def _sample_bytes(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE_BELOW:
            yield file.read()
            return
        for start in range(0, size - END, SAMPLE_EVERY):
            file.seek(start)
            yield file.read(SAMPLE)
        file.seek(size - END)
        yield file.read()
