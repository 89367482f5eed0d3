"""A clip with its sound as a fragment."""

from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from storage.errors import BadSegment
from storage.fragment import ClipSound, ClipTimes, Fragment, write_fragment
from storage.live_sound import EncodedSound, LiveSound, SpooledSound
from storage.segments import EncoderConfig, encode_segment
from storage.soundtrack import encode_soundtrack
from tests.wavefile import write_wave

FPS, FRAMES, CLIP = 25, 28, 12


def times_of(clip: int) -> ClipTimes:
    return ClipTimes(clip, FPS, clip * CLIP, min(CLIP, FRAMES - clip * CLIP))


def is_last(clip: int) -> bool:
    return times_of(clip).first_frame + CLIP >= FRAMES


@pytest.fixture
def segments(tmp_path: Path) -> list[Path]:
    random = np.random.default_rng(1)
    paths = [tmp_path / f"{clip}.mp4" for clip in range(3)]
    for clip, path in enumerate(paths):
        frames = random.integers(0, 255, (times_of(clip).frames, 32, 48, 3), np.uint8)
        encode_segment(path, frames, EncoderConfig(FPS, 23, "veryfast"))
    return paths


@pytest.fixture
def soundtrack(tmp_path: Path) -> Path:
    """28 frames of sound and a little more: 1.13 s."""
    write_wave(tmp_path / "a.wav", 1.13)
    encode_soundtrack(tmp_path / "a.wav", tmp_path / "a.m4a")
    return tmp_path / "a.m4a"


def spool_sound(tmp_path: Path) -> SpooledSound:
    sound = SpooledSound(tmp_path)
    end = encode_soundtrack(tmp_path / "a.wav", tmp_path / "b.m4a", tap=sound.add_packet)
    sound.end_at(end)
    return sound


def fragments_of(segments: list[Path], sound: LiveSound) -> list[Fragment]:
    with closing(sound):
        return [
            write_fragment(
                path, times_of(clip), sound.read_clip(times_of(clip), last=is_last(clip))
            )
            for clip, path in enumerate(segments)
        ]


def packets_of(path: Path) -> dict[str, list[tuple[Fraction, Fraction, bytes]]]:
    found: dict[str, list[tuple[Fraction, Fraction, bytes]]] = {"video": [], "audio": []}
    with av.open(str(path)) as film:
        for packet in film.demux():
            if packet.dts is not None:
                base = packet.time_base
                entry = (packet.pts * base, packet.duration * base, bytes(packet))
                found[packet.stream.type].append(entry)
    return found


def test_fragments_in_a_row_are_a_film(
    tmp_path: Path, segments: list[Path], soundtrack: Path
) -> None:
    """Header and fragments in a row are one mp4: every frame at its time, every packet of sound but the priming at its own, to the sound's end."""
    parts = fragments_of(segments, EncodedSound(soundtrack))
    film = tmp_path / "film.mp4"
    film.write_bytes(parts[0].header + b"".join(part.media for part in parts))
    found = packets_of(film)
    assert [start for start, _, _ in found["video"]] == [Fraction(n, FPS) for n in range(FRAMES)]
    whole = [packet for packet in packets_of(soundtrack)["audio"] if packet[0] >= 0]
    assert found["audio"] == whole
    start, length, _ = whole[-1]
    assert start + length == Fraction(round(1.13 * 48000), 48000)


def test_each_fragment_stands_alone(tmp_path: Path, segments: list[Path], soundtrack: Path) -> None:
    """Any fragment behind the header plays from its own time in the film."""
    parts = fragments_of(segments, EncodedSound(soundtrack))
    for clip, part in enumerate(parts):
        alone = tmp_path / f"alone{clip}.mp4"
        alone.write_bytes(parts[0].header + part.media)
        found = packets_of(alone)
        assert found["video"][0][0] == Fraction(clip * CLIP, FPS)
        assert 0 <= found["audio"][0][0] - Fraction(clip * CLIP, FPS) < Fraction(1024, 48000)


def test_spooled_sound_gives_the_same_fragments(
    tmp_path: Path, segments: list[Path], soundtrack: Path
) -> None:
    """While the sound is encoded a fragment has the bytes that it has out of the soundtrack."""
    whole, spooled = EncodedSound(soundtrack), spool_sound(tmp_path)
    assert fragments_of(segments, spooled) == fragments_of(segments, whole)


def test_from_the_middle_the_same_fragments(
    tmp_path: Path, segments: list[Path], soundtrack: Path
) -> None:
    """Who goes on at clip 1 makes the bytes that were made by who began at clip 0, from either sound."""
    whole = fragments_of(segments, EncodedSound(soundtrack))
    for sound in (EncodedSound(soundtrack), spool_sound(tmp_path)):
        with closing(sound):
            for clip in (1, 2):
                heard = sound.read_clip(times_of(clip), last=is_last(clip))
                again = write_fragment(segments[clip], times_of(clip), heard)
                assert again.media == whole[clip].media


def test_spooled_sound_waits(tmp_path: Path) -> None:
    """A clip is ready when the packets that begin within it are there, the last one when the end is known."""
    with closing(SpooledSound(tmp_path)) as sound:
        for _ in range(23):  # 22 behind the priming: 22528 samples, and 12 frames are 23040
            sound.add_packet(1, b"\0")
        assert not sound.is_ready(times_of(0), last=False)
        sound.add_packet(1, b"\0")
        assert sound.is_ready(times_of(0), last=False)
        assert not sound.is_ready(times_of(1), last=False)
        assert not sound.is_ready(times_of(0), last=True)
        sound.end_at(23 * 1024)
        assert sound.is_ready(times_of(0), last=True)


def test_a_damaged_segment_is_named(tmp_path: Path, segments: list[Path]) -> None:
    """A segment that is torn makes no fragment, and the error names it."""
    segments[1].write_bytes(segments[1].read_bytes()[:900])
    with pytest.raises(BadSegment, match=r"1\.mp4"):
        write_fragment(segments[1], times_of(1), ClipSound(1, ()))
