"""Train the reader of prompts on composed wordings, on the CPU.

python -m model.pocket.training.train_prompts --out prompts.safetensors
"""

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from model.pocket.prompts import (
    ASKS,
    BUCKETS,
    FRACTION,
    LAYERS,
    LEVELS,
    REACH,
    TABLE_FRACTION,
    WEIGHTS,
    piece_rows,
    split_words,
)
from model.pocket.training.prompt_phrases import compose_prompt
from model.pocket.training.prompt_pieces import Composed

CHANNELS = 64
_DROPPED = 0.15
"""Share of word pieces that training leaves out: words that it never met share only some with those that it did."""


@dataclass(frozen=True)
class TrainingPlan:
    """Minutes of the processor, number of prompts, and the seed."""

    minutes: float = 1.6
    prompts: int = 60_000
    batch: int = 96
    rate: float = 4e-3
    seed: int = 1


@dataclass(frozen=True)
class Example:
    """A composed prompt as the network takes it: rows of the table, how many a word has, whether it tells, what it asks [word, ask] and how strongly."""

    rows: NDArray[np.int64]
    sizes: NDArray[np.int64]
    told: NDArray[np.float32]
    asks: NDArray[np.float32]
    levels: NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Prompts side by side: pieces of all words one after the other, and where each prompt's words lie [prompt, word]."""

    pieces: Tensor
    starts: Tensor
    shares: Tensor
    here: Tensor
    told: Tensor
    asks: Tensor
    levels: Tensor


class PromptReader(nn.Module):
    """The network of model.pocket.prompts, to be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(BUCKETS, CHANNELS, mode="sum")
        nn.init.normal_(self.table.weight, std=1.0)
        self.convs = nn.ModuleList(
            nn.Conv1d(CHANNELS, CHANNELS, 2 * REACH + 1, padding=REACH) for _ in range(LAYERS)
        )
        self.head = nn.Linear(CHANNELS, len(ASKS) + len(LEVELS) + 1)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of what each word asks [prompt, word, ask], how strongly [prompt, word, level], and whether it tells of the presenter [prompt, word]."""
        words = self.table(batch.pieces, batch.starts, per_sample_weights=batch.shares)
        seen = words.new_zeros(*batch.here.shape, CHANNELS)
        seen[batch.here] = words
        seen, here = seen.transpose(1, 2), batch.here[:, None]
        for conv in self.convs:
            seen = seen + conv(seen).relu() * here
        scores = self.head(seen.transpose(1, 2))
        asks, levels, told = scores.split([len(ASKS), len(LEVELS), 1], dim=-1)
        return asks, levels, told[..., 0]


def make_example(made: Composed) -> Example:
    """The words of a composed prompt, which of them tell of the presenter, what they ask, and how strongly."""
    tokens, told, asks, levels = [], [], [], []
    for piece in made.pieces:
        words = split_words(piece.text)
        tokens += words
        told += [piece.told] * len(words)
        asks += [[piece.acts.get(act, 0.0) * sign > 0 for act, sign in ASKS]] * len(words)
        strength = max((abs(level) for level in piece.acts.values()), default=None)
        levels += [-1 if strength is None else LEVELS.index(strength)] * len(words)
    rows = piece_rows(tokens)
    sizes = np.array([len(each) for each in rows])
    return Example(
        np.array([row for each in rows for row in each]), sizes, np.array(told, np.float32),
        np.array(asks, np.float32).reshape(-1, len(ASKS)), np.array(levels),
    )  # fmt: skip


def collate_examples(examples: Sequence[Example], dropped: float = 0.0) -> Batch:
    """Examples as one batch, a share of the word pieces left out."""
    longest = max(len(example.sizes) for example in examples)
    sizes = torch.from_numpy(np.concatenate([example.sizes for example in examples]))
    keep = (torch.rand(int(sizes.sum())) >= dropped).float()
    here = np.zeros((len(examples), longest), bool)
    for place, example in enumerate(examples):
        here[place, : len(example.sizes)] = True
    told = np.zeros(here.shape, np.float32)
    told[here] = np.concatenate([example.told for example in examples])
    asks = np.zeros((*here.shape, len(ASKS)), np.float32)
    asks[here] = np.concatenate([example.asks for example in examples])
    levels = np.full(here.shape, -1)
    levels[here] = np.concatenate([example.levels for example in examples])
    return Batch(
        torch.from_numpy(np.concatenate([example.rows for example in examples])),
        functional.pad(sizes.cumsum(0)[:-1], (1, 0)),
        keep / sizes.repeat_interleave(sizes) / (1 - dropped),
        torch.from_numpy(here), torch.from_numpy(told), torch.from_numpy(asks),
        torch.from_numpy(levels),
    )  # fmt: skip


