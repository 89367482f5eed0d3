"""On a processor with AMX, convolutions that oneDNN computes wrongly there are computed in float32."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from model import avatar, loader
from model.avatar import Options
from model.device import processor
from model.device.processor import LIMITS, uses_amx, widen_convolutions
from storage.errors import WrongPrecision
from tests.model.wrong_library import WrongLibrary


@pytest.fixture
def amx(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that has it, and an environment that says nothing."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    for name in LIMITS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize(
    ("limit", "used"),
    [
        (None, True), ("ALL", True), ("avx512_core_amx", True),
        ("AVX512_CORE_BF16", False), ("AVX2", False),
    ],
)  # fmt: skip
def test_amx_is_used_where_no_limit_is_below_it(
    amx: None, monkeypatch: pytest.MonkeyPatch, name: str, limit: str | None, used: bool
) -> None:
    """By either name of the variable; never where the processor lacks it."""
    if limit is not None:
        monkeypatch.setenv(name, limit)
    assert uses_amx() == used
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert not uses_amx()


def network(kind: type[nn.Module], sizes: int) -> tuple[nn.Module, Tensor]:
    """A convolution with the sizes that were wrong, and what goes in."""
    torch.manual_seed(0)
    layer = nn.utils.parametrizations.weight_norm(kind(8, 16, 2, padding=1))
    return nn.Sequential(layer), torch.randn(1, 8, *[6] * sizes)


@pytest.mark.parametrize(("kind", "sizes"), [(nn.Conv1d, 1), (nn.Conv3d, 3)])
def test_wrong_convolutions_are_widened(amx: None, kind: type[nn.Module], sizes: int) -> None:
    """Where the library is wrong in bfloat16 the layer is right, rounded as it was; float32 and other processors are not touched."""
    layer, x = network(kind, sizes)
    exact = layer(x)
    layer.bfloat16()
    with torch.inference_mode(), WrongLibrary(f"conv{sizes}d", 0.0):
        assert not layer(x.bfloat16()).any()
        widen_convolutions(layer)
        made = layer(x.bfloat16())
    assert made.dtype == torch.bfloat16
    assert (made.float() - exact).norm() < 0.01 * exact.norm()
    wide, _ = network(kind, sizes)
    widen_convolutions(wide)
    assert torch.equal(wide(x), exact)


def test_without_amx_no_layer_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same object computes as before, so that films of other processors keep their bits."""
    monkeypatch.setattr(processor, "uses_amx", lambda: False)
    layer, _ = network(nn.Conv3d, 3)
    widen_convolutions(layer)
    assert all("forward" not in vars(part) for part in layer.modules())


def test_pocket_is_right_beside_a_wrong_library(amx: None) -> None:
    """With AMX pocket passes its own check where convolutions in three dimensions are wrong; made for another processor it does not."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("model.pocket.avatar.choose_precision", lambda: torch.bfloat16)
        pocket = loader.load_model("pocket", Options(64, 64), avatar.DeviceConfig())
        patched.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        other = loader.load_model("pocket", Options(64, 64), avatar.DeviceConfig())
    assert pocket.numerics["amx"] == processor.WIDENED
    with WrongLibrary("conv3d", 0.0):
        pocket.require_precision()
        with pytest.raises(WrongPrecision, match="conv3d"):
            other.require_precision()


def test_a_card_computes_as_it_is_kept(amx: None) -> None:
    """Only what lies on the processor is widened."""
    told: list[torch.dtype] = []
    layer = nn.Conv1d(2, 2, 1)
    layer._conv_forward = lambda x, *_: told.append(x.dtype)  # type: ignore[method-assign,assignment,return-value]
    widen_convolutions(nn.Sequential(layer))
    layer.forward(SimpleNamespace(device=torch.device("cuda"), dtype=torch.bfloat16))  # type: ignore[arg-type]
    assert told == [torch.bfloat16]
