"""One clip looked into: its latents after each step as pictures and numbers, from what lies on disk."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import BadOption, Damaged, NotMade, Pruned, RunError

if TYPE_CHECKING:
    from PIL import Image

    from storage.run import Run
    from storage.spec import Spec

Float = NDArray[np.float32]
Byte = NDArray[np.uint8]
# Clips whose frames teach the map from latents to pixels; more make it no sharper.
_LESSONS = 4
_CELL = 128
_LEFT, _TOP, _GAP = 48, 18, 2


@dataclass(frozen=True)
class Numbers:
    """One channel of one clip's latents after one step; NaN where nothing is finite."""

    step: int
    channel: int
    low: float
    high: float
    mean: float
    deviation: float
    nan: int
    """Values that are no number or not finite."""


@dataclass(frozen=True)
class Inspection:
    """What one clip looks like inside."""

    run: str
    clip: int
    steps: int
    picture: str
    """The PNG: a row a step, a column a latent frame."""
    drawn: str
    """How latents became pictures."""
    numbers: tuple[Numbers, ...]

    def as_json(self) -> str:
        """The same, for machines; what is no number is null."""
        rows = [
            {name: None if value != value else value for name, value in asdict(row).items()}  # noqa: PLR0124
            for row in self.numbers
        ]
        return json.dumps({**asdict(self), "numbers": rows}, indent=2, ensure_ascii=False)


def inspect_clip(
    run: "Run", clip: int, *, step: int | None = None, output_file: Path | None = None
) -> Inspection:
    """Look into a clip of a finished, running or crashed run; writes one PNG and nothing else."""
    if not 0 <= clip < run.spec.clips:
        raise BadOption("--clip", clip, f"the film has clips 0 to {run.spec.clips - 1}")
    steps = _steps(run, clip)
    if step is not None and not 0 <= step < len(steps):
        raise BadOption("--step", step, f"this clip has steps 0 to {len(steps) - 1}")
    chosen = list(range(len(steps))) if step is None else [step]
    painter = _painter(run, clip, steps[-1])
    target = output_file or Path(
        f"{run.root.name}-clip{clip}{'' if step is None else f'-step{step}'}.png"
    )
    _save(target, _strip(run, clip, [(number, painter.paint(steps[number])) for number in chosen]))
    numbers = tuple(row for number in chosen for row in _measure(number, steps[number]))
    return Inspection(str(run.root), clip, len(steps), str(target), painter.says, numbers)


def _steps(run: "Run", clip: int) -> Float:
    """[step, c, t, h, w]; the clip's latents alone where the steps are not kept."""
    try:
        return np.asarray(run.steps.read(clip))
    except (NotMade, Pruned):
        return np.asarray(run.latents.read(clip))[None]


def _measure(step: int, latents: Float) -> Iterator[Numbers]:
    for channel, values in enumerate(latents.reshape(len(latents), -1)):
        good = values[np.isfinite(values)].astype(np.float64)
        if not good.size:
            good = np.array([np.nan])
        low, high, mean = float(good.min()), float(good.max()), float(good.mean())
        nan = int(np.count_nonzero(~np.isfinite(values)))
        yield Numbers(step, channel, low, high, mean, float(good.std()), nan)


class _Learnt:
    """A linear map from 3×3 latent pixels to one square of pixels, learnt from the run's own clips: no model is loaded."""

    says = "by a linear map learnt from this run's own frames"

    def __init__(self, lessons: Iterator[tuple[Float, Byte]]) -> None:
        self._left: Any = 0
        self._right: Any = 0
        for latents, frames in lessons:
            for latent, frame in zip(latents.swapaxes(0, 1), frames, strict=True):
                seen, meant = _around(latent), _squares(frame, latent.shape[1:])
                self._left = self._left + seen.T @ seen
                self._right = self._right + seen.T @ meant
        # A hair of damping: one clip of a still face does not span all channels.
        damped = self._left + 1e-3 * np.trace(self._left) / len(self._left) * np.eye(
            len(self._left)
        )
        self._map = np.linalg.solve(damped, self._right)

    def paint(self, latents: Float) -> list[Byte]:
        """A picture [y, x, rgb] of each latent frame [c, t, h, w]."""
        height, width = latents.shape[2:]
        return [_join(_around(each) @ self._map, height, width) for each in latents.swapaxes(0, 1)]


class _Guessed:
    """Three main directions of the latents as red, green and blue, where the run has no frame yet."""

    says = "by their three main directions, as no frame teaches more (none is decoded yet, or the film is cut or enlarged)"

    def __init__(self, latents: Float) -> None:
        flat = _finite(latents).reshape(len(latents), -1)
        self._mean, self._deviation = flat.mean(1), flat.std() + 1e-6
        directions = np.linalg.eigh(np.cov(flat))[1]
        self._directions = directions[:, ::-1][:, :3]

    def paint(self, latents: Float) -> list[Byte]:
        """A picture [y, x, rgb] of each latent frame [c, t, h, w]."""
        centred = _finite(latents) - self._mean[:, None, None, None]
        colours = np.einsum("cthw,cd->thwd", centred, self._directions)
        return list(_bytes(127 + 64 * colours / self._deviation))


