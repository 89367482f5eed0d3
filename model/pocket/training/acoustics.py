"""What rooms, microphones and neighbours do to speech, on waves; and sounds that are no speech at all."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
RATE = 16_000


def disturb_sound(sound: Float, draw: np.random.Generator) -> Float:
    """Speech as some microphone in some room would have taken it."""
    if draw.random() < 0.35:
        sound = _add_reverb(sound, draw)
    if draw.random() < 0.85:
        sound = _filter_sound(sound, draw)
    sound = sound / max(_measure_loudness(sound), 1e-6)
    if draw.random() < 0.4:
        sound = sound + 10 ** (-draw.uniform(8, 45) / 20) * coloured_noise(len(sound), draw)
    return np.asarray(np.clip(sound * 10 ** (draw.uniform(-32, -14) / 20), -1, 1), np.float32)


def coloured_noise(length: int, draw: np.random.Generator) -> Float:
    """Steady noise of unit power, from white to dark."""
    spectrum = np.fft.rfft(draw.standard_normal(length).astype(np.float32))
    hertz = np.fft.rfftfreq(length, 1 / RATE)
    noise = np.fft.irfft(spectrum * (1 + hertz / 100) ** -draw.uniform(0, 1.2), length)
    return np.asarray(noise / max(noise.std(), 1e-9), np.float32)


def make_speechless(length: int, draw: np.random.Generator) -> Float:
    """Silence, noise, hum, music or knocks, to which a mouth stays shut."""
    kind = draw.integers(5)
    level = 10 ** (draw.uniform(-55, -16) / 20)
    if kind == 0:
        return np.zeros(length, np.float32)
    if kind == 1:
        return level * coloured_noise(length, draw)
    if kind == 2:
        return np.asarray(
            level * _make_music(length, draw) + 0.1 * level * coloured_noise(length, draw),
            np.float32,
        )
    if kind == 3:
        return np.asarray(level * _make_knocks(length, draw), np.float32)
    hum = sum(np.sin(2 * np.pi * 50 * k * np.arange(length) / RATE) / k for k in (1, 2, 3, 5))
    return np.asarray(0.5 * level * hum + 0.3 * level * coloured_noise(length, draw), np.float32)


def _make_music(length: int, draw: np.random.Generator) -> Float:
    """Chords and runs of plucked or held tones."""
    total = np.zeros(length, np.float32)
    beat = int(RATE * draw.uniform(0.15, 0.6))
    root, held = draw.uniform(80, 400), draw.random() < 0.4
    seconds = np.arange(min(4 * beat, length)) / RATE
    for start in range(0, length - beat, beat):
        for step in draw.choice([0, 2, 4, 5, 7, 9, 12, 16, 19], draw.integers(1, 4), replace=False):
            hertz = root * 2 ** (step / 12)
            tone = sum(
                np.sin(2 * np.pi * hertz * k * seconds) / k**1.5
                for k in range(1, 6)
                if hertz * k < 7000
            )
            shape = np.minimum(seconds * 60, 1) * np.exp(-seconds * (1.0 if held else 5.0))
            part = total[start : start + len(seconds)]
            part += np.asarray(tone * shape, np.float32)[: len(part)]
    return total / max(float(total.std()), 1e-6)


def _make_knocks(length: int, draw: np.random.Generator) -> Float:
    total = np.zeros(length, np.float32)
    for start in draw.integers(0, max(length - 2000, 1), max(length // 8000, 1)):
        decay = np.exp(-np.arange(2000) / draw.uniform(50, 500))
        total[start : start + 2000] += np.asarray(draw.standard_normal(2000) * decay, np.float32)[
            : length - start
        ]
    return total


def _add_reverb(sound: Float, draw: np.random.Generator) -> Float:
    """A small room: direct sound, then a tail that fades in a tenth to half a second."""
    tail = int(RATE * draw.uniform(0.08, 0.4))
    echo = draw.standard_normal(tail) * np.exp(-6.9 * np.arange(tail) / tail)
    echo *= draw.uniform(0.1, 0.5) / np.sqrt((echo**2).sum())
    echo[0] = 1
    size = 1 << (len(sound) + tail).bit_length()
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(echo, size), size)
    return np.asarray(wet[: len(sound)], np.float32)


def _filter_sound(sound: Float, draw: np.random.Generator) -> Float:
    """A smooth curve of ±9 dB; sometimes no highs or no lows at all."""
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    octaves = np.log2(np.maximum(hertz, 30) / 30)
    gain = np.interp(octaves, np.linspace(0, 8.06, 7), draw.uniform(-9, 9, 7))
    if draw.random() < 0.2:
        gain -= 24 * np.maximum(np.log2(np.maximum(hertz, 1) / draw.uniform(3200, 7000)), 0)
    if draw.random() < 0.2:
        gain -= 12 * np.maximum(np.log2(draw.uniform(100, 350) / np.maximum(hertz, 1)), 0)
    return np.asarray(np.fft.irfft(np.fft.rfft(sound) * 10 ** (gain / 20), len(sound)), np.float32)


def _measure_loudness(sound: Float) -> float:
    """RMS of the louder half of the sound."""
    pieces = sound[: len(sound) // 400 * 400].reshape(-1, 400)
    power = np.sort((pieces.astype(np.float64) ** 2).mean(1))
    return float(np.sqrt(power[len(power) // 2 :].mean())) if len(power) else 1.0
