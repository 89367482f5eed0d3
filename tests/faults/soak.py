"""Films so long that whatever grows is seen: make soak, or python tests/faults/soak.py [clips tiny luigid shipped sound] [--folder runs/soak].

clips    10 000 clips of the shipped model, small (64×64, one step, 12 frames), through `longtake new`: CPU time, memory and open files a clip, time outside
         the stages, and the joining
tiny     10 000 clips of a model that costs nothing (tests/fake_avatar.py): what is left is ours and Luigi's
shipped  1000 clips as the model is shipped: 256×256, four steps, 48 frames
luigid   1000 clips of the same through `luigi` and a luigid: what its scheduling costs is told, and no level
sound    a soundtrack of fifty minutes, whole, small

Each part is one run that goes on where it was stopped, under a gauge that writes one line a clip; a finished part is only told again.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TextIO

ROOT = Path(__file__).parents[2]
# The root first: tests/ has folders of the same names as the packages.
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]

HUNDRED = 100
MOST_GROWTH, MOST_SCHEDULING, MOST_MUX = 1.05, 0.006, 90.0
FILM_RATE = 48_000
MIB = 1 << 20


@dataclass(frozen=True)
class Part:
    """One long film."""

    clips: int
    size: int
    steps: int
    clip_frames: int
    flags: tuple[str, ...] = ()
    fake: bool = False
    """The model that costs nothing."""
    central: bool = False
    """Scheduled by a luigid."""


# Frames of a thousand clips at 256×256 take 9 GB, and say nothing here.
PARTS = {
    "clips": Part(10_000, 64, 1, 12),
    "tiny": Part(10_000, 32, 4, 12, fake=True),
    "luigid": Part(1000, 32, 4, 12, fake=True, central=True),
    "shipped": Part(1000, 256, 4, 48, ("--keep-frames", "none")),
    "sound": Part(50 * 60 * 25 // 48 + 1, 64, 1, 48),
}
SOUND_SECONDS = 3000


@dataclass(frozen=True)
class Level:
    """One thing that must hold."""

    name: str
    value: float
    asked: str
    passed: bool


def sit(part: Part, folder: Path) -> int:
    """Make the film, or what is missing of it, in this process, under the gauge."""
    from pipeline.cli import main
    from tasks.events import listen_to_events

    if part.fake:
        import fake_avatar

        fake_avatar.install()
    with (
        (folder / "gauge.jsonl").open("a", buffering=1) as file,
        listen_to_events(Gauge(file).tell),
    ):
        if part.central:
            return _sit_before_luigid(part, folder)
        picture, sound = _given(part, folder)
        return main(["new", str(picture), str(sound), *_shape(part, folder)])


def _sit_before_luigid(part: Part, folder: Path) -> int:
    from luigi.cmdline import luigi_run
    from luigid import serving

    picture, sound = _given(part, folder)
    words = ["--module", "tasks", "LongVideo", "--image", str(picture), "--audio", str(sound)]
    with serving(folder) as port:
        where = ["--scheduler-host", "127.0.0.1", "--scheduler-port", str(port)]
        try:
            luigi_run([*words, *_shape(part, folder), *where])
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


def _given(part: Part, folder: Path) -> tuple[Path, Path]:
    return folder / f"picture.{part.size}x{part.size}.png", folder / "sound.wav"


def _shape(part: Part, folder: Path) -> list[str]:
    shape = ["--run", str(folder / "film"), "--size", f"{part.size}*{part.size}"]
    shape += ["--sample-steps", str(part.steps), "--infer-frames", str(part.clip_frames)]
    return [*shape, "--base-seed", "0", *part.flags]


class Gauge:
    """One line a clip: the processor's time of the process, that of Luigi's thread outside the stages, memory, open files."""

    def __init__(self, file: TextIO) -> None:
        import psutil

        from tasks.base import RunTask

        self._file, self._me, self._inside = file, psutil.Process(), 0.0
        attempt = RunTask._attempt

        @contextmanager
        def timed(*given: object) -> Iterator[object]:
            # The processor's time, not the clock's: the model computes meanwhile, and other programs do.
            begun = time.thread_time()
            with attempt(*given) as session:
                yield session
            self._inside += time.thread_time() - begun

        RunTask._attempt = timed

    def tell(self, event: str, facts: dict[str, object]) -> None:
        """Listen."""
        if event != "stage_seconds" or facts["stage"] != "segment":
            return
        # Within the segment's own stage yet: what it has taken so far counts with the next clip's.
        line = {"pid": os.getpid(), "clip": facts["clip"], "cpu": time.process_time()}
        line |= {"thread": time.thread_time(), "inside": self._inside}
        line |= {"rss": self._me.memory_info().rss, "files": self._me.num_fds()}
        self._file.write(json.dumps(line) + "\n")


def prepare(name: str, part: Part, folder: Path) -> None:
    """The picture and the sound of a part, once."""
    from model.avatar import Options
    from pipeline.bench import material

    folder.mkdir(parents=True, exist_ok=True)
    sound = folder / "sound.wav"
    if sound.exists():
        return
    options = Options(part.size, part.size, part.clip_frames, part.steps)
    material.prepare_material(folder, part.clips, options)
    made = folder / f"{part.clips}.wav"
    if name == "sound":
        _cut(made, SOUND_SECONDS)
    made.rename(sound)


def _cut(path: Path, seconds: int) -> None:
    import wave

    with wave.open(str(path), "rb") as file:
        shape, samples = file.getparams(), file.readframes(seconds * file.getframerate())
    with wave.open(str(path), "wb") as file:
        file.setparams(shape)
        file.writeframes(samples)


def levels(name: str, part: Part, folder: Path) -> Iterator[Level]:
    """What the gauge and the run's own events say of a finished part."""
    lines = _longest([json.loads(line) for line in _lines(folder / "gauge.jsonl")])
    cpu = [two["cpu"] - one["cpu"] for one, two in pairwise(lines)]
    for what, values in {
        "CPU time a clip": cpu,
        "memory": [line["rss"] for line in lines],
        "open files": [line["files"] for line in lines],
    }.items():
        growth = median(values[-HUNDRED:]) / median(values[:HUNDRED])
        words = f"{name}: {what}, the last hundred clips over the first"
        yield Level(words, growth, f"≤ {MOST_GROWTH}", growth <= MOST_GROWTH)
    last = scheduling(lines[-HUNDRED:])
    words = f"{name}: scheduling, seconds a clip, of the last hundred"
    asked = "told" if part.central else f"≤ {MOST_SCHEDULING}"
    yield Level(words, last, asked, part.central or last <= MOST_SCHEDULING)
    events = [json.loads(line) for line in _lines(folder / "film" / "events.jsonl")]
    seconds = next(each["seconds"] for each in reversed(events) if each.get("stage") == "video")
    yield Level(
        f"{name}: seconds to join {part.clips} clips", seconds, f"≤ {MOST_MUX}", seconds <= MOST_MUX
    )
    yield from _film_levels(name, part, folder)


