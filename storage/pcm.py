"""Any sound file as float32 samples, piece by piece, with the speaker that each channel belongs to."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog
from numpy.typing import NDArray

from storage.errors import BadSound
from storage.media_file import open_media
from storage.refusals import spare_input

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, Packet
    from av.container import InputContainer

log = structlog.get_logger()

Samples = NDArray[np.float32]

HALF = 0.5**0.5
# What each speaker gives to the left and to the right (ITU-R BS.775). The subwoofer gives nothing; one that is not named here both alike.
LEFT_RIGHT = {
    **dict.fromkeys(("FL", "FLC", "DL", "WL"), (1.0, 0.0)),
    **dict.fromkeys(("FR", "FRC", "DR", "WR"), (0.0, 1.0)),
    **dict.fromkeys(("BL", "SL", "TFL", "TBL"), (HALF, 0.0)),
    **dict.fromkeys(("BR", "SR", "TFR", "TBR"), (0.0, HALF)),
    **dict.fromkeys(("LFE", "LFE2"), (0.0, 0.0)),
}
# WAV files often name no speakers; these are what their number commonly means.
USUAL = {
    1: ("FC",),
    2: ("FL", "FR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
FULL_SCALE = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}
# Formats whose header states the length exactly, and what may be missing all the same; the others estimate it.
MISSING_SECONDS = {"flac": Fraction(0), "mov": Fraction(1, 10), "ogg": Fraction(1, 10)}
LONGEST_PADDING = 4096
"""Samples that a container may cut from the end of the last frames: two frames of HE-AAC."""
ROUNDING = Fraction(1, 500)
"""Seconds by which an edit list may be off: the unit of most is a millisecond, of Apple's a 600th."""
WAY_OUT = "convert it (ffmpeg -i IN OUT.wav), or give another"


@dataclass(frozen=True)
class Piece:
    """Some consecutive samples [channel, sample], full scale ±1."""

    samples: Samples
    rate: int
    speakers: tuple[str, ...]


@dataclass
class Told:
    """What the container says of the sound's length; nothing, if it only guesses."""

    seconds: Fraction = Fraction(0)
    missing: Fraction = Fraction(0)
    """How much less there may be all the same."""
    padded: bool = False
    """The last frames may hold more than that."""
    last_packet: Fraction = Fraction(0)
    """Where it ends, in seconds from the first sample."""

    def follow(self, packet: "Packet[AudioStream]", stream: "AudioStream") -> None:
        """Take note of a packet that was read."""
        if self.padded and packet.pts is not None:
            start = max(stream.start_time or 0, 0)
            self.last_packet = (packet.pts + (packet.duration or 0) - start) * packet.time_base

    def end(self, rate: int) -> int:
        """Where the padding begins: by the last packet, if the edit list is but its rounding (to milliseconds, in most files)."""
        rounded = abs(self.last_packet - self.seconds) <= ROUNDING
        return max(round((self.last_packet if rounded else self.seconds) * rate), 1)


def decode(path: Path) -> Iterator[Piece]:
    """All of the file's samples in order, at least one; raises BadSound."""
    import av

    _refuse_path(path)
    try:
        with open_media(path, options={"protocol_whitelist": "none"}) as container:
            stream = container.streams.best("audio")
            if not isinstance(stream, av.AudioStream):
                raise BadSound(
                    path, "it holds no sound; give a WAV, FLAC, MP3 or M4A, or a video with sound"
                )
            told = _told(container, stream)
            pieces = _uniform(path, _pieces(path, container, stream, told))
            yield from _whole(path, _unpadded(pieces, told), told)
    except av.FFmpegError as error:
        raise BadSound(
            path, f"it is no sound file, or a damaged one ({error.strerror}); {WAY_OUT}"
        ) from error


def mix_mono(piece: Piece) -> Samples:
    """[1, sample]: left and right in halves. Not turned down for the many channels of a film: its speech would become faint."""
    return _mix(piece, _weights(piece).mean(axis=0, keepdims=True))


def mix_film(piece: Piece) -> Samples:
    """Mono and stereo as they are, more channels as stereo [2, sample], turned down so that it cannot clip."""
    if len(piece.speakers) <= 2:
        return piece.samples
    weights = _weights(piece)
    return _mix(piece, weights / max(weights.sum(axis=1).max(), 1))


def _weights(piece: Piece) -> NDArray[np.float32]:
    """[left and right, channel]; one channel goes to both in full."""
    if len(piece.speakers) == 1:
        return np.ones((2, 1), np.float32)
    return np.array(
        [LEFT_RIGHT.get(speaker, (HALF, HALF)) for speaker in piece.speakers], np.float32
    ).T


