"""Train pocket's warping network: `python -m model.pocket.training.train_warping --minutes 8.5 --out OUT`.

On drawn faces that are rendered while it learns. The clock is the budget: the learning rate follows the time that is left, not a number of steps.
With `--init FOLDER …` it goes on from the weights in there; from the mean of several, such as of two trainings with other seeds.
"""

import argparse
import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from model.motion_columns import MOTION, MOTION_COLUMNS
from model.pocket.curve_layout import RESTED, RESTED_COLUMNS
from model.pocket.model_traits import WARPING_FILE
from model.pocket.training.drawn_clips import (
    WORTH_STEP,
    ClipRenderer,
    DrawnClips,
    PhotographMover,
    mirror_clips,
)
from model.pocket.training.motion import draw_acts, draw_motion
from model.pocket.warping_network import (
    MotionFields,
    PictureFeatures,
    WarpingNetwork,
    blend_frames,
    box_planes,
)
from model.presenters.face import draw_identities, rest_motion

FRAMES = 6
"""Frames of a clip in a batch: enough to see flicker."""
FRESH = 8
"""Clips that are drawn at once, every so many steps: one at a time, a card would wait for its host."""
UNSEEN = 1_000_003
COMPILED_PARTS = ("look", "fields")
COMPILED = 10
"""Steps after which all is compiled and chosen, and the learning rate begins to fall."""
_log = logging.getLogger("train_warping")


@dataclass(frozen=True)
class WarpingRecipe:
    """What may be turned."""

    minutes: float
    size: int = 256
    pool: int = 384
    clip: int = 36
    batch: int = 44
    rate: float = 1e-3
    ema: float = 0.998
    warm_up: int = 300
    rest: float = 0.3
    blink: float = 2.0
    crispness: float = 1.0
    paint: float = 0.06
    roughness: float = 0.04
    photographs: float = 0.15
    winks: float = 0.5
    """Share of clips whose eyes shut as often as mouths do: what is rare is learnt late."""


def draw_chatter(n: int, t: int, generator: torch.Generator) -> Tensor:
    """Mouth curves [n, t, 3] of nobody's words: shut often, open anyhow, at the pace of speech."""
    keys, device = math.ceil(t / 2.5) + 2, generator.device
    draw = torch.rand(n, 6, keys, generator=generator, device=device)
    talks = (draw[:, 5, :1] > 0.15).float()
    aperture = draw[:, 0] * (draw[:, 1] > 0.3)
    width, rounding = 0.4 * (2 * draw[:, 2] - 1), draw[:, 3] * (draw[:, 4] > 0.6)
    curves = torch.stack((aperture * talks, 0.5 + width * talks, rounding * talks), 1)
    return F.interpolate(curves, scale_factor=2.5, mode="linear", align_corners=True)[..., :t].mT


class Lesson(NamedTuple):
    """One batch: pictures [n, 3, y, x] in -1..1, planes of their boxes, frames [n, 3, t, y, x], what they are worth [n, t, y/4, x/4], their curves [n, t, MOTION] and the picture's own [n, RESTED]."""

    picture: Tensor
    planes: Tensor
    frames: Tensor
    worth: Tensor
    curves: Tensor
    own: Tensor


