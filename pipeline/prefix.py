"""The finished beginning of a film, joined at any time: no lock, no model, nothing of the run is changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.film import Film
from storage.errors import NotMade

if TYPE_CHECKING:
    from storage.run import Run


def join(run: "Run", *, partial: bool, output_file: Path | None) -> Film:
    """Publish the film of all clips, or of the longest finished beginning; raises NotMade where there is nothing to join."""
    from storage.film import FilmSpan, mux_film

    spec = run.spec
    clips = sum(1 for _ in takewhile(lambda clip: _is_there(run, clip), range(spec.clips)))
    if clips == 0:
        raise NotMade(f"The first clip of {run.root}")
    if clips < spec.clips and not partial:
        raise NotMade(f"Clip {clips} of {run.root} (--partial joins those before it)")
    target = output_file or (run.root / "partial.mp4" if partial else run.video_path)
    frames = min(clips * spec.clip_frames, spec.frames)
    span = FilmSpan(spec.fps, spec.clip_frames, frames, 0, run.root.name)
    with _soundtrack(run) as sound:
        mux_film(target, (run.vouched("segment", clip) for clip in range(clips)), sound, span)
    return Film(target, run.root, clips, frames, spec.fps)


def _is_there(run: "Run", clip: int) -> bool:
    return run.records.complete("segment", clip) and run.segment_path(clip).is_file()


@contextmanager
def _soundtrack(run: "Run") -> Iterator[Path]:
    """The run's encoded sound; encoded beside it for this once where the run has not come so far."""
    if run.records.complete("soundtrack") and run.soundtrack_path.is_file():
        yield run.vouched("soundtrack")
        return
    from tempfile import TemporaryDirectory

    from storage.sound import encode_soundtrack

    with TemporaryDirectory(prefix="longtake-") as folder:
        sound = Path(folder) / "soundtrack.m4a"
        run.check_inputs()
        encode_soundtrack(run.audio_path, sound)
        yield sound
