"""SyncNet (Chung and Zisserman, "Out of time", 2016) with its published weights: how far lips and sound are apart, by a network trained on television.

The layers are those of its published checkpoint, syncnet_v2.model, whose names they carry. What stands around it here is ours: the face is cut out around the
mouth that was found, since the face detector that goes with it is not part of longtake; figures are near those of the published program, not equal to them.
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.quality.mouth import Mouth
from pipeline.quality.video_reader import frame_pixels, open_video, read_frames, read_stream_facts
from storage.errors import BadWeights

if TYPE_CHECKING:
    from torch import Tensor, nn

FPS, RATE, WINDOW = 25, 16_000, 5
"""Its frames a second, its samples a second, the frames that it sees at once."""
SHIFTS = 15
SIDE = 224
_FACE, _ABOVE = 2.6, 0.68
"""A face is so many mouths wide, and its mouth lies at that part of its height."""


class SyncNet:
    """SyncNet with its weights loaded."""

    def __init__(self, weights: Path) -> None:
        """Load the weights of a file. Raises BadWeights."""
        import torch

        self._parts = build_layers()
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            torch.nn.ModuleDict(self._parts).load_state_dict(state)
        except (
            OSError,
            RuntimeError,
            ValueError,
            AttributeError,
            EOFError,
            UnpicklingError,
        ) as error:
            raise BadWeights(weights, str(error).splitlines()[0]) from error
        for part in self._parts.values():
            part.eval()

    def measure_offset(
        self, film: Path, mouth: Mouth
    ) -> tuple[int | None, float | None, float | None]:
        """Frames by which the mouth is late, confidence, and the smallest mean distance; None where the film is too short."""
        import torch

        sound = read_mfcc(film)
        heard: deque[Tensor] = deque(maxlen=2 * SHIFTS + 1)
        seen: deque[Tensor] = deque(maxlen=SHIFTS + 1)
        sums, count = np.zeros(2 * SHIFTS + 1), 0
        with torch.inference_mode():
            for number, window in enumerate(_face_windows(film, mouth)):
                near = sound[:, 4 * number : 4 * number + 4 * WINDOW]
                if near.shape[1] < 4 * WINDOW:
                    break
                seen.append(self._embed_faces(window))
                heard.append(self._embed_sound(near))
                if len(heard) == heard.maxlen:
                    # The picture in the middle of the sounds: SHIFTS before it, SHIFTS after it.
                    distances = [float((seen[0] - each).norm()) for each in heard]
                    sums, count = sums + distances, count + 1
        if not count:
            return None, None, None
        mean = sums / count
        best = int(mean.argmin())
        # A sound from before the picture agrees with it best where the mouth is late.
        return SHIFTS - best, float(np.median(mean) - mean.min()), float(mean.min())

    def _embed_faces(self, window: NDArray[np.float32]) -> "Tensor":
        import torch

        given = torch.from_numpy(window)[None]
        flat = self._parts["netcnnlip"](given).flatten(1)
        found: Tensor = self._parts["netfclip"](flat)[0]
        return found

    def _embed_sound(self, near: NDArray[np.float32]) -> "Tensor":
        import torch

        given = torch.from_numpy(np.ascontiguousarray(near))[None, None]
        flat = self._parts["netcnnaud"](given).flatten(1)
        found: Tensor = self._parts["netfcaud"](flat)[0]
        return found


def build_layers() -> "dict[str, nn.Module]":
    """The four parts of the network, by their names in the checkpoint."""
    from torch import nn

    def sound(into: int, out: int, **shape: Any) -> list[nn.Module]:
        shape = {"kernel_size": 3, "padding": 1, **shape}
        return [nn.Conv2d(into, out, **shape), nn.BatchNorm2d(out), nn.ReLU()]

    def lips(into: int, out: int, **shape: Any) -> list[nn.Module]:
        shape = {"kernel_size": (1, 3, 3), "padding": (0, 1, 1), **shape}
        return [nn.Conv3d(into, out, **shape), nn.BatchNorm3d(out), nn.ReLU()]

    def joined() -> nn.Module:
        return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))  # fmt: skip

    return {
        "netcnnaud": nn.Sequential(
            *sound(1, 64), nn.MaxPool2d(1, 1),
            *sound(64, 192), nn.MaxPool2d(3, (1, 2)),
            *sound(192, 384), *sound(384, 256), *sound(256, 256), nn.MaxPool2d(3, 2),
            *sound(256, 512, kernel_size=(5, 4), padding=0),
        ),
        "netfcaud": joined(),
        "netfclip": joined(),
        "netcnnlip": nn.Sequential(
            *lips(3, 96, kernel_size=(5, 7, 7), stride=(1, 2, 2), padding=0),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *lips(96, 256, kernel_size=(1, 5, 5), stride=(1, 2, 2)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *lips(256, 256), *lips(256, 256), *lips(256, 256),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *lips(256, 512, kernel_size=(1, 6, 6), padding=0),
        ),
    }  # fmt: skip


def _face_windows(film: Path, mouth: Mouth) -> Iterator[NDArray[np.float32]]:
    """Five faces at a time [bgr, frame, y, x], 0 to 255, at 25 a second."""
    near: deque[NDArray[np.float32]] = deque(maxlen=WINDOW)
    fps, shown = read_stream_facts(film).fps, 0
    for number, frame in enumerate(read_frames(film)):
        # A film at another rate is shown at 25 a second, as a player would.
        while shown / FPS < (number + 1) / fps - 1e-6:
            near.append(_cut_face(frame_pixels(frame, "bgr24"), mouth))
            shown += 1
            if len(near) == WINDOW:
                yield np.stack(near, 1)


def _cut_face(pixels: NDArray[np.uint8], mouth: Mouth) -> NDArray[np.float32]:
    from PIL import Image

    height, width = pixels.shape[:2]
    left, top, right, bottom = mouth.box(width, height)
    side = (right - left) * _FACE
    x, y = (left + right) / 2 - side / 2, (top + bottom) / 2 - side * _ABOVE
    face = Image.fromarray(pixels).crop((round(x), round(y), round(x + side), round(y + side)))
    return np.asarray(face.resize((SIDE, SIDE)), np.float32).transpose(2, 0, 1)


def read_mfcc(film: Path) -> NDArray[np.float32]:
    """MFCC of the film's sound as SyncNet hears it: [13, a hundred a second]."""
    return compute_mfcc(_read_samples(film))


