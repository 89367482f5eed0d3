"""The client of docs/api.md makes a film, against a server that is a process of its own."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_client_of_the_page_makes_a_film(
    serving: Callable, tmp_path: Path, face: Path, speech: Path
):
    """Thirty lines ask for a film, watch it and fetch it; asked again they fetch the same one."""
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(code.splitlines()) <= 35
    with serving(tmp_path / "films") as (_, asking):
        words = [sys.executable, "-c", code, str(asking.base_url).rstrip("/"), str(face)]
        for name in ("film.mp4", "again.mp4"):
            done = subprocess.run(
                [*words, str(speech), str(tmp_path / name)],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
    assert (tmp_path / "film.mp4").read_bytes() == (tmp_path / "again.mp4").read_bytes()
    assert len(list((tmp_path / "films").glob("film-*"))) == 1
