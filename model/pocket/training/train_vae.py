"""Train pocket's VAE: `python -m model.pocket.training.train_vae --minutes 6 --out OUT`.

On drawn faces that are rendered while it learns. The clock is the budget: the learning rate follows the time that is left, not a number of steps.
With `--keep FOLDER` the encoder in there stays as it is and the decoder alone learns: a transformer that was trained on its latents stays of use.
"""

import argparse
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from model.pocket.model_traits import VAE_CONFIG, VAE_FILE
from model.pocket.training.motion import draw_motion
from model.pocket.vae import FeatureCache, PocketVAE
from model.presenters.face import draw_identities, pixel_weights, render_faces

FRAMES = 12
"""Three latents: a frame's picture depends on no more."""
UNSEEN = 1_000_003
COMPILED = 10
"""Steps after which all is compiled and chosen, and the clock starts."""
_log = logging.getLogger("train_vae")


@dataclass(frozen=True)
class VaeRecipe:
    """What may be turned."""

    minutes: float
    size: int = 256
    pool: int = 384
    clip: int = 36
    batch: int = 28
    rate: float = 1e-3
    ema: float = 0.998
    warm_up: int = 300
    prior: float = 1e-4
    noise: float = 0.1
    blink: float = 2.0
    crispness: float = 1.0


def draw_chatter(n: int, t: int, generator: torch.Generator) -> Tensor:
    """Mouth curves [n, t, 3] of nobody's words: shut often, open anyhow, at the pace of speech."""
    keys, device = math.ceil(t / 2.5) + 2, generator.device
    draw = torch.rand(n, 6, keys, generator=generator, device=device)
    talks = (draw[:, 5, :1] > 0.15).float()
    aperture = draw[:, 0] * (draw[:, 1] > 0.3)
    width, rounding = 0.4 * (2 * draw[:, 2] - 1), draw[:, 3] * (draw[:, 4] > 0.6)
    curves = torch.stack((aperture * talks, 0.5 + width * talks, rounding * talks), 1)
    return F.interpolate(curves, scale_factor=2.5, mode="linear", align_corners=True)[..., :t].mT