def compute_mfcc(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Thirteen cepstral coefficients [13, time] of samples at 16 kHz: 25 ms every 10, 26 mel bands, the first one the energy."""
    wide, step, size, bands = 400, 160, 512, 26
    sound = samples.astype(np.float64) * 32768
    sound = np.concatenate([sound[:1], sound[1:] - 0.97 * sound[:-1]])
    count = 1 + max(0, -(-(len(sound) - wide) // step))
    sound = np.pad(sound, (0, max(0, (count - 1) * step + wide - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(sound, wide)[::step][:count]
    power = np.abs(np.fft.rfft(frames, size)) ** 2 / size
    tiny = np.finfo(float).eps
    energy = np.log(np.maximum(power.sum(1), tiny))
    mel = np.log(np.maximum(power @ _mel_filters(bands, size).T, tiny))
    place = np.arange(bands) + 0.5
    cosines = np.cos(np.pi * np.outer(np.arange(13), place) / bands) * np.sqrt(2 / bands)
    cosines[0] /= np.sqrt(2)
    found = (mel @ cosines.T) * (1 + 11 * np.sin(np.pi * np.arange(13) / 22))
    found[:, 0] = energy
    return np.asarray(found.T, np.float32)


def _mel_filters(bands: int, size: int) -> NDArray[np.float64]:
    """Triangles that are even in mel, from 0 to 8000 Hz [band, bin]."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    bins = np.floor((size + 1) * edges / RATE).astype(int)
    bank = np.zeros((bands, size // 2 + 1))
    for band in range(bands):
        low, middle, high = bins[band : band + 3]
        bank[band, low:middle] = (np.arange(low, middle) - low) / (middle - low)
        bank[band, middle:high] = (high - np.arange(middle, high)) / (high - middle)
    return bank


def _read_samples(film: Path) -> NDArray[np.float32]:
    """All samples of a film's sound, mono, at 16 kHz: an hour is 230 MB, which is little beside the network."""
    from av import AudioResampler

    resampler = AudioResampler("flt", "mono", RATE)
    with open_video(film) as container:
        pieces = [
            piece.to_ndarray()[0]
            for frame in [*container.decode(audio=0), None]
            for piece in resampler.resample(frame)
        ]
    return np.concatenate(pieces).astype(np.float32) if pieces else np.zeros(0, np.float32)
