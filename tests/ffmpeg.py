"""Sound as other programs write it, for the tests: the ffmpeg of imageio-ffmpeg."""

import subprocess
from functools import cache
from pathlib import Path


@cache
def program() -> str:
    """Where it lies."""
    import imageio_ffmpeg

    return imageio_ffmpeg.get_ffmpeg_exe()


def make(target: Path, *words: object) -> Path:
    """Run it with these words and the file to be made."""
    subprocess.run(
        [program(), "-loglevel", "error", "-y", *map(str, words), str(target)], check=True
    )
    return target


def piped(*words: object) -> bytes:
    """Run it with these words, and what it writes to a pipe."""
    words = ("-loglevel", "error", *words, "-")
    return subprocess.run([program(), *map(str, words)], check=True, capture_output=True).stdout
