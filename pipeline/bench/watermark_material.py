"""Clips that a watermark is tried on: of films by pocket, and of what no film is like."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Byte = NDArray[np.uint8]
EXAMPLES = Path(__file__).parents[2] / "examples"
CLIP_FRAMES = 48
WIDE = "704*384"


@dataclass(frozen=True)
class FilmOrder:
    """A film of some clips."""

    name: str
    picture: str
    sound: str
    size: str = "256*256"
    clips: int = 6


@dataclass(frozen=True)
class Clip:
    """One clip without a watermark: where it is, not its frames, so that it is quickly handed to another process."""

    name: str
    run: Path | None
    """None: it is drawn."""
    number: int

    @property
    def frames(self) -> Byte:
        """Frames [frame, y, x, rgb], read or drawn anew."""
        from tasks.open_run import open_run

        if self.run is None:
            return KINDS[self.number % len(KINDS)](np.random.default_rng(self.number))
        run = open_run(self.run)
        return np.asarray(run.frames.read(self.number)[: run.spec.frames_in(self.number)])


def list_films() -> list[FilmOrder]:
    """The films of the measurement, 104 clips: the presenters of examples/, four that are drawn, two that are wide."""
    names = sorted(path.stem for path in EXAMPLES.glob("*.png"))
    films = [FilmOrder(n, n, ("tea", "harbour")[i % 2]) for i, n in enumerate(names)]
    styles = ("flat", "outlined", "shaded", "textured")
    films += [FilmOrder(f"drawn-{style}", style, "harbour", clips=5) for style in styles]
    return films + [FilmOrder(f"{n}-wide", n, "tea", WIDE) for n in ("clara", "omar")]


def list_clips(folder: Path, count: int) -> list[Clip]:
    """The clips of the films, which are made where they are not there yet; one of each film, then the next of each, so that few clips are of all."""
    from tasks.open_run import open_run

    runs = [(film.name, run, open_run(run).spec) for film in list_films() for run in [make_film(film, folder)]]  # fmt: skip
    every = [
        Clip(f"{name}/{number}", run, number)
        for number in range(6)
        for name, run, spec in runs
        if number < spec.clips
    ]
    return every[:count]


def make_film(film: FilmOrder, folder: Path) -> Path:
    """The run of a film, made by `longtake new` where it is not whole."""
    from pipeline.cli import main as longtake

    run, picture = folder / film.name, EXAMPLES / f"{film.picture}.png"
    if film.name.startswith("drawn"):
        picture = folder / f"{film.picture}.png"
        drawn = ["--seed", "7", "--style", film.picture, "-o", str(picture)]
        if not picture.exists():
            longtake(["avatar", *drawn])
    words = ["--run", str(run), "--size", film.size, "--num-clip", str(film.clips)]
    sound = str(EXAMPLES / f"{film.sound}.wav")
    longtake(["new", str(picture), sound, *words, "--keep-frames", "all", "--sample-steps", "2"])
    return run


def list_drawn_clips(count: int) -> list[Clip]:
    """Clips that are no films: noise of several grains, still and moving, gradients, patterns, plain colours."""
    return [Clip(f"{KINDS[n % len(KINDS)].__name__[6:]}/{n}", None, n) for n in range(count)]


def _draw_noise(rng: np.random.Generator) -> Byte:
    """Each frame another."""
    return rng.integers(0, 256, (CLIP_FRAMES, 256, 256, 3), np.uint8)


def _draw_grain(rng: np.random.Generator) -> Byte:
    """Blotches of one size, which stand still."""
    from PIL import Image

    side = int(rng.integers(8, 129))
    small = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8))
    return np.repeat(np.asarray(small.resize((256, 256), Image.Resampling.BICUBIC))[None], CLIP_FRAMES, 0)  # fmt: skip


def _draw_gradient(rng: np.random.Generator) -> Byte:
    """From one colour to another, which moves across."""
    ends = rng.integers(0, 256, (2, 3))
    way = (np.arange(256)[None, :] + 4 * np.arange(CLIP_FRAMES)[:, None]) % 256 / 255
    rows = ends[0] + (ends[1] - ends[0]) * way[..., None]
    return np.repeat(np.rint(rows).astype(np.uint8)[:, None], 256, 1)


def _draw_pattern(rng: np.random.Generator) -> Byte:
    """Squares of two colours, of one size, as large as the watermark's own among others."""
    side = int(rng.integers(2, 40))
    places = np.arange(256) // side
    which = (places[:, None] + places[None, :]) % 2
    frame = rng.integers(0, 256, (2, 3)).astype(np.uint8)[which]
    return np.repeat(frame[None], CLIP_FRAMES, 0)


def _draw_plain(rng: np.random.Generator) -> Byte:
    """One colour."""
    colour = rng.integers(0, 256, 3).astype(np.uint8)
    return np.broadcast_to(colour, (CLIP_FRAMES, 256, 256, 3)).copy()


KINDS = (_draw_noise, _draw_grain, _draw_gradient, _draw_pattern, _draw_plain)
"""In the order in which they are drawn."""
