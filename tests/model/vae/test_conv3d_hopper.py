"""The causal convolution of a Hopper card beside F.conv3d, alone and in the whole decoder; where there is no such card, what is asked of it."""

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

import model.vae
from model.live_avatar.model_traits import KIND
from model.ops.fused import is_hopper
from model.vae import conv3d_choice, wan_decoder
from model.vae.wan_layout import VAELayout
from model.vae.wan_vae import WanFrameStream, WanVAE, build_modules
from model.wan.probe import Miniature
from model.weights.loading import Placement
from tests.model.published import published

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PUBLISHED = VAELayout((96, 192, 384, 384), 16, 2, (False, True, True))
SHALLOW = VAELayout((96, 192), 16, 1, (True,))
SIZES = [
    *((96, 96, 4, 16, 8), (96, 96, 4, 32, 24), (96, 96, 4, 72, 40), (96, 96, 2, 24, 20)),
    *((96, 96, 1, 17, 13), (96, 96, 7, 24, 40), (192, 192, 4, 40, 48), (192, 96, 4, 40, 48)),
    *((384, 384, 2, 24, 44), (384, 384, 1, 20, 12), (192, 384, 2, 24, 44)),
]
"""Input and output channels, frames, lines and columns: whole tiles and cut ones, in each direction."""


@pytest.fixture
def kernel(triton_kernels: Callable[[str], ModuleType]) -> ModuleType:
    """The file of the kernel, which no interpreter runs."""
    if not is_hopper(DEVICE):
        pytest.skip("no Hopper card")
    return triton_kernels("model.vae.conv3d_hopper")


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


@torch.inference_mode()
def make_vae(layout: VAELayout, dtype: torch.dtype) -> WanVAE:
    """With weights that keep a size of about one."""
    modules = build_modules(layout).to_empty(device=DEVICE)
    for seed, (name, weight) in enumerate(modules.named_parameters()):
        drawn = draw(*weight.shape, seed=seed)
        small = 0.1 if weight.ndim < 4 else weight[0].numel() ** -0.5
        weight.copy_(1 + 0.1 * drawn if name.endswith("gamma") else small * drawn)
    # As both precisions are to compute with the same numbers.
    modules = modules.bfloat16().to(dtype)
    return WanVAE(modules, ([0.0] * layout.latent_channels, [1.0] * layout.latent_channels))


def distance(a: Tensor, b: Tensor) -> float:
    return float((a.float() - b.float()).norm() / b.float().norm())


def convolve_plain(frames: Tensor, weight: Tensor) -> Tensor:
    y = F.conv3d(rearrange(frames, "b t h w c -> b c t h w"), weight, padding=(0, 1, 1))
    return rearrange(y, "b o t h w -> b t h w o")


@pytest.mark.parametrize("size", SIZES, ids=str)
@torch.inference_mode()
def test_it_is_the_convolution(kernel: ModuleType, size: tuple[int, ...]) -> None:
    """No further from float32 than rounding to bfloat16 explains (1.7e-3 in all, 3.9e-3 of a number), at no pixel."""
    c, o, t, h, w = size
    frames = draw(1, t + 2, h, w, c).bfloat16()
    weight = (draw(o, c, 3, 3, 3, seed=1) * (27 * c) ** -0.5).bfloat16()
    made = kernel.convolve_frames(frames, kernel.order_weight(weight))
    with torch.backends.cudnn.flags(enabled=False):
        wanted = convolve_plain(frames.float(), weight.float())
    assert made.shape == wanted.shape
    assert distance(made, wanted) < 4e-3
    assert (made - wanted).abs().max() < 1e-2 * wanted.abs().max()


