"""Models by name: what is asked of one without its weights."""

import numpy as np
import pytest

from model import registry
from model.pocket import face_finder


def test_faces_of_the_last_pictures_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """One picture is searched once, whoever changes the answer; another of the same pixels in another shape is searched too, and the oldest are forgotten."""
    searched: list[tuple[int, ...]] = []

    def find(picture: np.ndarray) -> list[int]:
        searched.append(picture.shape)
        return [len(searched)]

    monkeypatch.setattr(face_finder, "find_faces", find)
    monkeypatch.setattr(registry, "_faces", {})
    monkeypatch.setattr(registry, "MOST_PICTURES", 2)
    wide, tall = np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2, 3), np.uint8)
    registry.find_faces("pocket", wide).clear()
    assert registry.find_faces("pocket", wide.copy()) == [1]
    assert registry.find_faces("pocket", tall) == [2]
    assert registry.find_faces("pocket", wide + 1) == [3], "other pixels"
    assert registry.find_faces("pocket", tall) == [2]
    assert registry.find_faces("pocket", wide) == [4], "the oldest was forgotten"
