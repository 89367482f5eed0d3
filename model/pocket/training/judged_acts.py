"""Whether a film's presenter does what its prompt asks: held-out wordings, and the motion that latents come to."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from model.avatar import Avatar, Float, Named
from model.pocket.acts import ACTS
from model.pocket.training.findings import ActFindings
from model.pocket.training.judged_films import MotionReader, hear_clips, spread_work
from model.pocket.training.judged_presenters import Presenter
from model.pocket.training.motion import measure_acts

PROMPTS = Path(__file__).parent / "held_out" / "prompts.txt"
SPAN = 3
"""Clips at the beginning and at the end of a film of which acts are measured."""
PLAYED, UNASKED = 0.5, 0.5
"""An act is played if at least so much of what is asked is measured; of what is not asked there is no more than that."""
SIGNED = ("energy", "gaze_x", "gaze_y")
STIRRING = ("sad", "nod", "shake")
"""What is energetic or slow by itself: there energy is not judged unless it is asked."""
SEED = 71


@dataclass(frozen=True)
class Prompt:
    """A wording that the reader of prompts was not trained on, and the row of acts that it asks, by hand."""

    text: str
    language: str
    row: tuple[float, ...]


@dataclass(frozen=True)
class Played:
    """The motion [frame, M] at the beginning and at the end of one film."""

    first: Float
    last: Float


def read_prompts(path: Path = PROMPTS) -> list[Prompt]:
    """The held-out wordings: `text | act strength, …` under a `# Language`."""
    found, language = [], ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            language = line.removeprefix("# ")
        else:
            text, asked = (part.strip() for part in line.split("|"))
            pairs = [] if asked == "none" else [pair.split() for pair in asked.split(",")]
            acts = {name: float(strength) for name, strength in pairs}
            found.append(Prompt(text, language, tuple(acts.get(name, 0.0) for name in ACTS)))
    return found


@dataclass(frozen=True)
class Stage:
    """Where films are played whose frames nobody sees."""

    avatar: Avatar
    sound: Float
    """What is said, again and again, at 16 kHz: a clip of it or more."""
    clips: int
    read: MotionReader

    @cached_property
    def _heard(self) -> list[Float]:
        return list(hear_clips(self.avatar, self.sound))

    def play(self, inputs: Named) -> Played:
        """The film of these inputs."""
        denoiser = self.avatar.denoiser(inputs, SEED)
        first: list[Float] = []
        last = deque[Float](maxlen=SPAN)
        for clip in range(max(self.clips, SPAN)):
            features = self._heard[clip % len(self._heard)]
            last.append(self.read(denoiser.denoise(features).latents))
            if clip < SPAN:
                first.append(last[-1])
        return Played(np.concatenate(first), np.concatenate(last))


def judge_prompts(stage: Stage, who: Presenter, prompts: Sequence[Prompt]) -> ActFindings:
    """How many of the prompts a presenter plays rightly in the first SPAN clips of a film, and, if it has more, in its last."""
    texts = ["", *(prompt.text for prompt in prompts)]
    inputs = [stage.avatar.encode_inputs(who.picture, text, who.face) for text in texts]
    # Prompts that are read alike make the same film.
    rows = {_row_of(each): each for each in inputs}
    films = dict(zip(rows, spread_work(stage.play, rows.values()), strict=True))
    calm, *played = (films[_row_of(each)] for each in inputs)
    pairs = list(zip(prompts, played, strict=True))
    first = [judge_motion(prompt.row, film.first, calm.first) for prompt, film in pairs]
    last = [judge_motion(prompt.row, film.last, calm.last) for prompt, film in pairs]
    missed = tuple(p.text for p, right in zip(prompts, first, strict=True) if not right)
    strengths = dict(_compare_strengths(pairs, calm))
    found = ActFindings(len(prompts), float(np.mean(first)), missed=missed, strengths=strengths)
    long = stage.clips > SPAN
    return replace(found, clips=stage.clips, last=float(np.mean(last))) if long else found


def measure_above(motion: Float, calm: Float) -> Float:
    """The acts [A] of a motion [frame, M], energy as what it is above that of the `calm` motion of the same presenter."""
    found, still = measure_acts(torch.from_numpy(np.stack([motion, calm]))).numpy()
    above: Float = found - still * (np.asarray(ACTS) == "energy")
    return above


def _compare_strengths(
    pairs: Sequence[tuple[Prompt, Played]], calm: Played
) -> Iterator[tuple[str, tuple[float, float]]]:
    """By act the mean share of what is asked, at the beginning and at the end."""
    asked = np.array([prompt.row for prompt, _ in pairs])
    first = np.array([measure_above(film.first, calm.first) for _, film in pairs])
    last = np.array([measure_above(film.last, calm.last) for _, film in pairs])
    for index, name in enumerate(ACTS):
        if (wanted := asked[:, index] != 0).any():
            strength = asked[wanted, index]
            shares = [float((ends[wanted, index] / strength).mean()) for ends in (first, last)]
            yield name, (shares[0], shares[1])


def judge_motion(row: Sequence[float], motion: Float, calm: Float) -> bool:
    """Whether a motion [frame, M] has the acts of a row and no others. Its energy is held against that of the `calm` motion of the same presenter: some are livelier than others."""
    asked, found, energy = np.asarray(row), measure_above(motion, calm), ACTS.index("energy")
    enough = found * np.sign(asked) >= PLAYED * np.abs(asked)
    signed = np.isin(ACTS, SIGNED)
    spare = np.where(signed, np.abs(found), found) <= UNASKED
    stirred = any(asked[ACTS.index(name)] for name in STIRRING)
    spare[energy] |= stirred
    return bool(np.where(asked != 0, enough, spare).all())


def _row_of(inputs: Named) -> tuple[float, ...]:
    return tuple(np.asarray(inputs["acts"], np.float64).tolist())
