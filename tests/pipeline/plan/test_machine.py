"""The machine that a plan is for."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model import registry
from model.avatar import FP8
from pipeline.plan import machine
from pipeline.plan.machine import UNBUILT, find_local_machine
from storage.errors import BadOption
from tasks.request import Request

ASKED = Request(Path("face.png"), Path("speech.wav"))


@pytest.fixture(autouse=True)
def _card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a card."""
    monkeypatch.setattr(machine, "find_local_gpu", lambda _: "NVIDIA H200")
    monkeypatch.setattr(registry, "bytes_free", lambda *_: int(140e9))


@pytest.mark.parametrize("unbuilt", [True, False])
def test_a_machine_that_cannot_build_kernels_is_told(
    unbuilt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before hours are spent on it, with what is missing."""
    monkeypatch.setattr(machine, "lacks_kernels", lambda: unbuilt)
    found = find_local_machine("live-avatar", ASKED, measured=False)
    assert found.note == (UNBUILT if unbuilt else "")
    assert found.free == int(140e9)
    assert found.speed is not None


def test_pocket_has_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine has: nothing is asked of it."""
    monkeypatch.setattr(machine, "find_local_gpu", lambda _: pytest.fail("it was asked"))
    assert find_local_machine("pocket", ASKED).free is None


def test_eight_bits_on_a_card_that_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Are refused by the plan already, not hours of it later."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "A100")
    with pytest.raises(BadOption, match="on A100 cannot be used: it has no eight-bit floats"):
        find_local_machine("live-avatar", replace(ASKED, precision=FP8), measured=False)
    assert find_local_machine("live-avatar", ASKED, measured=False).free == int(140e9)


@pytest.mark.parametrize("precision", ["", FP8])
def test_a_card_that_is_asked_for_and_not_there_is_told(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its speed or its eight-bit floats are asked for."""

    def find_none(*_: object) -> int:
        raise BadOption("--device", "cuda", "this machine has no card that torch can use")

    monkeypatch.setattr(machine, "find_local_gpu", lambda _: None)
    monkeypatch.setattr(registry, "bytes_free", find_none)
    asked = replace(ASKED, device="cuda", precision=precision)
    with pytest.raises(BadOption, match="no card that torch can use"):
        find_local_machine("live-avatar", asked)
