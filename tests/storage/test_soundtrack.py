"""storage/soundtrack.py and storage/pcm.py: exact lengths, clicks where they were, and one line for what is no sound."""

import hashlib
import os
import struct
import subprocess
import sys
import wave
from collections.abc import Callable
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import ffmpeg
from recording import click_errors, clicks, hear, write_sound

from storage.errors import BadSound
from storage.soundtrack import SoundFacts, encode_soundtrack, probe_sound, stream_sound
from storage.speaker import Reading

RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000)
EXACT = (
    ("wav", "pcm_s16le"),
    ("flac", "flac"),
    ("mov", "alac"),
    ("mp3", "libmp3lame"),
    ("opus", "libopus"),
    ("webm", "libopus"),
)
# What these say of their end is rounded.
ROUNDED = (("m4a", "aac"), ("mp4", "aac"), ("ogg", "vorbis"), ("mkv", "aac"))


def heard(path: Path, rate: int = 16_000) -> np.ndarray:
    return np.concatenate(list(stream_sound(path, rate)))


def half_up(samples: int, rate: int, own: int) -> int:
    return floor(Fraction(samples * rate, own) + Fraction(1, 2))


def refused(path: Path) -> str:
    """The one line, the same from all three doors; and no file is left."""
    lines = set()
    doors: tuple[Callable[[], object], ...] = (
        lambda: probe_sound(path),
        lambda: heard(path),
        lambda: encode_soundtrack(path, path.parent / "out.m4a"),
    )
    for door in doors:
        with pytest.raises(BadSound) as caught:
            door()
        lines.add(str(caught.value))
        assert caught.value.exit_code == 2
    assert not list(path.parent.glob("*out.*"))
    (line,) = lines
    assert "\n" not in line
    assert str(path) in line
    return line


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_wave_file_is_counted_to_the_sample(tmp_path: Path, rate: int, channels: int) -> None:
    """At every rate, mono, stereo and 5.1."""
    path = write_sound(tmp_path / "a.wav", clicks(rate, 1.2345, channels), rate, "pcm_s16le")
    reading = Reading(gain=460 if channels > 2 else 0)  # six clicks of .9 at once would clip
    assert probe_sound(path) == SoundFacts(round(rate * 1.2345), rate, channels, reading)


