"""What rooms, microphones, neighbours and other throats do to speech, on waves."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.pocket.training.backgrounds import coloured_noise, make_background

Float = NDArray[np.float32]
RATE = 16_000
_WINDOW, _HOP = 512, 128


def disturb_sound(sound: Float, voices: Sequence[Float], draw: np.random.Generator) -> Float:
    """Speech as some microphone in some room would have taken it, with music, noise or `voices` behind two fifths of it."""
    if draw.random() < 0.35:
        sound = _add_reverb(sound, draw)
    sound = sound / max(measure_loudness(sound), 1e-6)
    if draw.random() < 0.4:
        sound = sound + _draw_background(len(sound), voices, draw)
    if draw.random() < 0.85:
        sound = _filter_sound(sound, draw)
    sound = sound / max(measure_loudness(sound), 1e-6)
    if draw.random() < 0.4:
        sound = sound + 10 ** (-draw.uniform(10, 45) / 20) * coloured_noise(len(sound), draw)
    if draw.random() < 0.15:
        sound = np.tanh(sound * draw.uniform(0.3, 1))
    return np.asarray(np.clip(sound * 10 ** (draw.uniform(-32, -14) / 20), -1, 1), np.float32)


def _draw_background(length: int, voices: Sequence[Float], draw: np.random.Generator) -> Float:
    """Something 3 to 25 dB below a voice of unit loudness; at times it comes late or fades away."""
    behind = make_background(length, voices, draw) * 10 ** (-draw.uniform(3, 25) / 20)
    if draw.random() < 0.25:
        at = draw.uniform(0, 1) * length / RATE - np.arange(length) / RATE
        behind *= np.clip(draw.choice([-1, 1]) * at * draw.uniform(0.5, 4) + 0.5, 0, 1)
    return np.asarray(behind, np.float32)


def change_throat(sound: Float, draw: np.random.Generator) -> Float:
    """Speech from another throat at the times it had: formants moved, breath for some of the voice."""
    moved, breath = draw.uniform(0.85, 1.18), max(draw.uniform(-0.6, 0.6), 0)
    if draw.random() < 0.03:
        breath = 1.0
    padded = np.pad(sound, _WINDOW)
    window = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP] * window
    spectrum = np.fft.rfft(frames)
    loud = np.log(np.abs(spectrum) + 1e-4)
    cepstrum = np.fft.irfft(loud)
    cepstrum[:, 32:-31] = 0
    envelope = np.fft.rfft(cepstrum).real
    places = np.arange(_WINDOW // 2 + 1) / moved
    low = np.minimum(places.astype(int), _WINDOW // 2 - 1)
    share = np.clip(places - low, 0, 1)
    warped = envelope[:, low] * (1 - share) + envelope[:, low + 1] * share
    hiss = np.fft.rfft(draw.standard_normal(frames.shape) * window) / np.sqrt(_WINDOW * 0.375)
    # Breath is stronger up high, as in a real throat.
    airy = np.clip(breath * np.linspace(0.6, 1.6, spectrum.shape[1]), 0, 1)
    voiced = spectrum * np.exp(np.clip(warped - envelope, -4, 4)) * np.sqrt(1 - airy)
    spoken = np.fft.irfft(voiced + hiss * np.exp(warped) * np.sqrt(airy)) * window
    total = np.zeros(len(padded) + _WINDOW)
    for part in range(_WINDOW // _HOP):
        block = spoken[part :: _WINDOW // _HOP].reshape(-1)
        total[part * _HOP : part * _HOP + len(block)] += block
    return np.asarray(total[_WINDOW : _WINDOW + len(sound)] / 1.5, np.float32)


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


def measure_loudness(sound: Float) -> float:
    """RMS of the louder half of speech [sample]."""
    pieces = sound[: len(sound) // 400 * 400].reshape(-1, 400)
    power = np.sort((pieces.astype(np.float64) ** 2).mean(1))
    return float(np.sqrt(power[len(power) // 2 :].mean())) if len(power) else 1.0
