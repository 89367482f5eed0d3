"""The README's first picture: python -m pipeline.bench.film_strip --out PNG [--runs runs/strip].

Above, presenters of examples/ in mid-speech, each asked by --prompt to act; below, the mouth of the first of them at every third frame, over the sound.
Films that are not there yet are made, in a folder of runs: the first two clips, 512×512, of every scene.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

EXAMPLES = Path(__file__).parents[2] / "examples"
FRAME, GAP, NAME, LIPS, WAVE = 210, 4, 22, (40, 30), 70
NEAR = (40, 20, 472, 452)  # what is shown of a frame: left, top, right, bottom
INK, PAPER, WORDS = "#4a5a8c", "white", "#333333"


class Scene(NamedTuple):
    """A presenter, what it is asked, and the frame that shows it."""

    name: str
    prompt: str
    frame: int


SCENES = (
    Scene("clara", "She smiles.", 14),
    Scene("kofi", "He is surprised.", 92),
    Scene("omar", "He is very happy.", 29),
    Scene("zahra", "She is calm.", 29),
    Scene("pip", "It shakes its head.", 33),
    Scene("ruth", "She nods.", 70),
)


def make_film(scene: Scene, run: Path) -> Path:
    """The film of a scene, made by `longtake new` where the run does not have it."""
    from pipeline.cli import main as longtake

    inputs = [str(EXAMPLES / f"{scene.name}.png"), str(EXAMPLES / "harbour.wav")]
    size = ["--size", "512*512", "--num-clip", "2"]
    longtake(["new", *inputs, *size, "--prompt", scene.prompt, "--run", str(run)])
    return run / "video.mp4"


def read_film(path: Path) -> "tuple[list[Image], NDArray[np.float32]]":
    """The frames of a film, and its sound, mono and as long as they are."""
    import av

    with av.open(str(path)) as film:
        fps = float(film.streams.video[0].average_rate or 25)
        frames = [frame.to_image() for frame in film.decode(video=0)]
    with av.open(str(path)) as film:
        rate = film.streams.audio[0].rate
        sound = np.concatenate([frame.to_ndarray().mean(0) for frame in film.decode(audio=0)])
    return frames, sound[: round(len(frames) / fps * rate)].astype(np.float32)


def cut_mouths(frames: "Sequence[Image]", run: Path) -> "list[Image]":
    """Every third frame of a film as large as its picture, cut to the mouth and room for a falling chin."""
    from PIL import Image

    from model.pocket.face_boxes import FaceBoxes
    from tasks.open_run import open_run

    x, y, wide, high = FaceBoxes.from_text(open_run(run).spec.face_boxes).mouth
    top = y + high / 2 - 0.29 * wide
    room = (x - 0.04 * wide, top, x + 1.04 * wide, top + 0.81 * wide)
    return [frame.resize(LIPS, Image.Resampling.LANCZOS, room) for frame in frames[1::3]]


def draw_strip(
    named: "Sequence[tuple[str, Image]]", mouths: "Sequence[Image]", sound: NDArray[np.float32]
) -> "Image":
    """The strip: frames of 512 × 512 with words below, then mouths, then the wave."""
    from PIL import Image, ImageDraw

    width, height = len(named) * (FRAME + GAP) - GAP, FRAME + NAME + LIPS[1] + WAVE
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, (words, frame) in enumerate(named):
        near = frame.resize((FRAME, FRAME), Image.Resampling.LANCZOS, NEAR)
        sheet.paste(near, (place * (FRAME + GAP), 0))
        pen.text((place * (FRAME + GAP) + 1, FRAME + 4), words, fill=WORDS, font_size=12)
    for place, lips in enumerate(mouths):
        sheet.paste(lips, (place * LIPS[0], FRAME + NAME))
    draw_wave(pen, sound, width, FRAME + NAME + LIPS[1])
    return sheet


def draw_wave(pen: "ImageDraw", sound: NDArray[np.float32], width: int, top: int) -> None:
    """Draw the sound [sample], a column of pixels for each span."""
    middle, loudest = top + WAVE // 2, float(np.abs(sound).max(initial=1e-9))
    for column, span in enumerate(np.array_split(sound, width)):
        low, high = (round(float(x) / loudest * WAVE / 2) for x in (span.min(), span.max()))
        pen.line([(column, middle - high), (column, middle - low)], fill=INK)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what films there are not, draw the strip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/strip"))
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    films = [read_film(make_film(scene, given.runs / scene.name)) for scene in SCENES]
    named = [(s.prompt, frames[s.frame]) for s, (frames, _) in zip(SCENES, films, strict=True)]
    frames, sound = films[0]
    draw_strip(named, cut_mouths(frames, given.runs / SCENES[0].name), sound).save(given.out)
    print(given.out)


if __name__ == "__main__":
    main()
