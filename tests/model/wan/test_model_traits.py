"""The published models, in numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.avatar import DeviceConfig, Options
from model.encoders import wav2vec2
from model.loader import load_model
from model.registry import MODELS, bytes_needed, describe_model, weights_digest
from model.tools.make_checkpoint import main as make_checkpoint
from model.wan import model_traits
from model.wan.parts import device_of
from storage.errors import BadInput, BadOption, WeightsMissing

LARGE = ("live-avatar", "wan-s2v")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small checkpoint in the published layout."""
    folder = tmp_path_factory.mktemp("weights")
    make_checkpoint(["--out", str(folder)])
    return str(folder)


@pytest.mark.parametrize("name", LARGE)
def test_published_numbers_need_no_folder(name: str) -> None:
    """Without a folder of weights, or where it is gone, the numbers are the published ones: status and inspect go on."""
    traits = describe_model(name, Options())
    assert traits == describe_model(name, Options(weights="/nowhere"))
    assert (traits.audio_layers, traits.audio_channels, traits.latent_channels) == (25, 1024, 16)
    assert (traits.default_width, traits.default_height, traits.decoder_memory) == (704, 384, 38)


def test_each_has_its_pace() -> None:
    """Live Avatar: 25 frames a second, clips of 48, four steps; Wan-S2V: 16, 80, forty, guidance 4.5, clip after decoded clip."""
    live, wan = (describe_model(name, Options()) for name in LARGE)
    assert (live.fps, live.clip_frames, live.block_frames, live.steps, live.guidance) == (
        25,
        48,
        12,
        4,
        "",
    )
    assert (wan.fps, wan.clip_frames, wan.steps, wan.guidance) == (16, 80, 40, "4.5")
    assert live.decodes_offline
    assert not wan.decodes_offline


def test_a_folder_tells_its_own_sizes(weights: str) -> None:
    """A small checkpoint has small features and a small carry, by its config.json."""
    small = describe_model("live-avatar", Options(weights=weights))
    own = {
        name: getattr(small, name)
        for name in (
            "audio_layers", "audio_channels", "carry_bytes", "carry_pieces", "encoded_bytes", "layers", "heads",
        )
    }  # fmt: skip
    published = describe_model("live-avatar", Options())
    assert all(value < getattr(published, name) for name, value in own.items())
    assert small == replace(published, **own)


@pytest.mark.parametrize("name", LARGE)
def test_what_is_encoded_is_as_large_as_is_told(name: str, weights: str) -> None:
    """Picture, motion and prompt, as the run stores them."""
    options = Options(64, 96, weights=weights)
    avatar = load_model(name, options, DeviceConfig(device="cpu"))
    encoded = avatar.encode_inputs(np.zeros((96, 64, 3), np.uint8), "a presenter")
    told = describe_model(name, options).encoded_bytes
    assert sum(each.nbytes for each in encoded.values()) == told


def test_the_margin_is_the_encoders() -> None:
    """What the card says without torch is what the speech encoder hears."""
    assert model_traits.AUDIO_MARGIN == wav2vec2.MARGIN


def test_guidance_is_refused_where_there_is_none() -> None:
    """A distilled model has no guidance; one that has takes what is asked."""
    with pytest.raises(BadOption, match="without guidance"):
        describe_model("live-avatar", Options(guidance="3"))
    assert describe_model("wan-s2v", Options(guidance="3")).guidance == "3"


def test_clips_shorter_than_what_the_next_takes_are_refused() -> None:
    """73 decoded frames go from clip to clip: a clip of wan-s2v has at least as many."""
    with pytest.raises(BadOption, match="73 frames"):
        describe_model("wan-s2v", Options(clip_frames=72))
    assert describe_model("wan-s2v", Options(clip_frames=76)).clip_frames == 76


@pytest.mark.parametrize("name", LARGE)
def test_weights_are_needed_and_checked(name: str, weights: str, tmp_path: Path) -> None:
    """No folder, or an empty one, is refused with the way out; the digest stands for what is in it."""
    with pytest.raises(BadInput, match="--weights DIR"):
        weights_digest(name, Options())
    with pytest.raises(WeightsMissing):
        weights_digest(name, Options(weights=str(tmp_path)))
    assert len(weights_digest(name, Options(weights=weights))) == 64


def test_the_lora_is_in_the_digest_of_the_model_that_has_it(weights: str) -> None:
    """The same folder is two models."""
    live, wan = (weights_digest(name, Options(weights=weights)) for name in LARGE)
    assert live != wan
    assert set(LARGE) < set(MODELS)


@pytest.mark.parametrize("name", LARGE)
def test_what_a_film_takes_needs_no_folder(name: str) -> None:
    """Reckoned from the published sizes: more for a larger film, less where parts may wait on the host; nothing on a CPU without a limit."""
    machine = DeviceConfig(device="cuda", offload=False)
    small, large = (
        bytes_needed(name, Options(*size), machine) for size in ((384, 256), (704, 384))
    )
    waiting = bytes_needed(name, Options(704, 384), DeviceConfig(device="cuda"))
    assert 30e9 < small < large < 110e9
    assert waiting < 24e9, "what the articles' readers have"
    assert bytes_needed(name, Options(704, 384), DeviceConfig(device="cpu")) == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_a_card_that_is_not_there_is_refused() -> None:
    """Before any work, and with the reason."""
    with pytest.raises(BadOption, match="no card that torch can use"):
        device_of(DeviceConfig(device="cuda"))
