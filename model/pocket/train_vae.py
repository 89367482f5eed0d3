"""Train pocket's VAE: `python -m model.pocket.train_vae --minutes 9 --out OUT [--init FILE] [--smoke]`.

A stock AutoencoderKLWan from nothing, on drawn faces that are rendered while it learns. The clock is
the budget: the learning rate follows the time that is left, not a number of steps.
"""

import argparse
import json
import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
from torch import Tensor, nn
from torch.nn import functional as F

from model.pocket import face, motion
from model.pocket.judge_vae import judge, save
from model.vae import NoPast, arrange, walk_decoder, walk_encoder

CONFIG: dict[str, Any] = {
    "base_dim": 16,
    "dim_mult": [2, 3, 4],
    "num_res_blocks": 1,
    "z_dim": 16,
    "temperal_downsample": [True, True],
    "patch_size": 4,
    "in_channels": 48,
    "out_channels": 48,
    "scale_factor_spatial": 16,
    "scale_factor_temporal": 4,
}
# Short clips show many faces; long ones show a past as full as a film's.
SHORT, LONG = 13, 49
NOISE = 0.15
"""How much of a latent's spread the denoiser may be wrong by."""
WEIGHT_SIDE = 4
"""Pixels to one stored weight."""
SAVE_EVERY = 120
"""Seconds."""
_log = logging.getLogger("train_vae")


@dataclass(frozen=True)
class Plan:
    """How much of everything: the real thing, or a smoke test on a CPU."""

    size: int = 256
    pool: int = 640
    fresh_every: int = 2
    """Steps to one new clip in the pool."""
    short_batch: int = 24
    long_batch: int = 6
    long: int = LONG
    rate: float = 1.2e-3
    judged: int = 16
    report: int = 200


SMOKE = Plan(size=64, pool=12, short_batch=4, long_batch=1, long=17, judged=2, report=10)


def draw_chatter(n: int, t: int, generator: torch.Generator) -> Tensor:
    """Mouth curves [n, t, 3] of nobody's words: shut often, open anyhow, at the pace of speech."""
    keys, device = math.ceil(t / 2.5) + 2, generator.device
    draw = torch.rand(n, 6, keys, generator=generator, device=device)
    aperture = draw[:, 0] * (draw[:, 1] > 0.3)
    width = 0.1 + 0.9 * draw[:, 2]
    rounding = draw[:, 3] * (draw[:, 4] > 0.6)
    talks = (draw[:, 5, :1] > 0.15).float()
    curves = torch.stack((aperture * talks, 0.5 + (width - 0.5) * talks, rounding * talks), 1)
    curves = F.interpolate(curves, scale_factor=2.5, mode="linear", align_corners=True)
    return curves[..., :t].transpose(1, 2)


