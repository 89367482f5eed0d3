"""One clip looked into: its latents after each step as pictures and numbers, from what lies on disk."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.inspection.contact_sheet import draw_strip, picture_of, save_sheet
from pipeline.inspection.latent_pictures import ModelDecoder, choose_painter
from pipeline.inspection.location import blocks_per_clip, latents_per_block
from pipeline.json_output import to_json
from pipeline.upkeep.verify import measure_rates
from storage.errors import BadOption, NotMade, Pruned, count_noun
from tasks.replay import find_kept_steps, replay_steps, route_to, scratch_folder

if TYPE_CHECKING:
    from pipeline.inspection.latent_pictures import Byte, Float, Painter
    from storage.output_file import OutputFile
    from storage.run import Run

Notice = Callable[[str], None]


@dataclass(frozen=True)
class ClipView:
    """What to look at in one clip, and where its picture goes."""

    clip: int
    step: int | None = None
    """None: all that are there."""
    block: int | None = None
    """None: the whole clip."""
    output_file: Path | None = None
    overwrite: bool = False
    """It may take the place of another file."""
    decode: bool = False
    """By the model's own decoder."""
    replay: bool = False
    """Steps that are not kept are made again."""


@dataclass(frozen=True)
class ChannelStatistics:
    """One channel of a clip's (or a block's) latents after one step; NaN where nothing is finite."""

    step: int
    channel: int
    low: float
    high: float
    mean: float
    deviation: float
    nan: int
    """Values that are no number or not finite."""


@dataclass(frozen=True)
class ClipInspection:
    """What one clip's latents are: numbers of each step and channel, and the picture that was written."""

    run: str
    clip: int
    block: int | None
    steps: int
    """That are there; 1 where only the latents are."""
    source: str
    """Where the latents come from: kept, the latents alone, made again."""
    picture: str
    """The PNG: a row a step, a column a latent frame."""
    drawn: str
    """How latents became pictures."""
    numbers: tuple[ChannelStatistics, ...]
    shown: "Byte"
    """The last row [y, x, rgb], for a terminal."""

    def as_json(self) -> str:
        """The inspection as one JSON object without its pixels, for machines; NaN is null."""
        return to_json({name: value for name, value in vars(self).items() if name != "shown"})


def inspect_clip(run: "Run", look: ClipView, tell: Notice = lambda _: None) -> ClipInspection:
    """Look into a clip of a finished, running or crashed run; writes one PNG, and steps that are made again into a scratch folder.

    `tell` hears what a replay will cost, before it begins.
    """
    check_view(run, look)
    target = picture_of(
        run, look.output_file or Path(_file_name(run, look)), overwrite=look.overwrite
    )
    steps, source = _read_steps(run, look, tell)
    last = len(steps) - 1
    if look.step is not None and not 0 <= look.step <= last:
        raise BadOption(
            "--step", look.step, f"this clip has {count_noun(last + 1, 'step')}, counted from 0"
        )
    chosen = range(len(steps)) if look.step is None else [look.step]
    painter: Painter = (
        ModelDecoder(run, look.clip) if look.decode else choose_painter(run, lambda: steps[-1])
    )
    part = frames_of_block(run, look.block)
    rows = [(number, painter.paint(steps[number])[part]) for number in chosen]
    _save_picture(target, run, look, rows)
    numbers = tuple(row for n in chosen for row in measure_channels(n, steps[n][:, part]))
    says = f"by {painter.says}"
    row = np.concatenate(rows[-1][1], 1)
    return ClipInspection(
        str(run.root),
        look.clip,
        look.block,
        len(steps),
        source,
        str(target.path),
        says,
        numbers,
        row,
    )


