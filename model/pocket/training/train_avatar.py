"""Train pocket's transformer: python -m model.pocket.training.train_avatar --minutes 8.5 --hearing DIR/avatar.safetensors --sound FILE ... --out DIR.

Flow matching of motion curves, under a block-causal mask that equals the streaming loop. No picture is drawn: latents tell none. The speech encoder is what
model.pocket.training.train_hearing made; lips are its viseme head's, so that the transformer sees them and answers for all else. One stage hands weights to the next and nothing else.
"""

import argparse
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from einops import rearrange
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from model.pocket.avatar import weights_of_part
from model.pocket.conditions import make_planes
from model.pocket.curve_layout import CHANNELS, CURVES
from model.pocket.model_traits import AVATAR_FILE, TRANSFORMER
from model.pocket.motion_curves import list_slots, read_differences, zone_map
from model.pocket.training.curve_clips import CLIP, WARM, Clips, Sound, draw_clips, load_sound
from model.pocket.training.masked_forward import BLOCK, BLOCKS, MaskedInputs, masked_forward
from model.pocket.training.mel_augmenter import MelAugmenter
from model.pocket.training.train_hearing import Hearing, load_hearing, rate_at, round_weights
from model.pocket.viseme_head import LIPS, put_lips
from model.s2v.transformer import S2VTransformer

SIGMAS = (1.0, 0.9, 0.75, 0.5)
SEEN = {"blink": 1.4, "squint": 0.7, "brow_slant": 0.7, **dict.fromkeys(LIPS, 0.0)}
"""How much more than other curves some are looked at."""
COMPILED = 5
"""Steps after which all is compiled and the learning rate begins to fall."""
SAVE_EVERY = 90
"""Seconds."""
_log = logging.getLogger("train_avatar")


@dataclass(frozen=True)
class AvatarRecipe:
    """What may be turned."""

    minutes: float
    batch: int = 192
    drawn_at_once: int = 24
    """Batches: drawing takes a thousand small operations, of however many clips."""
    rate: float = 1.2e-3
    warm_up: int = 200
    ema: float = 0.998
    off_grid: float = 0.25
    past_noise: float = 0.25
    history_error: float = 0.3
    own_past: int = 4
    """One step of so many sees the model's own latents as its past, not the truth's."""
    curves: float = 1.0
    steadiness: float = 2.0
    compile: bool = True


class Pupil(nn.Module):
    """The transformer that learns, and the speech encoder and viseme head that do not."""

    def __init__(self, hearing: Hearing) -> None:
        super().__init__()
        self.transformer, self.hearing = S2VTransformer(TRANSFORMER), hearing
        self.hearing.requires_grad_(False)
        init_as_identity(self.transformer)

    def forward(
        self, clips: Clips, noisy: Tensor, sigma: Tensor, motion: Tensor, ahead: Tensor
    ) -> Tensor:
        """Velocity [n, c, CLIP, h, w] of the noisy latents."""
        with torch.no_grad():
            features, _ = self.hearing(clips.mel)
        planes = make_planes(clips.acts, noisy.shape[2])
        inputs = MaskedInputs(noisy, sigma, clips.still, motion, ahead, planes)
        return masked_forward(self.transformer, inputs, features)


def init_as_identity(transformer: S2VTransformer) -> None:
    """Start as the identity: nothing is injected, nothing is predicted."""
    outs = [attention.o for attention in transformer.audio_injector.injector]
    for layer in (transformer.head.head, *outs):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    for layer in transformer.modules():
        if isinstance(layer, nn.Linear) and layer.weight.abs().sum() > 0:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


