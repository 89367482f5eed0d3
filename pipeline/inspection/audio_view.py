"""What the model hears of a clip, beside the wave."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.inspection.contact_sheet import prepare_picture, save_sheet
from pipeline.inspection.plots import plot_audio, render_figure
from pipeline.json_output import to_json
from storage.errors import BadOption, count_noun
from tasks.timeline import sound_span

if TYPE_CHECKING:
    from storage.run import Run


@dataclass(frozen=True)
class LayerStatistics:
    """Range, mean and spread of one layer of a clip's audio features, and how they follow the sound."""

    layer: int
    """Counted on from speaker to speaker, where several speak."""
    low: float
    high: float
    mean: float
    deviation: float
    follows: float
    """Correlation of its mean size, frame by frame, with the loudness of the sound that it is made of."""
    nan: int


@dataclass(frozen=True)
class AudioView:
    """A clip's sound and the audio features that the model makes of it, as numbers."""

    run: str
    clip: int
    seconds: float
    """Where in the film the clip begins."""
    loudness: tuple[float, ...]
    """Root mean square of the sound of each frame."""
    layers: tuple[LayerStatistics, ...]
    picture: str

    def as_json(self) -> str:
        """The view as one JSON object, for machines."""
        return to_json(self)


def view_audio(
    run: "Run", clip: int, output_file: Path | None = None, *, overwrite: bool = False
) -> AudioView:
    """Draw a clip's audio features beside its wave into a PNG, and give them as numbers. Raises BadOption, BadOutput, NotMade, Damaged."""
    spec = run.spec
    if not 0 <= clip < spec.clips:
        raise BadOption(
            "--clip", clip, f"the film has {count_noun(spec.clips, 'clip')}, counted from 0"
        )
    own = Path(f"{run.root.name}-clip{clip}-audio.png")
    target = prepare_picture(run, output_file or own, overwrite=overwrite)
    features = run.audio.view(clip)
    features = features.reshape(-1, *features.shape[-2:])
    span = sound_span(clip, spec.clip_frames, spec.samples_per_frame, spec.audio_lead)
    wave = run.sound.read(span.start, span.stop)
    begins, lasts = clip * spec.clip_frames / spec.fps, spec.clip_frames / spec.fps
    save_sheet(target, render_figure(plot_audio(wave, features, begins, lasts)))
    loudness = _measure_loudness(wave, spec.clip_frames)
    each_speaker = [
        _measure_loudness(heard, spec.clip_frames)
        for heard in run.sound.read_speakers(span.start, span.stop)
    ]
    layers = tuple(
        _measure_layer(n, layer, each_speaker[n // spec.audio_layers])
        for n, layer in enumerate(features)
    )
    return AudioView(
        str(run.root), clip, begins, tuple(map(float, loudness.round(6))), layers, str(target.path)
    )


def _measure_loudness(wave: np.ndarray, frames: int) -> np.ndarray:
    """Root mean square [frame] of a wave [sample]."""
    squares = np.square(wave.reshape(frames, -1), dtype=np.float64)
    return np.asarray(np.sqrt(squares.mean(1)))


def _measure_layer(number: int, layer: np.ndarray, loudness: np.ndarray) -> LayerStatistics:
    values = layer.astype(np.float64)
    good = values[np.isfinite(values)] if np.isfinite(values).any() else np.array([np.nan])
    size = np.abs(np.where(np.isfinite(values), values, 0)).mean(0)
    moves = size.std() > 0 and loudness.std() > 0
    follows = float(np.corrcoef(size, loudness)[0, 1]) if moves else 0.0
    nan = int(np.count_nonzero(~np.isfinite(values)))
    figures = (float(good.min()), float(good.max()), float(good.mean()), float(good.std()))
    return LayerStatistics(number, *figures, round(follows, 3), nan)
