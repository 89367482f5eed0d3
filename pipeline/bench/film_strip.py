"""A film as one picture: python -m pipeline.bench.film_strip FILM --picture PNG --out PNG [--seconds 4] [--at 1.2,2.5] [--mouth .3,.5,.7,.72].

Above the picture it was made from and frames of it, below them the mouth, several times a second, against the wave of the film's own sound.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

FRAME, GAP, WAVE, NAME = 180, 4, 80, 20
MOUTHS = 32
INK, PAPER = "#4a5a8c", "white"


@dataclass(frozen=True)
class StripFilm:
    """The frames and the sound of a film that are shown."""

    frames: "list[Image]"
    """All of the first seconds."""
    fps: float
    sound: NDArray[np.float32]
    """Of the same seconds, mono, -1 to 1."""


def read_film(path: Path, seconds: float) -> StripFilm:
    """The first seconds of a film, picture and sound."""
    import av

    with av.open(str(path)) as container:
        video = container.streams.video[0]
        fps = float(video.average_rate or 25)
        frames = [f.to_image() for f in islice(container.decode(video), int(seconds * fps))]
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        heard = [f.to_ndarray().mean(0) for f in container.decode(audio=0)]
    return StripFilm(frames, fps, np.concatenate(heard)[: round(seconds * rate)].astype(np.float32))


def draw_sheet(
    picture: "Image", film: StripFilm, times: Sequence[float], mouth: Sequence[float]
) -> "Image":
    """The sheet: the picture, frames at these times in seconds, cuts of the mouth, the wave."""
    from PIL import Image

    shown = [picture, *(film.frames[round(time * film.fps)] for time in times)]
    names = ["the picture", *(f"{time:.2f} s" for time in times)]
    width = len(shown) * (FRAME + GAP) - GAP
    side = width // MOUTHS
    sheet = Image.new("RGB", (width, FRAME + NAME + side + WAVE), PAPER)
    for place, (frame, name) in enumerate(zip(shown, names, strict=True)):
        paste_named(sheet, frame, name, place * (FRAME + GAP))
    for place, lips in enumerate(cut_mouths(film, mouth)):
        sheet.paste(lips.resize((side, side)), (place * side, FRAME + NAME))
    draw_wave(sheet, film.sound, FRAME + NAME + side)
    return sheet


def paste_named(sheet: "Image", frame: "Image", name: str, left: int) -> None:
    """Paste a frame into the sheet, its name below."""
    from PIL import ImageDraw

    sheet.paste(frame.convert("RGB").resize((FRAME, FRAME)), (left, 0))
    ImageDraw.Draw(sheet).text((left + 2, FRAME + 3), name, fill="#333333", font_size=12)


def cut_mouths(film: StripFilm, box: Sequence[float]) -> "Iterator[Image]":
    """MOUTHS cuts of the mouth, evenly over the film; `box` in parts of the frame: left, top, right, bottom."""
    for place in range(MOUTHS):
        frame = film.frames[int((place + 0.5) / MOUTHS * len(film.frames))]
        sides = zip(box, (frame.width, frame.height) * 2, strict=True)
        left, top, right, bottom = (round(part * side) for part, side in sides)
        yield frame.crop((left, top, right, bottom))


def draw_wave(sheet: "Image", sound: NDArray[np.float32], top: int) -> None:
    """Draw the sound [sample] into the sheet, a column of pixels for each span."""
    from PIL import ImageDraw

    pen, middle = ImageDraw.Draw(sheet), top + WAVE // 2
    loudest = float(np.abs(sound).max(initial=1e-9))
    for column, span in enumerate(np.array_split(sound, sheet.width)):
        low, high = (round(float(x) / loudest * WAVE / 2) for x in (span.min(), span.max()))
        pen.line([(column, middle - high), (column, middle - low)], fill=INK)


def parse_numbers(words: str) -> list[float]:
    """Numbers from words with commas between them."""
    return [float(word) for word in words.split(",")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the sheet of a film into a PNG."""
    from PIL import Image

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("film", type=Path)
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--at", type=parse_numbers, default=[0.0, 1.24, 1.56, 1.92, 2.56, 3.68])
    parser.add_argument("--mouth", type=parse_numbers, default=[0.38, 0.56, 0.64, 0.76])
    given = parser.parse_args(arguments)
    film = read_film(given.film, given.seconds)
    with Image.open(given.picture) as picture:
        sheet = draw_sheet(picture, film, given.at, given.mouth)
    sheet.save(given.out)
    print(given.out)


if __name__ == "__main__":
    main()
