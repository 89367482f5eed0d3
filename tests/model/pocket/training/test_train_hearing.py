"""The speech encoder and the viseme head are trained by themselves."""

import itertools
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model.pocket.model_traits import AVATAR_FILE, WEIGHTS
from model.pocket.training import train_hearing as train_hearing_module
from model.pocket.training.curve_clips import Sound
from model.pocket.training.train_hearing import (
    RARE,
    Hearing,
    HearingRecipe,
    cut_clips,
    hear_loss,
    load_hearing,
    save_hearing,
    train_hearing,
)


def make_sound(generator: torch.Generator, low: float = -1.0) -> Sound:
    """A mouth that opens where it is loud."""
    loud = (torch.rand(200, generator=generator) > 0.5).float().repeat_interleave(10)
    mel = ((1 - low) * loud.repeat_interleave(4) + low)[:, None].expand(-1, 80)
    return Sound(mel, loud[:, None].expand(-1, 3))


def test_a_few_steps_teach_to_hear_a_mouth(monkeypatch: pytest.MonkeyPatch) -> None:
    """In thirty steps the error on clips that are not disturbed falls to less than two thirds."""
    clock = itertools.count()
    monkeypatch.setattr(train_hearing_module.time, "monotonic", lambda: 0.05 * next(clock))
    torch.manual_seed(0)
    chance = torch.Generator().manual_seed(0)
    sounds = (make_sound(chance), None)
    hearing = Hearing()
    recipe = HearingRecipe(0.05, batch=4, warm_up=5, ema=0.5, compile=False)
    judged = cut_clips(sounds, 16, torch.Generator().manual_seed(2))
    with torch.no_grad():
        before = float(hear_loss(hearing, *judged))
    train_hearing(hearing, sounds, recipe, chance, 0.0)
    with torch.no_grad():
        assert float(hear_loss(hearing, *judged)) < 0.67 * before


def test_every_third_clip_is_of_the_rare_sound() -> None:
    """Whatever there is of either: the rare sound is told by its quiet, which the common one lacks."""
    chance = torch.Generator().manual_seed(0)
    mel, lips = cut_clips((make_sound(chance), make_sound(chance, low=-1.7)), 30, chance)
    rare = (mel.amin((1, 2)) < -1.1) & (mel.amin((1, 2)) > -1.9)
    assert len(lips) == 30
    assert round(30 * RARE) - 2 <= int(rare[20:].sum()) <= round(30 * RARE)
    assert not rare[:20].any()


def test_what_is_saved_beside_other_weights_is_read_again(tmp_path: Path) -> None:
    """The transformer's weights are carried over as they are; the encoder comes back to the bit of bf16, the head to the bit."""
    hearing = Hearing()
    save_hearing(hearing, tmp_path, WEIGHTS / AVATAR_FILE)
    again, was = load_file(tmp_path / AVATAR_FILE), load_file(WEIGHTS / AVATAR_FILE)
    assert again.keys() == was.keys()
    kept = [name for name in was if name.startswith("transformer.")]
    assert all(torch.equal(again[name], was[name]) for name in kept)
    for name, weight in load_hearing(tmp_path / AVATAR_FILE).state_dict().items():
        mine = hearing.state_dict()[name]
        rounded = mine if name.startswith("viseme.") else mine.to(torch.bfloat16).float()
        assert torch.equal(weight, rounded), name
