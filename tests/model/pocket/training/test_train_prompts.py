"""Prompts are composed with what they ask, and a reader is trained of them."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs

from model.pocket import prompts
from model.pocket.acts import ACTS
from model.pocket.training import train_prompts
from model.pocket.training.prompt_phrases import compose_prompt
from model.pocket.training.prompt_pieces import FAINT, FULL, PLAIN, Composed
from model.pocket.training.train_prompts import PromptReader, collate_examples, make_example


def test_composed_prompts_ask_each_act_at_a_known_strength() -> None:
    """Acts by name, as strong as a word can be; a third of the prompts and more ask nothing."""
    draw = random.Random(1)
    made = [compose_prompt(draw) for _ in range(500)]
    strengths = {abs(level) for each in made for level in each.acts.values()}
    assert strengths == {FAINT, PLAIN, FULL}
    assert {name for each in made for name in each.acts} == set(ACTS)
    assert sum(not each.acts for each in made) > 100
    assert not any("{" in piece.text for each in made for piece in each.pieces)


def test_pieces_that_tell_of_something_else_ask_nothing() -> None:
    """Only a piece about the presenter has acts."""
    draw = random.Random(2)
    for _ in range(300):
        assert all(piece.told or not piece.acts for piece in compose_prompt(draw).pieces)


def test_the_stored_reader_scores_as_the_trained_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What numpy makes of whole numbers is what torch makes of weights, within their rounding."""
    torch.manual_seed(3)
    model = PromptReader()
    train_prompts.save_reader(model, tmp_path / "reader.safetensors")
    monkeypatch.setattr(prompts, "WEIGHTS", tmp_path / "reader.safetensors")
    prompts._load_weights.cache_clear()
    made = Composed()
    made.say("happy", PLAIN, "She smiles at us, 她点头")
    with torch.no_grad():
        theirs = torch.cat([*model(collate_examples([make_example(made)]))[:2]], -1)[0].numpy()
    ours = np.concatenate(prompts._score_words(prompts.split_words(made.pieces[0].text))[:2], 1)
    prompts._load_weights.cache_clear()
    assert np.abs(ours - theirs).max() < 0.1


def test_a_tiny_training_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command with --smoke writes weights of the shipped shapes."""
    path = tmp_path / "reader.safetensors"
    monkeypatch.setattr(sys, "argv", ["train_prompts", "--smoke", "--out", str(path)])
    with capture_logs() as told:
        train_prompts.main()
    assert [each["event"] for each in told if each["event"] != "step"] == [
        "prompts_composed",
        "reader_written",
    ]
    assert path.stat().st_size == prompts.WEIGHTS.stat().st_size <= 1 << 20
