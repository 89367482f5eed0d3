"""What a model hears: sound at 16 kHz as log-mel frames, 100 a second, with no memory and no statistics of its own."""

import math
from functools import lru_cache

import torch
from torch import Tensor

SAMPLE_RATE = 16_000
HOP = 160
WINDOW = 400
FFT = 512
BANDS = 80
LOWEST, HIGHEST = 20.0, 7600.0
MARGIN = 160
"""Samples that log_mel reads on either side of the span it describes."""
FLOOR = 1e-5
# Measured over the training sound: mean and spread of the logarithm, for speech at every level.
CENTRE, SPREAD = -4.5, 3.5
SILENCE = (math.log(FLOOR) - CENTRE) / SPREAD
"""What every band of nothing at all reads."""
DECIBELS = SPREAD * 4.342944819
"""Decibels of power to one unit of log_mel."""


def log_mel(sound: Tensor) -> Tensor:
    """Log-mel frames [..., band, frame] of about zero mean and unit spread.

    `sound` [..., n·HOP + 2·MARGIN] gives n frames; frame j is centred on sample 160·j + 80 of the
    span between the margins. Nothing is padded and nothing is normalised by the utterance, so a
    span sounds the same wherever a stream is cut.
    """
    first = MARGIN + HOP // 2 - WINDOW // 2
    frames = sound.float()[..., first:].unfold(-1, WINDOW, HOP)
    spectrum = torch.fft.rfft(frames * _hann_window(sound.device), n=FFT)
    power = spectrum.real.square() + spectrum.imag.square()
    bands = torch.matmul(power, _mel_filters(sound.device))
    return ((bands + FLOOR).log() - CENTRE).div(SPREAD).transpose(-1, -2).contiguous()


@lru_cache(maxsize=4)
def _hann_window(device: torch.device) -> Tensor:
    return torch.hann_window(WINDOW, periodic=True, dtype=torch.float64).float().to(device)


@lru_cache(maxsize=4)
def _mel_filters(device: torch.device) -> Tensor:
    """Triangles over the power spectrum [bin, band], each of sum 1."""
    # Averaged over each bin's own width: the lowest triangles are hardly wider than one bin.
    fine = 32
    bins = FFT // 2 + 1
    hertz = (torch.arange(bins * fine, dtype=torch.float64) + 0.5) / fine - 0.5
    mel = _to_mel(hertz.abs() * (SAMPLE_RATE / FFT))
    ends = _to_mel(torch.tensor([LOWEST, HIGHEST], dtype=torch.float64))
    corners = torch.linspace(float(ends[0]), float(ends[1]), BANDS + 2, dtype=torch.float64)
    step = corners[1] - corners[0]
    triangles = (1 - (mel[:, None] - corners[None, 1:-1]).abs() / step).clamp(min=0)
    weights = triangles.unflatten(0, (bins, fine)).mean(1)
    return (weights / weights.sum(0)).float().to(device)


def _to_mel(hertz: Tensor) -> Tensor:
    return 2595 * torch.log10(1 + hertz / 700)