class ClipPool:
    """Drawn clips as bytes, on the device; the oldest give way to new ones."""

    def __init__(self, recipe: WarpingRecipe, generator: torch.Generator) -> None:
        self.recipe, self.generator, self.oldest = recipe, generator, 0
        self.renderer = ClipRenderer(generator, recipe.size)
        self.photographs = PhotographMover(recipe.size, generator.device)
        n, t, s = recipe.pool, recipe.clip, recipe.size
        on = torch.zeros(1, dtype=torch.uint8, device=generator.device)
        worth = on.new_empty(n, t, 1, s // WORTH_STEP, s // WORTH_STEP, dtype=torch.float16)
        boxes = on.new_empty(n, 3, 4, dtype=torch.float32)
        curves = on.new_empty(n, t, MOTION_COLUMNS, dtype=torch.float32)
        own = on.new_empty(n, len(RESTED), dtype=torch.float32)
        self.clips = DrawnClips(
            on.new_empty(n, 3, s, s), boxes, on.new_empty(n, t, 3, s, s), worth, curves, own
        )
        for _ in range(0, n, FRESH):
            self.refresh(FRESH)

    @torch.no_grad()
    def refresh(self, n: int) -> None:
        """Put n new clips in the place of the oldest."""
        bent = self.photographs.pictures and float(torch.rand(())) < self.recipe.photographs
        made = self.move_photographs(n) if bent else self.draw(n)
        g = self.generator
        made = mirror_clips(made, torch.rand(n, generator=g, device=g.device) < 0.5)
        rows = slice(self.oldest, self.oldest + n)
        self.clips.rest[rows] = (made.rest * 255).round().to(torch.uint8)
        self.clips.frames[rows] = (made.frames * 255).round().to(torch.uint8)
        self.clips.boxes[rows], self.clips.worth[rows] = made.boxes, made.worth.half()
        self.clips.curves[rows], self.clips.own[rows] = made.curves, made.own
        self.oldest = (self.oldest + n) % self.recipe.pool

    def move_photographs(self, n: int) -> DrawnClips:
        """Photographs whose heads move as presenters' do."""
        moves = draw_motion(n, self.recipe.clip, None, self.generator)
        return self.photographs.draw(n, moves, self.generator)

    def draw(self, n: int) -> DrawnClips:
        """New presenters, chattering."""
        g, t = self.generator, self.recipe.clip
        moves = draw_motion(n, t, draw_chatter(n, t, g), g, draw_acts(n, g))
        winks = draw_chatter(n, t, g)[..., 0]
        often = torch.rand(n, 1, generator=g, device=g.device) < self.recipe.winks
        blink = MOTION.index("blink")
        moves[..., blink] = torch.where(often, winks, moves[..., blink])
        identity = draw_identities(n, g)
        rest = draw_rest(identity, draw_motion(n, 1, draw_chatter(n, 4, g)[:, :1], g), g)
        return self.renderer.draw(identity, rest, moves)

    def batch(self, n: int) -> Lesson:
        """Some frames of some clips."""
        clip = torch.randint(self.recipe.pool, (n, 1))
        frame = torch.randint(self.recipe.clip - FRAMES + 1, (n, 1)) + torch.arange(FRAMES)
        clip, frame = (x.to(self.clips.rest.device, non_blocking=True) for x in (clip, frame))
        return make_lesson(self.clips, clip, frame)


def make_lesson(clips: DrawnClips, clip: Tensor, frame: Tensor | slice) -> Lesson:
    """A lesson of frames [n, t] of clips [n, 1] of a pool of bytes."""
    rest = clips.rest[clip[:, 0]].to(torch.bfloat16) / 127.5 - 1
    boxes, own = clips.boxes[clip[:, 0]], clips.own[clip[:, 0]]
    planes = box_planes(boxes, *rest.shape[-2:]).to(rest.dtype)
    if isinstance(frame, slice):
        clip = clip[:, 0]
    frames, worth, curves = (x[clip, frame] for x in (clips.frames, clips.worth, clips.curves))
    frames = frames.transpose(1, 2).to(torch.bfloat16) / 127.5 - 1
    return Lesson(rest, planes, frames, worth[:, :, 0], curves, own)


def draw_rest(identity: Tensor, moment: Tensor, generator: torch.Generator) -> Tensor:
    """How presenters [n, I] stand in their picture [n, 1, M], given some moment of theirs: as they like to be seen, their heads a little turned, a quarter as they are."""
    turned = moment.clone()
    turned[..., 4:] = 0
    posed = rest_motion(identity) + 0.5 * turned
    draw = torch.rand(len(moment), 1, 1, generator=generator, device=generator.device)
    return torch.where(draw < 0.75, posed, moment)


class WarpingLosses(NamedTuple):
    """Parts of the loss; `error` is the mean squared error."""

    plain: Tensor
    edges: Tensor
    blink: Tensor
    crispness: Tensor
    paint: Tensor
    error: Tensor

    def total(self, recipe: WarpingRecipe, strict: Tensor) -> Tensor:
        """The loss. `strict` 0..1 fades in all but the plain error and the paint's price.

        Edges and flicker are least in a grey picture, and a beginner who minds them never leaves it.
        """
        rest = 0.6 * self.edges + recipe.blink * self.blink + recipe.crispness * self.crispness
        return self.plain + recipe.paint * self.paint + strict * rest


def compute_losses(made: Tensor, mask: Tensor, frames: Tensor, worth: Tensor) -> WarpingLosses:
    """The losses of frames [n, 3, t, y, x] whose paint had a mask [(n t), 1, y, x].

    A steady error is less seen than one that comes and goes every four frames: hence the differences in time. Absolute errors are least for a blur where an edge is
    uncertain: hence the strength of edges, wherever they are, in patches of 8 × 8. Paint costs most where the picture shows all there is.
    """
    error = made.float() - frames.float()
    weight = worth.float().repeat_interleave(4, -1).repeat_interleave(4, -2).unsqueeze(1)
    plain = (weight * (error.abs() + 2 * error.square())).mean()
    across = (weight[..., 1:] * error.diff(dim=-1).abs()).mean()
    down = (weight[..., 1:, :] * error.diff(dim=-2).abs()).mean()
    blink = (weight[:, :, 1:] * error.diff(dim=2).abs()).mean()
    crisp = (edge_strength(made.float()) - edge_strength(frames.float())).abs().mean()
    dear = mask / weight.squeeze(1).flatten(0, 1).unsqueeze(1).square()
    return WarpingLosses(plain, across + down, blink, crisp, dear.mean(), error.square().mean())


def edge_strength(frames: Tensor) -> Tensor:
    """Root mean square of the Laplacian [(n t), 1, y/8, x/8] of the brightness of frames [n, 3, t, y, x]."""
    luma = frames.mean(1).flatten(0, 1)
    inner = 4 * luma[:, 1:-1, 1:-1] - luma[:, :-2, 1:-1] - luma[:, 2:, 1:-1]
    inner = inner - luma[:, 1:-1, :-2] - luma[:, 1:-1, 2:]
    return (F.avg_pool2d(inner[:, None].square(), 8) + 1e-4).sqrt()


def stand_still(lesson: Lesson, features: PictureFeatures) -> Lesson:
    """The lesson whose last twelfth is the picture itself: where curves are what is read in it, nothing moves. What nobody knows of a photograph does not move, either."""
    rest = features.rest.detach()[:, None].expand(-1, lesson.curves.shape[1], -1)
    curves, frames = lesson.curves.clone(), lesson.frames
    known = lesson.own.isfinite()[:, None]
    still = torch.zeros_like(known)
    many = max(1, len(known) // 12)
    still[-many:] = True
    curves = curves * ~still[..., :1]
    told = torch.where(known & ~still, curves[..., RESTED_COLUMNS], rest)
    curves[..., RESTED_COLUMNS] = told
    frames = torch.cat([frames[:-many], lesson.picture[-many:, :, None].expand_as(frames[-many:])])
    return lesson._replace(curves=curves, frames=frames)


def rebuild_frames(
    network: WarpingNetwork, lesson: Lesson, features: PictureFeatures
) -> tuple[Tensor, MotionFields]:
    """Frames [n, 3, t, y, x] of a lesson's curves, and their fields."""
    fields = network.fields(features, lesson.curves)
    with torch.autocast(lesson.curves.device.type, enabled=False):
        made = blend_frames(lesson.picture.float(), fields)
    return made.unflatten(0, (len(lesson.picture), -1)).transpose(1, 2), fields


class WarpingTrainer:
    """The weights, their average, and one step."""

    def __init__(self, network: WarpingNetwork, recipe: WarpingRecipe) -> None:
        self.network, self.recipe, self.step = network, recipe, 0
        self.device = network.grow.weight.device
        self.learnt = list(network.parameters())
        self.optimiser = torch.optim.AdamW(
            self.learnt, recipe.rate, (0.9, 0.98), weight_decay=0.01,
            fused=self.device.type == "cuda",
        )  # fmt: skip
        self.average = [p.detach().clone() for p in self.learnt]
        self.strict = torch.zeros((), device=self.device)
        self.judge: Callable[..., WarpingLosses] = compute_losses
        if self.device.type == "cuda":
            self.judge = torch.compile(compute_losses, dynamic=False)
        if self.device.type == "cuda":
            for part in COMPILED_PARTS:
                setattr(network, part, torch.compile(getattr(network, part), dynamic=False))

    def learn(self, lesson: Lesson, done: float) -> Tensor:
        """One step when a share of the time is over; the mean squared error."""
        recipe = self.recipe
        rate = recipe.rate * min(1.0, (self.step + 1) / recipe.warm_up)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
        self.strict.fill_(min(1.0, max(0.0, (self.step - 200) / 600)))
        with torch.autocast(self.device.type, torch.bfloat16):
            features = self.network.look(lesson.picture, lesson.planes)
            lesson = stand_still(lesson, features)
            made, fields = rebuild_frames(self.network, lesson, features)
        losses = self.judge(made, fields.mask, lesson.frames, lesson.worth)
        rough = fields.flow.diff(dim=-1).abs().mean() + fields.flow.diff(dim=-2).abs().mean()
        read = torch.where(lesson.own.isfinite(), features.rest - lesson.own, 0)
        loss = losses.total(recipe, self.strict) + recipe.rest * read.square().mean()
        (loss + recipe.roughness * rough).backward()
        nn.utils.clip_grad_norm_(self.learnt, 1.0, foreach=True)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        keep = min(recipe.ema, self.step / (self.step + 10))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.learnt], 1 - keep)
        self.step += 1
        return losses.error.detach()


