"""Whether faces of drawings are found where they are: python -m model.tools.judge_drawings FOLDER.

FOLDER has the heads that model/tools/drawings.mjs draws, with boxes.json: the boxes of mouth and eyes that are known of them.
"""

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.pocket.face_finder import find_faces

Boxes = NDArray[np.float64]
"""[mouth, left eye, right eye; x, y, width, height] in pixels."""
MOUTH, EYES = 0.15, 0.25
"""Of the eyes' distance: a mouth's middle, and an eye's, that lies no farther beside the true one is right."""
LOOSE = 0.3
"""Of a mouth that is not right, but still moves what is the mouth."""
WIDTHS = (0.55, 1.8)
"""Of the true mouth's width."""


def judge_boxes(found: Boxes, true: Boxes) -> str:
    """right, loose or wrong."""
    middles = [boxes[:, :2] + boxes[:, 2:] / 2 for boxes in (found, true)]
    apart = np.abs(middles[0] - middles[1]).max(1) / np.linalg.norm(middles[1][1] - middles[1][2])
    wide = found[0, 2] / true[0, 2]
    if apart[0] < MOUTH and apart[1:].max() < EYES and WIDTHS[0] < wide < WIDTHS[1]:
        return "right"
    return "loose" if apart[0] < LOOSE else "wrong"


def judge_drawing(path: Path, true: Boxes) -> str:
    """right, loose, wrong, or refused."""
    faces = find_faces(np.asarray(Image.open(path).convert("RGB")))
    if not faces or not faces[0].has_mouth:
        return "refused"
    return judge_boxes(faces[0].boxes.to_array().astype(np.float64), true)


def main() -> None:
    """Judge each, and print how many of each style are what."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in json.loads((folder / "boxes.json").read_text()):
        verdict = judge_drawing(folder / row["name"], np.array(row["boxes"], np.float64))
        found[row["name"].partition("-")[0]][verdict] += 1
        if verdict != "right":
            print(f"{verdict}: {row['name']}")
    for style, verdicts in [*found.items(), ("all", sum(found.values(), Counter()))]:
        print(f"{style:12}", *(f"{verdicts[each]:4} {each}" for each in VERDICTS))


VERDICTS = ("right", "loose", "wrong", "refused")

if __name__ == "__main__":
    main()