def scheduling(lines: Sequence[dict]) -> float:
    """Seconds a clip that Luigi's thread was at work outside the stages: a line is written at the end of a segment's stage."""
    spent, inside = (lines[-1][name] - lines[0][name] for name in ("thread", "inside"))
    return (spent - inside) / (len(lines) - 1)


def _film_levels(name: str, part: Part, folder: Path) -> Iterator[Level]:
    from storage.run import Run
    from tests.film_facts import inspect_film

    run = Run.open(folder / "film")
    film = inspect_film(run.video_path)
    yield Level(
        f"{name}: frames", film.frames, f"= {run.spec.frames}", film.frames == run.spec.frames
    )
    heard = film.audio_samples / film.audio_rate
    off = abs(film.audio_samples - _samples(folder / "sound.wav", film.audio_rate))
    yield Level(f"{name}: {heard:.2f} s of sound, samples off", off, "≤ 1", off <= 1)
    few, all_ = (_joining(folder / "film", clips) for clips in (HUNDRED, part.clips))
    words = f"{name}: memory while joining all clips over that of a hundred"
    yield Level(words, all_ / few, f"≤ {MOST_GROWTH}", all_ / few <= MOST_GROWTH)


def _samples(path: Path, rate: int) -> int:
    import wave

    with wave.open(str(path), "rb") as file:
        return file.getnframes() * rate // file.getframerate()


def _joining(run: Path, clips: int) -> int:
    """The most memory of a process that joins so many clips of a run."""
    from pipeline.bench.process import run_watched

    code = (
        "import sys; from pathlib import Path; from storage.film_file import FilmSpan, mux_film; from storage.run import Run\n"
        "run, clips = Run.open(Path(sys.argv[1])), int(sys.argv[2]); spec = run.spec\n"
        "span = FilmSpan(spec.fps, spec.clip_frames, min(clips * spec.clip_frames, spec.frames))\n"
        "mux_film(Path(sys.argv[3]), map(run.segment_path, range(clips)), run.soundtrack_path, span)"
    )
    target = run.parent / "joined.mp4"
    done = run_watched([sys.executable, "-c", code, str(run), str(clips), str(target)])
    target.unlink()
    return done.peak


def _longest(lines: Sequence[dict]) -> Sequence[dict]:
    """The lines of the process that made most clips: one that goes on begins with little memory."""
    of: dict[int, list[dict]] = {}
    for line in lines:
        of.setdefault(line["pid"], []).append(line)
    return max(of.values(), key=len)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def table(found: Sequence[Level]) -> str:
    """For a person."""
    return "\n".join(
        f"{one.name:<84}{one.value:12.4g}{one.asked:>12}  {'pass' if one.passed else 'FAIL'}"
        for one in found
    )


def main() -> int:
    """Make each part, or go on with it; print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "soak")
    parser.add_argument("--clips", type=int, help="fewer, to try it")
    parser.add_argument("--sit", action="store_true", help=argparse.SUPPRESS)
    words = parser.parse_args()
    found: list[Level] = []
    for name in words.parts or PARTS:
        part = PARTS[name]
        if words.clips:
            part = replace(part, clips=words.clips)
        folder = words.folder / f"{name}.{part.clips}"
        if words.sit:
            return sit(part, folder)
        prepare(name, part, folder)
        begun = time.monotonic()
        again = [name, "--folder", str(words.folder), "--clips", str(part.clips), "--sit"]
        # A process of its own: what the one before has left must not count.
        if code := subprocess.run([sys.executable, __file__, *again], check=False).returncode:
            return code
        print(f"{name}: {time.monotonic() - begun:.0f} s in this sitting", file=sys.stderr)
        found += levels(name, part, folder)
    print(table(found))
    return 0 if all(level.passed for level in found) else 1


if __name__ == "__main__":
    sys.exit(main())