def check_view(run: "Run", look: ClipView) -> None:
    """Raise BadOption where the film has no such clip or block."""
    last, blocks = run.spec.clips - 1, blocks_per_clip(run.spec)
    if not 0 <= look.clip <= last:
        raise BadOption(
            "--clip", look.clip, f"the film has {count_noun(last + 1, 'clip')}, counted from 0"
        )
    if look.block is not None and not 0 <= look.block < blocks:
        raise BadOption(
            "--block", look.block, f"a clip has {count_noun(blocks, 'block')}, counted from 0"
        )


def frames_of_block(run: "Run", block: int | None) -> slice:
    """The slice of latent frames of a block, or of the whole clip for None."""
    each = latents_per_block(run.spec)
    return slice(None) if block is None else slice(block * each, (block + 1) * each)


def _read_steps(run: "Run", look: ClipView, tell: Notice) -> "tuple[Float, str]":
    """A clip's latents after each step [step, c, t, h, w], and in words where they come from."""
    try:
        return run.steps.view(look.clip), "the steps as they are kept"
    except (NotMade, Pruned):
        latents = run.latents.view(look.clip)
    wanted = look.replay or (look.step is not None and 0 <= look.step < run.spec.steps - 1)
    if wanted:
        return _replay_steps(run, look.clip, tell)
    if look.step == run.spec.steps - 1:
        # The last step is what the latents are; the others are not asked for.
        return np.broadcast_to(
            latents, (run.spec.steps, *latents.shape)
        ), "the latents, which are the last step"
    return latents[None], "the latents alone: the steps are not kept, --replay makes them again"


def _replay_steps(run: "Run", clip: int, tell: Notice) -> "tuple[Float, str]":
    scratch = scratch_folder(run)
    if (before := find_kept_steps(run, clip, scratch)) is not None:
        return before, f"steps made again before, in {scratch}"
    tell(describe_replay_cost(run, route_to(run, clip).clips, scratch))
    steps, way = replay_steps(
        run, clip, scratch, lambda each: tell(f"clip {each}: equal to what is published")
    )
    made = f"steps made again: {count_noun(len(way), 'clip')} denoised"
    return steps, f"{made}, each equal to what is published; kept in {scratch}"


def describe_replay_cost(run: "Run", way: range, scratch: Path) -> str:
    """What a replay of these clips takes, in one line, before it begins."""
    each = measure_rates(run).get("denoise")
    long = (
        f"about {each * len(way):.0f} s once the model is loaded"
        if each
        else "this run cannot tell how long"
    )
    clips = f"clip {way[-1]} is" if len(way) == 1 else f"clips {way[0]} to {way[-1]} are"
    return f"The steps of clip {way[-1]} are not kept: {clips} denoised again ({long}). The run stays as it is; they go to {scratch}."


def measure_channels(step: int, latents: "Float") -> Iterator[ChannelStatistics]:
    """Statistics of each channel of latents [c, t, h, w] after one step."""
    for channel, values in enumerate(latents.reshape(len(latents), -1)):
        good = values[np.isfinite(values)].astype(np.float64)
        if not good.size:
            good = np.array([np.nan])
        low, high, mean = float(good.min()), float(good.max()), float(good.mean())
        nan = int(np.count_nonzero(~np.isfinite(values)))
        yield ChannelStatistics(step, channel, low, high, mean, float(good.std()), nan)


def _file_name(run: "Run", look: ClipView) -> str:
    parts = (("clip", look.clip), ("block", look.block), ("step", look.step))
    words = "-".join(f"{name}{value}" for name, value in parts if value is not None)
    return f"{run.root.name}-{words}.png"


def _save_picture(
    target: "OutputFile", run: "Run", look: ClipView, rows: "list[tuple[int, Byte]]"
) -> None:
    spec = run.spec
    first = (frames_of_block(run, look.block).start or 0) * spec.frames_per_latent
    begin = look.clip * spec.clip_frames + first
    seconds = [(begin + n * spec.frames_per_latent) / spec.fps for n in range(len(rows[0][1]))]
    save_sheet(target, draw_strip([(f"step {number}", list(row)) for number, row in rows], seconds))
