"""What Wan's VAE promises: the published file or a plain refusal, stock numbers, exact memory, streams that never meet."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from model.vae.wan_layout import STATISTICS, VAELayout, decoder_memory
from model.vae.wan_vae import (
    MotionWindow,
    WanFrameStream,
    WanVAE,
    decode_clip,
    load_vae,
)
from storage.errors import OtherWeights, WeightsDamaged, WeightsMissing
from tests.model.vae.stock_vae import SHALLOW, WAN, copy_stock, make_stock, to_published_names

DTYPES = [torch.float32, torch.bfloat16]
MEAN, STD = [0.5, -0.25, 0.0, 1.0], [2.0, 1.0, 0.5, 1.5]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_module(seed: int = 0, dtype: torch.dtype = torch.float32, **layout: Any) -> Any:
    return make_stock(seed, dtype, **{"latents_mean": MEAN, "latents_std": STD} | layout)


def make_vae(dtype: torch.dtype = torch.float32, **layout: Any) -> WanVAE:
    return copy_stock(make_module(dtype=dtype, **layout))


def draw_latents(t: int, side: int = 2, seed: int = 1) -> Tensor:
    return torch.randn(1, 4, t, side, side, generator=torch.Generator().manual_seed(seed))


def draw_frames(t: int, side: int = 16, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, t, side, side, generator=generator) * 2 - 1


def publish(module: Any, path: Path, before: str = "") -> Path:
    torch.save({before + k: v for k, v in to_published_names(module.state_dict()).items()}, path)
    return path


def raw(latents: Tensor) -> Tensor:
    """As the stock module knows them."""
    mean, std = (torch.tensor(v).view(-1, 1, 1, 1) for v in (MEAN, STD))
    return latents * std + mean


# The file


@pytest.mark.parametrize("layout", [WAN, SHALLOW, {"base_dim": 6, "z_dim": 4}], ids=str)
@pytest.mark.parametrize("before", ["", "vae."])
def test_every_size_is_read_from_the_file(
    layout: dict[str, Any], before: str, tmp_path: Path
) -> None:
    """A file under published names gives back configuration and weights, whatever its sizes and whatever stands before the names."""
    module = make_module(**layout)
    path = publish(module, tmp_path / "vae.pth", before)
    read = load_vae(path, torch.float32, statistics=(MEAN, STD)).modules
    config = module.config
    assert read.layout == VAELayout(
        tuple(config.base_dim * each for each in config.dim_mult),
        config.z_dim,
        config.num_res_blocks,
        tuple(config.temperal_downsample),
    )
    stock = to_published_names(module.state_dict())
    assert read.state_dict().keys() == stock.keys()
    assert all(torch.equal(held, stock[name]) for name, held in read.state_dict().items())


def test_published_statistics_are_taken_where_none_are_given(tmp_path: Path) -> None:
    """Sixteen channels are normalised by Wan's constants; another number of them without constants is refused."""
    module = make_module(z_dim=16, latents_mean=[0.0] * 16, latents_std=[1.0] * 16)
    vae = load_vae(publish(module, tmp_path / "vae.pth"), torch.float32)
    frames = draw_frames(5)
    ours = WanVAE(vae.modules, STATISTICS).encode(frames)
    assert (STATISTICS[0][0], STATISTICS[1][-1]) == (-0.7571, 1.916)
    assert torch.equal(vae.encode(frames), ours)
    assert not torch.equal(WanVAE(vae.modules, ([0.0] * 16, [1.0] * 16)).encode(frames), ours)
    with pytest.raises(OtherWeights, match="4 channels, not 16"):
        load_vae(publish(make_module(), tmp_path / "four.pth"), torch.float32)


