"""One clip looked into: its latents after each step as pictures and numbers, from what lies on disk."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.inspection.contact_sheet import draw_strip, prepare_picture, save_sheet
from pipeline.inspection.latent_pictures import ModelDecoder, choose_painter
from pipeline.inspection.location import blocks_per_clip, latents_per_block
from pipeline.json_output import to_json
from pipeline.upkeep.verify import measure_rates
from storage.errors import BadOption, NotMade, Pruned, count_noun
from tasks.replay import find_kept_steps, replay_steps, route_to, scratch_folder

if TYPE_CHECKING:
    from model.latent_preview import Painter
    from pipeline.inspection.latent_pictures import Byte, Float
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


def inspect_clip(run: "Run", view: ClipView, tell: Notice = lambda _: None) -> ClipInspection:
    """Look into a clip of a finished, running or crashed run; writes one PNG, and steps that are made again into a scratch folder.

    `tell` hears what a replay will cost, before it begins.
    """
    check_view(run, view)
    target = prepare_picture(
        run, view.output_file or Path(_file_name(run, view)), overwrite=view.overwrite
    )
    steps, source = _read_steps(run, view, tell)
    last = len(steps) - 1
    if view.step is not None and not 0 <= view.step <= last:
        raise BadOption(
            "--step", view.step, f"this clip has {count_noun(last + 1, 'step')}, counted from 0"
        )
    chosen = range(len(steps)) if view.step is None else [view.step]
    painter: Painter = (
        ModelDecoder(run, view.clip) if view.decode else choose_painter(run, lambda: steps[-1])
    )
    part = block_slice(run, view.block)
    rows = [(number, painter.paint(steps[number])[part]) for number in chosen]
    _save_picture(target, run, view, rows)
    numbers = tuple(row for n in chosen for row in measure_channels(n, steps[n][:, part]))
    says = f"by {painter.says}"
    row = np.concatenate(rows[-1][1], 1)
    return ClipInspection(
        str(run.root),
        view.clip,
        view.block,
        len(steps),
        source,
        str(target.path),
        says,
        numbers,
        row,
    )


def check_view(run: "Run", view: ClipView) -> None:
    """Raise BadOption where the film has no such clip or block."""
    last, blocks = run.spec.clips - 1, blocks_per_clip(run.spec)
    if not 0 <= view.clip <= last:
        raise BadOption(
            "--clip", view.clip, f"the film has {count_noun(last + 1, 'clip')}, counted from 0"
        )
    if view.block is not None and not 0 <= view.block < blocks:
        raise BadOption(
            "--block", view.block, f"a clip has {count_noun(blocks, 'block')}, counted from 0"
        )


def block_slice(run: "Run", block: int | None) -> slice:
    """The slice of latent frames of a block, or of the whole clip for None."""
    each = latents_per_block(run.spec)
    return slice(None) if block is None else slice(block * each, (block + 1) * each)


def _read_steps(run: "Run", view: ClipView, tell: Notice) -> "tuple[Float, str]":
    """A clip's latents after each step [step, c, t, h, w], and in words where they come from."""
    try:
        return run.steps.view(view.clip), "the steps as they are kept"
    except (NotMade, Pruned):
        latents = run.latents.view(view.clip)
    wanted = view.replay or (view.step is not None and 0 <= view.step < run.spec.steps - 1)
    if wanted:
        return _replay_steps(run, view.clip, tell)
    if view.step == run.spec.steps - 1:
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
    steps, clips = replay_steps(
        run, clip, scratch, lambda each: tell(f"clip {each}: equal to what is published")
    )
    made = f"steps made again: {count_noun(len(clips), 'clip')} denoised"
    return steps, f"{made}, each equal to what is published; kept in {scratch}"


def describe_replay_cost(run: "Run", clips: range, scratch: Path) -> str:
    """What a replay of these clips takes, in one line, before it begins."""
    each = measure_rates(run).get("denoise")
    long = (
        f"about {each * len(clips):.0f} s once the model is loaded"
        if each
        else "this run cannot tell how long"
    )
    phrase = f"clip {clips[-1]} is" if len(clips) == 1 else f"clips {clips[0]} to {clips[-1]} are"
    return f"The steps of clip {clips[-1]} are not kept: {phrase} denoised again ({long}). The run stays as it is; they go to {scratch}."


def measure_channels(step: int, latents: "Float") -> Iterator[ChannelStatistics]:
    """Statistics of each channel of latents [c, t, h, w] after one step."""
    for channel, values in enumerate(latents.reshape(len(latents), -1)):
        good = values[np.isfinite(values)].astype(np.float64)
        if not good.size:
            good = np.array([np.nan])
        low, high, mean = float(good.min()), float(good.max()), float(good.mean())
        nan = int(np.count_nonzero(~np.isfinite(values)))
        yield ChannelStatistics(step, channel, low, high, mean, float(good.std()), nan)


def _file_name(run: "Run", view: ClipView) -> str:
    parts = (("clip", view.clip), ("block", view.block), ("step", view.step))
    words = "-".join(f"{name}{value}" for name, value in parts if value is not None)
    return f"{run.root.name}-{words}.png"


def _save_picture(
    target: "OutputFile", run: "Run", view: ClipView, rows: "list[tuple[int, Byte]]"
) -> None:
    spec = run.spec
    first = (block_slice(run, view.block).start or 0) * spec.frames_per_latent
    begin = view.clip * spec.clip_frames + first
    seconds = [(begin + n * spec.frames_per_latent) / spec.fps for n in range(len(rows[0][1]))]
    save_sheet(target, draw_strip([(f"step {number}", list(row)) for number, row in rows], seconds))