def draw_clips(
    n: int, t: int, size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Identities, motions, pictures uint8 [n, t, y, x, rgb] and weights [n, t, y/4, x/4] of n clips."""
    who = face.draw_identities(n, generator)
    moves = motion.draw_motion(n, t, draw_chatter(n, t, generator), generator)
    pictures = face.render(who, moves, size).movedim(2, -1)
    weights = face.weights(who, moves, size // WEIGHT_SIDE)[:, :, 0]
    return who, moves, (pictures * 255).round().to(torch.uint8), weights.half()


class Pool:
    """Rendered clips on the device; the oldest give way to new ones while training goes on."""

    def __init__(self, plan: Plan, generator: torch.Generator) -> None:
        self._plan, self._generator, self._oldest = plan, generator, 0
        n, t, s, device = plan.pool, plan.long, plan.size, generator.device
        self._pictures = torch.empty(n, t, s, s, 3, dtype=torch.uint8, device=device)
        w = s // WEIGHT_SIDE
        self._weights = torch.empty(n, t, w, w, dtype=torch.float16, device=device)
        for _ in range(n):
            self.refresh()

    def refresh(self) -> None:
        """Put a new clip in the place of the oldest."""
        plan, at = self._plan, self._oldest
        _, _, pictures, weights = draw_clips(1, plan.long, plan.size, self._generator)
        # Half of them mirrored, a tenth in colours of no face: the weights must serve drawings too.
        if torch.rand(()) < 0.5:
            pictures, weights = pictures.flip(3), weights.flip(3)
        if torch.rand(()) < 0.1:
            pictures = pictures[..., torch.randperm(3, device=pictures.device)]
        self._pictures[at], self._weights[at] = pictures[0], weights[0]
        self._oldest = (at + 1) % plan.pool

    def batch(self, n: int, t: int) -> tuple[Tensor, Tensor]:
        """Pictures [n, t, y, x, rgb] and weights [n, t, y/4, x/4]."""
        clip = torch.randint(self._plan.pool, (n, 1))
        start = torch.randint(self._plan.long - t + 1, (n, 1))
        frame = start + torch.arange(t)
        # The still that begins a stream is seldom the first frame of the film; some films stand still.
        lone = torch.rand(n) < 0.3
        frame[lone, 0] = torch.randint(self._plan.long, (n,))[lone]
        frame[torch.rand(n) < 0.06] = start[0]
        device = self._generator.device
        clip, frame = clip.to(device, non_blocking=True), frame.to(device, non_blocking=True)
        return self._pictures[clip, frame], self._weights[clip, frame]


def make_vae(init: Path | None = None) -> Any:
    """An AutoencoderKLWan that begins as a plain shrink and enlargement, or from a file of weights."""
    from diffusers import AutoencoderKLWan
    from safetensors.torch import load_file

    vae = AutoencoderKLWan(**CONFIG)
    if init is not None:
        vae.load_state_dict(load_file(init))
    else:
        _begin_plainly(vae)
    arrange(vae)
    return vae


@torch.no_grad()
def _begin_plainly(vae: Any) -> None:
    """Convolutions look at their centre and keep the scale, residuals add nothing, time is repeated and averaged.

    The stock beginning loses nearly all of the picture on its way through, and then learns a grey one for long.
    """
    for name, layer in vae.named_modules():
        if not isinstance(layer, nn.Conv2d | nn.Conv3d):
            continue
        weight: Tensor = layer.weight
        nn.init.zeros_(layer.get_parameter("bias"))
        nn.init.normal_(weight, std=0.5 / math.sqrt(weight[0].numel()))
        centre = weight[:, :, -1] if weight.ndim == 5 else weight
        centre = centre[:, :, centre.shape[2] // 2, centre.shape[3] // 2]
        if name.endswith(("conv2", "attentions.0.proj")):
            nn.init.zeros_(weight)
        elif name.endswith("time_conv"):
            eye = torch.eye(layer.in_channels)
            if layer.out_channels > layer.in_channels:
                centre += eye.repeat(2, 1)
            else:
                weight[:, :, 1:, 0, 0] += 0.5 * eye[..., None]
        else:
            centre += torch.randn_like(centre) * math.sqrt(0.75 / layer.in_channels)
    vae.quant_conv.bias[vae.config.z_dim :] = -5.0


def loss_of(
    made: Tensor, pictures: Tensor, weights: Tensor, strict: Tensor
) -> tuple[Tensor, Tensor]:
    """The loss of frames [b, t, y, x, rgb] in −1..1 against bytes, and their mean squared error.

    `strict` 0..1 fades in all but the plain error: edges and flicker are least in a grey picture, and
    a beginner who minds them never leaves it.
    """
    error = made.float() - (pictures.float() / 127.5 - 1)
    h, w = error.shape[2:4]
    weight = F.interpolate(
        weights.float(), size=(h, w), mode="bilinear", align_corners=False
    ).unsqueeze(-1)
    loss = (weight * error.abs()).mean()
    across, down = error.diff(dim=3), error.diff(dim=2)
    edges = (weight[:, :, :, 1:] * across.abs()).mean() + (weight[:, :, 1:] * down.abs()).mean()
    curves = across.diff(dim=3).abs().mean() + down.diff(dim=2).abs().mean()
    # A repeated error is less seen than one that comes and goes every four frames.
    flicker = (weight[:, 1:] * error.diff(dim=1).abs()).mean()
    details = 0.6 * edges + 0.2 * curves + 3.0 * flicker
    return loss + strict * details, error.square().mean()


def rms_silu(x: Tensor, gamma: Tensor) -> Tensor:
    """RMS norm and SiLU over the last axis, in one piece for a compiler."""
    y = x.float()
    y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + 1e-12) * gamma
    return F.silu(y).to(x.dtype)


class Trainer:
    """The weights, their average, and one step."""

    def __init__(self, vae: Any, plan: Plan, device: torch.device, *, compiled: bool) -> None:
        self.vae, self.plan, self.device = vae.to(device).train(), plan, device
        self.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.past = NoPast(fold=device.type == "cpu")
        self.loss_of: Callable[..., tuple[Tensor, Tensor]] = loss_of
        if compiled:
            self._compile()
        self.weights = list(vae.parameters())
        self.average = [weight.detach().clone() for weight in self.weights]
        self.optimiser = torch.optim.AdamW(
            self.weights,
            lr=plan.rate,
            betas=(0.9, 0.98),
            weight_decay=0.01,
            fused=device.type == "cuda",
        )
        self.strict = torch.zeros((), device=device)
        self.begins = True
        """False where the weights have learned before: then the whole loss counts from the first step."""
        self.spread = torch.ones(CONFIG["z_dim"], device=device)
        self.steps = 0

    def _compile(self) -> None:
        # Only what is many small kernels: compiling the whole model costs more minutes than it saves.
        torch._dynamo.config.recompile_limit = 64
        torch._dynamo.config.suppress_errors = True
        fused = torch.compile(rms_silu, dynamic=False)

        def norm(layer: Any, x: Tensor) -> Tensor:
            rows = x.reshape(-1, x.shape[-1])
            return fused(rows, layer.gamma.flatten()).view_as(x)

        self.past.normalise = norm
        self.loss_of = torch.compile(loss_of, dynamic=False)

    def forward(self, pictures: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The loss and the mean squared error of one batch."""
        frames = (pictures.to(self.dtype) / 127.5 - 1).movedim(-1, 1)
        mean, spread = walk_encoder(self.vae, frames, self.past).float().chunk(2, dim=1)
        spread = spread.clamp(-20, 10)
        prior = 0.5 * (mean.square() + spread.exp() - spread - 1).mean()
        with torch.no_grad():
            self.spread.lerp_(mean.std(dim=(0, 2, 3, 4)), 0.02)
            wrong = self.strict * NOISE * torch.rand(len(mean), 1, 1, 1, 1, device=mean.device)
            wrong = wrong * self.spread.view(-1, 1, 1, 1) * torch.randn_like(mean)
        z = mean + (0.5 * spread).exp() * torch.randn_like(mean) + wrong
        made = walk_decoder(self.vae, z.to(self.dtype), self.past).movedim(1, -1)
        loss, error = self.loss_of(made, pictures, weights, self.strict)
        return loss + 2e-4 * prior, error

    def step(self, pool: Pool, progress: float) -> Tensor:
        """Learn from one batch, `progress` 0..1 of the way; the mean squared error."""
        plan = self.plan
        for group in self.optimiser.param_groups:
            group["lr"] = plan.rate * rate_at(progress)
        self.strict.fill_(min(1.0, max(0.0, (progress - 0.03) / 0.12)) if self.begins else 1.0)
        if self.steps % plan.fresh_every == 0:
            pool.refresh()
        long = self.steps % 4 == 3
        batch = (plan.long_batch, plan.long) if long else (plan.short_batch, min(SHORT, plan.long))
        loss, error = self.forward(*pool.batch(*batch))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimiser.step()
        self.steps += 1
        keep = min(0.9985, self.steps / (self.steps + 20))
        torch._foreach_lerp_(self.average, [w.detach() for w in self.weights], 1 - keep)
        return error.detach()

    def averaged(self) -> Any:
        """A copy of the model with the averaged weights."""
        vae = make_vae().to(self.device).requires_grad_(False)
        for weight, average in zip(vae.parameters(), self.average, strict=True):
            weight.copy_(average)
        return vae


def rate_at(progress: float) -> float:
    """The learning rate as a share of its peak: a short rise, then a cosine down to a fiftieth."""
    if progress < 0.02:
        return 0.05 + 0.95 * progress / 0.02
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def choose_convolutions(trainer: Trainer, pool: Pool) -> None:
    """Time both ways of convolving on this device, keep the faster, and get all compiling over with."""
    seconds = {}
    for fold in (False, True):
        trainer.past.fold = fold
        _log.info("folded %s: first steps %.1f s", fold, 2 * repeat(trainer, pool, 0, 2))
        seconds[fold] = repeat(trainer, pool, 0, 4)
    trainer.past.fold = seconds[True] < seconds[False]
    repeat(trainer, pool, 3, 2)
    both = 1e3 * seconds[False], 1e3 * seconds[True], 1e3 * repeat(trainer, pool, 3, 2)
    trainer.steps = 0
    _log.info("short clips: 3-D %.1f ms, folded %.1f ms; long clips %.1f ms", *both)


def repeat(trainer: Trainer, pool: Pool, kind: int, times: int) -> float:
    """Seconds of one step of a kind (3 takes long clips, 0 short ones)."""
    synchronise(trainer.device)
    begun = time.monotonic()
    for _ in range(times):
        trainer.steps = kind
        trainer.step(pool, 0.0)
    synchronise(trainer.device)
    return (time.monotonic() - begun) / times


def synchronise(device: torch.device) -> None:
    """Wait for the device, where there is something to wait for."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def train(trainer: Trainer, pool: Pool, seconds: float, out: Path) -> None:
    """Step until the time is up; every two minutes the weights are on disk."""
    begun = saved = time.monotonic()
    total = torch.zeros((), device=trainer.device)
    while (elapsed := time.monotonic() - begun) < seconds:
        total += trainer.step(pool, elapsed / seconds)
        if trainer.steps % trainer.plan.report == 0:
            error = total.item() / trainer.plan.report
            pace = 1e3 * (time.monotonic() - begun) / trainer.steps
            psnr = 10 * math.log10(4 / error)
            _log.info("step %d %.0f s %.2f dB %.1f ms/step", trainer.steps, elapsed, psnr, pace)
            total.zero_()
        if time.monotonic() - saved > SAVE_EVERY:
            save(finish(trainer, pool), out)
            saved = time.monotonic()
    synchronise(trainer.device)
    pace = 1e3 * (time.monotonic() - begun) / max(trainer.steps, 1)
    _log.info("trained %d steps, %.1f ms/step", trainer.steps, pace)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.0, help="of training alone")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="weights to go on from")
    parser.add_argument("--rate", type=float, help="peak learning rate")
    parser.add_argument("--eager", action="store_true", help="compile nothing")
    parser.add_argument("--smoke", action="store_true", help="tiny, on whatever device there is")
    return parser.parse_args(arguments)


@torch.no_grad()
def finish(trainer: Trainer, pool: Pool) -> Any:
    """The averaged model, with the mean and the spread of its latents in its configuration."""
    vae = trainer.averaged()
    sums = torch.zeros(3, CONFIG["z_dim"], dtype=torch.float64, device=trainer.device)
    for n, t in (
        (trainer.plan.short_batch, SHORT),
        (trainer.plan.long_batch, trainer.plan.long),
    ) * 8:
        pictures, _ = pool.batch(n, min(t, trainer.plan.long))
        frames = (pictures.to(trainer.dtype) / 127.5 - 1).movedim(-1, 1)
        mean = walk_encoder(vae, frames, NoPast(fold=trainer.past.fold))[:, : CONFIG["z_dim"]]
        mean = mean.movedim(1, -1).flatten(0, -2).double()
        sums += torch.stack(
            (torch.ones_like(mean[0]) * len(mean), mean.sum(0), mean.square().sum(0))
        )
    centre = sums[1] / sums[0]
    spread = (sums[2] / sums[0] - centre.square()).sqrt()
    vae.register_to_config(latents_mean=centre.tolist(), latents_std=spread.tolist())
    return vae


def main(arguments: list[str]) -> None:
    """Train, save, judge."""
    flags = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d ms %(message)s")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    plan = SMOKE if flags.smoke else Plan()
    if flags.rate:
        plan = replace(plan, rate=flags.rate)
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    pool = Pool(plan, torch.Generator(device).manual_seed(1))
    synchronise(device)
    _log.info("pool of %d clips", plan.pool)
    trainer = Trainer(make_vae(flags.init), plan, device, compiled=not flags.eager)
    trainer.begins = flags.init is None
    choose_convolutions(trainer, pool)
    train(trainer, pool, 60 * flags.minutes, flags.out)
    vae = finish(trainer, pool)
    save(vae, flags.out)
    facts = judge(flags.out, plan.size, plan.judged, device)
    _log.info("%s", json.dumps(facts))


if __name__ == "__main__":
    main(sys.argv[1:])
