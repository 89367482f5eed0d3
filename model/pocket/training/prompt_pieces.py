"""Prompts in pieces, each with what it asks, and the wordings that they are composed of."""

import random
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

FAINT, PLAIN, FULL = 0.4, 0.7, 1.0
"""How strongly an act is asked: a little, by the bare word, very."""
EXPRESSIONS = ("happy", "sad", "surprised", "angry", "energy", "still", "calm")
"""Word lists of feelings: `still` is energy below zero, `calm` asks nothing."""
MOVES = (*EXPRESSIONS, "nod", "shake")
DENIABLE = ("happy", "sad", "surprised", "angry", "energy", "nod", "shake")
_TABLES = ("adjectives", "nouns", "verbs", "phrases", "adverbs")
_BUSY = (
    "weak", "strong", "noun_weak", "noun_strong", "adverb_weak", "adverb_strong", "sides", "own_sides", "up", "down", "eyes_up",
    "eyes_down", "looks", "deny", "deny_verb", "deny_noun", "slants", "look_weak", "look_strong",
)  # fmt: skip
_SIGNS = {"+": FULL, "-": FAINT}


@dataclass
class Piece:
    """A stretch of a prompt: whether it tells of the presenter, and the acts that it asks."""

    text: str
    told: bool
    acts: dict[str, float] = field(default_factory=dict)


@dataclass
class Composed:
    """A prompt in pieces, one after the other."""

    pieces: list[Piece] = field(default_factory=list)

    @property
    def acts(self) -> dict[str, float]:
        """All that is asked."""
        return {name: level for piece in self.pieces for name, level in piece.acts.items()}

    def add(self, text: str, *, told: bool) -> None:
        """Append a piece of the prompt."""
        self.pieces.append(Piece(text, told))

    def ask(self, act: str, level: float, last: int = 1) -> None:
        """An act, or the word list of one, by the last pieces."""
        if act == "still":
            act, level = "energy", -level
        for piece in self.pieces[-last:]:
            if piece.told and act != "calm":
                piece.acts[act] = level

    def say(self, act: str, level: float, text: str) -> None:
        """Append a piece that asks one act."""
        self.add(text, told=True)
        self.ask(act, level)

    def say_of(self, act: str, level: float, form: str, person: tuple[str, str, bool]) -> None:
        """Append `form` with somebody at {o}: what they look like, who they are, and whether that tells of the presenter."""
        before, after = form.split("{o}")
        self.add(before, told=True)
        self.add(person[0], told=False)
        self.add(person[1], told=person[2])
        self.add(after, told=True)
        self.ask(act, level, last=4)

    def pick_free(self, names: Sequence[str], draw: random.Random) -> str:
        """One of the word lists whose act is not asked yet; calm where there is none."""
        taken = {*self.acts, *(("energy", "still") if "energy" in self.acts else ())}
        return draw.choice([name for name in names if name not in taken] or ["calm"])


@dataclass(frozen=True)
class Wordings:
    """The wordings of a language."""

    entries: dict[str, Any]

    def pick(self, name: str, draw: random.Random) -> str:
        """One of a list's wordings, by chance; `name` is a list or table.list."""
        return draw.choice(self.all(name))

    def pick_graded(self, name: str, draw: random.Random) -> tuple[str, float]:
        """One of a list's wordings without its sign, and how strong it is by itself."""
        word = self.pick(name, draw)
        bare = word.rstrip("+-")
        return bare, _SIGNS.get(word[len(bare) :], PLAIN)

    def pick_plain(self, name: str, draw: random.Random) -> str:
        """One of a list's wordings that has no sign."""
        return draw.choice([word for word in self.all(name) if word[-1] not in _SIGNS])

    def all(self, name: str) -> list[str]:
        """Every wording of a list."""
        entry: Any = self.entries
        for part in name.split("."):
            entry = entry[part]
        return str(entry).replace("\n", "").split("|")

    def is_idle(self, word: str) -> bool:
        """Whether a word has no part in any wording of an act, so that it may stand for anything else."""
        return word not in self._busy

    @cached_property
    def _busy(self) -> frozenset[str]:
        """All words of all wordings of acts, degrees and directions."""
        names = [f"{table}.{act}" for table in _TABLES for act in self.entries.get(table, {})]
        names += [name for name in _BUSY if name in self.entries]
        wordings = " ".join(word for name in names for word in self.all(name)).lower()
        return frozenset(re.findall(r"[\w'-]+", wordings))


@cache
def read_wordings(language: str) -> Wordings:
    """The wordings in wordings/LANGUAGE.toml."""
    path = Path(__file__).parent / "wordings" / f"{language}.toml"
    return Wordings(tomllib.loads(path.read_text(encoding="utf-8")))