def _mix(piece: Piece, weights: NDArray[np.float32]) -> Samples:
    # Without BLAS: its threads would decide the order of the sum.
    mixed: Samples = np.einsum("oc,cs->os", weights, piece.samples, optimize=False)
    return mixed


def _refuse_path(path: Path) -> None:
    if path.is_dir():
        raise BadSound(path, "it is a folder; name the sound file in it")
    if not path.is_file():
        raise BadSound(path, "there is no such file; check the path")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        spare_input(path, error)
        raise BadSound(
            path, f"it cannot be read ({error.strerror}); check its permissions"
        ) from error
    if empty:
        raise BadSound(path, "it is empty; give another")


def _told(container: "InputContainer", stream: "AudioStream") -> Told:
    name = container.format.name.split(",")[0]
    if not stream.duration or not stream.time_base or name not in MISSING_SECONDS:
        return Told()
    return Told(stream.duration * stream.time_base, MISSING_SECONDS[name], padded=name == "mov")


def _pieces(
    path: Path, container: "InputContainer", stream: "AudioStream", told: Told
) -> Iterator[Piece]:
    """What decodes. Junk before and after the sound is common and harmless; a hole in it would shift what follows."""
    import av

    holes, samples, rate = 0, 0, 1
    for packet in container.demux(stream):
        told.follow(packet, stream)
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            holes += samples > 0
            continue
        for frame in frames:
            if holes:
                raise BadSound(path, f"it is damaged after {samples / rate:.1f} seconds; {WAY_OUT}")
            samples, rate = samples + frame.samples, frame.sample_rate
            yield _piece(frame)
    if holes:
        log.warning("sound_ends_in_junk", path=str(path), seconds=round(samples / rate, 3))


def _piece(frame: "AudioFrame") -> Piece:
    """Whatever the sample format, as float32 [channel, sample]."""
    values, kind = frame.to_ndarray(), frame.format.name.removesuffix("p")
    names = tuple(channel.name for channel in frame.layout.channels)
    if not frame.format.is_planar:
        values = values.reshape(-1, len(names)).T
    if kind in FULL_SCALE:
        values = (
            values.astype(np.float64) - (FULL_SCALE["u8"] if kind == "u8" else 0)
        ) / FULL_SCALE[kind]
    speakers = (
        names
        if len(set(names)) == len(names) and "NONE" not in names
        else USUAL.get(len(names), names)
    )
    return Piece(np.ascontiguousarray(values, np.float32), frame.sample_rate, speakers)


def _uniform(path: Path, pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The same pieces, at least one, of one rate and one layout."""
    first, samples = None, 0
    for piece in pieces:
        first = first or piece
        if (piece.rate, piece.speakers) != (first.rate, first.speakers):
            raise BadSound(
                path,
                f"its rate or its channels change after {samples / first.rate:.1f} seconds; {WAY_OUT}",
            )
        samples += piece.samples.shape[1]
        yield piece
    if not samples:
        raise BadSound(path, "it holds not one sample; give another")


def _unpadded(pieces: Iterator[Piece], told: Told) -> Iterator[Piece]:
    """The same pieces without the padding of the last frames.

    libav cuts that of MP3, Opus and Vorbis itself, but not that of AAC in MP4. What lies beyond the edit list's end is held back until it is known to
    be no more than padding: a fragmented file may state only its first fragment.
    """
    held: list[Piece] = []
    released = rate = 0
    for piece in pieces:
        rate = piece.rate
        held.append(piece)
        begin = (told.seconds - ROUNDING) * rate
        if not told.padded or not 0 < released + _length(held) - begin <= LONGEST_PADDING:
            released += _length(held)
            yield from held
            held.clear()
    for piece in held:
        kept = replace(piece, samples=piece.samples[:, : max(told.end(rate) - released, 0)])
        released += _length([kept])
        yield kept


def _whole(path: Path, pieces: Iterator[Piece], told: Told) -> Iterator[Piece]:
    """The same pieces, and BadSound at the end where they are fewer than the header says."""
    seconds = Fraction(0)
    for piece in pieces:
        seconds += Fraction(_length([piece]), piece.rate)
        yield piece
    if seconds < told.seconds - told.missing:
        lengths = f"{float(seconds):.1f} of its {float(told.seconds):.1f} seconds"
        raise BadSound(path, f"{lengths} can be read, so it is damaged or cut off; {WAY_OUT}")


def _length(pieces: list[Piece]) -> int:
    return sum(piece.samples.shape[1] for piece in pieces)
