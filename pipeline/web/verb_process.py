"""A verb of the command line, run in a process of its own beside the page: what it takes of memory goes with it."""

import os
import subprocess
import sys

LONGEST = 3600
"""Seconds."""
NICE = 10
"""A film that is being made goes first."""


def run_verb(*words: str) -> str:
    """Run `longtake WORDS`; what it says on both channels, as on a terminal of 100 columns."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", timeout=LONGEST, check=False,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
        preexec_fn=lambda: os.nice(NICE),
    )  # fmt: skip
    return done.stdout.strip()
