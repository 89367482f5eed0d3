"""Known answers: a good film is harmed in a known way, and what is measured is laid beside what was done to it.

    python -m pipeline.bench.known_answers RUN [RUN …]     (make known-answers makes the run, then this)

The first RUN is harmed, one way after the other; of every RUN, as it is, each level that is missed is told: whoever has looked at the film knows whether it is a
false alarm.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.bench import degradations
from pipeline.bench.degradations import Degradation, Frames
from pipeline.bench.known_cases import Case, all_cases
from pipeline.quality.audio_metrics import SoundLevels, SoundMeter
from pipeline.quality.lag_correlation import Float
from pipeline.quality.thresholds import judge_film
from pipeline.quality.video_reader import (
    FilmFile,
    find_film,
    frame_pixels,
    measure_film,
    open_video,
    read_frames,
    read_source_sound,
    read_stream_facts,
)

if TYPE_CHECKING:
    from av import AudioFrame, VideoFrame
    from av.container import OutputContainer
    from av.video.stream import VideoStream

CRF = "18"
BT709 = 1
"""The code of its matrix and, as it happens, of studio range."""


@dataclass(frozen=True)
class Answer:
    """One row of the table: what was done, what was found, and whether that is right."""

    done: str
    found: str
    right: bool
    others: tuple[str, ...]
    """Levels that are missed and have nothing to do with it."""


def check_case(film: FilmFile, case: Case, meant: SoundLevels | None, folder: Path) -> Answer:
    """Degrade a film, measure it, and say whether what was done was found."""
    path = folder / "harmed.mp4"
    write_degraded(film, path, case.degradation)
    if case.of_source:
        meant = _degraded_sound(film, case.degradation)
    found = judge_film(measure_film(replace(film, path=path)), case.done, meant)
    said, right = case.find(found)
    others = (each.what for each in found.missed)
    return Answer(
        case.done,
        said,
        right,
        tuple(o for o in others if not o.startswith(tuple(case.other) or "\0")),
    )


def _degraded_sound(film: FilmFile, degradation: Degradation) -> SoundLevels:
    samples, rate = _read_samples(film.path)
    fps = read_stream_facts(film.path).fps
    ear = SoundMeter(rate, fps)
    ear.add_samples(degradation.sound(samples, rate), 0)
    return ear.finish(int(samples.shape[1] / rate * fps))


def write_degraded(film: FilmFile, target: Path, degradation: Degradation) -> None:
    """Write the film with a degradation. A picture that nothing is done to is copied; else it is encoded with a key frame where clips meet, as in the film."""
    from storage.mp4 import create_mp4

    samples, rate = _read_samples(film.path)
    with open_video(film.path) as source, create_mp4(target, units=rate) as mp4:
        out, given = mp4.container, source.streams.video[0]
        copied = degradation.picture is degradations.keep_frames
        video = out.add_stream_from_template(given) if copied else _add_encoder(out, given, film)
        layout = "mono" if len(samples) == 1 else "stereo"
        sound = out.add_stream("aac", rate=rate, layout=layout)
        sound.bit_rate = 96_000 * len(samples)
        if copied:
            for packet in source.demux(given):
                if packet.dts is not None:
                    packet.stream = video
                    mp4.mux([packet])
        else:
            for frame in degradation.picture(_read_pixels(film.path)):
                mp4.mux(video.encode(_to_studio_range(frame)))
            mp4.mux(video.encode(None))
        for heard in _split_sound(degradation.sound(samples, rate), rate, layout):
            mp4.mux(sound.encode(heard))
        mp4.mux(sound.encode(None))


def _add_encoder(out: "OutputContainer", given: "VideoStream", film: FilmFile) -> "VideoStream":
    options = {"crf": CRF, "preset": "veryfast", "g": str(film.clip_frames), "bf": "0"}
    options |= {"sc_threshold": "0", "x264-params": "annexb=0"}
    video = out.add_stream("libx264", rate=Fraction(given.average_rate or 25), options=options)
    video.width, video.height, video.pix_fmt = given.width, given.height, "yuv420p"
    video.color_range = video.colorspace = BT709
    return video


def _to_studio_range(frame: degradations.Byte) -> "VideoFrame":
    import av

    made = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    return made.reformat(format="yuv420p", dst_colorspace=BT709, dst_color_range=BT709)


def _read_pixels(path: Path) -> Frames:
    for frame in read_frames(path):
        yield frame_pixels(frame, "rgb24")


def _read_samples(path: Path) -> tuple[Float, int]:
    with open_video(path) as container:
        rate = container.streams.audio[0].rate
        pieces = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(pieces, axis=1).astype(np.float32), rate


def _split_sound(samples: Float, rate: int, layout: str) -> "Iterator[AudioFrame]":
    import av

    for start in range(0, samples.shape[1], 1024):
        piece = np.ascontiguousarray(samples[:, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(piece, "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        yield frame


def main(arguments: Sequence[str] | None = None) -> int:
    """Check every case and print the table; 0 if everything that was done was found, and nothing else."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    given = parser.parse_args(arguments)
    films = [find_film(path) for path in given.runs]
    film, meant = films[0], read_source_sound(films[0])
    first = judge_film(measure_film(film), film.name, meant)
    wrong = 0
    print(f"| {'what was done':54} | {'what was found':48} | right | alarms beside it |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for case in all_cases(film, first):
            told = check_case(film, case, meant, Path(folder))
            wrong += not told.right or bool(told.others)
            line = f"| {told.done:54} | {told.found:48} | {'yes' if told.right else 'NO':5} | {', '.join(told.others)} |"
            print(line, flush=True)
    print()
    for each in films:
        found = judge_film(measure_film(each), each.name, read_source_sound(each))
        missed = [f"{level.what} {level.value:.2f} ({level.level})" for level in found.missed]
        print(f"{each.name}, {found.seconds:.1f} s, as it is: {', '.join(missed) or 'no alarm'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