def train_warping(
    network: WarpingNetwork, pool: ClipPool, recipe: WarpingRecipe, started: float
) -> None:
    """Train until recipe.minutes after `started`, by time.monotonic; the network then has the averaged weights."""
    trainer, done = WarpingTrainer(network, recipe), 0.0
    began = until = started + 60 * recipe.minutes
    while done < 1:
        if trainer.step % FRESH == 0:
            pool.refresh(FRESH)
        error = trainer.learn(pool.batch(recipe.batch), done)
        now = time.monotonic()
        if trainer.step == COMPILED:
            began = now
        if trainer.step >= COMPILED:
            done = (now - began) / max(until - began, 1e-6)
        if trainer.step % 200 == 0:
            decibels = 10 * math.log10(4 / float(error))
            _log.info("step %d, %.0f s, %.2f dB", trainer.step, now - started, decibels)
    _log.info("%d steps", trainer.step)
    with torch.no_grad():
        for p, a in zip(trainer.learnt, trainer.average, strict=True):
            p.copy_(a)
    for part in COMPILED_PARTS:  # what follows has other shapes, and is not worth compiling
        vars(network).pop(part, None)


def average_weights(folders: Sequence[Path]) -> dict[str, Tensor]:
    """The mean in float32 of the warping networks of these folders (Wortsman et al. 2022, arXiv 2203.05482: runs from one beginning are in one valley)."""
    states = [load_file(folder / WARPING_FILE) for folder in folders]
    return {
        name: torch.stack([state[name].float() for state in states]).mean(0) for name in states[0]
    }


