"""Prompts with what they ask: composed of words, degrees, denials and things that no presenter can do."""

import random

from model.pocket.training.prompt_chinese import add_chinese, ask_chinese
from model.pocket.training.prompt_english import add_english, ask_english
from model.pocket.training.prompt_pieces import Composed, read_wordings


def compose_prompt(draw: random.Random) -> Composed:
    """A prompt of one to four parts, English or Chinese; many ask nothing, and no act is asked twice."""
    mandarin = draw.random() < 0.42
    ask, add = (ask_chinese, add_chinese) if mandarin else (ask_english, add_english)
    joins = read_wordings("chinese" if mandarin else "english")
    made = Composed()
    for place in range(draw.choice((1, 1, 1, 2, 2, 3, 4))):
        if place:
            made.add(joins.pick("joins", draw), told=False)
        (ask if draw.random() < 0.62 else add)(made, draw)
    for piece in made.pieces:
        piece.text = piece.text.capitalize() if draw.random() < 0.25 else piece.text
    return made
