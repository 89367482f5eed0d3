"""Train the network that finds drawn faces: python -m model.pocket.training.train_cartoon_finder --minutes 40 --pictures 16000 --out DIR.

It learns from cartoons of no particular hand (cartoon_faces.py) and a third of drawn presenters. Two processors take half an hour for 16 000 pictures and train as long.
"""

import argparse
import logging
import math
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from model.pocket.cartoon_finder import CARTOON_FILE
from model.pocket.face_network import METADATA
from model.pocket.training.cartoon_network import (
    GRID,
    CartoonNetwork,
    CartoonReading,
    export_network,
    read_edges,
)
from model.pocket.training.cartoon_views import (
    Pictures,
    Views,
    cut_views,
    draw_cartoons,
    draw_presenters,
    join_pictures,
)
from model.pocket.training.train_hearing import rate_at

PRESENTERS = 1 / 3
"""Of the pictures; the others are cartoons."""
AT_ONCE = 20
"""Pictures that one process draws before it takes others."""
SPREAD = 0.025
"""Of the hill that the heat should be, in views."""
_log = logging.getLogger("train_cartoon_finder")


@dataclass(frozen=True)
class FinderRecipe:
    """What may be turned."""

    minutes: float
    batch: int = 48
    rate: float = 2e-3
    warm_up: int = 200
    ema: float = 0.998


def find_loss(reading: CartoonReading, views: Views) -> Tensor:
    """How wrong boxes, places and presence are."""
    shown, edges = views.shown.float(), views.edges
    middle = (edges[..., :2] + edges[..., 2:]) / 2
    apart = (middle[:, 1] - middle[:, 2]).norm(dim=-1).clamp(min=0.08)[:, None, None]
    wrong = F.smooth_l1_loss(
        read_edges(reading) / apart, edges / apart, reduction="none", beta=0.05
    )
    hill = draw_hills(middle)
    surprise = -(hill * reading.heat.flatten(2).log_softmax(-1)).sum(-1)
    of_views = 4 * wrong.mean((1, 2)) + 0.3 * surprise.mean(1)
    known = (views.shown | views.absent).float()
    presence = F.binary_cross_entropy_with_logits(reading.presence, shown, reduction="none")
    return (of_views * shown).sum() / shown.sum().clamp(min=1) + 0.5 * (presence * known).mean()


def draw_hills(middle: Tensor) -> Tensor:
    """Where the heat of each part should be [n, part, place], for middles [n, part, x and y]."""
    place = (torch.arange(GRID, device=middle.device) + 0.5) / GRID
    along = torch.exp(-0.5 * ((place - middle[..., None]) / SPREAD) ** 2)
    hill = (along[..., 1, :, None] * along[..., 0, None, :]).flatten(2)
    return hill / hill.sum(-1, keepdim=True).clamp(min=1e-6)


def train_finder(
    network: CartoonNetwork, pictures: Pictures, recipe: FinderRecipe, generator: torch.Generator
) -> None:
    """Train for so many minutes; the network then has the averaged weights."""
    learnt = list(network.parameters())
    optimiser = torch.optim.AdamW(learnt, recipe.rate, weight_decay=1e-3)
    average = [p.detach().clone() for p in learnt]
    started, step, mean = time.monotonic(), 0, 0.0
    while (done := (time.monotonic() - started) / (60 * recipe.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = rate_at(recipe.rate, recipe.warm_up, step, done)
        rows = torch.randint(
            len(pictures.pixels), (recipe.batch,), generator=generator, device=generator.device
        )
        views = cut_views(pictures.take(rows), generator)
        pixels = views.pixels.contiguous(memory_format=torch.channels_last)
        loss = find_loss(network(pixels), views)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        keep = min(recipe.ema, (step + 1) / (step + 10))
        torch._foreach_lerp_(average, [p.detach() for p in learnt], 1 - keep)
        mean, step = mean + 0.02 * (float(loss.detach()) - mean), step + 1
        if step == 1 or step % 200 == 0:
            _log.info("step %d, %.0f s, loss %.4f", step, time.monotonic() - started, mean)
    with torch.no_grad():
        for p, a in zip(learnt, average, strict=True):
            p.copy_(a)


def draw_pictures(number: int, seed: int) -> Pictures:
    """So many pictures, cartoons and presenters, drawn by all processors."""
    cartoons = math.ceil(number * (1 - PRESENTERS))
    starts = range(0, number, AT_ONCE)
    context = get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, torch.set_num_threads, (1,)) as pool:
        jobs = [
            pool.submit(draw_cartoons, range(seed + start, seed + start + AT_ONCE))
            if start < cartoons
            else pool.submit(draw_presenters, AT_ONCE, seed + start)
            for start in starts
        ]
        return join_pictures([job.result() for job in jobs])


def save_finder(network: CartoonNetwork, folder: Path) -> None:
    """The network as CARTOON_FILE, rounded to half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    exported, weights = export_network(network)
    state = {name: weight.to("cpu", torch.float16).contiguous() for name, weight in weights.items()}
    save_file(state, folder / CARTOON_FILE, {METADATA: exported.describe()})


def main() -> None:
    """Draw, train, save; weights to go on with lie beside the file, as `cartoon_finder.pt`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--pictures", type=int, default=16_000)
    parser.add_argument("--batch", type=int, default=FinderRecipe.batch)
    parser.add_argument("--rate", type=float, default=FinderRecipe.rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--init", type=Path, help="a cartoon_finder.pt to go on with")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(asked.seed)
    network = CartoonNetwork().to(device)
    if asked.init:
        network.load_state_dict(torch.load(asked.init, map_location=device))
    pictures = draw_pictures(asked.pictures, asked.seed)
    pictures = Pictures(pictures.pixels.to(device), pictures.boxes.to(device))
    _log.info("%d pictures", len(pictures.pixels))
    recipe = FinderRecipe(asked.minutes, asked.batch, asked.rate)
    train_finder(network, pictures, recipe, torch.Generator(device).manual_seed(asked.seed))
    save_finder(network, asked.out)
    torch.save(network.state_dict(), asked.out / "cartoon_finder.pt")


if __name__ == "__main__":
    main()
