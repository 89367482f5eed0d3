"""Boxes of drawings are judged against those that are known."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.pocket.training.cartoon_faces import draw_cartoon
from model.tools.judge_drawings import judge_boxes, main

TRUE = np.array([[100, 160, 40, 10], [80, 100, 20, 10], [140, 100, 20, 10]], np.float64)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ([0, 0, 0, 0], "right"),
        ([0, 8, 0, 0], "right"),  # .13 of the eyes' distance, which is 60
        ([0, 12, 0, 0], "loose"),
        ([-20, 0, 40, 0], "loose"),  # twice as wide
        ([0, 30, 0, 0], "wrong"),
    ],
)
def test_a_mouth_is_judged_by_its_middle_and_width(change: list[float], verdict: str) -> None:
    found = TRUE.copy()
    found[0] += change
    assert judge_boxes(found, TRUE) == verdict


def test_a_folder_of_drawings_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cartoon that is found, one whose boxes are said to be elsewhere, and a page without a face."""
    cartoon = draw_cartoon(5_000_002)
    assert cartoon.boxes is not None
    for name in ("a-1.png", "a-2.png"):
        Image.fromarray(cartoon.picture).save(tmp_path / name)
    Image.new("RGB", (256, 256), "white").save(tmp_path / "b-1.png")
    true = cartoon.boxes.tolist()
    beside = np.add(cartoon.boxes, [[0, 60, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]).tolist()
    rows = [("a-1.png", true), ("a-2.png", beside), ("b-1.png", true)]
    (tmp_path / "boxes.json").write_text(json.dumps([{"name": n, "boxes": b} for n, b in rows]))
    monkeypatch.setattr(sys, "argv", ["judge_drawings", str(tmp_path)])
    main()
    said = capsys.readouterr().out
    assert "wrong: a-2.png" in said
    assert "refused: b-1.png" in said
    assert said.splitlines()[-1].split() == [
        "all",
        "1",
        "right",
        "0",
        "loose",
        "1",
        "wrong",
        "1",
        "refused",
    ]
