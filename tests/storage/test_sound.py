"""storage/sound.py and storage/pcm.py: exact lengths, clicks where they were, and one line for what is no sound."""

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
from structlog.testing import capture_logs

sys.path.insert(0, str(Path(__file__).parents[1]))

from recording import click_errors, clicks, hear, write_sound

from storage.errors import BadSound
from storage.sound import SoundFacts, encode_soundtrack, probe_sound, stream_sound

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
    assert probe_sound(path) == SoundFacts(round(rate * 1.2345), rate, channels)


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
    again = "import hashlib, sys; from pathlib import Path; from storage.sound import stream_sound; print(hashlib.sha256(b''.join(b.tobytes() for b in stream_sound(Path(sys.argv[1]), 16000))).hexdigest())"
    other = subprocess.run(
        [sys.executable, "-c", again, path], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert other == hashlib.sha256(b"".join(block.tobytes() for block in blocks)).hexdigest()


def test_mono_is_the_mean_of_left_and_right(tmp_path: Path) -> None:
    """A voice on one side alone is half as loud."""
    both = clicks(16_000, 2, 2)
    both[1] = 0
    write_sound(tmp_path / "left.wav", both, 16_000, "pcm_f32le")
    assert np.allclose(heard(tmp_path / "left.wav"), both[0] / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("channel", "mono", "stereo"),
    [(0, 0.5, (1, 0)), (2, 0.7071, (0.7071, 0.7071)), (3, 0, (0, 0)), (4, 0.3536, (0.7071, 0))],
)
def test_five_point_one_is_mixed_by_its_speakers(
    tmp_path: Path, channel: int, mono: float, stereo: tuple[float, float]
) -> None:
    """The centre goes to both sides, the rear to its own, the subwoofer nowhere; the film's mix is turned down so that it cannot clip."""
    samples = np.zeros((6, 48_000), np.float32)
    samples[channel] = np.sin(np.arange(48_000) / 20) * 0.5
    path = write_sound(tmp_path / "a.wav", samples, 48_000, "pcm_f32le")
    assert abs(np.abs(heard(path, 48_000)).max() - mono / 2) < 1e-3
    encode_soundtrack(path, tmp_path / "a.m4a")
    film, _ = hear(tmp_path / "a.m4a")
    loudest = np.abs(film[:, 4096:-4096]).max(axis=1)
    assert np.allclose(loudest, np.array(stereo) * 0.5 / (1 + 2 * 0.5**0.5), atol=0.01)


def test_the_sound_of_a_video_is_taken(tmp_path: Path) -> None:
    """A film of ours is a sound file like any other."""
    from storage.film import FilmSpan, mux_film
    from storage.segments import encode_segment

    sound = write_sound(tmp_path / "a.wav", clicks(44_100, 1, 2), 44_100, "pcm_s16le")
    encode_soundtrack(sound, tmp_path / "a.m4a")
    encode_segment(
        tmp_path / "0.mp4", np.zeros((25, 64, 64, 3), np.uint8), fps=25, crf=18, preset="veryfast"
    )
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
    with capture_logs():
        assert "damaged" in refused(path)


@pytest.mark.parametrize("codec", ["flac", "alac"])
def test_a_sound_that_was_cut_off_is_refused(tmp_path: Path, codec: str) -> None:
    """Where the header says how long it should be."""
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 160_000)).astype(np.float32)
    path = write_sound(tmp_path / ("a.flac" if codec == "flac" else "a.mov"), noise, 16_000, codec)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with capture_logs():
        assert "damaged" in refused(path)


def test_junk_after_the_sound_does_no_harm(tmp_path: Path) -> None:
    """One event says so; the length is that of the sound."""
    path = write_sound(tmp_path / "a.mp3", clicks(44_100, 10, 2), 44_100, "libmp3lame")
    path.write_bytes(path.read_bytes() + b"Oh, when the saints " * 250)
    with capture_logs() as events:
        assert probe_sound(path).samples == 441_000
    assert [event["event"] for event in events] == ["sound_ends_in_junk"]


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_a_wave_file_from_a_pipe_is_as_long_as_its_samples(tmp_path: Path, size: int) -> None:
    """Its header was written before anyone knew."""
    path = write_sound(tmp_path / "a.wav", clicks(16_000, 2), 16_000, "pcm_s16le")
    content = path.read_bytes()
    place = content.index(b"data") + 4
    path.write_bytes(content[:place] + struct.pack("<I", size) + content[place + 4 :])
    assert probe_sound(path).samples == 32_000


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


def test_left_stays_left(tmp_path: Path) -> None:
    """The film keeps stereo, and mono stays one channel."""
    both = clicks(48_000, 2, 2)
    both[1] = 0
    encode_soundtrack(
        write_sound(tmp_path / "a.wav", both, 48_000, "pcm_s16le"), tmp_path / "a.m4a"
    )
    left, right = np.abs(hear(tmp_path / "a.m4a")[0]).max(axis=1)
    assert left > 0.5
    assert right < 0.05
    encode_soundtrack(
        write_sound(tmp_path / "b.wav", both[:1], 48_000, "pcm_s16le"), tmp_path / "b.m4a"
    )
    assert probe_sound(tmp_path / "b.m4a").channels == 1


def test_the_soundtrack_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    """Here twice, and in another process."""
    path = write_sound(tmp_path / "a.wav", clicks(44_100, 3, 2), 44_100, "pcm_s16le")
    again = "import sys; from pathlib import Path; from storage.sound import encode_soundtrack; encode_soundtrack(Path(sys.argv[1]), Path(sys.argv[2]))"
    encode_soundtrack(path, tmp_path / "one.m4a")
    encode_soundtrack(path, tmp_path / "two.m4a")
    subprocess.run([sys.executable, "-c", again, path, tmp_path / "three.m4a"], check=True)
    assert len({(tmp_path / f"{name}.m4a").read_bytes() for name in ("one", "two", "three")}) == 1


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """Ten minutes take no more than one, give or take 10 MiB."""
    measure = (
        "import resource, sys; from pathlib import Path; from storage.sound import probe_sound, stream_sound; path = Path(sys.argv[1]); "
        "probe_sound(path); sum(map(len, stream_sound(path, 16000))); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for minutes in (1, 10):
        with wave.open(str(tmp_path / "a.wav"), "wb") as file:
            file.setparams((2, 2, 44_100, 0, "NONE", ""))
            for _ in range(minutes):
                file.writeframes(bytes(60 * 44_100 * 4))
        output = subprocess.run(
            [sys.executable, "-c", measure, tmp_path / "a.wav"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        peaks.append(int(output) // (1 << 20 if sys.platform == "darwin" else 1 << 10))
    assert peaks[1] - peaks[0] < 10
