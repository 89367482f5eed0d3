"""What is wrong with a folder of weights is found from the files alone, all of it, and with the way out."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model.weights import checkpoint
from model.weights.checkpoint import WeightsLocation
from model.weights.checks import check_weights, require_sound
from storage.errors import (
    ModelError,
    OtherLora,
    OtherWeights,
    WeightsDamaged,
    WeightsMissing,
)
from tests.model.published import alter, alter_json, published, truncate


@pytest.fixture
def place(tmp_path: Path) -> WeightsLocation:
    return published(tmp_path)


def refused(place: WeightsLocation, kind: type[ModelError], why: str) -> None:
    with pytest.raises(kind, match=why) as error:
        require_sound(check_weights(place))
    assert type(error.value) is kind


def test_a_whole_folder_has_no_faults(place: WeightsLocation):
    """Nothing is the matter with what the tool writes, part by part."""
    parts = check_weights(place)
    require_sound(parts)
    assert [part.name for part in parts] == [
        "transformer", "LoRA", "VAE", "text encoder", "tokenizer", "speech encoder",
    ]  # fmt: skip
    assert all(part.size for part in parts)


def test_a_missing_shard_is_named(place: WeightsLocation):
    """The shard by its name, and where to fetch it."""
    place.shards[1].unlink()
    refused(place, WeightsMissing, "lacks diffusion.*00002-of-00004.*Fetch it from Wan-AI")


@pytest.mark.parametrize("by", [1, 50_000])
def test_a_truncated_shard_is_named(place: WeightsLocation, by: int):
    """The shard, and how many bytes are missing."""
    truncate(place.shards[0], by)
    refused(place, WeightsDamaged, f"00001-of-00004.*{by} of its [0-9]+ bytes are missing")


def test_weights_under_other_names_are_another_model(place: WeightsLocation):
    """As many tensors, named as diffusers would: told in numbers and by example."""
    renamed = {name: name.replace(".self_attn.q.", ".attn1.to_q.") for name in place.index}
    for path in place.shards:
        alter(path, lambda held: {renamed[name]: held[name] for name in held})
    told = {renamed[name]: path.name for name, path in place.index.items()}
    alter_json(place.folder / checkpoint.INDEX, weight_map=told)
    why = r"tensors missing: 6 of 141 \(blocks.0.self_attn.q.weight.*tensors unknown: 6"
    refused(checkpoint.locate_weights(str(place.folder)), OtherWeights, why)


def test_a_shard_that_the_index_does_not_mean_is_found(place: WeightsLocation):
    """A shard of another checkpoint under the right name."""
    alter(place.shards[0], lambda held: {f"x.{name}": held[name] for name in held})
    refused(place, OtherWeights, "00001-of-00004.*differ in")


def test_weights_of_another_size_are_another_model(place: WeightsLocation):
    """A config.json that tells of other shapes than the shards hold."""
    alter_json(place.folder / checkpoint.CONFIG, ffn_dim=64)
    # Also the LoRA's, and both are told.
    refused(place, OtherWeights, "of another shape: 9.*96×48 and not 64×48.*The LoRA")


def test_half_precision_in_place_of_bfloat16_is_found(place: WeightsLocation):
    """One fp16 tensor among 141."""
    name = next(iter(load_file(place.shards[0])))
    alter(place.shards[0], lambda held: {**held, name: held[name].half()})
    refused(place, OtherWeights, f"neither BF16 nor F32: 1 .{name}: F16")


def test_a_configuration_of_another_model_is_found(place: WeightsLocation):
    """config.json of text to video."""
    alter_json(place.folder / checkpoint.CONFIG, model_type="t2v")
    refused(
        checkpoint.locate_weights(str(place.folder)),
        OtherWeights,
        "config.json.*'t2v' and not 's2v'",
    )


def test_torn_json_is_damaged(place: WeightsLocation):
    """An index that ends in the middle."""
    truncate(place.folder / checkpoint.INDEX, 40)
    refused(checkpoint.locate_weights(str(place.folder)), WeightsDamaged, "index.json is damaged")


def test_an_index_does_not_lead_out_of_its_folder(place: WeightsLocation):
    """A file name with a path in it is no file of this checkpoint."""
    told = dict.fromkeys(place.index, "../elsewhere.safetensors")
    alter_json(place.folder / checkpoint.INDEX, weight_map=told)
    refused(checkpoint.locate_weights(str(place.folder)), WeightsDamaged, "no map of tensors")


def test_a_lora_of_another_rank_is_refused(place: WeightsLocation):
    """Twice the rank would be merged with the wrong scale."""

    def double(held: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {n: torch.cat([t, t], int(".lora_B" in n)) for n, t in held.items()}

    alter(place.lora, double)
    refused(place, OtherLora, "its rank is 16 and not 8")


def test_a_lora_with_more_than_has_a_use_is_refused(place: WeightsLocation):
    """A tensor that no weight takes, and half a pair, are named."""
    alter(place.lora, lambda held: {**held, "head.head.alpha": torch.zeros(1)})
    refused(place, OtherLora, r"tensors without use: 1 \(head.head.alpha\)")
    alter(place.lora, lambda held: {"time.lora_A.weight": torch.zeros(8, 4), **held})
    refused(place, OtherLora, "tensors without use: 2 .*a half for time.weight")


def test_a_lora_that_leaves_weights_out_is_refused(place: WeightsLocation):
    """The published one changes every attention and feed-forward layer."""
    alter(place.lora, lambda held: {n: t for n, t in held.items() if "audio_injector" not in n})
    refused(place, OtherLora, "weights without a pair in it: 8 of 38")


@pytest.mark.parametrize("prefix", ["", "base_model.model.", "diffusion_model."])
@pytest.mark.parametrize("middle", [".default", ""])
def test_every_published_spelling_of_a_lora_is_read(
    place: WeightsLocation, prefix: str, middle: str
):
    """With or without a prefix, with or without the adapter's name."""
    alter(
        place.lora,
        lambda held: {f"{prefix}{n.replace('.default', middle)}": t for n, t in held.items()},
    )
    require_sound(check_weights(place))


