"""The sound of the known answers: the examples' voices with a pause of one second and one of ten.

python -m pipeline.bench.known_speech EXAMPLES WAV
"""

import sys
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FADE = 0.06
"""Seconds in which a cut voice fades away, as voices do."""
PARTS: tuple[tuple[str, float], ...] = (
    ("harbour", 9),
    ("", 1),
    ("tea", 8),
    ("", 10),
    ("mercado", 6),
)
"""Seconds of each; without a name they are silent."""


def write_speech(examples: Path, target: Path) -> None:
    """Write the sound of the known answers, from the examples' voices: from then on every film of them says the same."""
    pieces: list[NDArray[np.float64]] = []
    rate = 0
    for name, seconds in PARTS:
        if name:
            voice, rate = _read_wave(examples / f"{name}.wav")
            pieces.append(_fade_out(voice[: round(seconds * rate)], rate))
        else:
            pieces.append(np.zeros(round(seconds * rate)))
    with wave.open(str(target), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(np.rint(np.concatenate(pieces)).astype("<i2").tobytes())


def _read_wave(path: Path) -> tuple[NDArray[np.float64], int]:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return samples.astype(np.float64), file.getframerate()


def _fade_out(voice: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    count = round(FADE * rate)
    voice[-count:] *= np.linspace(1, 0, count)
    return voice


if __name__ == "__main__":
    write_speech(Path(sys.argv[1]), Path(sys.argv[2]))
