"""Pictures side by side on one sheet, with their times."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    from pipeline.inspection.latent_pictures import Byte
    from storage.output_file import OutputFile
    from storage.run import Run

CELL, LARGE = 128, 256
LEFT, TOP, GAP = 48, 18, 2
PAPER, INK = "white", "#222222"


def draw_strip(rows: "Sequence[tuple[str, list[Byte]]]", seconds: Sequence[float]) -> "Image.Image":
    """Pictures in a grid: one row for each name, one column for each time in seconds; larger where there is one row."""
    from PIL import Image, ImageDraw

    wide = CELL if len(rows) > 1 else LARGE
    high, broad = rows[0][1][0].shape[:2]
    tall = max(1, round(wide * high / broad))
    size = (LEFT + len(seconds) * (wide + GAP), TOP + len(rows) * (tall + GAP))
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, second in enumerate(seconds):
        pen.text((LEFT + column * (wide + GAP) + 3, 3), f"{second:.2f} s", fill=INK)
    for row, (name, pictures) in enumerate(rows):
        top = TOP + row * (tall + GAP)
        pen.text((3, top + tall // 2), name, fill=INK)
        for column, picture in enumerate(pictures):
            cell = Image.fromarray(picture).resize((wide, tall), Image.Resampling.BILINEAR)
            sheet.paste(cell, (LEFT + column * (wide + GAP), top))
    return sheet


def draw_contact_sheet(
    cells: "Sequence[tuple[str, Byte]]", columns: int, wide: int
) -> "Image.Image":
    """Named pictures in rows, each name below its picture."""
    from PIL import Image, ImageDraw

    high, broad = cells[0][1].shape[:2]
    tall = max(1, round(wide * high / broad))
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * (wide + GAP), rows * (tall + TOP)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, (name, picture) in enumerate(cells):
        left, top = place % columns * (wide + GAP), place // columns * (tall + TOP)
        cell = Image.fromarray(picture).resize((wide, tall), Image.Resampling.BILINEAR)
        sheet.paste(cell, (left, top))
        pen.text((left + 3, top + tall + 2), name, fill=INK)
    return sheet


def prepare_picture(run: "Run", path: Path, *, overwrite: bool) -> "OutputFile":
    """Where a picture of a run goes, checked; raises BadOutput, NotWritable."""
    from storage.output_file import PICTURE, OutputFile, SourceRun

    output = OutputFile(path, PICTURE, SourceRun(run.root, run.spec), overwrite=overwrite)
    output.check()
    return output


def save_sheet(target: "OutputFile", sheet: "Image.Image") -> None:
    """Write a sheet as PNG, whole or not at all. Raises BadOutput, NotWritable."""
    with target.write() as draft:
        sheet.save(draft)