@pytest.mark.parametrize(("suffix", "codec"), EXACT)
def test_a_container_that_tells_its_priming_is_counted_to_the_sample(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    """The delay of the encoder is not in the length, nor in the clicks."""
    given = clicks(48_000, 2.5, 2)[:, :-37]
    path = write_sound(tmp_path / f"a.{suffix}", given, 48_000, codec)
    facts = probe_sound(path)
    assert facts.seconds == Fraction(given.shape[1], 48_000)
    assert np.abs(click_errors(heard(path), 16_000, given.shape[1], 48_000)).max() <= 1


@pytest.mark.parametrize(("suffix", "codec"), ROUNDED)
def test_other_containers_are_right_to_one_codec_frame(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    """Never cut, the clicks in place, and in MP4 exact in spite of an edit list in milliseconds."""
    given = clicks(44_100, 2.5, 2)[:, :-37]
    path = write_sound(tmp_path / f"a.{suffix}", given, 44_100, codec)
    more = probe_sound(path).samples - given.shape[1]
    assert 0 <= more <= (0 if suffix in {"m4a", "mp4"} else 1024)
    assert np.abs(click_errors(heard(path), 16_000, given.shape[1], 44_100)).max() <= 1


@pytest.mark.parametrize("sample_format", ["u8", "s16", "s32", "flt", "dbl"])
def test_every_sample_format_has_the_same_full_scale(tmp_path: Path, sample_format: str) -> None:
    """0.9 is 0.9, whatever the bits."""
    codec = {
        "u8": "pcm_u8",
        "s16": "pcm_s16le",
        "s32": "pcm_s24le",
        "flt": "pcm_f32le",
        "dbl": "pcm_f64le",
    }[sample_format]
    path = tmp_path / "a.wav"
    if codec == "pcm_f64le":
        write_sound(path, np.zeros((1, 16), np.float32), 16_000, "pcm_f32le")
        _write_doubles(path, clicks(16_000, 1)[0])
    else:
        write_sound(path, clicks(16_000, 1), 16_000, codec)
    assert abs(heard(path).max() - 0.9) < 0.01
    assert abs(np.median(heard(path))) < 0.01


def _write_doubles(path: Path, samples: np.ndarray) -> None:
    data = samples.astype("<f8").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, 16_000, 128_000, 8, 64)
    path.write_bytes(
        b"RIFF"
        + struct.pack("<I", 4 + len(form) + 8 + len(data))
        + b"WAVE"
        + form
        + b"data"
        + struct.pack("<I", len(data))
        + data
    )


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("wanted", [16_000, 48_000])
def test_resampling_moves_no_click(tmp_path: Path, rate: int, wanted: int) -> None:
    """Each lands within one sample, and the length is round half up."""
    given = clicks(rate, 3.21)
    path = write_sound(tmp_path / "a.wav", given, rate, "pcm_s16le")
    sound = heard(path, wanted)
    assert sound.dtype == np.float32
    assert len(sound) == half_up(given.shape[1], wanted, rate)
    assert np.abs(click_errors(sound, wanted, given.shape[1], rate)).max() <= 1


@pytest.mark.parametrize("samples", [1, 2, 3, 7, 8, 11, 12, 100, 441, 2205])
def test_the_shortest_sounds_have_exact_lengths(tmp_path: Path, samples: int) -> None:
    """From one sample on, 0.05 s included."""
    path = write_sound(
        tmp_path / "a.wav", np.full((1, samples), 0.5, np.float32), 44_100, "pcm_s16le"
    )
    assert probe_sound(path).samples == samples
    assert len(heard(path)) == max(half_up(samples, 16_000, 44_100), 1)
    encode_soundtrack(path, tmp_path / "a.m4a")
    assert probe_sound(tmp_path / "a.m4a").samples == max(half_up(samples, 48_000, 44_100), 1)


def test_blocks_are_even_and_the_same_every_time(tmp_path: Path) -> None:
    """65536 samples each but for the last, and equal bits in another process."""
    path = write_sound(tmp_path / "a.wav", clicks(44_100, 11, 2), 44_100, "pcm_s16le")
    blocks = list(stream_sound(path, 16_000))
    assert {len(block) for block in blocks[:-1]} == {65536}
    again = "import hashlib, sys; from pathlib import Path; from storage.soundtrack import stream_sound; print(hashlib.sha256(b''.join(b.tobytes() for b in stream_sound(Path(sys.argv[1]), 16000))).hexdigest())"
    other = subprocess.run(
        [sys.executable, "-c", again, path], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert other == hashlib.sha256(b"".join(block.tobytes() for block in blocks)).hexdigest()


def test_the_sound_of_a_video_is_taken(tmp_path: Path) -> None:
    """A film of ours is a sound file like any other."""
    from storage.film_file import FilmSpan, mux_film
    from storage.segments import EncoderConfig, encode_segment

    sound = write_sound(tmp_path / "a.wav", clicks(44_100, 1, 2), 44_100, "pcm_s16le")
    encode_soundtrack(sound, tmp_path / "a.m4a")
    black = np.zeros((25, 64, 64, 3), np.uint8)
    encode_segment(tmp_path / "0.mp4", black, EncoderConfig(25, 18, "veryfast"))
    mux_film(tmp_path / "film.mp4", [tmp_path / "0.mp4"], tmp_path / "a.m4a", FilmSpan(25, 48, 25))
    assert probe_sound(tmp_path / "film.mp4") == SoundFacts(48_000, 48_000, 2)
    assert "holds no sound" in refused(tmp_path / "0.mp4")


def test_silence_is_a_sound(tmp_path: Path) -> None:
    """It has a length, no more is asked of it."""
    path = write_sound(tmp_path / "a.wav", np.zeros((1, 32_000), np.float32), 16_000, "pcm_s16le")
    assert probe_sound(path).seconds == 2
    assert not heard(path).any()
    encode_soundtrack(path, tmp_path / "a.m4a")
    assert probe_sound(tmp_path / "a.m4a").seconds == 2


def test_a_name_with_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """libav would take what stands before it for a protocol."""
    write_sound(tmp_path / "a.wav", clicks(16_000, 1), 16_000, "pcm_s16le").rename(
        tmp_path / "at 12:30.wav"
    )
    monkeypatch.chdir(tmp_path)
    assert probe_sound(Path("at 12:30.wav")).samples == 16_000
    encode_soundtrack(Path("at 12:30.wav"), Path("at 12:31.m4a"))
    assert probe_sound(Path("at 12:31.m4a")).seconds == 1


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    """Missing, a folder, empty, text, noise, a picture, and a playlist that names another file."""
    from PIL import Image

    assert "no such file" in refused(tmp_path / "missing.wav")
    assert "is a folder" in refused(tmp_path)
    Image.new("RGB", (64, 64)).save(tmp_path / "face.png")
    (tmp_path / "face.png").rename(tmp_path / "face.wav")
    assert "holds no sound" in refused(tmp_path / "face.wav")
    for name, content, reason in (
        ("empty.wav", b"", "is empty"),
        ("text.wav", b"a letter\n" * 50, "no sound file"),
        (
            "noise.mp3",
            bytes(np.random.default_rng(0).integers(0, 256, 300).astype(np.uint8)),
            "no sound file",
        ),
        (
            "list.wav",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n",
            "no sound file",
        ),
    ):
        (tmp_path / name).write_bytes(content)
        assert reason in refused(tmp_path / name)


def test_a_sound_without_a_sample_is_refused(tmp_path: Path) -> None:
    """A header alone is not enough."""
    with wave.open(str(tmp_path / "none.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
    assert "not one sample" in refused(tmp_path / "none.wav")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_sound_without_permission_is_refused(tmp_path: Path) -> None:
    """The line speaks of permissions."""
    path = write_sound(tmp_path / "a.wav", clicks(16_000, 1), 16_000, "pcm_s16le")
    path.chmod(0)
    assert "permissions" in refused(path)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("flac", "flac"), ("m4a", "aac"), ("mp3", "libmp3lame"), ("ogg", "vorbis"), ("mkv", "aac")],
)
def test_a_hole_in_the_sound_is_refused(tmp_path: Path, suffix: str, codec: str) -> None:
    """What follows it would come too early: 3000 broken bytes in the middle."""
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 441_000)).astype(np.float32)
    path = write_sound(tmp_path / f"a.{suffix}", noise, 44_100, codec)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = (
        np.random.default_rng(1).integers(0, 256, 3000).astype(np.uint8).tobytes()
    )
    path.write_bytes(content)
    assert "damaged" in refused(path)