class ClipPool:
    """Rendered clips as bytes [n, t, 3, y, x] and their weights, on the device; the oldest give way to new ones."""

    def __init__(self, recipe: VaeRecipe, generator: torch.Generator) -> None:
        self.recipe, self.generator, self.oldest = recipe, generator, 0
        n, t, s = recipe.pool, recipe.clip, recipe.size
        self.pictures = torch.empty(n, t, 3, s, s, dtype=torch.uint8, device=generator.device)
        self.weights = torch.empty(
            n, t, 1, s // 4, s // 4, dtype=torch.float16, device=generator.device
        )
        for _ in range(0, n, 4):
            self.refresh(4)

    @torch.no_grad()
    def refresh(self, n: int) -> None:
        """Put n new clips in the place of the oldest; one in ten in colours of no face, for drawings of another hand."""
        g, t = self.generator, self.recipe.clip
        who = draw_identities(n, g)
        moves = draw_motion(n, t, draw_chatter(n, t, g), g)
        pictures = render_faces(who, moves, self.recipe.size)
        worth = pixel_weights(who, moves, self.recipe.size // 4)
        if torch.rand(()) < 0.1:
            pictures = pictures[:, :, torch.randperm(3, device=pictures.device)]
        if torch.rand(()) < 0.5:
            pictures, worth = pictures.flip(-1), worth.flip(-1)
        rows = slice(self.oldest, self.oldest + n)
        self.pictures[rows] = (pictures * 255).round().to(torch.uint8)
        self.weights[rows] = worth.half()
        self.oldest = (self.oldest + n) % self.recipe.pool

    def batch(self, n: int) -> tuple[Tensor, Tensor]:
        """Pictures [n, 3, t, y, x] in -1..1 and weights [n, t, y/4, x/4]; some clips begin with, or are, a still."""
        clip = torch.randint(self.recipe.pool, (n, 1))
        frame = torch.randint(self.recipe.clip - FRAMES + 1, (n, 1)) + torch.arange(FRAMES)
        frame[: n // 6, :4] = frame[: n // 6, :1]
        frame[: n // 12] = frame[: n // 12, :1]
        clip, frame = (x.to(self.pictures.device, non_blocking=True) for x in (clip, frame))
        pictures = self.pictures[clip, frame].transpose(1, 2).to(torch.bfloat16) / 127.5 - 1
        return pictures, self.weights[clip, frame, 0]


class VaeLosses(NamedTuple):
    """Parts of the loss; `error` is the mean squared error."""

    plain: Tensor
    edges: Tensor
    blink: Tensor
    crispness: Tensor
    error: Tensor

    def total(self, recipe: VaeRecipe, strict: Tensor) -> Tensor:
        """The loss. `strict` 0..1 fades in all but the plain error.

        Edges and flicker are least in a grey picture, and a beginner who minds them never leaves it.
        """
        rest = 0.6 * self.edges + recipe.blink * self.blink + recipe.crispness * self.crispness
        return self.plain + strict * rest


def compute_losses(made: Tensor, pictures: Tensor, worth: Tensor) -> VaeLosses:
    """The losses of frames [n, 3, t, y, x].

    A steady error is less seen than one that comes and goes every four frames: hence the differences in time. Absolute errors are least for a blur where an edge is
    uncertain: hence the strength of edges, wherever they are, in patches of 8 × 8.
    """
    error = made.float() - pictures.float()
    weight = worth.float().repeat_interleave(4, -1).repeat_interleave(4, -2).unsqueeze(1)
    plain = (weight * (error.abs() + 2 * error.square())).mean()
    across = (weight[..., 1:] * error.diff(dim=-1).abs()).mean()
    down = (weight[..., 1:, :] * error.diff(dim=-2).abs()).mean()
    blink = (weight[:, :, 1:] * error.diff(dim=2).abs()).mean()
    crisp = (edge_strength(made.float()) - edge_strength(pictures.float())).abs().mean()
    return VaeLosses(plain, across + down, blink, crisp, error.square().mean())


def edge_strength(frames: Tensor) -> Tensor:
    """Root mean square of the Laplacian [(n t), 1, y/8, x/8] of the brightness of frames [n, 3, t, y, x]."""
    luma = frames.mean(1).flatten(0, 1)
    inner = 4 * luma[:, 1:-1, 1:-1] - luma[:, :-2, 1:-1] - luma[:, 2:, 1:-1]
    inner = inner - luma[:, 1:-1, :-2] - luma[:, 1:-1, 2:]
    return (F.avg_pool2d(inner[:, None].square(), 8) + 1e-4).sqrt()


class VaeTrainer:
    """The weights, their average, and one step."""

    def __init__(self, vae: PocketVAE, recipe: VaeRecipe) -> None:
        self.vae, self.recipe, self.step = vae, recipe, 0
        device = vae.open.weight.device
        self.learnt = [p for p in vae.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            self.learnt,
            recipe.rate,
            (0.9, 0.98),
            weight_decay=0.01,
            fused=device.type == "cuda",
        )
        self.average = [p.detach().clone() for p in self.learnt]
        self.spread = torch.ones(vae.open.in_channels, 1, 1, 1, device=device)
        self.strict = torch.zeros((), device=device)
        self.judge: Callable[..., VaeLosses] = compute_losses
        if device.type == "cuda":
            self.judge = torch.compile(compute_losses, dynamic=False)

    def learn(self, pictures: Tensor, worth: Tensor, done: float) -> Tensor:
        """One step when a share of the time is over; the mean squared error."""
        rate = self.recipe.rate * min(1.0, (self.step + 1) / self.recipe.warm_up)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
        self.strict.fill_(min(1.0, max(0.0, (self.step - 200) / 600)))
        with torch.autocast(self.vae.open.weight.device.type, torch.bfloat16):
            made, prior = self.rebuild(pictures)
        losses = self.judge(made, pictures, worth)
        loss = losses.total(self.recipe, self.strict) + self.recipe.prior * self.strict * prior
        loss.backward()
        nn.utils.clip_grad_norm_(self.learnt, 1.0, foreach=True)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        keep = min(self.recipe.ema, self.step / (self.step + 10))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.learnt], 1 - keep)
        self.step += 1
        return losses.error.detach()

    def rebuild(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures through latents that are a little wrong, and the prior's loss."""
        mean, log_variance = (x.float() for x in self.vae.posterior(pictures))
        self.spread.lerp_(mean.detach().std((0, 2, 3, 4)).view_as(self.spread), 0.02)
        wrong = self.strict * self.recipe.noise * self.spread
        wrong = wrong * torch.rand(len(mean), 1, 1, 1, 1, device=mean.device)
        z = mean + ((0.5 * log_variance).exp() + wrong) * torch.randn_like(mean)
        prior = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).mean()
        return self.vae.frames(z, FeatureCache()), prior


def train_vae(vae: PocketVAE, pool: ClipPool, recipe: VaeRecipe) -> PocketVAE:
    """Train until the time is over; the averaged weights are returned."""
    trainer = VaeTrainer(vae, recipe)
    began, done = time.monotonic(), 0.0
    while done < 1:
        if trainer.step % 2 == 0:
            pool.refresh(2)
        error = trainer.learn(*pool.batch(recipe.batch), done)
        if trainer.step == COMPILED:
            began = time.monotonic()
        done = (time.monotonic() - began) / (60 * recipe.minutes)
        if trainer.step % 200 == 0:
            _log.info("step %d %.2f dB", trainer.step, 10 * math.log10(4 / float(error)))
    with torch.no_grad():
        for p, a in zip(trainer.learnt, trainer.average, strict=True):
            p.copy_(a)
    return vae


def keep_encoder(folder: Path) -> PocketVAE:
    """A VAE with the frozen encoder, and whatever still fits of the decoder, that lie in a folder."""
    vae = PocketVAE(**json.loads((folder / VAE_CONFIG).read_text(encoding="utf-8")))
    shapes = {name: weight.shape for name, weight in vae.state_dict().items()}
    kept = {k: w for k, w in load_file(folder / VAE_FILE).items() if w.shape == shapes.get(k)}
    vae.load_state_dict(kept, strict=False)
    for part in (vae.shrink, vae.merge):
        part.requires_grad_(False)
    return vae


@torch.no_grad()
def measure_latents(vae: PocketVAE, pool: ClipPool) -> dict[str, list[float]]:
    """Mean and spread of each latent channel."""
    with torch.autocast(vae.open.weight.device.type, torch.bfloat16):
        means = [vae.posterior(pool.batch(24)[0])[0].float() for _ in range(32)]
    whole = torch.cat(means).transpose(0, 1).flatten(1).double()
    return {"latents_mean": whole.mean(1).tolist(), "latents_std": whole.std(1).tolist()}


def save_vae(vae: PocketVAE, facts: dict[str, list[float]], folder: Path) -> None:
    """Weights in bf16 and the configuration beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {k: v.to("cpu", torch.bfloat16).contiguous() for k, v in vae.state_dict().items()},
        folder / VAE_FILE,
    )
    (folder / VAE_CONFIG).write_text(json.dumps(facts, indent=1) + "\n")


@torch.no_grad()
def evaluate_vae(vae: PocketVAE, size: int) -> dict[str, float]:
    """PSNR in decibels of unseen faces, whole and weighted to mouth and eyes; edges against the truth's; frame differences at latent boundaries against inside."""
    pool = ClipPool(
        VaeRecipe(1, size=size, pool=16, clip=48),
        torch.Generator(vae.open.weight.device).manual_seed(UNSEEN),
    )
    pictures = pool.pictures.transpose(1, 2).to(torch.bfloat16) / 127.5 - 1
    with torch.autocast(vae.open.weight.device.type, torch.bfloat16):
        made = torch.cat(
            [vae.frames(vae.posterior(p)[0], FeatureCache()) for p in pictures.split(4)]
        )
    made = made.clamp(-1, 1).float()
    error = (made - pictures.float()).square().mean(1)
    worth = pool.weights[:, :, 0].float().repeat_interleave(4, -1).repeat_interleave(4, -2) - 1
    change = made.diff(dim=2).abs().mean((0, 1, 3, 4))
    joint = torch.arange(len(change), device=change.device) % 4 == 3
    edges = [edge_strength(frames).square().mean().sqrt() for frames in (made, pictures.float())]
    return {
        "psnr": 10 * math.log10(4 / float(error.mean())),
        "sharpness": float(edges[0] / edges[1]),
        "psnr_mouth_eyes": 10 * math.log10(4 / float((error * worth).sum() / worth.sum())),
        "latent_boundary": float(change[joint].mean() / change[~joint].mean()),
    }


def main() -> None:
    """Train, save, check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--keep", type=Path, help="folder whose encoder stays as it is")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--crispness", type=float, default=1.0)
    parser.add_argument("--blink", type=float, default=2.0)
    parser.add_argument("--smoke", action="store_true", help="tiny, to find mistakes")
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d ms %(message)s")
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    recipe = VaeRecipe(args.minutes, rate=args.rate, blink=args.blink, crispness=args.crispness)
    if args.smoke:
        recipe = replace(recipe, size=64, pool=4, batch=2)
    pool = ClipPool(recipe, torch.Generator(device).manual_seed(1))
    start = keep_encoder(args.keep) if args.keep else PocketVAE()
    vae = train_vae(start.to(device, memory_format=torch.channels_last), pool, recipe)  # type: ignore[call-overload] # torch's stub lacks memory_format
    facts = json.loads((args.keep / VAE_CONFIG).read_text(encoding="utf-8")) if args.keep else None
    save_vae(vae, facts or measure_latents(vae, pool), args.out)
    _log.info("%s", json.dumps(evaluate_vae(vae, recipe.size)))


if __name__ == "__main__":
    main()
