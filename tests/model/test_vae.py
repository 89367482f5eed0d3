"""What the VAE promises: stock numbers, exact memory, streams that never meet."""

import random
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from diffusers import AutoencoderKLWan

from model.vae import (
    DecoderStream,
    KeptPast,
    NoPast,
    StreamingVAE,
    decoder_memory,
    walk_decoder,
    walk_encoder,
)

WAN = {"dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "temperal_downsample": [False, True, True]}
POCKET = {
    "dim_mult": [2, 3, 4],
    "num_res_blocks": 1,
    "temperal_downsample": [True, True],
    "patch_size": 4,
    "in_channels": 48,
    "out_channels": 48,
    "scale_factor_spatial": 16,
}
RESIDUAL = POCKET | {"is_residual": True, "base_dim": 4, "dim_mult": [1, 2, 2]}
LAYOUTS = {"wan": WAN, "pocket": POCKET, "residual": RESIDUAL}


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_vae(seed: int = 0, dtype: torch.dtype = torch.float32, **layout: Any) -> Any:
    torch.manual_seed(seed)
    config = {"base_dim": 4, "z_dim": 4, "latents_mean": [0.5, -0.25, 0.0, 1.0]}
    config |= {"latents_std": [2.0, 1.0, 0.5, 1.5]} | layout
    vae = AutoencoderKLWan(**config).eval()
    for weight in vae.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
        weight.data = weight.data.to(dtype)
    return vae


def draw_latents(t: int, side: int = 2, seed: int = 1) -> Tensor:
    return torch.randn(1, 4, t, side, side, generator=torch.Generator().manual_seed(seed))


def raw(vae: Any, latents: Tensor) -> Tensor:
    return StreamingVAE(vae).raw(latents)


@pytest.mark.parametrize("layout", ["wan", "pocket"])
@pytest.mark.parametrize("fold", [False, True])
def test_training_walk_equals_stock(layout: str, fold: bool) -> None:
    """A whole clip at once, as training sees it, is what stock encode and decode make frame by frame."""
    vae = make_vae(**LAYOUTS[layout])
    frames = torch.rand(2, 3, 13, 32, 32) * 2 - 1
    with torch.no_grad():
        stock = vae._encode(frames)
        ours = walk_encoder(vae, frames, NoPast(fold=fold))
        torch.testing.assert_close(ours, stock, atol=1e-4, rtol=0)
        z = stock[:, :4]
        made = walk_decoder(vae, z, NoPast(fold=fold)).clamp(-1, 1)
        torch.testing.assert_close(made, vae.decode(z).sample, atol=1e-4, rtol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_stream_equals_stock(layout: str) -> None:
    """Latents pushed one after the other make the frames that stock decode makes of them all."""
    vae = make_vae(**LAYOUTS[layout])
    latents = draw_latents(5)
    with torch.no_grad():
        stock = vae.decode(raw(vae, latents)).sample
    stream = DecoderStream(StreamingVAE(vae))
    parts = [stream.push(part) for part in latents.split([1, 2, 1, 1], dim=2)]
    assert [part.shape[2] for part in parts] == [1, 8, 4, 4]
    torch.testing.assert_close(torch.cat(parts, dim=2), stock, atol=1e-4, rtol=0)


def test_encode_normalises_the_mode() -> None:
    """Latents are the posterior's mode less the configured mean, over the configured spread."""
    vae = make_vae(**POCKET)
    frames = torch.rand(1, 3, 5, 32, 32) * 2 - 1
    with torch.no_grad():
        mode = vae.encode(frames).latent_dist.mode()
    latents = StreamingVAE(vae).encode(frames)
    assert latents.shape == (1, 4, 2, 2, 2)
    torch.testing.assert_close(raw(vae, latents), mode, atol=1e-5, rtol=0)


def test_published_wan_remembers_38_latents() -> None:
    """Wan2.1's published configuration gives the 38 that was measured on it."""
    assert decoder_memory(WAN) == 38


def draw_layout(seed: int) -> dict[str, Any]:
    dice = random.Random(seed)
    levels = dice.choice([2, 3])
    mult = [1] + [dice.choice([1, 2]) for _ in range(levels - 1)]
    mult.append(mult[-1])  # residual blocks average channels, and need a whole number of them
    times = [dice.random() < 0.6 for _ in range(levels)]
    layout = {"dim_mult": mult, "temperal_downsample": times, "num_res_blocks": dice.choice([1, 2])}
    return layout | {"base_dim": 4, "is_residual": seed % 4 == 3}


@pytest.mark.parametrize("layout", [WAN, POCKET, *map(draw_layout, range(6))], ids=str)
def test_memory_is_exact(layout: dict[str, Any]) -> None:
    """A latent changes a frame `decoder_memory` latents on, and no bit after that."""
    vae = make_vae(seed=3, dtype=torch.float64, **layout)
    memory, at = decoder_memory(vae.config), 2
    one = torch.randn(1, 4, at + memory + 3, 1, 1, dtype=torch.float64)
    other = one.clone()
    other[:, :, at] += 100.0
    changed = [
        (a != b).any().item() for a, b in zip(*map(stream_raw(vae), (one, other)), strict=True)
    ]
    assert changed[at + memory]
    assert not any(changed[at + memory + 1 :])


def stream_raw(vae: Any) -> Any:
    """The frames of each latent, before they are clamped (which would hide a change)."""

    def stream(z: Tensor) -> list[Tensor]:
        kept, cache, frames = KeptPast(), [None] * 99, []
        with torch.no_grad():
            for i in range(z.shape[2]):
                one = z[:, :, i : i + 1]
                if vae.config.is_residual:
                    one = vae.post_quant_conv(one)
                    frames.append(vae.decoder(one, cache, [0], first_chunk=i == 0))
                else:
                    frames.append(walk_decoder(vae, one, kept))
                    kept.begins = False
        return frames

    return stream


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_warmed_stream_equals_unbroken(layout: str, dtype: torch.dtype) -> None:
    """A stream warmed with `decoder_memory` latents is bit for bit the one that never broke."""
    vae = StreamingVAE(make_vae(dtype=dtype, **LAYOUTS[layout]))
    before, after = 4, 3
    latents = draw_latents(before + vae.memory + after)
    unbroken = DecoderStream(vae).push(latents)[:, :, -4 * after :]
    stream = DecoderStream(vae)
    stream.push(latents[:, :, before : before + vae.memory])
    assert torch.equal(stream.push(latents[:, :, -after:]), unbroken)


def test_streams_do_not_meet() -> None:
    """Two streams on one module, pushed in turns, make what each makes alone."""
    vae = StreamingVAE(make_vae(dtype=torch.bfloat16, **POCKET))
    films = [draw_latents(6, seed=seed) for seed in (1, 2)]
    alone = [DecoderStream(vae).push(film) for film in films]
    streams = [DecoderStream(vae), DecoderStream(vae)]
    parts: list[list[Tensor]] = [[], []]
    for i in range(6):
        for stream, film, made in zip(streams, films, parts, strict=True):
            made.append(stream.push(film[:, :, i : i + 1]))
    for made, whole in zip(parts, alone, strict=True):
        assert torch.equal(torch.cat(made, dim=2), whole)


def test_cut_of_pushes_changes_nothing() -> None:
    """Clips of any length make the same bytes; `reset` starts over."""
    vae = StreamingVAE(make_vae(dtype=torch.bfloat16, **POCKET))
    latents = draw_latents(7)
    stream = DecoderStream(vae)
    whole = stream.push(latents)
    stream.reset()
    parts = [stream.push(part) for part in latents.split([3, 4], dim=2)]
    assert torch.equal(torch.cat(parts, dim=2), whole)


def test_module_keeps_its_weights_and_its_cache() -> None:
    """Streaming leaves the stock module as it was: weights, layout of its state and its own cache."""
    vae = make_vae(**POCKET)
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    DecoderStream(StreamingVAE(vae)).push(draw_latents(2))
    assert all(torch.equal(value, before[name]) for name, value in vae.state_dict().items())
    assert not hasattr(vae, "_feat_map")
