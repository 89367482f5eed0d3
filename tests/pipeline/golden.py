"""Screens as they are to be, a file each in tests/pipeline/screens; `make screens` writes them anew, and the diff is read."""

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands.command import print_renderables

SCREENS = Path(__file__).parent / "screens"


def check(name: str, text: str) -> None:
    """The text is that of the file; with WRITE_SCREENS set the file is made so."""
    path = SCREENS / f"{name}.txt"
    if os.environ.get("WRITE_SCREENS"):
        path.write_text(text, encoding="utf-8")
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    assert text == kept, f"{path.name} is another screen now: `make screens`, and look at the diff"


def drawn(renderables: Iterable[Any]) -> str:
    """What a verb prints into a file or a pipe."""
    stream = io.StringIO()
    # Set by whoever runs the tests, it would decide the width.
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        print_renderables(renderables, stream)
    return stream.getvalue()