@torch.inference_mode()
def test_a_decoder_with_it_is_as_near(kernel: ModuleType, monkeypatch) -> None:
    """Three latents from a stream's very first: no further from float32 than without it, and within 2e-2 of that.

    Each of some thirty convolutions is rounded to bfloat16 by 1.7e-3 of its size, independently of the others: 1e-2 where that adds up, and what the two
    round otherwise is no more than √2 times as much. On a CPU, folded and not: 1.0e-2 from float32 both, .7e-2 apart.
    """
    latents = draw(1, 16, 3, 6, 10)
    asked = []
    noted = lambda *args: (asked.append(1), convolve(*args))[1]  # noqa: E731
    convolve = kernel.convolve_frames
    monkeypatch.setattr(kernel, "convolve_frames", noted)
    monkeypatch.setattr(wan_decoder, "is_quicker", lambda *_: True)
    made = WanFrameStream(make_vae(PUBLISHED, torch.bfloat16)).push(latents)
    # Latents, levels behind the first doubling of frames, convolutions.
    assert len(asked) == 3 * 3 * 6
    monkeypatch.setattr(wan_decoder, "has_kernel", lambda _: False)
    plain = WanFrameStream(make_vae(PUBLISHED, torch.bfloat16)).push(latents)
    with torch.backends.cudnn.flags(allow_tf32=False):
        truth = WanFrameStream(make_vae(PUBLISHED, torch.float32)).push(latents)
    assert len(asked) == 3 * 3 * 6
    assert distance(made, truth) <= 1.1 * distance(plain, truth)
    assert distance(made, plain) < 2e-2


def test_the_decoder_asks_for_it(monkeypatch) -> None:
    """Where there is such a card: of wide pictures in several frames alone, which are not folded then; the frames are those of F.conv3d.

    All of it on the processor: a card's own convolution rounds otherwise where it is asked for another layout.
    """
    monkeypatch.setattr(sys.modules[__name__], "DEVICE", torch.device("cpu"))
    latents, asked = draw(1, 16, 3, 8, 8), list[tuple[int, ...]]()

    def convolve(frames: Tensor, ordered: Tensor) -> Tensor:
        asked.append(tuple(frames.shape))
        weight = rearrange(ordered, "part chunk x y t o c -> (part o) t y x (chunk c)")
        return convolve_plain(frames, rearrange(weight.contiguous(), "o t y x c -> o c t y x"))

    def order(weight: Tensor) -> Tensor:
        o, c = 96 if len(weight) == 96 else 192, 32
        return rearrange(weight, "(part o) (chunk c) t y x -> part chunk x y t o c", o=o, c=c)

    with monkeypatch.context() as patched:
        patched.setattr(wan_decoder, "FOLDED_BELOW", 0)
        plain = WanFrameStream(make_vae(SHALLOW, torch.bfloat16)).push(latents)
    kernel = SimpleNamespace(convolve_frames=convolve, order_weight=order)
    monkeypatch.setattr(model.vae, "conv3d_hopper", kernel, raising=False)
    monkeypatch.setattr(conv3d_choice, "is_hopper", lambda _: True)
    monkeypatch.setattr(conv3d_choice, "PROCESSORS", 1)
    made = WanFrameStream(make_vae(SHALLOW, torch.bfloat16)).push(latents)
    # Two latents of two frames, behind the first of one; two blocks of two convolutions.
    assert asked == [(1, 4, 16, 16, 96)] * 8
    assert torch.equal(made, plain)
    # A probe is too small for all of 132 processors, and asks all the same.
    monkeypatch.setattr(conv3d_choice, "PROCESSORS", 132)
    vae = make_vae(SHALLOW, torch.bfloat16)
    asked.clear()
    assert torch.equal(WanFrameStream(vae).push(latents), plain)
    assert not asked
    vae.use_kernel_always()
    assert torch.equal(WanFrameStream(vae).push(latents), plain)
    assert len(asked) == 12


@pytest.mark.parametrize("out", [96, 384])
def test_weights_are_ordered(triton_kernels, out: int) -> None:
    """As many rows as a program reads in a shift stand together, the times one behind the other, 32 input channels each."""
    weight = draw(out, 64, 3, 3, 3)
    ordered = triton_kernels("model.vae.conv3d_hopper").order_weight(weight)
    columns = 96 if out == 96 else 192
    assert ordered.shape == (out // columns, 2, 3, 3, 3, columns, 32)
    assert ordered.is_contiguous()
    for part, (kx, ky, kt) in enumerate([(0, 1, 2), (2, 0, 1)][: len(ordered)]):
        rows = slice(part * columns, part * columns + columns)
        assert torch.equal(ordered[part, 1, kx, ky, kt], weight[rows, 32:, kt, ky, kx])


def test_a_probe_decodes_by_the_kernel(tmp_path, monkeypatch) -> None:
    """Or a film's fingerprint would not change with it: a probe's pictures are small."""
    asked = []
    monkeypatch.setattr(WanVAE, "use_kernel_always", lambda _: asked.append(True))
    place = published(tmp_path)
    assert Miniature(KIND, place, Placement(torch.device("cpu"))).vae().dtype == torch.bfloat16
    assert asked == [True]