class BatchMaker:
    """One batch made into inputs and targets: noise levels, errors of history, augmented sound."""

    def __init__(self, recipe: AvatarRecipe, generator: torch.Generator) -> None:
        self.recipe, self.generator, self.device = recipe, generator, generator.device
        self.augmenter = MelAugmenter(generator)

    def rand(self, *shape: int) -> Tensor:
        """Uniform numbers."""
        return torch.rand(shape, generator=self.generator, device=self.device)

    def randn(self, like: Tensor) -> Tensor:
        """Normal numbers."""
        return torch.randn(like.shape, generator=self.generator, device=self.device)

    def sigmas(self, n: int) -> Tensor:
        """Mostly the four of inference, some between."""
        grid = torch.tensor(SIGMAS, device=self.device)
        drawn = grid[
            torch.randint(0, len(SIGMAS), (n,), generator=self.generator, device=self.device)
        ]
        u = self.rand(n) * 0.98 + 0.02
        return torch.where(self.rand(n) < self.recipe.off_grid, 3 * u / (1 + 2 * u), drawn)

    def errors(self, x: Tensor) -> Tensor:
        """What a film made so far may be off by: noise, and a shift of each latent frame."""
        n, c, t = x.shape[:3]
        amount = (
            self.recipe.history_error * self.rand(n, 1, 1, 1, 1) * (self.rand(n, 1, 1, 1, 1) < 0.5)
        )
        shift = torch.randn(n, c, t, 1, 1, generator=self.generator, device=self.device)
        return amount * (0.8 * self.randn(x) + 0.4 * shift)

    def motion(self, past: Tensor, latents: Tensor) -> Tensor:
        """The three latents before each block [n, block, c, WARM, h, w], with errors, of a clip's past and latents."""
        whole = torch.cat([past, latents[:, :, : CLIP - BLOCK]], 2)
        amount = self.recipe.past_noise * self.rand(len(whole), 1, 1, 1, 1)
        whole = whole + amount * self.randn(whole) * (self.rand(len(whole), 1, 1, 1, 1) < 0.8)
        return rearrange(whole, "n c (b t) h w -> n b c t h w", t=WARM)

    def loss(self, pupil: nn.Module, clips: Clips, own: bool = False) -> Tensor:
        """The loss of a batch; `own`: its past is what the model makes itself, with the lips that it is told."""
        clips = replace(clips, mel=self.augmenter.disturb(clips.mel))
        sigma = self.sigmas(len(clips.mel))
        level = sigma.view(-1, 1, 1, 1, 1)
        noisy = (1 - level) * (clips.latents + self.errors(clips.latents)) + level * self.randn(
            clips.latents
        )
        target = (noisy - clips.latents) / level.clamp(min=0.05)
        ahead = torch.randint(
            4, 31, (len(sigma), BLOCKS), generator=self.generator, device=self.device
        )
        past = clips.latents
        with torch.autocast(self.device.type, torch.bfloat16):
            if own:
                with torch.no_grad():
                    velocity = pupil(clips, noisy, sigma, self.motion(clips.past, past), ahead)
                past = put_lips(noisy - level * velocity.float(), clips.lips)
            velocity = pupil(clips, noisy, sigma, self.motion(clips.past, past), ahead)
        error = velocity.float() - target
        gap = (error.square() * weigh_latents(error.device)).mean()
        wrong = read_differences(level * error) * weigh_curves(error.device)
        # An error that changes from one frame to the next is seen as a tremble, and between latents as a pop.
        loss = gap + self.recipe.curves * wrong.square().mean()
        return loss + self.recipe.steadiness * wrong.diff(dim=1).square().mean()


@cache
def weigh_curves(device: torch.device) -> Tensor:
    """What errors of curves [MOTION] are multiplied by: alike where curves spread alike, and more for what is looked at."""
    return torch.tensor([SEEN.get(name, 1.0) / curve.spread[0] for name, curve in CURVES.items()], device=device)  # fmt: skip


@cache
def weigh_latents(device: torch.device) -> Tensor:
    """What squared errors of latents [1, c, 1, h, w] are worth, 1 on the average: a curve's share of its zone, by how much of the curve a coefficient tells."""
    slots, zones = list_slots(device), zone_map(device)
    names = list(CURVES)
    told = torch.tensor(
        [
            SEEN.get(names[column], 1.0) * max(spread / CURVES[names[column]].spread[0], 0.1)
            for column, spread in zip(slots.column.tolist(), slots.spread.tolist(), strict=True)
        ],
        device=device,
    )
    worth = rearrange(told, "(z c) -> c z", c=CHANNELS) / torch.bincount(zones.flatten())
    worth = worth[:, zones][None, :, None]
    return worth / worth.mean()


