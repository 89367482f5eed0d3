"""The transformer itself: precision, edges of the motion, padded prompts, places without end."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from model.live_avatar import model_traits as live_avatar
from model.pocket import model_traits as pocket
from model.s2v.config import S2VConfig, count_tokens
from model.s2v.frame_packer import FramePacker
from model.s2v.rope import Rope, apply_rope
from model.s2v.transformer import ForwardContext
from model.wan_s2v import model_traits as wan_s2v
from model.weights import published_shapes
from tests.model.small import CHANNELS, SIZES, draw, keep_blocks, rounded, small_transformer, sound


def velocity(model) -> torch.Tensor:
    """One forward of noisy and reference tokens, attending to themselves alone."""
    x, reference = draw(1, CHANNELS, 3, 8, 8), draw(1, CHANNELS, 1, 8, 8, seed=1)
    now, still = model.embed_times((900.0, 0.0))
    noisy, condition = model.embed_noisy(x), model.embed_condition(reference, None)
    lengths = (noisy.shape[1], condition.shape[1])
    attend = lambda *qkv: qkv[2]  # noqa: E731
    audio = model.embed_audio(torch.from_numpy(sound(3))[None])
    text = model.embed_text(draw(1, 5, SIZES["text_dim"]))
    way = ForwardContext((now, still), lengths, [attend] * len(model.blocks), text, audio)
    tokens = model.through_blocks(torch.cat([noisy, condition], 1), way)
    return model.to_velocity(tokens[:, : lengths[0]], now, (3, 8, 8)).float()


def test_the_less_is_rounded_the_nearer_it_is_to_float32() -> None:
    """With the same bfloat16 weights, rounding after blocks is nearer to float32 than after layers, and never rounding is nearest; in float32 all are one."""
    truth = velocity(rounded(small_transformer(num_layers=6)).float())
    gaps = {}
    for rounding in ("layer", "block", "never"):
        model = rounded(small_transformer(num_layers=6, rounding=rounding))
        gaps[rounding] = float((velocity(model) - truth).square().mean().sqrt())
        assert torch.equal(velocity(model.float()), truth)
    assert gaps["never"] < gaps["block"] < gaps["layer"]


def test_a_part_of_the_blocks_hears_as_the_whole_does() -> None:
    """In bfloat16, too, where the injector's first layer belongs to another rank and has no weights here."""
    model = rounded(small_transformer())
    features = torch.from_numpy(sound(3))[None]
    whole = model.embed_audio(features)[-1]
    last = max(model.injector_of)
    keep_blocks(model, range(last, last + 1))
    # As they are loaded: what belongs to others was never given a precision.
    model.audio_injector.injector[0].float()
    assert model.audio_injector.injector[0].norm_k.weight.is_meta
    (part,) = model.embed_audio(features)
    assert torch.equal(part.keys, whole.keys)
    assert torch.equal(part.shift, whole.shift)


@pytest.mark.parametrize("rounding", ["layer", "block", "never"])
def test_time_and_head_are_in_float32(rounding: str) -> None:
    """Whatever the weights are kept in."""
    model = rounded(small_transformer(rounding=rounding))
    (time,) = model.embed_times((857.69,))
    assert time.rows.dtype == time.width.dtype == torch.float32
    tokens = draw(1, 16, SIZES["dim"]).bfloat16()
    assert model.to_velocity(tokens, time, (1, 8, 8)).dtype == torch.float32


