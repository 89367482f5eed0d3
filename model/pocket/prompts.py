"""What a prompt asks of pocket's presenter: free wording in English or Chinese as a row of acts. Without torch.

A small network reads the words: hashed pieces of each word, three convolutions along the text, and for every word what it asks
and whether it was understood. It was trained by `python -m model.pocket.training.train_prompts`. Sums are exact, so that every
machine reads the same numbers.

Left and right are the picture's: "looks left" is towards the left edge. "To her left" is the presenter's own left, which is the picture's right.
"""

import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.pocket.acts import ACTS

Float = NDArray[np.float64]
WEIGHTS = Path(__file__).parent / "weights" / "prompts.safetensors"
BUCKETS, REACH, LAYERS = 12_000, 2, 3
"""Rows of the table of word pieces; words that a convolution sees on either side; how many convolutions there are."""
FRACTION, TABLE_FRACTION = 256.0, 32.0
"""Weights and activations are multiples of the inverse (those of the table of the second): products are exact in float64, and their sums do not depend on their order."""
LONGEST = 400
"""Words of a prompt that are read; those beyond ask nothing, which is said."""
BEYOND = f"all after the {LONGEST}th word"
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_LETTER = r"[^\W\d_\u3400-\u9fff\uf900-\ufaff]"
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
"""What colours a terminal: no words."""
_MARKS = ",.;:、。-"
_ALIKE = str.maketrans({"/": ",", "!": ".", "?": "."})
_WORD = re.compile(rf"{_HAN.pattern}|{_LETTER}+(?:['’]{_LETTER}+)*|\d+|[{_MARKS}]")
"""Of marks, those that the reader has learnt: any other, an emoji too, would be read by what its number happens to share with words."""
ASKS = (*tuple((act, 1) for act in ACTS), ("energy", -1), ("gaze_x", -1), ("gaze_y", -1))
"""What a word can ask: an act and its sign."""
SURE = 1.0
"""The score from which a word asks."""
LEVELS = (0.4, 0.7, 1.0)
"""How strongly: a little, by the bare word, very."""
_FILLER_WORDS = """a an and are as at be been being but by for from has have having he her hers him his i in into
is it its my of off on onto or our she so some that the their them then there they this to too
towards toward upon us very was we were when where which while who whose with you your s t do
does did also just only please 一 个 位 名 的 地 得 着 了 在 和 与 并 且 又 也 他 她 它 们 你 我 是 有 把 被 这 那 很 都 就 还
边 面 里 上 下 对 向 往 给 让 请"""
_FILLERS = frozenset(_FILLER_WORDS.split())


@dataclass(frozen=True)
class PromptActs:
    """A row of acts [len(ACTS)], each one of −1, −.7, −.4, 0, .4, .7 and 1, and the words that asked nothing of the presenter."""

    row: tuple[float, ...]
    unread: tuple[str, ...]

    def named(self) -> dict[str, float]:
        """The acts that differ from zero, by name."""
        return {name: value for name, value in zip(ACTS, self.row, strict=True) if value}


def read_prompt(text: str) -> PromptActs:
    """What `text` asks of the presenter; words that tell of something else (a red dress) change no act and are named."""
    tokens = split_words(text)
    if not tokens:
        return PromptActs((0.0,) * len(ACTS), ())
    asks, levels, told = _score_words(tokens[:LONGEST])
    unread = _name_unread(tokens[:LONGEST], (told > 0).ravel().tolist())
    beyond = (BEYOND,) if len(tokens) > LONGEST else ()
    return PromptActs(_collect_row(asks, levels), (*unread, *beyond))


def _score_words(tokens: Sequence[str]) -> list[Float]:
    """What each word asks [word, ask], how strongly [word, level], and whether it tells of the presenter [word, 1]."""
    weights = _load_weights()
    seen = _embed(tokens, weights["table"])
    for layer in range(LAYERS):
        added = _convolve(seen, weights[f"conv{layer}.weight"], weights[f"conv{layer}.bias"])
        seen = seen + np.maximum(added, 0)
    scores = _round(seen @ weights["head.weight"]) + weights["head.bias"]
    return np.split(scores, [len(ASKS), len(ASKS) + len(LEVELS)], axis=1)


def _collect_row(asks: Float, levels: Float) -> tuple[float, ...]:
    """Each act as strongly as the word says that asks it most surely; of two signs the surer."""
    row, sure = dict.fromkeys(ACTS, 0.0), dict.fromkeys(ACTS, SURE)
    words = asks.argmax(0)
    for (act, sign), word, score in zip(ASKS, words.tolist(), asks.max(0).tolist(), strict=True):
        if score > sure[act]:
            sure[act] = score
            row[act] = sign * LEVELS[int(levels[word].argmax())]
    return tuple(row.values())


def split_words(text: str) -> list[str]:
    """The words, Chinese characters and marks of a prompt. A stroke separates words as a comma does, and a question ends as a sentence does."""
    plain = unicodedata.normalize("NFKC", _CONTROL.sub(" ", text))
    return _WORD.findall(plain.translate(_ALIKE))


def piece_rows(tokens: Sequence[str]) -> list[list[int]]:
    """For every token the rows of the table that spell it: the word and its runs of letters, or the character with its neighbours."""
    words = [token[:40].lower().replace("’", "'") for token in tokens]
    rows = []
    for place, word in enumerate(words):
        if _HAN.match(word):
            before = words[place - 1] if place and _HAN.match(words[place - 1]) else ""
            after = words[place + 1] if _HAN.match("".join(words[place + 1 : place + 2])) else ""
            pieces = [word, word, f"{before}{word}<", f">{word}{after}"]
        else:
            marked = f"<{word}>"
            runs = {marked[i : i + n] for n in (3, 4, 5) for i in range(len(marked) - n + 1)}
            pieces = [marked, marked, *sorted(runs - {marked})]
        rows.append([zlib.crc32(piece.encode()) % BUCKETS for piece in pieces])
    return rows


def _embed(tokens: Sequence[str], table: Float) -> Float:
    return _round(np.stack([table[rows].sum(0) / len(rows) for rows in piece_rows(tokens)]))


def _convolve(seen: Float, weight: Float, bias: Float) -> Float:
    """Each word with its neighbours: `seen` [word, channel], `weight` [neighbour, channel, out]."""
    padded = np.pad(seen, ((REACH, REACH), (0, 0)))
    total = sum(padded[k : k + len(seen)] @ weight[k] for k in range(2 * REACH + 1))
    return _round(total) + bias


def _round(values: Float) -> Float:
    return np.rint(values * FRACTION) / FRACTION


def _name_unread(tokens: Sequence[str], understood: Sequence[bool]) -> list[str]:
    """Content words that were not understood, once each; Chinese characters that stand together are one."""
    named: list[str] = []
    open_run = False
    for token, known in zip(tokens, understood, strict=True):
        han = bool(_HAN.match(token))
        idle = token.lower() in _FILLERS or not token.isalpha() or (len(token) == 1 and not han)
        if known or idle:
            open_run = False
        elif han and open_run:
            named[-1] += token
        else:
            named.append(token)
            open_run = han
    first: dict[str, str] = {}
    for word in named:
        first.setdefault(word.casefold(), word)
    return list(first.values())


@lru_cache(maxsize=1)
def _load_weights() -> dict[str, Float]:
    """The stored whole numbers, divided by their fraction."""
    from safetensors.numpy import load_file

    return {
        name: array.astype(np.float64) / (TABLE_FRACTION if name == "table" else FRACTION)
        for name, array in load_file(WEIGHTS).items()
    }