def test_junk_after_the_sound_does_no_harm(tmp_path: Path) -> None:
    """It is told; the length is that of the sound."""
    path = write_sound(tmp_path / "a.mp3", clicks(44_100, 10, 2), 44_100, "libmp3lame")
    path.write_bytes(path.read_bytes() + b"Oh, when the saints " * 250)
    facts = probe_sound(path)
    assert (facts.samples, facts.ends_in_junk, facts.cut) == (441_000, True, False)


@pytest.mark.parametrize("rate", RATES)
def test_the_soundtrack_has_its_clicks_in_place(tmp_path: Path, rate: int) -> None:
    """AAC at 48 kHz, decoded: each click within one sample, the length exact, the first sample at time 0."""
    given = clicks(rate, 2.77, 2)
    encode_soundtrack(write_sound(tmp_path / "a.wav", given, rate, "pcm_s16le"), tmp_path / "a.m4a")
    assert probe_sound(tmp_path / "a.m4a") == SoundFacts(
        half_up(given.shape[1], 48_000, rate), 48_000, 2
    )
    sound, start = hear(tmp_path / "a.m4a")
    assert start == 0
    for channel in sound:
        assert np.abs(click_errors(channel, 48_000, given.shape[1], rate)).max() <= 1


def test_the_soundtrack_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    """Here twice, and in another process."""
    path = write_sound(tmp_path / "a.wav", clicks(44_100, 3, 2), 44_100, "pcm_s16le")
    again = "import sys; from pathlib import Path; from storage.soundtrack import encode_soundtrack; encode_soundtrack(Path(sys.argv[1]), Path(sys.argv[2]))"
    encode_soundtrack(path, tmp_path / "one.m4a")
    encode_soundtrack(path, tmp_path / "two.m4a")
    subprocess.run([sys.executable, "-c", again, path, tmp_path / "three.m4a"], check=True)
    assert len({(tmp_path / f"{name}.m4a").read_bytes() for name in ("one", "two", "three")}) == 1