def test_a_truncated_or_foreign_archive_is_found(place: WeightsLocation):
    """The VAE's file cut off; the text encoder's in the VAE's place."""
    truncate(place.folder / checkpoint.VAE, 10)
    refused(place, WeightsDamaged, "Wan2.1_VAE.pth is damaged: its end is missing")
    shutil.copy(place.folder / checkpoint.TEXT, place.folder / checkpoint.VAE)
    refused(place, OtherWeights, "Wan2.1_VAE.pth.*tensors missing: 194 of 194")


def test_parts_must_fit_each_other(place: WeightsLocation):
    """A text encoder and a speech encoder of other sizes than the transformer takes."""
    alter_json(place.folder / checkpoint.CONFIG, text_dim=64, audio_layers=25)
    with pytest.raises(OtherWeights) as error:
        require_sound(check_weights(checkpoint.locate_weights(str(place.folder))))
    assert "token_embedding.weight: 128×32 and not 128×64" in str(error.value)
    assert "it has 3 layers and the transformer hears 24" in str(error.value)


def test_all_is_said_at_once(place: WeightsLocation):
    """A missing file, a torn one and a LoRA of another model: one error, the gravest, with all three."""
    (place.folder / checkpoint.TEXT).unlink()
    shutil.rmtree(place.tokenizer)
    truncate(place.shards[2], 1)
    alter(place.lora, lambda held: {f"x{name}": held[name] for name in held})
    with pytest.raises(WeightsMissing) as error:
        require_sound(check_weights(place))
    said = str(error.value)
    assert f"lacks {checkpoint.TEXT}, google/umt5-xxl/tokenizer.json." in said
    assert "00003-of-00004.safetensors is damaged" in said
    assert "The LoRA" in said
    assert error.value.exit_code == 2


def test_a_wrong_folder_lacks_everything(tmp_path: Path):
    """One sentence with every name."""
    refused(
        checkpoint.locate_weights(str(tmp_path)),
        WeightsMissing,
        "lacks .*Wan2.1_VAE.pth.*config.json",
    )


def test_either_file_of_the_speech_encoder_will_do(place: WeightsLocation):
    """pytorch_model.bin in place of model.safetensors."""
    old = place.speech
    torch.save(load_file(old), old.with_name("pytorch_model.bin"))
    old.unlink()
    parts = check_weights(place)
    require_sound(parts)
    assert parts[-1].path.name == "pytorch_model.bin"


def test_a_speech_encoder_that_is_not_what_it_says_is_found(place: WeightsLocation):
    """Its config.json tells of another layer than the last one in its weights."""
    alter(place.speech, lambda held: {n: t for n, t in held.items() if "layers.2." not in n})
    refused(place, OtherWeights, "tells of other tensors than it holds")


def test_json_is_whole(place: WeightsLocation):
    """What the tool writes is read by the json module, and nothing else is needed to look at it."""
    assert json.loads((place.folder / checkpoint.CONFIG).read_text())["lora_rank"] == 8
