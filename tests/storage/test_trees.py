"""Trees of folders that are deeper than Python can follow."""

from pathlib import Path

import pytest

from storage.trees import DEEPEST, remove_tree, walk_folders
from tests.harm import nest_folders


def test_what_is_deep_is_not_walked_and_is_removed(tmp_path: Path) -> None:
    """Five thousand folders in each other, whose path no call takes: DEEPEST of them are looked into, all of them go, what lies beside stays."""
    nest_folders(tmp_path / "deep", 5000)
    (tmp_path / "beside").write_text("mine")
    walked = [folder for folder, _, _ in walk_folders(tmp_path)]
    assert len(walked) == DEEPEST + 1
    remove_tree(tmp_path / "deep")
    assert [path.name for path in tmp_path.iterdir()] == ["beside"]


def test_what_may_not_be_removed_is_said(tmp_path: Path) -> None:
    """A file is no tree; nothing is moved for it."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError):
        remove_tree(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