@pytest.mark.parametrize(("height", "width"), [(2, 2), (6, 12), (10, 8), (14, 18)])
def test_motion_goes_on_at_its_edges(height: int, width: int) -> None:
    """What is packed, and where it stands, is that of the film whose sides are the next multiples of eight latent pixels, as far as a bucket reaches into this one."""
    torch.manual_seed(0)
    packer = FramePacker(CHANNELS, 4, (2, 16), edged=True)
    latents = draw(1, CHANNELS, 18, height, width)
    tall, wide = (-(-side // 8) * 8 for side in (height, width))
    rows, columns = (torch.arange(n).clamp(max=m - 1) for n, m in ((tall, height), (wide, width)))
    larger = latents[..., rows, :][..., columns]
    with torch.inference_mode():
        ours, theirs = packer(latents), packer(larger)
    places, theirs_at = (
        packer.token_positions(height // 2, width // 2),
        packer.token_positions(tall // 2, wide // 2),
    )
    assert len(places) == ours.shape[1]
    coarse = tall * wide // 64 * 4
    assert torch.allclose(ours[:, -coarse:], theirs[:, -coarse:], atol=1e-5)
    assert torch.equal(places[-coarse:], theirs_at[-coarse:])
    if (height, width) == (tall, wide):
        assert torch.equal(places, theirs_at)


def test_sizes_of_64_pixels_know_no_edges() -> None:
    """There, edges or not, the packer is the published one."""
    torch.manual_seed(0)
    with_edges, without = (FramePacker(CHANNELS, 4, (1, 2, 16), edged=e) for e in (True, False))
    without.load_state_dict(with_edges.state_dict())
    latents = draw(1, CHANNELS, 19, 8, 16)
    with torch.inference_mode():
        assert torch.equal(with_edges(latents), without(latents))
    assert torch.equal(with_edges.token_positions(4, 8), without.token_positions(4, 8))


def test_missing_motion_is_zeros_long_ago() -> None:
    """Seven latents are the newest of nineteen."""
    model = small_transformer()
    few = draw(1, CHANNELS, 7, 8, 8)
    zeros = torch.zeros(1, CHANNELS, 12, 8, 8)
    assert torch.equal(model.embed_motion(few), model.embed_motion(torch.cat([zeros, few], 2)))


def test_a_prompt_is_filled_up() -> None:
    """Zeros stand for the words that are missing of text_len, and are attended to."""
    model, words = small_transformer(), draw(1, 3, SIZES["text_dim"])
    filled = torch.cat([words, torch.zeros(1, 2, SIZES["text_dim"])], 1)
    for ours, theirs in zip(model.embed_text(words), model.embed_text(filled), strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])


@pytest.mark.parametrize("hours", [0, 2, 1000])
def test_time_has_no_end(hours: int) -> None:
    """Two frames see each other from the same distance at any hour of a film, where the published table ends after two."""
    rope, late = Rope(16, 10000.0), hours * 3600 * 25 // 4
    q, k = draw(1, 1, 1, 16), draw(1, 1, 1, 16, seed=1)
    at = lambda time: rope.factors(torch.tensor([[time, 1, 2]]))  # noqa: E731
    early = (apply_rope(q, at(5)) * apply_rope(k, at(2))).sum()
    then = (apply_rope(q, at(late + 5)) * apply_rope(k, at(late + 2))).sum()
    assert abs(early - then) < 1e-5


def test_the_table_of_switches_is_the_code() -> None:
    """docs/adr/0004 has a row for each field of the configuration, and says what the three models have there."""
    page = (Path(__file__).parents[3] / "docs/adr/0004-one-transformer.md").read_text("utf-8")
    published = published_shapes.build_config(published_shapes.PUBLISHED)
    models = (
        pocket.TRANSFORMER,
        S2VConfig(**published, **live_avatar.KIND.switches),
        S2VConfig(**published, **wan_s2v.KIND.switches),
    )
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in page.splitlines()
        if line.startswith("| `")
    ]
    told = {name: cells for names, *cells, _ in rows for name in re.findall(r"`(\w+)`", names)}
    assert told.keys() == asdict(S2VConfig()).keys()
    for name in ("sigmas", "rounding", "rounded_latents", "motion_edged", "motion_follows"):
        for cell, config in zip(told[name], models, strict=True):
            value = getattr(config, name)
            words = {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"`{value}`"
            assert cell in {words, "–"}, name


@pytest.mark.parametrize("edged", [True, False])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (46, 86), (6, 10)])
def test_tokens_are_counted_without_a_model(height: int, width: int, edged: bool) -> None:
    """As many as the model has: who shares them out must know before any weight is read."""
    model = small_transformer(motion_edged=edged)
    latent, condition = count_tokens(model.config, height, width)
    assert latent == model.tokens_per_latent(height, width)
    assert condition == latent + len(model.motion_positions(0, height, width))
