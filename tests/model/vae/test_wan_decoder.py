"""The decoder's own walk: stock's frames, however time is laid out, and weights that are there once."""

from typing import Any

import pytest
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from model.vae.wan_decoder import interleave_phases, sum_taps, tile_outputs
from model.vae.wan_vae import WanFrameStream, WanVAE
from tests.model.vae.stock_vae import SHALLOW, WAN, copy_stock, make_stock, to_published_names

EVERY_LAYER_FOLDED, SOME, NONE = 192, 9, 0


def make_module(dtype: torch.dtype = torch.float32, **layout: Any) -> Any:
    statistics = {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4}
    return make_stock(0, dtype, **statistics, **layout)


def make_vae(dtype: torch.dtype = torch.float32, **layout: Any) -> WanVAE:
    return copy_stock(make_module(dtype, **layout))


def draw_latents(t: int, seed: int = 1) -> Tensor:
    return torch.randn(2, 4, t, 2, 3, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def stock_frames(module: Any, latents: Tensor) -> Tensor:
    past = [None for _ in module.decoder.modules()]
    parts = [
        module.decoder(module.post_quant_conv(one), feat_cache=past, feat_idx=[0])
        for one in latents.split(1, 2)
    ]
    return torch.cat(parts, 2).clamp(-1, 1)


@pytest.fixture(params=[EVERY_LAYER_FOLDED, SOME, NONE])
def _folded_below(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.vae.wan_decoder.FOLDED_BELOW", request.param)


@pytest.mark.usefixtures("_folded_below")
@pytest.mark.parametrize("primed", [0, 1, 3])
@pytest.mark.parametrize("layout", [WAN, SHALLOW], ids=str)
def test_frames_are_those_of_stock(layout: dict[str, Any], primed: int) -> None:
    """Two films at once, in pushes of any length, behind a primer or not: in float32 they are stock's to its last digits."""
    latents, primer = draw_latents(5), draw_latents(primed, seed=2)
    truth = stock_frames(make_module(**layout), torch.cat([primer, latents], 2))
    stream = WanFrameStream(make_vae(**layout), primer if primed else None)
    made = torch.cat([stream.push(part) for part in latents.split([2, 1, 2], 2)], 2)
    truth = truth[:, :, -made.shape[2] :]
    assert (made - truth).norm() <= 1e-5 * truth.norm()
    assert (made - truth).abs().max() <= 5e-5


@pytest.mark.usefixtures("_folded_below")
def test_bfloat16_is_no_further_from_the_truth_than_stock() -> None:
    """Numbers are rounded once between two convolutions: never worse than stock, which rounds after each step."""
    latents = draw_latents(4)
    truth = stock_frames(make_module(**WAN), latents)
    stock = stock_frames(make_module(torch.bfloat16, **WAN), latents.bfloat16())
    made = WanFrameStream(make_vae(torch.bfloat16, **WAN)).push(latents)
    assert (made - truth).norm() <= 1.1 * (stock - truth).norm()


@pytest.mark.usefixtures("_folded_below")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_stream_that_is_cut_goes_on(dtype: torch.dtype) -> None:
    """Another stream, sought behind the latents so far, makes the same bytes."""
    vae, latents = make_vae(dtype, **SHALLOW), draw_latents(16)
    whole = WanFrameStream(vae, latents[:, :, :1]).push(latents)
    for cut in (1, 3, 12):
        stream = WanFrameStream(vae, latents[:, :, :1])
        stream.seek(latents[:, :, :cut])
        assert torch.equal(stream.push(latents[:, :, cut:]), whole[:, :, 2 * cut :])


@pytest.mark.usefixtures("_folded_below")
def test_weights_are_there_once() -> None:
    """Their order in memory is the walk's, their names, shapes and values the file's, and no copy is kept (but for sums of upsamplers' taps): who changes one changes the frames."""
    module, latents = make_module(**WAN), draw_latents(3)
    held = to_published_names(module.state_dict())
    vae = copy_stock(module)
    assert all(torch.equal(v, held[name]) for name, v in vae.modules.state_dict().items())
    unchanged = WanFrameStream(vae).push(latents)
    decoder, theirs = vae.modules.decoder, module.decoder
    convs = (decoder.conv1, decoder.upsamples[9].residual[6])
    for conv, stock in zip(
        convs, (theirs.conv_in, theirs.up_blocks[2].resnets[1].conv2), strict=True
    ):
        assert torch.equal(conv.weight, stock.weight)
        conv.weight.data.zero_()
        stock.weight.data.zero_()
    changed = WanFrameStream(vae).push(latents)
    torch.testing.assert_close(changed, stock_frames(module, latents), atol=5e-5, rtol=0)
    assert not torch.equal(changed, unchanged)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (4, 2)])
def test_phases_are_the_convolution_of_the_enlarged_picture(size: tuple[int, int]) -> None:
    """Four convolutions of 2x2, at the low resolution: what one of 3x3 makes of the picture with each pixel four times, at its margins too."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, *size, dtype=torch.float64, generator=generator)
    weight = torch.randn(5, 3, 3, 3, dtype=torch.float64, generator=generator)
    wanted = F.conv2d(F.interpolate(images, scale_factor=2, mode="nearest"), weight, padding=1)
    phases = rearrange(F.conv2d(images, sum_taps(weight), padding=1), "t c h w -> 1 t h w c")
    made = rearrange(interleave_phases(phases), "1 t h w c -> t c h w")
    torch.testing.assert_close(made, wanted, atol=1e-12, rtol=0)


def test_sums_of_taps_are_rounded_once() -> None:
    """Weights in bfloat16 are added in float32; those of an upsampler stay as they are."""
    weight = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    before = weight.clone()
    made = sum_taps(weight)
    assert torch.equal(made, sum_taps(weight.double()).bfloat16())
    assert made.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(weight, before)


@pytest.mark.parametrize("tile", [1, 2, 4])
def test_squares_of_pixels_are_those_of_one_convolution(tile: int) -> None:
    """A convolution that makes squares makes what the one with a weight of 3x3 makes."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 6, 8, 12, dtype=torch.float64, generator=generator)
    weight = torch.randn(3, 6, 3, 3, dtype=torch.float64, generator=generator)
    y = F.conv2d(images, tile_outputs(weight, tile), stride=tile, padding=1)
    made = rearrange(y, "t (y x c) h w -> t c (h y) (w x)", y=tile, x=tile)
    torch.testing.assert_close(made, F.conv2d(images, weight, padding=1), atol=1e-12, rtol=0)