def measure_loss(model: PromptReader, batch: Batch) -> Tensor:
    """How far each word is from what its piece asks, and the surest word from what the prompt asks."""
    asks, levels, told = model(batch)
    entropy = functional.binary_cross_entropy_with_logits
    absent = torch.where(batch.here[..., None], asks, -20.0)
    whole = entropy(absent.amax(1), batch.asks.amax(1))
    each = entropy(asks, batch.asks, reduction="none")[batch.here].mean()
    strength = functional.cross_entropy(
        levels.flatten(0, 1), batch.levels.flatten(), ignore_index=-1
    )
    knows = entropy(told, batch.told, reduction="none")[batch.here].mean()
    return 6 * whole + 6 * each + strength.nan_to_num() + 0.5 * knows


def draw_batches(
    examples: Sequence[Example], size: int, draw: random.Random
) -> Iterator[list[Example]]:
    """Endless batches of prompts of about one length, so that little is padded."""
    while True:
        pool = sorted(draw.choices(examples, k=32 * size), key=lambda example: len(example.sizes))
        batches = [pool[start : start + size] for start in range(0, len(pool), size)]
        draw.shuffle(batches)
        yield from batches


def train_reader(plan: TrainingPlan) -> PromptReader:
    """A reader trained for so many minutes of one processor."""
    torch.manual_seed(plan.seed)
    draw = random.Random(plan.seed)
    began, log = time.monotonic(), structlog.get_logger()
    examples = [make_example(compose_prompt(draw)) for _ in range(plan.prompts)]
    examples = [example for example in examples if len(example.rows)]
    log.info("prompts_composed", number=len(examples), seconds=round(time.monotonic() - began, 1))
    model, batches = PromptReader(), draw_batches(examples, plan.batch, draw)
    optimiser = torch.optim.AdamW(model.parameters(), lr=plan.rate, weight_decay=0.01, fused=True)
    began, step, share = time.process_time(), 0, 0.0
    while share < 1:
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * min(1.0, (step + 1) / 50) * (1 - share)
        loss = measure_loss(model, collate_examples(next(batches), _DROPPED))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step, share = step + 1, (time.process_time() - began) / (60 * plan.minutes)
        if step % 500 == 0:
            log.info("step", step=step, loss=round(float(loss.detach()), 4), share=round(share, 2))
    return model


def save_reader(model: PromptReader, path: Path) -> None:
    """The weights as whole numbers of 1 / FRACTION, and the table's of 1 / TABLE_FRACTION."""
    from safetensors.numpy import save_file

    state = model.state_dict()
    table = (state["table.weight"] * TABLE_FRACTION).round().clamp(-128, 127)
    weights = {"head.weight": state["head.weight"].T, "head.bias": state["head.bias"]}
    for layer in range(LAYERS):
        weights[f"conv{layer}.weight"] = state[f"convs.{layer}.weight"].permute(2, 1, 0)
        weights[f"conv{layer}.bias"] = state[f"convs.{layer}.bias"]
    whole = {name: (array * FRACTION).round() for name, array in weights.items()}
    arrays = {name: np.ascontiguousarray(array.numpy(), np.int16) for name, array in whole.items()}
    save_file({"table": np.ascontiguousarray(table.numpy(), np.int8), **arrays}, path)


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--minutes", type=float, default=TrainingPlan.minutes)
    parser.add_argument("--seed", type=int, default=TrainingPlan.seed)
    parser.add_argument("--smoke", action="store_true", help="a tiny one, to see that it runs")
    asked = parser.parse_args()
    plan = TrainingPlan(asked.minutes, seed=asked.seed)
    if asked.smoke:
        plan = TrainingPlan(minutes=0.02, prompts=300, batch=32, seed=asked.seed)
    save_reader(train_reader(plan), asked.out)
    structlog.get_logger().info(
        "reader_written", path=str(asked.out), bytes=asked.out.stat().st_size
    )


if __name__ == "__main__":
    main()
