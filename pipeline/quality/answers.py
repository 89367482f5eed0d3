"""Known answers: a good film is harmed in a known way, and what is measured is laid beside what was done to it.

    python -m pipeline.quality.answers RUN [RUN …]     (make known-answers makes the run, then this)

The first RUN is harmed, one way after the other; of every RUN, as it is, each level that is missed is told: whoever has looked at the film knows whether it is a
false alarm.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.quality import harms
from pipeline.quality.harms import Frames, Harm
from pipeline.quality.judgement import Quality, judge
from pipeline.quality.looks import sharpness
from pipeline.quality.screening import Film, film_at, frames_of, meant_for, opened, screen

if TYPE_CHECKING:
    from av import AudioFrame, VideoFrame
    from av.container import OutputContainer
    from av.video.stream import VideoStream

    from pipeline.quality.hearing import Sound

CRF = "18"
BT709 = 1
"""The code of its matrix and, as it happens, of studio range."""
Find = Callable[[Quality], tuple[str, bool]]
"""What was found, in words, and whether it is what was done."""


@dataclass(frozen=True)
class Case:
    """One thing that is done to the film."""

    done: str
    harm: Harm
    find: Find
    other: frozenset[str] = frozenset()
    """Beginnings of levels that may be missed as well, since they are of the same thing."""


@dataclass(frozen=True)
class Answer:
    """One line of the table."""

    done: str
    found: str
    right: bool
    others: tuple[str, ...]
    """Levels that are missed and have nothing to do with it."""


def cases(film: Film, first: Quality) -> Iterator[Case]:
    """Everything that is tried, in the places where this film has speech and its long pause."""
    yield Case("encoded once more", Harm(lambda frames: frames), lambda _: ("no alarm", True))
    yield from _shifts(first.fps)
    yield from _of_sound()
    yield from _of_motion(first)
    yield from _of_looks(film, first)
    yield from _of_pauses(first)


def _shifts(fps: float) -> Iterator[Case]:
    for frames in range(-5, 6):

        def offset(found: Quality, frames: int = frames) -> tuple[str, bool]:
            said = found.sync.offset if found.sync else None
            return f"mouth {said} late", said is not None and abs(said + frames) <= 0

        if frames:
            done = f"sound {abs(frames)} frame{'s' * (abs(frames) > 1)} {'late' if frames > 0 else 'early'}"
            yield Case(
                done, harms.later(frames / fps), offset, frozenset({"lips", "sound", "pauses"})
            )

    def lost(found: Quality) -> tuple[str, bool]:
        clips = [] if found.sync is None else found.sync.clips
        half = found.seconds / 2
        late = [c for c in clips if c.offset is not None and _second(found, c.clip - 1) > half]
        soon = [c for c in clips if c.offset is not None and _second(found, c.clip + 2) < half]
        words = (
            f"{sorted({c.offset for c in soon})} before, {sorted({c.offset for c in late})} after"
        )
        right = all(c.offset == -4 for c in late) and all(c.offset == 0 for c in soon)
        return words, bool(late) and bool(soon) and right

    yield Case(
        "sound 4 frames late in the second half",
        _second_half(4 / fps),
        lost,
        frozenset({"lips", "sound"}),
    )


def _second_half(seconds: float) -> Harm:
    def move(samples: harms.Float, rate: int) -> harms.Float:
        return harms.later(seconds, samples.shape[1] / rate / 2).sound(samples, rate)

    return Harm(sound=move)


def _of_sound() -> Iterator[Case]:
    for seconds in (0.2, 0.05):

        def gap(found: Quality, seconds: float = seconds) -> tuple[str, bool]:
            gaps = found.sound.gaps if found.sound else ()
            words = ", ".join(f"{g.seconds:.3f} s at {g.second:.2f}" for g in gaps)
            right = (
                len(gaps) == 1
                and abs(gaps[0].second - 3.5) < 0.03
                and abs(gaps[0].seconds - seconds) < 0.03
            )
            return words, right

        yield Case(
            f"no sound for {seconds} s at 3.50",
            harms.hushed(3.5, seconds),
            gap,
            frozenset({"sound: gaps"}),
        )

    def clipped(found: Quality) -> tuple[str, bool]:
        spans = found.sound.clipped if found.sound else ()
        first, last = min(s.second for s in spans), max(s.second + s.seconds for s in spans)
        return f"{first:.2f} to {last:.2f} s", 3.9 < first < 4.3 and 4.5 < last < 5.05

    yield Case(
        "four times too loud from 4.00 to 5.00 s",
        harms.overdriven(4, 1),
        clipped,
        frozenset({"sound: clipped"}),
    )

    def ends(found: Quality) -> tuple[str, bool]:
        early = found.seconds - (found.sound.seconds if found.sound else 0)
        return f"{early:.2f} s early", abs(early - 1) < 0.06

    yield Case("the last second of sound lost", harms.ended(1.0), ends, frozenset({"sound: ends"}))


def _of_motion(first: Quality) -> Iterator[Case]:
    fps, clip = first.fps, first.clip_frames
    motion = frozenset({"seams", "largest jump", "clips shown"})
    for seconds in (1.0, 0.6):
        count, at = round(seconds * fps), round(5 * fps)

        def still(found: Quality, seconds: float = seconds) -> tuple[str, bool]:
            worst = found.frozen[0] if found.frozen else None
            words = f"{worst.seconds:.2f} s at {worst.second:.2f}" if worst else "nothing"
            right = (
                worst is not None
                and abs(worst.second - 5) <= 2 / fps
                and abs(worst.seconds - seconds) <= 2 / fps
            )
            return words, right

        yield Case(
            f"frozen for {seconds} s at 5.00",
            harms.held(at, count),
            still,
            frozenset({"longest frozen"}),
        )
    for of, to in ((4, 5), (2, 7)):

        def again(found: Quality, of: int = of, to: int = to) -> tuple[str, bool]:
            words = ", ".join(f"{r.clip} is {r.of} again" for r in found.repeats) or "nothing"
            return words, [(r.clip, r.of) for r in found.repeats] == [(to, of)]

        yield Case(
            f"clip {of} shown again as clip {to}",
            harms.shown_again(to, of, clip),
            again,
            motion | {"lips"},
        )
    for place, words in ((5 * clip, "where clips meet"), (5 * clip + clip // 3, "inside a clip")):
        yield Case(
            f"cut at {place / fps:.2f} s, {words}",
            harms.cut(place),
            _jump_at(place / fps),
            motion | {"likeness", "lips", "pauses"},
        )
    for pixels in (8, 4):
        yield Case(
            f"a jump aside by {pixels} pixels at 6.00 s",
            harms.pushed(round(6 * fps), pixels),
            _jump_at(6.0),
            motion | {"likeness"},
        )

    def seams(found: Quality) -> tuple[str, bool]:
        change = found.seams.change if found.seams else 0.0
        before = first.seams.change if first.seams else 0.0
        return f"{change:.1f} times the change inside (was {before:.1f})", change > 3

    yield Case(
        "every other clip brighter by 3 of 255", harms.stepped(3, clip), seams, motion | {"colour"}
    )


def _jump_at(second: float) -> Find:
    def find(found: Quality) -> tuple[str, bool]:
        worst = found.jumps[0] if found.jumps else None
        words = f"{worst.size:.1f} times usual at {worst.second:.2f} s" if worst else "nothing"
        return words, worst is not None and worst.size > 2.5 and abs(worst.second - second) < 0.03

    return find


def _of_looks(film: Film, first: Quality) -> Iterator[Case]:
    def red(found: Quality) -> tuple[str, bool]:
        gained = found.drift.clips[-1].colour - first.drift.clips[-1].colour
        return f"last clip {gained:+.1f} of 255", abs(gained - 11.7) < 1.2

    yield Case(
        "more and more red, 12 of 255 at the end",
        harms.tinted(12, first.frames),
        red,
        frozenset({"colour"}),
    )
    middle = first.frames - first.clip_frames // 2
    wanted = _softer(film, middle, 2 * middle / first.frames)

    def soft(found: Quality) -> tuple[str, bool]:
        ratios = [each.sharpness for each in found.drift.clips]
        lost = ratios[-1] / first.drift.clips[-1].sharpness
        return f"last clip {lost:.2f} as sharp ({wanted:.2f} by itself)", abs(lost - wanted) < 0.12

    yield Case(
        "softer and softer, 2 pixels at the end",
        harms.blurred(2, first.frames),
        soft,
        frozenset({"sharpness"}),
    )


def _softer(film: Film, place: int, radius: float) -> float:
    """How sharp one frame is through a Gaussian, against itself."""
    for number, frame in enumerate(frames_of(film.path)):
        if number == place:
            pixels = frame.to_ndarray(format="rgb24")
            both = (harms.soften(pixels, radius), pixels)
            soft, sharp = (sharpness(each.mean(2).astype(np.uint8)) for each in both)
            return soft / sharp
    return 1.0


def _of_pauses(first: Quality) -> Iterator[Case]:
    long = max(first.quiet.pauses, key=lambda pause: pause.seconds) if first.quiet else None
    if long is None or long.seconds < 5:
        return
    fps = first.fps
    start, count = round(long.second * fps), round(long.seconds * fps)

    def open_mouth(found: Quality) -> tuple[str, bool]:
        mouth = found.quiet.mouth if found.quiet else None
        return f"{100 * (mouth or 0):.0f} % of speech", mouth is not None and mouth > 0.05

    yield Case(
        "the mouth goes on talking for 3 s of the long pause",
        harms.spliced(start + 50, 75, 75),
        open_mouth,
        frozenset({"pauses", "largest jump", "lips"}),
    )

    def slow(found: Quality) -> tuple[str, bool]:
        worst = found.quiet.shuts_after if found.quiet else None
        return f"shut after {worst} frames", worst is not None and 8 <= worst <= 11

    yield Case(
        "an open mouth held for 9 frames of the long pause",
        harms.held(start - 3, 12),
        slow,
        frozenset({"pauses", "largest jump"}),
    )

    def dead(found: Quality) -> tuple[str, bool]:
        motion = found.quiet.motion if found.quiet else None
        longest = found.frozen[0].seconds if found.frozen else 0.0
        words = f"motion {100 * (motion or 0):.0f} %, frozen for {longest:.2f} s"
        return words, motion is not None and motion < 0.5 and abs(longest - count / fps) < 0.2

    yield Case(
        f"a still picture in all {count / fps:.2f} s of the long pause",
        harms.held(start, count),
        dead,
        frozenset({"pauses", "longest frozen", "largest jump"}),
    )


def _second(found: Quality, clip: int) -> float:
    return clip * found.clip_frames / found.fps


def answer(film: Film, case: Case, meant: "Sound | None", folder: Path) -> Answer:
    """Do it, measure it, and say whether it was found."""
    path = folder / "harmed.mp4"
    write(film, path, case.harm)
    found = judge(screen(replace(film, path=path)), case.done, meant)
    said, right = case.find(found)
    others = (each.what for each in found.missed)
    return Answer(
        case.done,
        said,
        right,
        tuple(o for o in others if not o.startswith(tuple(case.other) or "\0")),
    )


def write(film: Film, target: Path, harm: Harm) -> None:
    """The film once more, with the harm done. A picture that nothing is done to is copied; else it is encoded with a key frame where clips meet, as in the film."""
    import av

    samples, rate = _samples(film.path)
    with opened(film.path) as source, av.open(str(target), "w") as out:
        given = source.streams.video[0]
        copied = harm.picture is harms.untouched
        video = out.add_stream_from_template(given) if copied else _encoder(out, given, film)
        layout = "mono" if len(samples) == 1 else "stereo"
        sound = out.add_stream("aac", rate=rate, layout=layout)
        sound.bit_rate = 96_000 * len(samples)
        if copied:
            for packet in source.demux(given):
                if packet.dts is not None:
                    packet.stream = video
                    out.mux(packet)
        else:
            for frame in harm.picture(_pixels(film.path)):
                out.mux(video.encode(_studio(frame)))
            out.mux(video.encode(None))
        for heard in _frames_of_sound(harm.sound(samples, rate), rate, layout):
            out.mux(sound.encode(heard))
        out.mux(sound.encode(None))


def _encoder(out: "OutputContainer", given: "VideoStream", film: Film) -> "VideoStream":
    options = {"crf": CRF, "preset": "veryfast", "g": str(film.clip_frames), "bf": "0"}
    options["sc_threshold"] = "0"
    video = out.add_stream("libx264", rate=Fraction(given.average_rate or 25), options=options)
    video.width, video.height, video.pix_fmt = given.width, given.height, "yuv420p"
    video.color_range = video.colorspace = BT709
    return video


def _studio(frame: harms.Byte) -> "VideoFrame":
    import av

    made = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    return made.reformat(format="yuv420p", dst_colorspace=BT709, dst_color_range=BT709)


def _pixels(path: Path) -> Frames:
    for frame in frames_of(path):
        yield frame.to_ndarray(format="rgb24")


def _samples(path: Path) -> tuple[harms.Float, int]:
    with opened(path) as container:
        rate = container.streams.audio[0].rate
        pieces = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(pieces, axis=1).astype(np.float32), rate


def _frames_of_sound(samples: harms.Float, rate: int, layout: str) -> "Iterator[AudioFrame]":
    import av

    for start in range(0, samples.shape[1], 1024):
        piece = np.ascontiguousarray(samples[:, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(piece, "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        yield frame


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 0 if everything that was done was found, and nothing else."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    given = parser.parse_args(arguments)
    films = [film_at(path) for path in given.runs]
    film, meant = films[0], meant_for(films[0])
    first = judge(screen(film), film.name, meant)
    wrong = 0
    print(f"| {'what was done':54} | {'what was found':48} | right | alarms beside it |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(film, first):
            told = answer(film, case, meant, Path(folder))
            wrong += not told.right or bool(told.others)
            line = f"| {told.done:54} | {told.found:48} | {'yes' if told.right else 'NO':5} | {', '.join(told.others)} |"
            print(line, flush=True)
    print()
    for each in films:
        found = judge(screen(each), each.name, meant_for(each))
        missed = [f"{level.what} {level.value:.2f} ({level.level})" for level in found.missed]
        print(f"{each.name}, {found.seconds:.1f} s, as it is: {', '.join(missed) or 'no alarm'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
