"""Seconds into frames into clips: pure arithmetic in whole numbers and fractions."""

import re
from fractions import Fraction

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)s)", re.ASCII)


def count_frames(seconds: Fraction, fps: int) -> int:
    """Frames of a film that lasts `seconds`: rounded half up, at least one."""
    return max(1, int(seconds * fps + Fraction(1, 2)))


def count_clips(frames: int, clip_frames: int) -> int:
    """Clips that hold so many frames; the last one may be cut."""
    return -(-frames // clip_frames)


def clip_span(clip: int, clip_frames: int, frames: int) -> range:
    """The film's frames that clip `clip` shows; the last clip is cut."""
    return range(clip * clip_frames, min((clip + 1) * clip_frames, frames))


def sound_span(clip: int, clip_frames: int, samples_per_frame: int, lead: int = 0) -> range:
    """The samples that belong to the frames of a whole clip; `lead` frames later if asked."""
    start = (clip * clip_frames + lead) * samples_per_frame
    return range(start, start + clip_frames * samples_per_frame)


def read_time(word: str) -> Fraction:
    """Seconds from the film's beginning of h:mm:ss, m:ss or 192.5s, all but hours with decimals. Raises ValueError, which says so."""
    found = _CLOCK.fullmatch(word)
    if found is None:
        raise ValueError(f"a time such as 0:03:12, 3:12.4 or 192.4s is needed, not {word}")
    hours, minutes, seconds, alone = (Fraction(each or 0) for each in found.groups())
    if seconds >= 60 or (found[1] and minutes >= 60):
        raise ValueError(f"{word} is no time: minutes and seconds end at 59")
    return 3600 * hours + 60 * minutes + seconds + alone


def first_clip_at(time: Fraction, fps: int, clip_frames: int) -> int:
    """The clip that shows the film at that time, or the first that begins then."""
    return int(time * fps) // clip_frames


def first_clip_after(time: Fraction, fps: int, clip_frames: int) -> int:
    """The first clip of which nothing is shown before that time."""
    return count_clips(-(-time * fps // 1), clip_frames)


def time_of_block(block: int, block_frames: int, fps: int) -> Fraction:
    """When a block is shown, in seconds from the film's beginning."""
    return Fraction(block * block_frames, fps)


def format_duration(seconds: Fraction) -> str:
    """A film's length as h:mm:ss, rounded half up; with hundredths below ten seconds, where a second is much."""
    hundredths = int(100 * seconds + Fraction(1, 2))
    if hundredths < 1000 and hundredths % 100:
        return f"0:00:{hundredths // 100:02d}.{hundredths % 100:02d}"
    whole = int(seconds + Fraction(1, 2))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def clock_tenths(seconds: Fraction) -> str:
    """A time in the film as h:mm:ss.s, rounded half up to a tenth of a second."""
    tenths = int(10 * seconds + Fraction(1, 2))
    return f"{tenths // 36_000}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"
