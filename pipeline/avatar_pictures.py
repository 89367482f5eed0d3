"""Pictures of drawn presenters, each one in whom `pocket` sees the face where it is: what `longtake avatar` makes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model.pocket.face_finder import find_faces
from storage.errors import BadInput, BadOption
from storage.output_file import PICTURE, OutputFile

if TYPE_CHECKING:
    from model.pocket.face_boxes import FaceBoxes
    from model.presenters.avatars import Drawing

LEAST_SIDE, LARGEST_SIDE = 128, 2048
SEEDS = 2**26
"""As many as there are, so that each has sixty people of its own: the generator knows 32 bits."""
MOST = 10_000
LOOKED_AT = 256
"""Pixels of a side in which the finder looks for the face."""
TRIES = 60
APART = 0.05
"""How far a mouth or an eye may be found from where it was drawn, of the picture's side."""


@dataclass(frozen=True)
class AvatarRequest:
    """Who is to be drawn, how, and where the pictures go."""

    seed: int
    style: str = "flat"
    size: int = 512
    count: int = 1
    """So many seeds, from `seed` on."""
    place: Path | None = None
    """A file for one picture, or a folder; None: the working directory."""
    overwrite: bool = False

    def check(self) -> None:
        """Raise BadOption or BadInput where nothing can be drawn for it."""
        if not LEAST_SIDE <= self.size <= LARGEST_SIDE:
            raise BadOption("--size", self.size, f"{LEAST_SIDE} to {LARGEST_SIDE} is needed")
        if not 1 <= self.count <= MOST:
            raise BadOption("-n", self.count, f"1 to {MOST} is needed")
        if not 0 <= self.seed <= SEEDS - self.count:
            raise BadOption("--seed", self.seed, f"0 to {SEEDS - self.count} is needed")
        if self.count > 1 and (file := self._file):
            raise BadInput(
                f"{file} is a file's name, and {self.count} pictures need a folder: -o {file.stem}."
            )

    def outputs(self) -> dict[int, OutputFile]:
        """Where the picture of each seed goes; raises BadOutput or NotWritable where it may not."""
        outputs = {}
        for seed in range(self.seed, self.seed + self.count):
            named = (self.place or Path()) / f"avatar-{seed}-{self.style}.png"
            outputs[seed] = OutputFile(self._file or named, PICTURE, overwrite=self.overwrite)
            outputs[seed].check()
        return outputs

    @property
    def _file(self) -> Path | None:
        place = self.place
        return place if place is not None and place.suffix and not place.is_dir() else None


def draw_presenters(request: AvatarRequest) -> list[Path]:
    """Draw the pictures that are asked for; their paths. All places are checked before the first is drawn."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    request.check()
    outputs = request.outputs()
    for seed, output in outputs.items():
        told = PngInfo()
        told.add_text(
            "Comment",
            f"drawn by longtake avatar --seed {seed} --style {request.style} --size {request.size}",
        )
        picture = Image.fromarray(draw_recognised(seed, request.style, request.size).pixels)
        with output.write() as draft:
            picture.save(draft, optimize=True, pnginfo=told, quality=95)
    return [output.path for output in outputs.values()]


def draw_recognised(seed: int, style: str, size: int) -> "Drawing":
    """The first presenter of a seed in whom the finder sees mouth and eyes where they are: the same on every call, at every size."""
    from model.presenters.avatars import draw_avatar

    for attempt in range(TRIES):
        if is_recognised(draw_avatar(seed + attempt * SEEDS, style, LOOKED_AT)):
            return draw_avatar(seed + attempt * SEEDS, style, size)
    raise BadInput(f"No face came of --seed {seed} --style {style}. Take another seed.")


def is_recognised(drawing: "Drawing") -> bool:
    """Whether the finder sees one face in a drawing, its mouth and eyes where they were drawn."""
    faces = find_faces(drawing.pixels)
    if len(faces) != 1:
        return False
    apart = np.subtract(list(_middles(faces[0].boxes)), drawing.places)
    return bool(np.abs(apart).max() < APART * len(drawing.pixels))


def _middles(boxes: "FaceBoxes") -> Iterator[tuple[float, float]]:
    for x, y, width, height in boxes:
        yield x + width / 2, y + height / 2