@pytest.mark.parametrize("dtype", DTYPES)
def test_precision_is_a_choice(dtype: torch.dtype, tmp_path: Path) -> None:
    """Weights run in the precision that is asked for; latents are float32 all the same, frames stay within -1..1."""
    path = publish(make_module(), tmp_path / "vae.pth")
    vae = load_vae(path, dtype, statistics=(MEAN, STD))
    assert {weight.dtype for weight in vae.modules.parameters()} == {dtype}
    latents = vae.encode(draw_frames(5))
    assert latents.dtype == torch.float32
    frames = WanFrameStream(vae).push(latents * 50)
    assert frames.dtype == dtype
    assert frames.abs().max() <= 1


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """A file that is cut short, that is no archive, or that is not there is named for what it is."""
    path = publish(make_module(), tmp_path / "vae.pth")
    whole = path.read_bytes()
    for part in (whole[: len(whole) // 2], whole[:-50], b"\x80\x02" + bytes(500), b""):
        path.write_bytes(part)
        with pytest.raises(WeightsDamaged, match=r"vae\.pth is damaged"):
            load_vae(path, torch.float32, statistics=(MEAN, STD))
    path.unlink()
    with pytest.raises(WeightsMissing):
        load_vae(path, torch.float32, statistics=(MEAN, STD))


def other_models() -> dict[str, Any]:
    """Files of other models, by what is the matter."""
    state = to_published_names(make_module().state_dict())
    bias = "decoder.middle.2.residual.6.bias"
    wan22 = {k.replace("samples.0.", "samples.0.downsamples.0."): v for k, v in state.items()}
    return {
        "weights inside": {"state_dict": state},
        "a linear layer": torch.nn.Linear(2, 2).state_dict(),
        "stock names": make_module().state_dict(),
        "nested levels": wan22,
        "one missing": {k: v for k, v in state.items() if k != bias},
        "one more": state | {"decoder.extra": torch.zeros(1)},
        "one of another shape": state | {bias: torch.zeros(3)},
        "no layers": {k: v for k, v in state.items() if "downsamples" not in k},
    }


@pytest.mark.parametrize("kind", other_models())
def test_another_models_file_is_refused(kind: str, tmp_path: Path) -> None:
    """Tensors are all there, under their names and in their shapes, and nothing else; or the file is called another model's."""
    torch.save(other_models()[kind], tmp_path / "vae.pth")
    with pytest.raises(OtherWeights, match=r"vae\.pth belongs to another model"):
        load_vae(tmp_path / "vae.pth", torch.float32, statistics=(MEAN, STD))


# Numbers


def test_frames_are_those_of_stock() -> None:
    """Latents pushed one after the other make the frames that stock decode makes of them all: one, then four each."""
    module = make_module()
    latents = draw_latents(5)
    stream = WanFrameStream(copy_stock(module))
    parts = [stream.push(part) for part in latents.split([1, 2, 1, 1], dim=2)]
    assert [part.shape[2] for part in parts] == [1, 8, 4, 4]
    with torch.no_grad():
        stock = module.decode(raw(latents)).sample
    torch.testing.assert_close(torch.cat(parts, 2), stock, atol=3e-5, rtol=0)


def test_latents_are_the_normalised_mode_of_stock() -> None:
    """Latents are the posterior's mode less the configured mean, over the configured spread; the decoder takes them back."""
    module = make_module()
    frames = draw_frames(9)
    with torch.no_grad():
        mode = module.encode(frames).latent_dist.mode()
        stock = module.decode(mode).sample
    latents = copy_stock(module).encode(frames)
    assert latents.shape == (1, 4, 3, 2, 2)
    torch.testing.assert_close(raw(latents), mode, atol=1e-5, rtol=0)
    made = WanFrameStream(copy_stock(module)).push(latents)
    torch.testing.assert_close(made, stock, atol=1e-4, rtol=0)


def test_frames_that_would_be_dropped_are_refused() -> None:
    """Frames that are not one and whole latents are no span; stock would lose the last ones and say nothing."""
    with pytest.raises(AssertionError, match="18 frames"):
        make_vae().encode(draw_frames(18))


# Memory


def test_published_wan_remembers_38_latents() -> None:
    """Wan2.1's published configuration gives the 38 that was measured on it."""
    assert decoder_memory(VAELayout((96, 192, 384, 384), 16, 2, (False, True, True))) == 38


def draw_layout(seed: int) -> dict[str, Any]:
    dice = random.Random(seed)
    levels = dice.choice([2, 3])
    mult = [1] + [dice.choice([1, 2]) for _ in range(levels)]
    times = [dice.random() < 0.6 for _ in range(levels)]
    return {"dim_mult": mult, "temperal_downsample": times, "num_res_blocks": dice.choice([1, 2])}


@pytest.mark.parametrize("layout", [WAN, SHALLOW, *map(draw_layout, range(5))], ids=str)
def test_memory_is_exact(layout: dict[str, Any]) -> None:
    """A latent changes a frame `decoder_memory` latents on, and no bit after that."""
    vae = make_vae(torch.float64, **layout)
    for weight in vae.modules.decoder.parameters():
        if weight.ndim == 5:
            weight[:, :, 0].mul_(4)  # what is far away shall not fade below the last bit on its way
    vae.modules.decoder.head[-1].weight.mul_(1e-3)  # far from -1 and 1, where a change is cut off
    memory, at = vae.memory, 2
    one = torch.randn(1, 4, at + memory + 3, 1, 1)
    other = one.clone()
    other[:, :, at] += 100.0
    changed = [
        not torch.equal(a, b)
        for a, b in zip(*(stream_frames(vae, film) for film in (one, other)), strict=True)
    ]
    assert changed[at + memory]
    assert not any(changed[at + memory + 1 :])


def stream_frames(vae: WanVAE, latents: Tensor) -> list[Tensor]:
    """The frames of each latent of one stream."""
    stream = WanFrameStream(vae)
    return [stream.push(one) for one in latents.split(1, 2)]


@pytest.mark.parametrize("primed", [0, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_clip_alone_is_the_stream(primed: int, dtype: torch.dtype, tmp_path: Path) -> None:
    """A stream that is put behind any latent makes, bit for bit, what the one that never broke makes there, primed or not."""
    path = publish(make_module(**SHALLOW), tmp_path / "vae.pth")
    vae = load_vae(path, dtype, statistics=(MEAN, STD))
    film, primer = draw_latents(vae.memory + 6), draw_latents(primed, seed=2) if primed else None
    whole = WanFrameStream(vae, primer).push(film)
    assert whole.shape[2] == 2 * film.shape[2] - (not primed)
    stream = WanFrameStream(vae, primer)
    for clip in (0, 1, 3, vae.memory - 1, vae.memory, vae.memory + 4):
        stream.seek(film[:, :, max(0, clip - vae.memory) : clip])
        lone = stream.push(film[:, :, clip : clip + 2])
        at = whole.shape[2] - 2 * (film.shape[2] - clip)
        assert torch.equal(lone, whole[:, :, max(0, at) : at + 4])


@pytest.mark.parametrize("dtype", DTYPES)
def test_published_depth_is_warm_after_38_latents(dtype: torch.dtype) -> None:
    """With the published depth, too, a clip behind its 38 latents is the unbroken stream's."""
    vae = make_vae(dtype)
    latents = draw_latents(4 + vae.memory + 3)
    unbroken = WanFrameStream(vae, latents[:, :, :2]).push(latents)[:, :, -12:]
    stream = WanFrameStream(vae, latents[:, :, :2])
    stream.seek(latents[:, :, 4:-3])
    assert torch.equal(stream.push(latents[:, :, -3:]), unbroken)


def test_streams_do_not_meet() -> None:
    """Streams and an encoding on one module, in turns, make what each makes alone."""
    vae = make_vae(torch.bfloat16)
    films = [draw_latents(6, seed=seed) for seed in (1, 2)]
    primers = [None, draw_latents(2, seed=3)]
    alone = [WanFrameStream(vae, p).push(film) for p, film in zip(primers, films, strict=True)]
    streams = [WanFrameStream(vae, primer) for primer in primers]
    parts: list[list[Tensor]] = [[], []]
    for i in range(6):
        for stream, film, made in zip(streams, films, parts, strict=True):
            made.append(stream.push(film[:, :, i : i + 1]))
            vae.encode(draw_frames(5))
    for made, whole in zip(parts, alone, strict=True):
        assert torch.equal(torch.cat(made, dim=2), whole)


def test_cut_of_pushes_changes_nothing() -> None:
    """Clips of any length make the same bytes; `reset` starts over, with the primer."""
    vae = make_vae(torch.bfloat16)
    latents = draw_latents(7)
    stream = WanFrameStream(vae, latents[:, :, :1])
    whole = stream.push(latents)
    stream.reset()
    parts = [stream.push(part) for part in latents.split([3, 4], dim=2)]
    assert torch.equal(torch.cat(parts, dim=2), whole)


def test_sixty_latents_take_the_memory_of_three() -> None:
    """What a stream holds stops growing after its third latent, storage behind views included."""
    stream = WanFrameStream(make_vae())
    held = []
    for latent in draw_latents(60).split(1, 2):
        stream.push(latent)
        kept = {each.untyped_storage() for each in stream._past.values()}
        held.append(sum(storage.nbytes() for storage in kept))
    assert 0 < held[0] <= held[2]
    assert set(held[2:]) == {held[2]}


def test_module_keeps_no_past() -> None:
    """Streaming and encoding leave the modules as they were: their weights, and no other tensor on them."""
    vae = make_vae()
    before = {name: value.clone() for name, value in vae.modules.state_dict().items()}
    WanFrameStream(vae).push(vae.encode(draw_frames(5)))
    assert all(torch.equal(v, before[name]) for name, v in vae.modules.state_dict().items())
    held = [each for part in vae.modules.modules() for each in vars(part).values()]
    assert not any(isinstance(each, Tensor) for each in held)


# The motion of Wan-S2V


def test_clip_behind_its_motion_is_the_tail_of_one_decode() -> None:
    """A clip behind its motion latents has the last frames of [motion | clip] decoded by a stock module from nothing."""
    module = make_module()
    vae = copy_stock(module)
    motion, clip = draw_latents(4), draw_latents(3, seed=2)
    with torch.no_grad():
        whole = module.decode(raw(torch.cat([motion, clip], 2))).sample
    made = list(decode_clip(vae, motion, clip))
    assert [part.shape[2] for part in made] == [4, 4, 4]
    torch.testing.assert_close(torch.cat(made, 2), whole[:, :, -12:], atol=1e-4, rtol=0)


def test_motion_is_the_latents_of_the_last_frames() -> None:
    """The window holds the last frames whatever came in at a time, older ones sliding in behind a short clip, and encodes them as they are."""
    vae, film = make_vae(), draw_frames(30)
    window = MotionWindow(vae, torch.zeros(1, 3, 1, 16, 16).expand(-1, -1, 9, -1, -1))
    assert torch.equal(window.latents(), vae.encode(torch.zeros(1, 3, 9, 16, 16)))
    for frames in film[:, :, :4].split(1, 2):
        window.extend(frames)
    slid = torch.cat([torch.zeros(1, 3, 5, 16, 16), film[:, :, :4]], 2)
    assert torch.equal(window.latents(), vae.encode(slid))
    for frames in film[:, :, 4:].split([4, 20, 2], 2):
        window.extend(frames)
    assert torch.equal(window.latents(), vae.encode(film[:, :, -9:]))
    assert window.latents().shape == (1, 4, 3, 2, 2)


def test_encoding_sees_one_latent_at_a_time() -> None:
    """However long a span, the encoder never has more than the frames of one latent before it."""
    vae, seen = make_vae(), []
    vae.modules.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[2]))
    vae.encode(draw_frames(25))
    assert seen == [1, 4, 4, 4, 4, 4, 4]
