"""What sounds under and around a voice: music, crowds, noise, hum and knocks. All of it synthesised."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
RATE = 16_000
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))
_PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (1, 4, 0, 0), (0, 3, 0, 4), (5, 3, 0, 4), (0, 6, 5, 4))


def make_background(length: int, voices: Sequence[Float], draw: np.random.Generator) -> Float:
    """Music, the babble of `voices`, noise, hum or knocks, of unit power [length]."""
    kind = draw.random()
    if kind < 0.45:
        return make_music(length, draw)
    if kind < 0.6 and len(voices) >= 3:
        return make_babble(length, voices, int(draw.integers(3, 9)), draw)
    if kind < 0.78:
        return coloured_noise(length, draw)
    if kind < 0.88:
        return make_gusts(length, draw)
    return make_hum(length, draw) if kind < 0.94 else make_knocks(length, draw)


def make_speechless(length: int, voices: Sequence[Float], draw: np.random.Generator) -> Float:
    """Silence, or sounds to which a mouth stays shut: music, noise, a crowd of eight voices and more [length]."""
    level = np.float32(10 ** (draw.uniform(-55, -14) / 20))
    kind = draw.random()
    if kind < 0.15:
        return np.zeros(length, np.float32)
    if kind < 0.25 and len(voices) >= 12:
        return 0.5 * level * make_babble(length, voices, int(draw.integers(8, 13)), draw)
    hiss = np.float32(0.1) * coloured_noise(length, draw)
    return level * (make_background(length, (), draw) + hiss)


def coloured_noise(length: int, draw: np.random.Generator) -> Float:
    """Steady noise of unit power, from white to dark."""
    spectrum = np.fft.rfft(draw.standard_normal(length).astype(np.float32))
    hertz = np.fft.rfftfreq(length, 1 / RATE)
    return _level(np.fft.irfft(spectrum * (1 + hertz / 100) ** -draw.uniform(0, 1.2), length))


def make_gusts(length: int, draw: np.random.Generator) -> Float:
    """Noise of one band that swells and ebbs, as wind, waves, applause or a street."""
    noise = np.fft.rfft(draw.standard_normal(length))
    octaves = np.log2(np.maximum(np.fft.rfftfreq(length, 1 / RATE), 20) / draw.uniform(150, 3000))
    band = np.exp(-0.5 * (octaves / draw.uniform(0.5, 2)) ** 2)
    knots = max(int(length / RATE * draw.uniform(0.3, 6)), 2)
    swell = np.interp(
        np.linspace(0, 1, length), np.linspace(0, 1, knots), draw.uniform(-12, 6, knots)
    )
    return _level(np.fft.irfft(noise * band, length) * 10 ** (swell / 20))


def make_hum(length: int, draw: np.random.Generator) -> Float:
    """Mains or a fan: a low tone with overtones, in a little noise."""
    root = draw.choice([50.0, 60.0, draw.uniform(70, 220)])
    turns = 2 * np.pi * root * np.arange(length) / RATE
    tone = sum(draw.random() / k * np.sin(k * turns + draw.uniform(0, 6)) for k in range(1, 12))
    return _level(_level(tone) + draw.uniform(0.1, 0.7) * coloured_noise(length, draw))


def make_knocks(length: int, draw: np.random.Generator) -> Float:
    """Clicks, steps and typing over a faint hiss."""
    total = np.zeros(length + 4000, np.float32)
    for start in draw.integers(0, length, max(int(length / RATE * draw.uniform(1, 8)), 1)):
        decay = np.exp(-np.arange(4000) / draw.uniform(20, 700)) * draw.uniform(0.2, 1)
        ring = np.sin(2 * np.pi * draw.uniform(100, 5000) * np.arange(4000) / RATE)
        total[start : start + 4000] += np.asarray(
            (draw.standard_normal(4000) + ring) * decay, np.float32
        )
    return _level(total[:length] + 0.01 * coloured_noise(length, draw))


def make_babble(
    length: int, voices: Sequence[Float], number: int, draw: np.random.Generator
) -> Float:
    """`number` of `voices` at once, none of them near enough to follow."""
    total = np.zeros(length, np.float32)
    for place in draw.integers(len(voices), size=number):
        voice = np.roll(voices[place], int(draw.integers(len(voices[place]))))
        total += np.resize(voice, length) * np.float32(draw.uniform(0.5, 1) / (voice.std() + 1e-6))
    return _level(total)


def make_music(length: int, draw: np.random.Generator) -> Float:
    """A few instruments in one key and metre: chords, bass, a tune and drums, each there or not."""
    beat = int(RATE * 60 / draw.uniform(60, 150))
    bars = -(-length // (4 * beat)) + 1
    scale, root = _SCALES[draw.integers(2)], draw.uniform(45, 57)
    chords = [_PROGRESSIONS[draw.integers(len(_PROGRESSIONS))][bar % 4] for bar in range(bars)]
    total = np.zeros((bars + 1) * 4 * beat + 4 * RATE, np.float32)
    parts = [_play_chords, _play_bass, _play_tune, _play_arpeggio]
    here = draw.random(5) < (0.7, 0.6, 0.45, 0.45, 0.55)
    here[draw.integers(4)] = True
    for part, plays in zip(parts, here[:4], strict=True):
        if plays:
            layer = np.zeros_like(total)
            part(layer, (beat, root, scale, chords), draw)
            total += np.float32(draw.uniform(0.3, 1)) * _level(layer)
    if here[4]:
        layer = np.zeros_like(total)
        _play_drums(layer, beat, 4 * bars, draw)
        total += np.float32(draw.uniform(0.2, 1)) * _level(layer)
    start = int(draw.integers(4 * beat))
    return _level(total[start : start + length])


_Score = tuple[int, float, tuple[int, ...], list[int]]


def _pitch(score: _Score, degree: int) -> float:
    """The hertz of a degree of the scale, octaves up beyond seven."""
    _, root, scale, _ = score
    return float(440 * 2 ** ((root + scale[degree % 7] + 12 * (degree // 7) - 69) / 12))


def _play_chords(layer: Float, score: _Score, draw: np.random.Generator) -> None:
    sound = _draw_instrument(draw, sustained=draw.random() < 0.6)
    beat, _, _, chords = score
    for bar, chord in enumerate(chords):
        for degree in (0, 2, 4, *([6] if draw.random() < 0.3 else [])):
            _add(layer, 4 * bar * beat, sound(_pitch(score, chord + degree + 7), 4 * beat))


def _play_bass(layer: Float, score: _Score, draw: np.random.Generator) -> None:
    sound = _draw_instrument(draw, sustained=False)
    beat, _, _, chords = score
    steps = int(draw.choice([2, 4, 8]))
    for bar, chord in enumerate(chords):
        for step in range(steps):
            at = (4 * bar * beat) + step * 4 * beat // steps
            _add(layer, at, sound(_pitch(score, chord), 4 * beat // steps))


def _play_tune(layer: Float, score: _Score, draw: np.random.Generator) -> None:
    sound = _draw_instrument(draw, sustained=draw.random() < 0.5)
    beat, _, _, chords = score
    degree, at = 14, 0
    while at < 4 * beat * len(chords):
        size = int(beat * draw.choice([0.5, 0.5, 1, 1, 2]))
        degree = int(np.clip(degree + draw.integers(-3, 4), 10, 20))
        if draw.random() < 0.8:
            _add(layer, at, sound(_pitch(score, degree), size))
        at += size


def _play_arpeggio(layer: Float, score: _Score, draw: np.random.Generator) -> None:
    sound = _draw_instrument(draw, sustained=False)
    beat, _, _, chords = score
    order = draw.permutation([0, 2, 4, 7])
    for bar, chord in enumerate(chords):
        for step in range(8):
            degree = chord + 7 + int(order[step % 4])
            _add(layer, 4 * bar * beat + step * beat // 2, sound(_pitch(score, degree), beat))


def _play_drums(layer: Float, beat: int, beats: int, draw: np.random.Generator) -> None:
    """Kick, snare and cymbal."""
    seconds = np.arange(RATE // 4) / RATE
    kick = np.sin(2 * np.pi * 50 * seconds + 9 * np.exp(-seconds * 40)) * np.exp(-seconds * 14)
    crack = draw.standard_normal(len(seconds))
    snare = (crack + np.sin(2 * np.pi * 190 * seconds)) * np.exp(-seconds * draw.uniform(14, 30))
    hiss = np.diff(draw.standard_normal(len(seconds) + 1)) * np.exp(-seconds * draw.uniform(30, 90))
    loud = draw.uniform(0.1, 1, 3)
    for step in range(2 * beats):
        at = step * beat // 2
        _add(layer, at, loud[2] * 0.4 * hiss)
        if step % 4 == 0 or draw.random() < 0.1:
            _add(layer, at, loud[0] * kick)
        if step % 4 == 2:
            _add(layer, at, loud[1] * 0.7 * snare)


def _draw_instrument(
    draw: np.random.Generator, *, sustained: bool
) -> Callable[[float, int], NDArray[np.float64]]:
    """A function of hertz and length in samples: one timbre, held or plucked."""
    slope, odd, bend = draw.uniform(0.6, 2.5), draw.random() < 0.3, draw.uniform(0.5, 6)
    attack, decay = (
        (draw.uniform(2, 20), 0.5) if sustained else (draw.uniform(80, 600), draw.uniform(2, 9))
    )
    vibrato, detune = draw.choice([0, 0, 0.004, 0.01]), draw.uniform(0, 0.006)

    def play(hertz: float, length: int) -> NDArray[np.float64]:
        seconds = np.arange(int(length * 1.2)) / RATE
        turns = 2 * np.pi * hertz * (seconds + vibrato / 33 * np.sin(33 * seconds))
        total = np.zeros(len(seconds))
        for k in range(1, min(12, int(7500 / hertz)) + 1, 2 if odd else 1):
            # Higher partials fade sooner, as those of a string.
            fade = np.exp(-seconds * decay * (1 + bend * (k - 1) / 12))
            total += (np.sin(k * turns) + np.sin(k * turns * (1 + detune))) * fade / k**slope
        end = np.minimum((seconds[-1] - seconds) * 30, 1)
        return total * np.minimum(seconds * attack, 1) * end

    return play


def _add(layer: Float, start: int, sound: NDArray[np.float64]) -> None:
    part = layer[start : start + len(sound)]
    part += sound[: len(part)].astype(np.float32)


def _level(sound: NDArray[np.floating]) -> Float:
    return np.asarray(sound / max(float(np.std(sound)), 1e-9), np.float32)
