"""Where weights may lie, and the digest that stands for them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from model.weights import checkpoint
from model.weights.checkpoint import WeightsLocation, hash_weights, locate_weights
from model.weights.checks import check_weights, require_sound
from storage.errors import WeightsMissing
from tests.model.published import alter_json, published

ROOT = Path(__file__).parents[3]
HUB = """
import sys
from model.weights.checkpoint import locate_weights
from model.weights.checks import check_weights, require_sound
from storage.errors import ModelError
try:
    place = locate_weights(*sys.argv[2:], fetch=sys.argv[1] == "fetch")
    require_sound(check_weights(place))
    print(place.folder, place.lora, sep="\\n")
except ModelError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def place(tmp_path: Path) -> WeightsLocation:
    return published(tmp_path / "ckpt")


def hub(cache: Path, *words: str) -> str:
    """What `locate` finds in a process whose hub cannot be reached and whose cache is this one."""
    said = subprocess.run(
        [sys.executable, "-c", HUB, *words],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout


def into_cache(cache: Path, name: str, source: Path) -> Path:
    """A repository as the hub's library keeps it."""
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text("0" * 40)
    (folder / "snapshots").mkdir()
    return Path(shutil.move(source, folder / "snapshots" / ("0" * 40)))


@pytest.mark.parametrize("lora", [".", "LiveAvatar", "Live-Avatar"])
@pytest.mark.parametrize("named", [".", checkpoint.FOLDER])
def test_the_folder_or_the_one_above_it(place: WeightsLocation, named: str, lora: str):
    """DIR is the checkpoint, or holds it; the LoRA lies beside it or in a folder of its own."""
    root = place.folder.parent
    (root / lora).mkdir(exist_ok=True)
    shutil.move(place.lora, root / lora / checkpoint.LORA)
    found = locate_weights(str(root / named))
    assert found.folder == place.folder
    assert found.lora.samefile(root / lora / checkpoint.LORA)
    require_sound(check_weights(found))


def test_a_lora_of_its_own_place(place: WeightsLocation, tmp_path: Path):
    """Named as a file or as its folder; and a model without one."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(place.lora, elsewhere)
    for name in (elsewhere, elsewhere / checkpoint.LORA):
        require_sound(check_weights(locate_weights(str(place.folder), str(name))))
    require_sound(check_weights(locate_weights(str(place.folder), "")))
    with pytest.raises(
        WeightsMissing, match=r"liveavatar.safetensors\. Fetch it from Quark-Vision"
    ):
        require_sound(check_weights(locate_weights(str(place.folder))))


def test_a_name_of_the_hub(place: WeightsLocation, tmp_path: Path):
    """What was fetched before is found by its name, the LoRA in its own repository."""
    cache, lora = tmp_path / "cache", tmp_path / "lora"
    lora.mkdir()
    shutil.move(place.lora, lora)
    lora = into_cache(cache, checkpoint.LORA_HUB, lora)
    folder = into_cache(cache, "somebody/Wan", place.folder)
    for way in ("fetch", "keep"):
        assert hub(cache, way, "somebody/Wan") == f"{folder}\n{lora / checkpoint.LORA}\n"


@pytest.mark.parametrize("way", ["fetch", "keep"])
def test_a_hub_that_cannot_be_reached(way: str, tmp_path: Path):
    """One clear error, and no download where none was asked for."""
    said = hub(tmp_path, way, "somebody/Wan")
    assert said.startswith("WeightsMissing This machine lacks the folder somebody/Wan (")
    assert said.count("\n") == 1
    assert ("fetched from the hub before" in said) == (way == "keep")


def test_the_digest_goes_with_the_weights(place: WeightsLocation, tmp_path: Path):
    """The same in another folder, with the LoRA elsewhere; another without the LoRA."""
    before = hash_weights(place)
    moved = tmp_path / "moved"
    shutil.copytree(place.folder, moved)
    assert hash_weights(locate_weights(str(moved), str(place.lora))) == before
    assert hash_weights(WeightsLocation(place.folder, None)) != before


def test_every_file_counts(place: WeightsLocation):
    """One other byte in any file is another digest."""
    seen = {hash_weights(place)}
    files = [path for _, path in checkpoint._pixel_files(place)]
    assert set(files) == {path for path in place.folder.parent.rglob("*") if path.is_file()}
    for path in files:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        if path.suffix == ".json":
            alter_json(path, more=1)
        else:
            path.write_bytes(data)
        seen.add(hash_weights(locate_weights(str(place.folder))))
    assert len(seen) == len(files) + 1


@pytest.mark.parametrize("at", [0, checkpoint.SAMPLE_EVERY + 9, -1])
def test_large_files_are_sampled(place: WeightsLocation, at: int):
    """Of a file beyond 64 MiB the beginning, a place in the middle and the end count."""
    path = place.folder / checkpoint.VAE
    with path.open("r+b") as file:
        file.truncate(checkpoint.WHOLE_BELOW + 12345)
        before = hash_weights(place)
        file.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        file.write(b"\x01")
    assert hash_weights(place) != before


def test_no_digest_without_the_files(place: WeightsLocation):
    """What is missing is named."""
    place.lora.unlink()
    with pytest.raises(WeightsMissing, match=r"lacks liveavatar\.safetensors"):
        hash_weights(place)


def test_looking_needs_no_torch(place: WeightsLocation):
    """Folder, findings and digest, in a process that has never heard of torch."""
    code = f"""
import sys
from model.weights.checkpoint import hash_weights, locate_weights
from model.weights.checks import check_weights, require_sound
place = locate_weights({str(place.folder)!r})
require_sound(check_weights(place))
hash_weights(place)
print({{"torch", "diffusers", "transformers", "numpy"}} & set(sys.modules))
"""
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout == "set()\n"
