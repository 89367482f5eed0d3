"""AMX is left alone, unless somebody asks for it."""

import os

import pytest
import torch

from model.processor import LIMITS, WITHOUT_AMX, avoid_amx, uses_amx


@pytest.fixture
def amx(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that has it, and an environment that says nothing."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    for name in LIMITS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_amx_is_avoided(amx: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """oneDNN is told to do without before it computes anything."""
    assert uses_amx()
    avoid_amx()
    assert os.environ[LIMITS[0]] == WITHOUT_AMX
    assert not uses_amx()


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize(
    ("asked", "used"),
    [("ALL", True), ("avx512_core_amx", True), ("AVX512_CORE_FP16", False), ("AVX2", False)],
)
def test_what_was_asked_stays(
    amx: None, monkeypatch: pytest.MonkeyPatch, name: str, asked: str, used: bool
) -> None:
    """A limit in the environment is kept, under either name."""
    monkeypatch.setenv(name, asked)
    before = dict(os.environ)
    avoid_amx()
    assert dict(os.environ) == before
    assert uses_amx() == used


def test_without_it_nothing_is_limited(amx: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processors keep all that they have."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    avoid_amx()
    assert not set(LIMITS) & set(os.environ)
    assert not uses_amx()
