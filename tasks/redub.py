"""A redub as it is asked for: other words for a stretch of a film. It becomes a retake (tasks/retake.py) whose clips hear another sound."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from storage.digest import hash_file
from storage.errors import BadSound
from storage.seed_history import DUB_RATE, Dub
from storage.soundtrack import probe_sound
from tasks.preflight import lengths_of
from tasks.request import require_option
from tasks.retake import RetakeRequest
from tasks.timeline import clock_tenths, first_clip_after, first_clip_at

if TYPE_CHECKING:
    from storage.run import Run
    from storage.soundtrack import SoundFacts
    from storage.spec import Spec


@dataclass(frozen=True)
class DubRequest:
    """What is asked for."""

    audio: Path
    """Other words."""
    begin: Fraction
    """Where in the film they begin, in seconds."""
    until: Fraction | None = None
    """Where the old sound goes on; None: where the new one ends."""
    accept_short_audio: bool = False
    """A sound that was cut off is taken as far as it goes."""


def add_dub(old: "Run", asked: DubRequest, wish: RetakeRequest) -> RetakeRequest:
    """The wish with the sound and with the clips that show its stretch. Raises BadOption, BadSound."""
    spec = old.spec
    words = "the film has several speakers, and whose words these are cannot be told yet"
    require_option(not spec.speakers, "--audio", asked.audio, words)
    sound = check_sound(asked)
    dub = place_dub(spec, asked, sound)
    clips = find_clips(spec, dub)
    until = None if clips.stop == spec.clips else clips.stop
    name = f"redub-{dub.start / DUB_RATE:g}s-{dub.stop / DUB_RATE:g}s-{dub.audio[:6]}"
    return replace(
        wish,
        clip=clips.start,
        until=until,
        name=wish.name or name,
        dub=dub,
        dub_file=asked.audio,
    )


def check_sound(asked: DubRequest) -> "SoundFacts":
    """The sound, listened to in whole; raises BadSound where it cannot be read or was cut off."""
    sound = probe_sound(asked.audio)
    if sound.cut and not asked.accept_short_audio:
        way = "get all of it, or take what is there with --accept-short-audio"
        raise BadSound(asked.audio, f"it is cut off: {lengths_of(sound)}; {way}")
    return sound


def place_dub(spec: "Spec", asked: DubRequest, sound: "SoundFacts") -> Dub:
    """Where in the film the sound goes; raises BadOption where it has no room there."""
    length, frame = Fraction(spec.frames, spec.fps), Fraction(1, spec.fps)
    ends = f"the film ends at {clock_tenths(length)}"
    require_option(asked.begin < length, "--from", clock_tenths(asked.begin), ends)
    until = min(asked.begin + sound.seconds, length) if asked.until is None else asked.until
    words = f"it is not behind --from {clock_tenths(asked.begin)}"
    require_option(until > asked.begin, "--until", clock_tenths(until), words)
    require_option(until <= length + frame / 2, "--until", clock_tenths(until), ends)
    room = until - asked.begin
    # Half a frame is rounding: of a length that was read off a player, or of the film's own end.
    fits = sound.seconds - room <= frame / 2
    words = f"it lasts {_seconds(sound.seconds)}, and there is room for {_seconds(room)}: cut it, or move --from or --until"
    require_option(fits, "--audio", asked.audio, words)
    # A film may end half a frame before its sound.
    end = until if until < length else until + frame
    start, stop = int(asked.begin * DUB_RATE), int(end * DUB_RATE)
    reading = sound.reading
    return Dub(hash_file(asked.audio), start, stop, reading.silence, reading.mix, reading.gain)


def find_clips(spec: "Spec", dub: Dub) -> range:
    """The clips that show the film while the sound is heard, and those that hear it."""
    begin, end = Fraction(dub.start, DUB_RATE), Fraction(dub.stop, DUB_RATE)
    lead = Fraction(spec.audio_lead, spec.fps)
    first = first_clip_at(max(min(begin, begin - lead), Fraction(0)), spec.fps, spec.clip_frames)
    last = first_clip_after(max(end, end - lead), spec.fps, spec.clip_frames)
    return range(min(first, spec.clips - 1), max(min(last, spec.clips), 1))


def _seconds(time: Fraction) -> str:
    return f"{float(time):.2f} s"