def _painter(run: "Run", clip: int, latents: Float) -> _Learnt | _Guessed:
    lessons = list(_lessons(run, clip))
    return _Learnt(iter(lessons)) if lessons else _Guessed(latents)


def _lessons(run: "Run", clip: int) -> Iterator[tuple[Float, Byte]]:
    """Latents [c, t, h, w] and the frame in the middle of each of them, of this clip and some others."""
    spread = {clip, *range(0, run.spec.clips, max(1, run.spec.clips // _LESSONS))}
    near = {max(0, clip - 1), max(0, clip - 2), 0}
    found = 0
    for other in sorted(spread | near, key=lambda other: abs(other - clip)):
        frames = _frames(run, other) if found < _LESSONS else None
        if frames is not None and _covers(run.spec):
            middles = frames[run.spec.frames_per_latent // 2 :: run.spec.frames_per_latent]
            with suppress(Damaged):  # of another clip: this one is looked into all the same
                latents = np.asarray(run.latents.read(other))
                found += 1
                yield latents[:, : len(middles)], middles


def _covers(spec: "Spec") -> bool:
    """Whether each latent pixel stands for one square of the film's pixels."""
    tall, wide = spec.height / spec.latent_height, spec.width / spec.latent_width
    return tall == wide == int(tall)


def _frames(run: "Run", clip: int) -> Byte | None:
    """A clip's frames as they are kept, or else out of its segment."""
    if not run.latents.complete(clip):
        return None
    try:
        return np.asarray(run.frames.read(clip))
    except RunError:
        return _decoded(run.segment_path(clip)) if run.records.complete("segment", clip) else None


def _decoded(path: Path) -> Byte | None:
    import av

    try:
        with av.open(str(path)) as film:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])
    except (av.FFmpegError, ValueError):
        return None


def _around(latent: Float) -> NDArray[np.float64]:
    """[c, h, w] → [h·w, 9c + 1]: each latent pixel with its neighbours, and one."""
    channels, height, width = latent.shape
    padded = np.pad(_finite(latent.astype(np.float64)), ((0, 0), (1, 1), (1, 1)), mode="edge")
    shifts = [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    seen = np.stack(shifts).reshape(9 * channels, height * width).T
    return np.concatenate([seen, np.ones((height * width, 1))], 1)


def _finite(values: NDArray[Any]) -> NDArray[Any]:
    return np.where(np.isfinite(values), values, 0)


def _squares(frame: Byte, grid: tuple[int, ...]) -> NDArray[np.float64]:
    """[y, x, rgb] → [h·w, pixels of one square]."""
    height, width = grid
    tall, wide = frame.shape[0] // height, frame.shape[1] // width
    cut = frame.reshape(height, tall, width, wide, 3).swapaxes(1, 2)
    return cut.reshape(height * width, -1).astype(np.float64)


def _join(squares: NDArray[np.float64], height: int, width: int) -> Byte:
    side = round((squares.shape[1] / 3) ** 0.5)
    whole = squares.reshape(height, width, side, side, 3).swapaxes(1, 2)
    return _bytes(whole.reshape(height * side, width * side, 3))


def _bytes(values: NDArray[np.float64]) -> Byte:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _strip(run: "Run", clip: int, rows: list[tuple[int, list[Byte]]]) -> "Image.Image":
    """A row a step, a column a latent frame, with the second of the film above."""
    from PIL import Image, ImageDraw

    spec = run.spec
    wide = _CELL if len(rows) > 1 else 2 * _CELL
    tall = round(wide * spec.height / spec.width)
    columns = len(rows[0][1])
    size = (_LEFT + columns * (wide + _GAP), _TOP + len(rows) * (tall + _GAP))
    strip = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(strip)
    for column in range(columns):
        second = (clip * spec.clip_frames + column * spec.frames_per_latent) / spec.fps
        pen.text((_LEFT + column * (wide + _GAP) + 3, 3), f"{second:.2f} s", fill="black")
    for row, (step, pictures) in enumerate(rows):
        top = _TOP + row * (tall + _GAP)
        pen.text((3, top + tall // 2), f"step {step}", fill="black")
        for column, picture in enumerate(pictures):
            cell = Image.fromarray(picture).resize((wide, tall), Image.Resampling.BILINEAR)
            strip.paste(cell, (_LEFT + column * (wide + _GAP), top))
    return strip


def _save(target: Path, strip: "Image.Image") -> None:
    from storage.publish import publish

    with publish(target) as draft:
        strip.save(draft)
