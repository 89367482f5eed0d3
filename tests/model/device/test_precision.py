"""A machine that computes wrongly in half the precision is found out."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from model import avatar, loader
from model.avatar import Options
from model.device.precision import require_precision
from model.device.processor import uses_amx
from model.pocket.avatar import PocketAvatar
from storage.errors import WrongPrecision
from tests.model.wrong_library import WrongLibrary


@pytest.fixture(scope="module")
def pocket() -> PocketAvatar:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("model.pocket.avatar.choose_precision", lambda: torch.bfloat16)
        made: PocketAvatar = loader.load_model("pocket", Options(64, 64), avatar.DeviceConfig())
    return made


def layers(dtype: torch.dtype) -> Iterator[Tensor]:
    """What a small network makes in a precision; of kernels from 8 on AMX's convolution in one dimension is wrong itself."""
    torch.manual_seed(0)
    x = torch.randn(1, 8, 40).to(dtype)
    network = nn.Sequential(nn.Conv1d(8, 8, 4), nn.GELU(), nn.Linear(37, 8)).to(dtype)
    with torch.inference_mode():
        yield network(x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_rounding_is_no_fault(dtype: torch.dtype) -> None:
    """Layers that round are near enough to float32."""
    require_precision(layers(dtype))


@pytest.mark.parametrize("name", ["conv1d", "linear", "gelu"])
@pytest.mark.parametrize("times", [0.9, 0.0, -1.0, float("nan")])
def test_wrong_kernel_is_named(name: str, times: float) -> None:
    """The operation with its shapes, and by how much it is off; also where it gives nothing, or NaN."""
    off = {0.9: "0.1", 0.0: "1", -1.0: "2"}.get(times, "nan")
    with (
        WrongLibrary(name, times),
        pytest.raises(WrongPrecision, match=f"{name} of .*off by {off} of"),
    ):
        require_precision(layers(torch.bfloat16))
    with WrongLibrary(name, times):
        require_precision(layers(torch.float32))


def test_pocket_computes_right(pocket: PocketAvatar) -> None:
    """In bfloat16 each of its layers is within rounding here, and there are enough of them."""
    pocket.require_precision()


@pytest.mark.parametrize("name", ["conv2d", "conv3d", "linear", "rms_norm"])
def test_pocket_is_refused_where_a_layer_is_wrong(pocket: PocketAvatar, name: str) -> None:
    """One kind of its layers off by a twentieth is enough."""
    if name == "conv3d" and uses_amx():
        pytest.skip("in float32 there (tests/model/device/test_processor.py)")
    with WrongLibrary(name, 1.05), pytest.raises(WrongPrecision, match=f"{name} of "):
        pocket.require_precision()
