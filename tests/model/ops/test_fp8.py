"""Linear layers in eight-bit floats."""

import pytest
import torch
from torch import nn

from model.ops.fp8 import LARGEST, Fp8Linear, quantize_rows, replace_linears
from tests.model.small import draw


def quantised(layer: nn.Linear) -> Fp8Linear:
    held = Fp8Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
    held.take(layer.weight.data, layer.weight.device)
    held.bias = layer.bias
    return held


@torch.inference_mode()
@pytest.mark.parametrize("shape", [(5, 64), (2, 7, 64)])
def test_a_product_errs_by_a_few_hundredths(shape: tuple[int, ...]) -> None:
    """Of normal weights and activations: what three bits of mantissa on both sides come to."""
    layer = nn.Linear(64, 32).bfloat16()
    x = draw(*shape).bfloat16()
    exact = layer.float()(x.float())
    wrong = (quantised(layer.bfloat16())(x).float() - exact).norm() / exact.norm()
    assert 0.005 < wrong < 0.06


def test_a_row_has_a_scale_of_its_own() -> None:
    """A row a million times larger takes nothing from the others."""
    rows = draw(4, 32)
    rows[1] *= 1e6
    codes, scales = quantize_rows(rows)
    back = codes.float() * scales
    assert codes.float().abs().amax(-1).eq(LARGEST).all()
    assert ((back - rows).norm(dim=-1) / rows.norm(dim=-1)).max() < 0.05


def test_a_layer_whose_sides_no_kernel_takes_stays() -> None:
    """Multiples of 16 are replaced, wherever they lie; others and other layers are not."""
    part = nn.Sequential(nn.Linear(32, 16), nn.Sequential(nn.Linear(16, 8)), nn.LayerNorm(8))
    replace_linears(part)
    assert isinstance(part[0], Fp8Linear)
    assert isinstance(part[1][0], nn.Linear)
    assert isinstance(part[2], nn.LayerNorm)
