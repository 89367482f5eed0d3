"""The machine that a plan is for."""

import pytest

from model import avatar
from model.avatar import Machine
from pipeline.plan import gauge, place
from pipeline.plan.place import UNBUILT, local


@pytest.fixture(autouse=True)
def _card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a card."""
    monkeypatch.setattr(gauge, "card_here", lambda _: "NVIDIA H200")
    monkeypatch.setattr(avatar, "bytes_free", lambda *_: int(140e9))


@pytest.mark.parametrize("unbuilt", [True, False])
def test_a_machine_that_cannot_build_kernels_is_told(
    unbuilt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before hours are spent on it, with what is missing."""
    monkeypatch.setattr(place, "unbuilt", lambda: unbuilt)
    found = local("live-avatar", Machine(), "", gauged=False)
    assert found.note == (UNBUILT if unbuilt else "")
    assert found.free == int(140e9)
    assert found.speed is not None


def test_pocket_has_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine has: nothing is asked of it."""
    monkeypatch.setattr(gauge, "card_here", lambda _: pytest.fail("it was asked"))
    assert local("pocket", Machine(), "").free is None
