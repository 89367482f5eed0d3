"""A forked Python is to its test what one of its own is."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked

TOLD = "import json, os, sys; print(json.dumps([sys.argv, os.getcwd(), os.environ.get('X'), __name__, sys.path[0]])); sys.exit(3)"


@pytest.mark.parametrize("kind", ["-c", "-m", "file"])
def test_words_place_environment_and_code_are_those_of_a_python_of_its_own(
    kind: str, tmp_path: Path
) -> None:
    """By each way to say what is run."""
    (tmp_path / "told.py").write_text(TOLD, encoding="utf-8")
    first = {"-c": ["-c", TOLD], "-m": ["-m", "told"], "file": [str(tmp_path / "told.py")]}[kind]
    words, there = [sys.executable, *first, "a", "b"], {**os.environ, "X": "y"}
    how = {"cwd": tmp_path, "env": there, "capture_output": True, "text": True}
    found, own = forked.run(words, **how), subprocess.run(words, check=False, **how)
    assert (found.returncode, found.stderr) == (own.returncode, own.stderr) == (3, "")
    assert json.loads(found.stdout) == json.loads(own.stdout)


def test_a_signal_ends_it_and_a_limit_of_time_is_told() -> None:
    """As subprocess does."""
    with forked.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as sleeping:
        with pytest.raises(subprocess.TimeoutExpired):
            sleeping.wait(0.01)
        assert sleeping.poll() is None
        sleeping.send_signal(signal.SIGKILL)
        assert sleeping.wait() == -signal.SIGKILL


def test_only_what_a_fork_can_be_is_forked() -> None:
    """Not another program, Luigi's door, a Python with input, or one whose libraries are to begin otherwise."""
    words, begun = [sys.executable, "-c", "pass"], {"env": forked.BEGUN}
    assert forked.can_fork(words, begun) is (
        "FRESH" not in forked.BEGUN and sys.platform == "linux"
    )
    assert not forked.can_fork(["true", "-c", "pass"], begun)
    assert not forked.can_fork([sys.executable, "-m", "luigi"], begun)
    assert not forked.can_fork(words, {**begun, "stdin": subprocess.PIPE})
    assert not forked.can_fork(words, {"env": {**forked.BEGUN, "ATEN_CPU_CAPABILITY": "default"}})