PEAKS = """
import resource, sys
from pathlib import Path
from storage.soundtrack import probe_sound, stream_sound

def peak():
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage tells there, a child has from its parent
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) >> 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20

for path in map(Path, sys.argv[1:]):
    probe_sound(path)
    sum(map(len, stream_sound(path, 16000)))
    print(peak())
"""


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """Ten minutes take no more than one, give or take 10 MiB."""
    paths = [tmp_path / "1.wav", tmp_path / "10.wav"]
    for path in paths:
        with wave.open(str(path), "wb") as file:
            file.setparams((2, 2, 44_100, 0, "NONE", ""))
            for _ in range(int(path.stem)):
                file.writeframes(bytes(60 * 44_100 * 4))
    words = [sys.executable, "-c", PEAKS, *map(str, paths)]
    output = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    one, ten = map(int, output.split())
    assert ten - one < 10


LATE = 0.48
AS_VIDEO = {"mp4": "aac", "mkv": "flac", "webm": "libopus", "ts": "mp2"}


@pytest.mark.parametrize("suffix", AS_VIDEO)
def test_a_sound_that_starts_late_in_its_film_waits_as_long(tmp_path: Path, suffix: str) -> None:
    """Silence stands before it, in what is heard and in the film alike, so that lips and sound stay where the source has them; one that starts first is taken as it is."""
    sound = write_sound(tmp_path / "a.wav", clicks(44_100, 3), 44_100, "pcm_s16le")
    picture = ("-f", "lavfi", "-i", "color=red:size=64x64:rate=25:duration=4")
    for late, words in (
        (LATE, (*picture, "-itsoffset", LATE, "-i", sound)),
        (0, ("-itsoffset", LATE, *picture, "-i", sound)),
    ):
        codec = ("-c:v", {"webm": "libvpx"}.get(suffix, "libx264"))
        maps = ("-map", "0:v", "-map", "1:a", *codec, "-c:a", AS_VIDEO[suffix])
        path = ffmpeg.make(tmp_path / f"b.{suffix}", *words, *maps)
        reading = probe_sound(path).reading
        assert float(probe_sound(path).seconds) == pytest.approx(3 + late, abs=0.1)
        encode_soundtrack(path, tmp_path / "film.m4a", reading)
        both = (
            np.concatenate(list(stream_sound(path, 48_000, reading))),
            hear(tmp_path / "film.m4a")[0][0],
        )
        for samples in both:
            first = np.flatnonzero(np.abs(samples) > 0.3)[0] / 48_000
            assert first == pytest.approx(0.25 + late, abs=0.05)


@pytest.mark.parametrize(
    ("suffix", "late", "waits"),
    [("m4a", LATE, LATE), ("mka", LATE, LATE), ("mka", 36_000, 0), ("ogg", LATE, 0), ("mp3", 0, 0)],
)
def test_a_sound_alone_waits_as_players_do(
    tmp_path: Path, suffix: str, late: float, waits: float
) -> None:
    """By an MP4's edit list and a Matroska's times; not for the time of day of a recording, nor for an MP3's padding."""
    sound = write_sound(tmp_path / "a.wav", clicks(44_100, 3), 44_100, "pcm_s16le")
    facts = probe_sound(ffmpeg.make(tmp_path / f"b.{suffix}", "-itsoffset", late, "-i", sound))
    assert facts.reading.silence / facts.rate == pytest.approx(waits, abs=0.03)
    assert float(facts.seconds) == pytest.approx(3 + waits, abs=0.06)
