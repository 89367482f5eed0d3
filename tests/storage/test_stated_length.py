"""storage/stated_length.py: a sound that says that it is longer than it is is known by its own header; tags and joined files take nothing away."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import ffmpeg
from recording import write_sound

from storage.errors import BadSound
from storage.soundtrack import probe_sound, stream_sound

LONG, SHORT = 4, 3
AS = {
    "wav": (),
    "w64": (),
    "adpcm.wav": ("-c:a", "adpcm_ima_wav"),
    "aiff": (),
    "au": (),
    "caf": (),
    "flac": (),
    "tta": (),
    "wv": (),
    "wma": (),
    "avi": (),
    "mkv": (),
    "webm": (),
    "mp3": (),
    "start.m4a": ("-movflags", "+faststart"),
    "parts.mp4": ("-movflags", "frag_keyframe+empty_moov", "-frag_duration", 500_000),
    "opus": (),
    "ogg": (),
}
"""Whatever says how long it is, or where it ends."""
SAY_NO_LENGTH = {"opus", "ogg", "parts.mp4"}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of noise, of four and of three seconds, as MP3s too."""
    folder = tmp_path_factory.mktemp("sounds")
    for name, seconds in (("long", LONG), ("short", SHORT)):
        noise = np.random.default_rng(seconds).normal(0, 0.1, (2, 44_100 * seconds))
        write_sound(folder / f"{name}.wav", noise.astype(np.float32), 44_100, "pcm_s16le")
        ffmpeg.make(folder / f"{name}.mp3", "-i", folder / f"{name}.wav")
    return folder


@pytest.mark.parametrize("name", AS)
def test_a_sound_that_was_cut_off_is_known(sounds: Path, tmp_path: Path, name: str) -> None:
    """Whole, nothing is missing; cut, both lengths are known, or that its end is missing where a file states none. What is there can be read."""
    whole = ffmpeg.make(tmp_path / f"whole.{name}", "-i", sounds / "long.wav", *AS[name])
    facts = probe_sound(whole)
    assert float(facts.seconds) == pytest.approx(LONG, abs=0.1)
    assert (facts.cut, facts.stated) == (False, 0)
    content = whole.read_bytes()
    for share in (0.4, 0.8):
        cut = tmp_path / f"cut.{name}"
        cut.write_bytes(content[: int(len(content) * share)])
        facts = probe_sound(cut)
        assert facts.cut
        if name not in SAY_NO_LENGTH:
            assert float(facts.stated) == pytest.approx(LONG, abs=0.2)
        # Ogg's pages and TTA's frames are a second long.
        assert LONG * share - 1.1 < facts.found < LONG * share + 0.3
        heard = sum(map(len, stream_sound(cut, 16_000)))
        assert heard == pytest.approx(16_000 * float(facts.found), abs=2)


