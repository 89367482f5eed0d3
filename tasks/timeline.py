"""Seconds into frames into clips: pure arithmetic in whole numbers and fractions."""

from fractions import Fraction


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
