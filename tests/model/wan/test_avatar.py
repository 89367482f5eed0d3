"""What the published models do alike: what is loaded when, and what is imported for it."""

import subprocess
import sys

import numpy as np
import pytest

from model.avatar import DeviceConfig, Options
from model.live_avatar.avatar import LiveAvatar, load_model
from model.live_avatar.model_traits import KIND
from model.tools import make_checkpoint
from model.wan.gpu_memory import OffloadPlan
from tests.waiting import wait_until

ROOM_FOR_ALL = 10**12
HEAVY = {"diffusers", "transformers", "scipy", "sympy", "torch._dynamo", "torch._inductor"}


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Options:
    folder = tmp_path_factory.mktemp("weights")
    make_checkpoint.main(["--out", str(folder), "--size", "tiny"])
    return Options(64, 64, weights=str(folder))


def encode(options: Options, memory: int) -> LiveAvatar:
    avatar = load_model(options, DeviceConfig(device="cpu", memory=memory))
    avatar.encode_inputs(np.zeros((64, 64, 3), np.uint8), "a presenter")
    return avatar


def test_the_transformer_is_read_while_the_prompt_is_encoded(options: Options) -> None:
    """Where the device has room for both; nobody has asked for it yet."""
    avatar = encode(options, ROOM_FOR_ALL)
    wait_until(lambda: "transformer" in avatar._parts.__dict__)


def test_without_room_for_both_it_waits(options: Options) -> None:
    """The prompt's encoder is the largest part but one: a card of 24 GB holds it only before the transformer comes."""
    needed = KIND.needed_by(options, DeviceConfig(device="cpu"))
    enough = max(needed.total(OffloadPlan()), needed.text_encoder)
    avatar = encode(options, enough + needed.text_encoder // 2)
    assert not avatar._has_room_for_all
    assert "transformer" not in avatar._parts.__dict__
    avatar.load_denoiser()
    assert "transformer" in avatar._parts.__dict__


def test_a_film_imports_no_library_for_a_class_of_it(options: Options) -> None:
    """Loading and running every part takes neither diffusers nor transformers, nor torch's compiler: half of the time until a first clip was theirs."""
    code = f"""
import sys
import numpy as np
from model.avatar import AudioWindow, DeviceConfig, Options
from model.live_avatar.avatar import load_model
avatar = load_model(Options(64, 64, weights={options.weights!r}), DeviceConfig(device="cpu"))
assert avatar.numerics["probe"]
inputs = avatar.encode_inputs(np.zeros((64, 64, 3), np.uint8), "a presenter")
sound = np.zeros(16000 * 48 // 25 + 2 * avatar.traits.audio_margin, np.float32)
features = avatar.extract_audio(AudioWindow(sound, 0, 16000, 0.0, 1.0))
latents = avatar.denoiser(inputs, 0).denoise(features).latents
assert len(avatar.decoder(inputs).decode(latents)) == 48
print(*sorted({HEAVY!r} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
