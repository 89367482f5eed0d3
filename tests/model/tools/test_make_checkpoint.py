"""Random checkpoints: the published layout, readable by the libraries that the published files were made with."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from model.tools.make_checkpoint import (
    FULL,
    PARTS,
    TINY,
    make_checkpoint,
    resize_parts,
    split_shards,
)
from model.tools.random_weights import count_bytes, encode_numbers
from model.weights import checkpoint, published_shapes
from model.weights.checks import check_weights, require_sound
from tests.model.published import published
from tests.waiting import processor_seconds

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(tmp_path_factory.mktemp("tiny")).folder


def tensors(root: Path) -> dict[str, torch.Tensor]:
    """Every tensor in every file."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.suffix == ".safetensors":
            found |= {f"{path.name} {name}": held for name, held in load_file(path).items()}
        if path.suffix == ".pth":
            state = torch.load(path, weights_only=True, mmap=True)
            found |= {f"{path.name} {name}": held for name, held in state.items()}
    return found


def test_the_small_one_is_small_and_made_at_once(tmp_path: Path):
    """Less than 5 MB, in less than 10 s of the processor, by the command; nothing is wrong with it."""
    words = [sys.executable, "-m", "model.tools.make_checkpoint", "--out", str(tmp_path / "x")]
    before = processor_seconds()
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert processor_seconds() - before < 10
    assert said.stdout.endswith("GB\n")
    paths = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in paths) < 5e6
    require_sound(check_weights(checkpoint.locate_weights(str(tmp_path / "x"))))


def test_the_seed_decides_every_byte(tmp_path: Path):
    """The same seed gives the same files, another one others."""
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_checkpoint(tmp_path / name, TINY, seed=seed)
    digests = [
        checkpoint.hash_weights(checkpoint.locate_weights(str(tmp_path / name))) for name in "abc"
    ]
    assert digests[0] == digests[1] != digests[2]


def test_torch_and_safetensors_read_what_was_written(folder: Path):
    """All numbers are finite, no two tensors are the same, and archives can be mapped."""
    found = tensors(folder.parent)
    assert len(found) == 141 + 76 + 194 + 22 + 88
    assert all(torch.isfinite(held).all() for held in found.values())
    noise = [held.flatten()[:9].tolist() for held in found.values() if held.ndim > 1]
    varied = [tuple(each) for each in noise if len(set(each)) > 1]
    assert len(set(varied)) == len(varied)
    state = torch.load(folder / checkpoint.VAE, weights_only=True, mmap=True)
    assert not any(held.data_ptr() % 64 for held in state.values())


def test_the_vae_is_wans(folder: Path):
    """diffusers turns the names into its own and loads them strictly; a picture goes through and stays finite."""
    from diffusers import AutoencoderKLWan
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

    state = torch.load(folder / checkpoint.VAE, weights_only=True)
    module = AutoencoderKLWan(base_dim=TINY.vae_width)
    module.load_state_dict(convert_wan_vae_to_diffusers(dict(state)))
    with torch.inference_mode():
        latents = module.encode(torch.rand(1, 3, 5, 16, 16) * 2 - 1).latent_dist.mode()
        film = module.decode(latents).sample
    assert film.shape == (1, 3, 5, 16, 16)
    assert torch.isfinite(film).all()


def test_the_speech_encoder_is_wav2vec(folder: Path):
    """transformers finds no key missing and none too many, and hears something finite."""
    from transformers import Wav2Vec2ForCTC

    model, facts = Wav2Vec2ForCTC.from_pretrained(
        folder / checkpoint.SPEECH, output_loading_info=True, local_files_only=True
    )
    assert not facts["missing_keys"]
    assert not facts["unexpected_keys"]
    with torch.inference_mode():
        heard = model(torch.randn(1, 3200), output_hidden_states=True).hidden_states
    assert len(heard) == TINY.transformer["audio_layers"]
    assert all(torch.isfinite(layer).all() for layer in heard)


def test_the_tokenizer_needs_no_network(folder: Path):
    """Words end with 1, are filled up with 0, and unknown letters are 2; all fit the text encoder."""
    from transformers import AutoTokenizer

    reader = AutoTokenizer.from_pretrained(folder / checkpoint.TOKENIZER, local_files_only=True)
    said = reader(["A smith laughs. ü"], padding="max_length", max_length=24)["input_ids"][0]
    assert len(said) == 24
    assert said[-1] == 0
    assert 2 in said
    assert said[said.index(0) - 1] == 1
    assert max(said) < TINY.text["vocabulary"]


def test_shards_are_as_published():
    """Four of at most 10 GB for the 14B, in the names and sizes of the published index; four for a small one, too."""
    whole = published_shapes.transformer_shapes(
        published_shapes.build_config(published_shapes.PUBLISHED)
    )
    shards = split_shards(whole)
    assert len(shards) == 4
    assert sum(map(len, shards)) == 1260
    assert all(sum(count_bytes(s, "BF16") for s in shard.values()) <= 10e9 for shard in shards)
    assert (
        len(
            split_shards(
                published_shapes.transformer_shapes(published_shapes.build_config(TINY.transformer))
            )
        )
        == 4
    )


def test_any_size_and_any_parts(tmp_path: Path):
    """Other widths and depths, and only what was asked for."""
    make_checkpoint(tmp_path, resize_parts(TINY, 96, 5), parts=["transformer"])
    place = checkpoint.locate_weights(str(tmp_path), "")
    assert place.config["dim"] == 96
    assert place.config["num_layers"] == 5
    assert not (place.folder / checkpoint.VAE).exists()
    assert not check_weights(place)[0].faults


def test_the_full_size_says_what_is_published():
    """Its config.json says neither a rank nor an alpha of its own: they are the published ones."""
    from model.tools.make_checkpoint import make_config

    assert not {"lora_rank", "lora_alpha"} & set(make_config(FULL))
    assert published_shapes.build_config(make_config(FULL)) == published_shapes.build_config(
        published_shapes.PUBLISHED
    )
    assert set(PARTS) == {"transformer", "lora", "vae", "text", "tokenizer", "speech"}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_memory_does_not_grow_with_the_size(tmp_path: Path):
    """200 MB more weights, and at most two more tensors at once, as they are drawn in float64 and freed late."""
    code = """
import sys
from model.tools.make_checkpoint import main
main(sys.argv[1:])
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
"""
    peaks = []
    for layers in ("1", "9"):
        words = f"--out {tmp_path} --dim 1024 --layers {layers} --parts transformer".split()
        said = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(1024 * int(said.stdout.splitlines()[-1]))
    assert peaks[1] - peaks[0] < 70e6


def test_rounding_is_torchs():
    """bfloat16 to the nearest, ties to even."""
    numbers = np.array([1.0, -0.0, 1 + 2**-8, 1 + 3 * 2**-8, 1e-30, 3.14159, -2e20], np.float32)
    ours = torch.from_numpy(encode_numbers(numbers, "BF16").view(np.int16)).view(torch.bfloat16)
    assert torch.equal(ours, torch.from_numpy(numbers).bfloat16())


def test_names_are_in_the_published_order_of_files(folder: Path):
    """Each shard holds what the index says and nothing else."""
    place = checkpoint.locate_weights(str(folder))
    for path in place.shards:
        with safe_open(path, "pt") as file:
            assert set(file.keys()) == {name for name, at in place.index.items() if at == path}
