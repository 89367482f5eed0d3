"""Train pocket's speech encoder and viseme head: python -m model.pocket.training.train_hearing --minutes 3 --sound FILE ... --rare FILE ... --out DIR.

They hear mouths: log-mel, as many voices, rooms and microphones would give it, to the curves of the lips that say it. A step of this takes a hundredth of one of the
transformer's, so that many hours are heard many times. `--rare` is sound of synthesisers of which there is little: every third clip is cut from it.
"""

import argparse
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from model.encoders.mel_encoder import CONTEXT_FRAMES, MelEncoder
from model.pocket.curve_layout import CURVES
from model.pocket.model_traits import AVATAR_FILE
from model.pocket.training.curve_clips import WARM, Sound, load_sound
from model.pocket.training.mel_augmenter import MelAugmenter
from model.pocket.viseme_head import LIPS, VisemeHead

RARE = 1 / 3
PARTS = ("audio.", "viseme.")
"""How the weights' names begin in AVATAR_FILE."""
_log = logging.getLogger("train_hearing")


@dataclass(frozen=True)
class HearingRecipe:
    """What may be turned."""

    minutes: float
    batch: int = 768
    rate: float = 1.2e-3
    warm_up: int = 100
    ema: float = 0.998
    compile: bool = True


class Hearing(nn.Module):
    """The speech encoder and the viseme head."""

    def __init__(self) -> None:
        super().__init__()
        self.audio, self.viseme = MelEncoder(), VisemeHead()

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Features [n, layer, channel, frame] of mel [n, band, …] with its context, and the LIPS [n, frame, 3] that are heard in them."""
        features = self.audio(mel)[..., CONTEXT_FRAMES:-CONTEXT_FRAMES]
        return features, self.viseme(features)


def rate_at(most: float, warm_up: int, step: int, done: float) -> float:
    """Learning rate at a step, when a share of the time is over: a warm-up in steps and a cosine on the clock."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(done, 1)))
    return most * min(1, (step + 1) / warm_up) * (0.02 + 0.98 * cosine)


def hear_loss(hearing: nn.Module, mel: Tensor, lips: Tensor) -> Tensor:
    """How wrong the LIPS [n, frame, 3] are that are heard in mel [n, band, …] with its context; a tremble counts as well."""
    with torch.autocast(mel.device.type, torch.bfloat16, enabled=mel.is_cuda):
        _, heard = hearing(mel)
    worth = lips.new_tensor([1 / CURVES[name].spread[0] for name in LIPS])
    wrong = worth * (heard.float() - lips)
    return wrong.square().mean() + wrong.diff(dim=1).square().mean()


def cut_clips(
    sounds: tuple[Sound, Sound | None], n: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mel [n, band, …] with its context and LIPS [n, frame, 3] of clips of the common and of the rare sound."""
    common, rare = sounds
    if rare is None:
        mel, lips = common.cut(n, generator)
        return mel, lips[:, 4 * WARM :]
    few = round(RARE * n)
    parts = [common.cut(n - few, generator), rare.cut(few, generator)]
    mel, lips = (torch.cat(part) for part in zip(*parts, strict=True))
    return mel, lips[:, 4 * WARM :]


def train_hearing(
    hearing: Hearing,
    sounds: tuple[Sound, Sound | None],
    recipe: HearingRecipe,
    generator: torch.Generator,
    started: float,
) -> None:
    """Train until recipe.minutes after `started`, by time.monotonic; it then has the averaged weights."""
    learnt = list(hearing.parameters())
    fused = generator.device.type == "cuda"
    optimiser = torch.optim.AdamW(learnt, recipe.rate, (0.9, 0.98), weight_decay=0.02, fused=fused)
    average = [p.detach().clone() for p in learnt]
    augmenter, step = MelAugmenter(generator), 0
    wrong = torch.zeros((), device=generator.device)
    if recipe.compile:
        hearing.audio.compile(dynamic=False)
    while (done := (time.monotonic() - started) / (60 * recipe.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = rate_at(recipe.rate, recipe.warm_up, step, done)
        mel, lips = cut_clips(sounds, recipe.batch, generator)
        loss = hear_loss(hearing, augmenter.disturb(mel), lips)
        loss.backward()
        nn.utils.clip_grad_norm_(learnt, 1.0, foreach=True)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        keep = min(recipe.ema, (step + 1) / (step + 10))
        torch._foreach_lerp_(average, [p.detach() for p in learnt], 1 - keep)
        wrong, step = wrong.lerp(loss.detach(), 0.02), step + 1
        if step == 1 or step % 200 == 0:
            _log.info("step %d, %.0f s, lips %.5f", step, time.monotonic() - started, wrong)
    with torch.no_grad():
        for p, a in zip(learnt, average, strict=True):
            p.copy_(a)


def load_hearing(path: Path) -> Hearing:
    """The speech encoder and the viseme head in a file of weights."""
    hearing = Hearing()
    found = {name: weight for name, weight in load_file(path).items() if name.startswith(PARTS)}
    hearing.load_state_dict(found)
    return hearing


def save_hearing(hearing: Hearing, folder: Path, beside: Path | None) -> None:
    """Rounded weights in AVATAR_FILE, with what else is in the file `beside`."""
    folder.mkdir(parents=True, exist_ok=True)
    state = load_file(beside) if beside else {}
    save_file(state | round_weights(hearing.state_dict()), folder / AVATAR_FILE)


def round_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights on the CPU in bf16; those of the viseme head, which are few and whose large terms cancel, in float32."""
    return {
        name: weight.detach()
        .to("cpu", torch.float32 if name.startswith("viseme.") else torch.bfloat16)
        .contiguous()
        for name, weight in state.items()
    }


def main() -> None:
    """Train, save."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, required=True, help="of all, compiling too")
    parser.add_argument("--sound", type=Path, nargs="+", required=True)
    parser.add_argument("--rare", type=Path, nargs="+", default=[])
    parser.add_argument(
        "--init", type=Path, help="weights to go on from; those of the transformer are kept"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--batch", type=int, default=768)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d ms %(message)s")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(args.seed)
    generator = torch.Generator(device).manual_seed(args.seed)
    recipe = HearingRecipe(
        args.minutes, batch=args.batch, rate=args.rate, compile=device.type == "cuda"
    )
    hearing = (load_hearing(args.init) if args.init else Hearing()).to(device)
    rare = load_sound(args.rare, device) if args.rare else None
    train_hearing(hearing, (load_sound(args.sound, device), rare), recipe, generator, started)
    save_hearing(hearing, args.out, args.init)


if __name__ == "__main__":
    main()