def save_warping_network(network: WarpingNetwork, folder: Path) -> None:
    """Weights in bf16."""
    folder.mkdir(parents=True, exist_ok=True)
    state = network.state_dict()
    save_file(
        {k: v.to("cpu", torch.bfloat16).contiguous() for k, v in state.items()},
        folder / WARPING_FILE,
    )


@torch.no_grad()
def evaluate_warping(network: WarpingNetwork, size: int) -> dict[str, float]:
    """PSNR in decibels of unseen faces, whole and weighted to mouth and eyes; edges against the truth's; the share that is painted; how wrong the picture's own curves are read."""
    device = network.grow.weight.device
    recipe = WarpingRecipe(1, size=size, pool=16, clip=48, photographs=0)
    clips = ClipPool(recipe, torch.Generator(device).manual_seed(UNSEEN)).clips
    made, painted, misread = [], 0.0, 0.0
    for row in range(recipe.pool):
        lesson = make_lesson(clips, torch.tensor([[row]], device=device), slice(None))
        with torch.autocast(device.type, torch.bfloat16):
            features = network.look(lesson.picture, lesson.planes)
            frames, fields = rebuild_frames(network, lesson, features)
        made.append(frames.clamp(-1, 1).float())
        painted += float(fields.mask.mean()) / recipe.pool
        misread += float((features.rest - lesson.own).abs().mean()) / recipe.pool
    whole, truth = torch.cat(made), clips.frames.transpose(1, 2) / 127.5 - 1
    error = (whole - truth).square().mean(1)
    worth = clips.worth[:, :, 0].float().repeat_interleave(4, -1).repeat_interleave(4, -2) - 1
    edges = [edge_strength(f).square().mean().sqrt() for f in (whole, truth)]
    return {
        "psnr": 10 * math.log10(4 / float(error.mean())),
        "psnr_mouth_eyes": 10 * math.log10(4 / float((error * worth).sum() / worth.sum())),
        "sharpness": float(edges[0] / edges[1]),
        "painted": painted,
        "misread": misread,
    }


def main() -> None:
    """Train, save, check."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, required=True, help="of all, compiling too")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, nargs="+", help="folders whose mean it goes on from")
    parser.add_argument("--seed", type=int, default=0, help="of presenters and of their motion")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--smoke", action="store_true", help="tiny, to find mistakes")
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d ms %(message)s")
    torch.manual_seed(args.seed)
    torch.backends.cudnn.benchmark = True
    recipe = WarpingRecipe(args.minutes, rate=args.rate)
    if args.smoke and device.type == "cpu":
        recipe = replace(recipe, size=64, pool=8, batch=2, clip=16)
    pool = ClipPool(recipe, torch.Generator(device).manual_seed(args.seed + 1))
    network = WarpingNetwork().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stub lacks memory_format
    if args.init:
        network.load_state_dict(average_weights(args.init))
    train_warping(network, pool, recipe, started)
    save_warping_network(network, args.out)
    _log.info("%s", json.dumps(evaluate_warping(network, recipe.size)))


if __name__ == "__main__":
    main()