def draw_batches(sound: Sound, recipe: AvatarRecipe, generator: torch.Generator) -> Iterator[Clips]:
    """Batches of clips, each new."""
    while True:
        many = draw_clips(recipe.drawn_at_once * recipe.batch, sound, generator)
        split = [value.split(recipe.batch) for value in vars(many).values()]
        for parts in zip(*split, strict=True):
            yield Clips(*parts)


def train_avatar(
    pupil: Pupil,
    sound: Sound,
    recipe: AvatarRecipe,
    generator: torch.Generator,
    started: float,
) -> Iterator[list[Tensor]]:
    """Train until recipe.minutes after `started`, by time.monotonic; gives the averaged weights, every SAVE_EVERY seconds and at the end."""
    began = until = started + 60 * recipe.minutes
    if recipe.compile:
        compile_parts(pupil)
    learnt = list(pupil.transformer.parameters())
    decay = [p for p in learnt if p.ndim > 1]
    rest = [p for p in learnt if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}],
        lr=recipe.rate, betas=(0.9, 0.98), fused=generator.device.type == "cuda",
    )  # fmt: skip
    average = [p.detach().clone() for p in learnt]
    maker, batches = BatchMaker(recipe, generator), draw_batches(sound, recipe, generator)
    step, done, saved, mark = 0, 0.0, started, torch.zeros((), device=generator.device)
    while done < 1:
        for group in optimiser.param_groups:
            group["lr"] = rate_at(recipe.rate, recipe.warm_up, step, done)
        clips = next(batches)
        loss = maker.loss(pupil, clips, own=step % recipe.own_past == 0)
        loss.backward()
        nn.utils.clip_grad_norm_(learnt, 1.0, foreach=True)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        keep = min(recipe.ema, (step + 1) / (step + 10))
        torch._foreach_lerp_(average, [p.detach() for p in learnt], 1 - keep)
        mark = mark.lerp(loss.detach(), 0.02)
        step += 1
        now = time.monotonic()
        if step == COMPILED:
            began = now
        if step >= COMPILED:
            done = (now - began) / max(until - began, 1e-6)
        if now > saved + SAVE_EVERY:
            saved = now
            yield average
        if step in (1, 20) or step % 200 == 0:
            _log.info("step %d, %.0f s, velocity %.4f", step, now - started, mark)
    yield average


def compile_parts(pupil: Pupil) -> None:
    """Compile one block and one injection: every layer shares the code."""
    # Every layer of the injector is a version of its own, with and without gradients.
    torch._dynamo.config.recompile_limit = 64
    for block in pupil.transformer.blocks:
        block.compile(dynamic=False)
    pupil.transformer.audio_injector.compile(dynamic=False)
    pupil.hearing.audio.compile(dynamic=False)


def save_avatar(pupil: Pupil, weights: list[Tensor], folder: Path) -> None:
    """All that AVATAR_FILE holds, with these weights of the transformer."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"transformer.{name}" for name, _ in pupil.transformer.named_parameters()]
    state = dict(zip(names, weights, strict=True)) | pupil.hearing.state_dict()
    save_file(round_weights(state), folder / AVATAR_FILE)


def load_pupil(path: Path) -> Pupil:
    """A pupil who hears as the weights in a file do, and begins with their transformer, where they have one."""
    pupil = Pupil(load_hearing(path))
    if known := weights_of_part(load_file(path), "transformer."):
        pupil.transformer.load_state_dict(known)
    return pupil


def main() -> None:
    """Train one stage."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, required=True, help="of all, compiling too")
    parser.add_argument("--sound", type=Path, nargs="+", required=True)
    parser.add_argument(
        "--init",
        type=Path,
        required=True,
        help="weights of the stage before: train_hearing's, or one's own",
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="tiny, to find mistakes")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d ms %(message)s")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
    generator = torch.Generator(device).manual_seed(args.seed)
    torch.manual_seed(args.seed)
    recipe = AvatarRecipe(args.minutes, rate=args.rate)
    if args.smoke:
        on_card = device.type == "cuda"  # what is paid for is compiled, so that is tried too
        recipe = replace(recipe, batch=2, drawn_at_once=2, compile=on_card)
    pupil = load_pupil(args.init).to(device)
    sound = load_sound(args.sound, device)
    for weights in train_avatar(pupil, sound, recipe, generator, started):
        save_avatar(pupil, weights, args.out)


if __name__ == "__main__":
    main()
