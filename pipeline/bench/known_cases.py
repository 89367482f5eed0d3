"""What is tried to know that each measure finds what is there, in the right place and of the right size."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.bench import degradations
from pipeline.bench.degradations import Degradation
from pipeline.quality.frame_metrics import measure_sharpness
from pipeline.quality.lag_correlation import Float
from pipeline.quality.thresholds import FilmQuality
from pipeline.quality.video_reader import FilmFile, frame_pixels, read_frames

Find = Callable[[FilmQuality], tuple[str, bool]]
"""What was found, in words, and whether it is what was done."""


@dataclass(frozen=True)
class Case:
    """One degradation of a film, and what must be found of it."""

    done: str
    degradation: Degradation
    find: Find
    other: frozenset[str] = frozenset()
    """Beginnings of levels that may be missed as well, since they are of the same thing."""
    of_source: bool = False
    """Whether the sound that the film was made of was so already."""


def all_cases(film: FilmFile, first: FilmQuality) -> Iterator[Case]:
    """All cases, at places where this film has speech and its long pause."""
    yield Case(
        "encoded once more", Degradation(lambda frames: frames), lambda _: ("no alarm", True)
    )
    yield from _shift_cases(first.fps)
    yield from _sound_cases()
    yield from _motion_cases(first)
    yield from _appearance_cases(film, first)
    yield from _pause_cases(first)


def _shift_cases(fps: float) -> Iterator[Case]:
    for frames in range(-5, 6):

        def offset(found: FilmQuality, frames: int = frames) -> tuple[str, bool]:
            said = found.sync.offset if found.sync else None
            return f"mouth {said} late", said is not None and abs(said + frames) <= 0

        if frames:
            done = f"sound {abs(frames)} frame{'s' * (abs(frames) > 1)} {'late' if frames > 0 else 'early'}"
            yield Case(
                done,
                degradations.delay_sound(frames / fps),
                offset,
                frozenset({"lips", "sound", "pauses"}),
            )

    def lost(found: FilmQuality) -> tuple[str, bool]:
        clips = [] if found.sync is None else found.sync.clips
        half = found.seconds / 2
        late = [c for c in clips if c.offset is not None and _clip_second(found, c.clip - 1) > half]
        soon = [c for c in clips if c.offset is not None and _clip_second(found, c.clip + 2) < half]
        words = f"{sorted({c.offset or 0 for c in soon})} before, {sorted({c.offset or 0 for c in late})} after"
        right = all(c.offset == -4 for c in late) and all(c.offset == 0 for c in soon)
        return words, bool(late) and bool(soon) and right

    yield Case(
        "sound 4 frames late in the second half",
        _shift_second_half(4 / fps),
        lost,
        frozenset({"lips", "sound"}),
    )


def _shift_second_half(seconds: float) -> Degradation:
    def move(samples: Float, rate: int) -> Float:
        return degradations.delay_sound(seconds, samples.shape[1] / rate / 2).sound(samples, rate)

    return Degradation(sound=move)


def _sound_cases() -> Iterator[Case]:
    for seconds in (0.2, 0.05):

        def gap(found: FilmQuality, seconds: float = seconds) -> tuple[str, bool]:
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
            degradations.mute_sound(3.5, seconds),
            gap,
            frozenset({"sound: gaps"}),
        )

    def clipped(found: FilmQuality) -> tuple[str, bool]:
        spans = found.sound.clipped if found.sound else ()
        if not spans:
            return "nothing", False
        first, last = min(s.second for s in spans), max(s.second + s.seconds for s in spans)
        return f"{first:.2f} to {last:.2f} s", 3.95 < first < 4.2 and 4.8 < last < 5.05

    yield Case(
        "four times too loud from 4.00 to 5.00 s",
        degradations.overdrive_sound(4, 1),
        clipped,
        frozenset({"sound: clipped"}),
        of_source=True,
    )

    def ends(found: FilmQuality) -> tuple[str, bool]:
        early = found.seconds - (found.sound.seconds if found.sound else 0)
        return f"{early:.2f} s early", abs(early - 1) < 0.06

    yield Case(
        "the last second of sound lost",
        degradations.cut_sound(1.0),
        ends,
        frozenset({"sound: ends", "sound: gaps", "pauses"}),
    )


def _motion_cases(first: FilmQuality) -> Iterator[Case]:
    fps, clip = first.fps, first.clip_frames
    motion = frozenset({"seams", "largest jump", "clips shown"})
    for seconds in (1.0, 0.6):
        count, at = round(seconds * fps), round(5 * fps)

        def still(found: FilmQuality, seconds: float = seconds) -> tuple[str, bool]:
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
            degradations.freeze_frame(at, count),
            still,
            frozenset({"longest frozen"}),
        )
    for of, to in ((4, 5), (2, 7)):

        def again(found: FilmQuality, of: int = of, to: int = to) -> tuple[str, bool]:
            words = ", ".join(f"{r.clip} is {r.of} again" for r in found.repeats) or "nothing"
            return words, [(r.clip, r.of) for r in found.repeats] == [(to, of)]

        yield Case(
            f"clip {of} shown again as clip {to}",
            degradations.repeat_clip(to, of, clip),
            again,
            motion | {"lips"},
        )
    for place, words in ((5 * clip, "where clips meet"), (5 * clip + clip // 3, "inside a clip")):
        yield Case(
            f"cut at {place / fps:.2f} s, {words}",
            degradations.mirror_from(place),
            _find_jump_at(place / fps),
            motion | {"likeness", "lips", "pauses"},
        )
    for pixels in (8, 4):
        yield Case(
            f"a jump aside by {pixels} pixels at 6.00 s",
            degradations.shift_picture(round(6 * fps), pixels),
            _find_jump_at(6.0),
            motion | {"likeness"},
        )

    def seams(found: FilmQuality) -> tuple[str, bool]:
        change = found.seams.change if found.seams else 0.0
        before = first.seams.change if first.seams else 0.0
        return f"{change:.1f} times the change inside (was {before:.1f})", change > 3

    yield Case(
        "every other clip brighter by 3 of 255",
        degradations.brighten_every_other(3, clip),
        seams,
        motion | {"colour"},
    )


def _find_jump_at(second: float) -> Find:
    def find(found: FilmQuality) -> tuple[str, bool]:
        worst = found.jumps[0] if found.jumps else None
        words = f"{worst.size:.1f} times usual at {worst.second:.2f} s" if worst else "nothing"
        return words, worst is not None and worst.size > 2.5 and abs(worst.second - second) < 0.03

    return find


def _appearance_cases(film: FilmFile, first: FilmQuality) -> Iterator[Case]:
    def red(found: FilmQuality) -> tuple[str, bool]:
        last = found.drift.clips[-1].colour
        return f"last clip {last:.1f} of 255", abs(last - 11.7) < 1

    yield Case(
        "more and more red, 12 of 255 at the end",
        degradations.tint_gradually(12, first.frames),
        red,
        frozenset({"colour"}),
    )
    middle = first.frames - first.clip_frames // 2
    wanted = _relative_sharpness(film, middle, 2 * middle / first.frames)

    def soft(found: FilmQuality) -> tuple[str, bool]:
        ratios = [each.sharpness for each in found.drift.clips]
        lost = ratios[-1] / first.drift.clips[-1].sharpness
        return f"last clip {lost:.2f} as sharp ({wanted:.2f} by itself)", abs(lost - wanted) < 0.12

    yield Case(
        "softer and softer, 2 pixels at the end",
        degradations.blur_gradually(2, first.frames),
        soft,
        frozenset({"sharpness"}),
    )


def _relative_sharpness(film: FilmFile, place: int, radius: float) -> float:
    """The sharpness of one frame through a Gaussian, as a share of its own."""
    for number, frame in enumerate(read_frames(film.path)):
        if number == place:
            pixels = frame_pixels(frame, "rgb24")
            both = (degradations.soften_frame(pixels, radius), pixels)
            soft, sharp = (measure_sharpness(each.mean(2).astype(np.uint8)) for each in both)
            return soft / sharp
    return 1.0


def _pause_cases(first: FilmQuality) -> Iterator[Case]:
    long = max(first.quiet.pauses, key=lambda pause: pause.seconds) if first.quiet else None
    if long is None or long.seconds < 5:
        return
    fps = first.fps
    start, count = round(long.second * fps), round(long.seconds * fps)

    def open_mouth(found: FilmQuality) -> tuple[str, bool]:
        mouth = found.quiet.mouth if found.quiet else None
        return f"{100 * (mouth or 0):.0f} % of speech", mouth is not None and mouth > 0.05

    yield Case(
        "the mouth goes on talking for 3 s of the long pause",
        degradations.splice_frames(start + 50, 75, 75),
        open_mouth,
        frozenset({"pauses", "largest jump", "lips"}),
    )

    def slow(found: FilmQuality) -> tuple[str, bool]:
        worst = found.quiet.shuts_after if found.quiet else None
        return f"shut after {worst} frames", worst is not None and 8 <= worst <= 11

    yield Case(
        "an open mouth held for 9 frames of the long pause",
        degradations.freeze_frame(start - 3, 12),
        slow,
        frozenset({"pauses", "largest jump"}),
    )

    def dead(found: FilmQuality) -> tuple[str, bool]:
        motion = found.quiet.motion if found.quiet else None
        longest = found.frozen[0].seconds if found.frozen else 0.0
        words = f"motion {100 * (motion or 0):.0f} %, frozen for {longest:.2f} s"
        return words, motion is not None and motion < 0.5 and abs(longest - count / fps) < 0.2

    yield Case(
        f"a still picture in all {count / fps:.2f} s of the long pause",
        degradations.freeze_frame(start, count),
        dead,
        frozenset({"pauses", "longest frozen", "largest jump"}),
    )


def _clip_second(found: FilmQuality, clip: int) -> float:
    return clip * found.clip_frames / found.fps