@pytest.mark.parametrize("suffix", ["m4a", "mov"])
def test_a_file_without_its_index_says_so(sounds: Path, tmp_path: Path, suffix: str) -> None:
    """Of an MP4 whose end is missing nothing can be read, and that it is cut off is said."""
    whole = ffmpeg.make(tmp_path / f"whole.{suffix}", "-i", sounds / "short.wav")
    content = whole.read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(content[: len(content) * 9 // 10])
    with pytest.raises(BadSound, match=r"cut off, or was never finished: .* \(its index, moov\)"):
        probe_sound(tmp_path / f"cut.{suffix}")


@pytest.mark.parametrize(
    ("form", "size"),
    [
        *(("RIFF", size) for size in (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x7FFFF000)),
        ("RF64", 0xFFFFFFFF),
    ],
)
def test_a_wave_file_from_a_pipe_is_as_long_as_its_samples(
    sounds: Path, tmp_path: Path, form: str, size: int
) -> None:
    """Its header was written before anyone knew."""
    always = ("-rf64", "always") if form == "RF64" else ()
    path = ffmpeg.make(tmp_path / "a.wav", "-i", sounds / "short.wav", *always)
    content = path.read_bytes()
    place = content.index(b"data") + 4
    content = content[:place] + struct.pack("<I", size) + content[place + 4 :]
    if form == "RF64":
        place = content.index(b"ds64") + 16
        content = content[:place] + struct.pack("<Q", size) + content[place + 8 :]
    path.write_bytes(content)
    facts = probe_sound(path)
    assert (facts.samples, facts.cut) == (44_100 * SHORT, False)


@pytest.mark.parametrize("suffix", ["au", "flac", "mkv", "webm", "ogg"])
def test_what_was_written_to_a_pipe_is_whole(sounds: Path, tmp_path: Path, suffix: str) -> None:
    """No writer could go back to say how long it became."""
    name = {"mkv": "matroska"}.get(suffix, suffix)
    (tmp_path / f"a.{suffix}").write_bytes(ffmpeg.piped("-i", sounds / "short.wav", "-f", name))
    facts = probe_sound(tmp_path / f"a.{suffix}")
    assert float(facts.seconds) == pytest.approx(SHORT, abs=0.1)
    assert not facts.cut


def ape(flags: int) -> bytes:
    """The head or the foot of an APE tag with one item."""
    return b"APETAGEX" + struct.pack("<4I", 2000, len(ITEM) + 32, 1, flags) + bytes(8)


ITEM = struct.pack("<2I", 5, 0) + b"Title\0Saint"
APE_FOOT = ape(0)
APE = ape(0xA0000000) + ITEM + ape(0x80000000)
ID3V1 = b"TAG" + b"Oh, when the saints".ljust(125, b"\0")
LYRICS = b"LYRICSBEGININD0000200000031LYRICS200"
NOISE = np.random.default_rng(7).integers(0, 256, 90_000).astype(np.uint8).tobytes()
# A picture has every pattern of bits in it, also those that an MP3's frames begin with.
ID3V2 = b"ID3\x03\0\0" + bytes([0, 5, 63, 16]) + NOISE[: 5 * 16384 + 63 * 128 + 16]


@pytest.mark.parametrize(
    "between",
    [b"", ID3V2, APE, ITEM + APE_FOOT, ID3V1, APE + ID3V1, LYRICS + ID3V1, ID3V1 + ID3V2],
    ids=[
        "nothing",
        "ID3v2",
        "APE",
        "APE by its foot",
        "ID3v1",
        "APE and ID3v1",
        "Lyrics3",
        "ID3v1 and v2",
    ],
)
def test_two_mp3_files_in_one_are_both_taken(sounds: Path, tmp_path: Path, between: bytes) -> None:
    """Whatever tags stand in the middle and at the end: no longer than both, with their padding, and nothing lost of either."""
    one, other = ((sounds / f"{name}.mp3").read_bytes() for name in ("long", "short"))
    path = tmp_path / "both.mp3"
    path.write_bytes(ID3V2 + one + between + other + between)
    facts = probe_sound(path)
    assert LONG + SHORT <= facts.seconds <= LONG + SHORT + 0.1
    assert (facts.cut, facts.ends_in_junk) == (False, False)
    heard = np.concatenate(list(stream_sound(path, 44_100)))
    for name, start in (("long", 0), ("short", len(heard) - SHORT * 44_100)):
        alone = np.concatenate(list(stream_sound(sounds / f"{name}.mp3", 44_100)))
        near = heard[max(start - 2000, 0) : start + len(alone) + 2000]
        assert loudest_match(near, alone[20_000:60_000]) > 0.99
    path.write_bytes(one + between + other[: len(other) // 2])
    facts = probe_sound(path)
    assert facts.cut
    assert float(facts.stated) == pytest.approx(LONG + SHORT, abs=0.15)


def loudest_match(where: np.ndarray, what: np.ndarray) -> float:
    """The greatest correlation of a piece of sound with any place of another."""
    size = len(where) + len(what)
    spectrum = np.fft.rfft(where, size) * np.conj(np.fft.rfft(what, size))
    place = int(np.fft.irfft(spectrum, size)[: len(where) - len(what) + 1].argmax())
    there = where[place : place + len(what)]
    return float(there @ what / np.sqrt((there @ there) * (what @ what)))


def test_zeros_between_two_files_are_no_hole_and_in_place_of_frames_they_are(
    sounds: Path, tmp_path: Path
) -> None:
    """So a download has them that was never finished: what follows would come too early."""
    one, other = ((sounds / f"{name}.mp3").read_bytes() for name in ("long", "short"))
    (tmp_path / "both.mp3").write_bytes(one + bytes(5000) + other)
    assert LONG + SHORT <= probe_sound(tmp_path / "both.mp3").seconds <= LONG + SHORT + 0.1
    (tmp_path / "hole.mp3").write_bytes(one[:20_000] + bytes(5000) + one[25_000:])
    with pytest.raises(BadSound, match=r"damaged after 1\.\d seconds"):
        probe_sound(tmp_path / "hole.mp3")


@pytest.mark.parametrize("suffix", ["opus", "ogg", "flac"])
def test_joined_files_of_other_kinds_are_taken_whole(
    sounds: Path, tmp_path: Path, suffix: str
) -> None:
    """Ogg's chains, FLACs one after the other."""
    parts = [
        ffmpeg.make(tmp_path / f"{name}.{suffix}", "-i", sounds / f"{name}.wav").read_bytes()
        for name in ("long", "short")
    ]
    (tmp_path / f"both.{suffix}").write_bytes(b"".join(parts))
    facts = probe_sound(tmp_path / f"both.{suffix}")
    assert LONG + SHORT <= facts.seconds <= LONG + SHORT + 0.05
    assert not facts.cut
