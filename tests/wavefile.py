"""Sound for the tests: a wave file of any length that is nowhere the same."""

import wave
from pathlib import Path

import numpy as np


def write_wave(path: Path, seconds: float, rate: int = 16_000) -> None:
    """Mono 16 bit: a slow rise under a tone."""
    time = np.arange(round(seconds * rate)) / rate
    level = np.sin(time * 900) * 0.3 * (0.5 + 0.5 * np.sin(time * 1.7))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((level * 32767).astype("<i2").tobytes())
