"""The parts of a published model are loaded once, whoever asks for them, and beside each other."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Barrier

import pytest
import torch

from model.avatar import DeviceConfig, Options
from model.live_avatar.model_traits import KIND
from model.tools import make_checkpoint
from model.wan.gpu_memory import OffloadPlan
from model.wan.parts import ALLOCATOR, Parts, device_of, placement_of
from model.weights.loading import Placement
from storage.errors import BadOption

NAMES = ("transformer", "vae", "audio_encoder", "transformer", "vae", "text")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    make_checkpoint.main(["--out", str(folder), "--size", "tiny"])
    return folder


@pytest.mark.parametrize("trial", range(3))
def test_parts_are_built_once_and_whole(weights: Path, trial: int) -> None:
    """Threads that ask at the same moment get the same part, and all its numbers are there, while others are built beside it."""
    place = KIND.locate_weights(Options(weights=str(weights)))
    parts = Parts(KIND, place, Placement(torch.device("cpu"), torch.float32), OffloadPlan())
    together = Barrier(len(NAMES))

    def ask(name: str) -> object:
        together.wait()
        return parts.text() if name == "text" else getattr(parts, name)

    with ThreadPoolExecutor(len(NAMES)) as threads:
        made = list(threads.map(ask, NAMES))
    assert made[0] is made[3]
    assert made[1] is made[4]
    modules = (made[0], made[1].modules, made[2].model, made[5].model)  # type: ignore[attr-defined]
    assert not any(weight.is_meta for module in modules for weight in module.parameters())


@pytest.mark.parametrize(
    ("capability", "refused"), [((8, 0), True), ((8, 9), False), ((9, 0), False)]
)
def test_a_card_without_eight_bit_floats_is_refused(
    capability: tuple[int, int], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a weight is read; without --fp8 it is welcome."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "A100")
    assert placement_of(DeviceConfig(device="cuda"), fp8=False).device.type == "cuda"
    with pytest.raises(BadOption, match="eight-bit") if refused else nullcontext():
        assert placement_of(DeviceConfig(device="cuda"), fp8=True).fp8


@pytest.mark.parametrize("told", [None, "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"])
def test_segments_of_a_card_grow(monkeypatch: pytest.MonkeyPatch, told: str | None) -> None:
    """Where the user's environment says nothing else; and where no card is used nothing is said."""
    for name in ALLOCATOR:
        monkeypatch.setenv(name, "")  # so that it is as before behind the test
        monkeypatch.delenv(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    if told:
        monkeypatch.setenv(told, "max_split_size_mb:64")
    device_of(DeviceConfig(device="cpu"))
    before = {name: os.environ[name] for name in ALLOCATOR if name in os.environ}
    assert list(before) == ([told] if told else [])
    device_of(DeviceConfig(device="cuda"))
    grown = before or {ALLOCATOR[0]: "expandable_segments:True"}
    assert {name: os.environ[name] for name in ALLOCATOR if name in os.environ} == grown
