"""Whatever is wrong with what was given: one clear line with the way out and an exit code, before any work."""

import math
import shutil
import wave
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import fake_avatar
import numpy as np
import pytest
from PIL import Image
from wavefile import write_wave

from model import avatar, registry

Call = Callable[..., tuple[int, str, str]]


def picture(path: Path, kind: str) -> Path:
    """A picture that is unusual in one way."""
    rgb = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    image = Image.fromarray(rgb)
    if kind == "alpha":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    elif kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(path.with_suffix(".jpg"), exif=exif)
        return path.with_suffix(".jpg")
    elif kind == "animated":
        frames = [Image.fromarray(np.roll(rgb, 9 * shift, 0)) for shift in range(3)]
        frames[0].save(path.with_suffix(".gif"), save_all=True, append_images=frames[1:])
        return path.with_suffix(".gif")
    elif kind == "one pixel":
        image = image.crop((0, 0, 1, 1))
    elif kind in {"L", "CMYK", "P", "1", "I;16", "LA"}:
        image = Image.new(kind, (40, 60), 200) if kind == "I;16" else image.convert(kind)
    target = path.with_suffix(".tif" if kind in {"CMYK", "I;16"} else ".png")
    image.save(target)
    return target


def sound(path: Path, kind: str) -> Path:
    """A sound that is unusual in one way."""
    codec, suffix, layout, rate = {
        "8 kHz": ("pcm_s16le", ".wav", "mono", 8000),
        "192 kHz": ("pcm_s24le", ".wav", "stereo", 192_000),
        "5.1": ("flac", ".flac", "5.1", 48_000),
        "mp3": ("mp3", ".mp3", "stereo", 44_100),
        "m4a": ("aac", ".m4a", "mono", 48_000),
        "film": ("aac", ".mp4", "stereo", 48_000),
        "float": ("pcm_f32le", ".wav", "mono", 16_000),
        "u8": ("pcm_u8", ".wav", "mono", 11_025),
    }[kind]
    target = path.with_suffix(suffix)
    with av.open(str(target), "w") as film:
        stream = film.add_stream(codec, rate=rate, layout=layout)
        if kind == "film":
            _film_a_frame(film)
        resample = av.AudioResampler(
            stream.format.name, layout, rate, 1024 if codec in {"aac", "mp3"} else 4096
        )
        tone = np.sin(np.arange(rate) / rate * 900).astype(np.float32)
        planes = np.repeat(tone[None] * 0.3, stream.layout.nb_channels, 0)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        for piece in [*resample.resample(frame), *resample.resample(None)]:
            film.mux(stream.encode(piece))
        film.mux(stream.encode(None))
    return target


def _film_a_frame(film: av.container.OutputContainer) -> None:
    video = film.add_stream("libx264", rate=25)
    video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
    picture = av.VideoFrame(32, 32, "yuv420p")
    picture.pts, picture.time_base = 0, Fraction(1, 25)
    for packet in [*video.encode(picture), *video.encode(None)]:
        film.mux(packet)


def refused(longtake: Call, *words: object, code: int = 2) -> str:
    """The one line that a command ends with, having written nothing."""
    before = sorted(Path.cwd().rglob("*"))
    ended, out, err = longtake(*words)
    assert ended == code, (out, err)
    assert not out
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    assert sorted(Path.cwd().rglob("*")) == before
    return err


@pytest.mark.parametrize(
    "kind", ["alpha", "turned", "animated", "L", "CMYK", "P", "1", "I;16", "LA"]
)
def test_unusual_pictures_become_a_film(kind: str, speech: Path, tmp_path: Path, longtake: Call):
    """Alpha, EXIF rotation, animation, grey, CMYK, palette, bits, 16 bits."""
    code, _, err = longtake(
        "new", picture(tmp_path / "odd", kind), speech, "--run", "x", "--num-clip", "1"
    )
    assert code == 0, err


@pytest.mark.parametrize("kind", ["8 kHz", "192 kHz", "5.1", "mp3", "m4a", "film", "float", "u8"])
def test_unusual_sounds_become_a_film(kind: str, face: Path, tmp_path: Path, longtake: Call):
    """Any rate and channels, compressed, out of a film."""
    code, _, err = longtake("new", face, sound(tmp_path / "odd", kind), "--run", "x")
    assert code == 0, err
    assert "1 clip, 25 frames, 0:00:01: 1 clip made now" in err


@pytest.mark.parametrize("seconds", [0.05, 0.2])
def test_a_very_short_sound_is_a_film_of_a_few_frames(
    seconds: float, face: Path, tmp_path: Path, longtake: Call
):
    """At least one frame."""
    write_wave(tmp_path / "short.wav", seconds)
    code, _, err = longtake("new", face, tmp_path / "short.wav", "--run", "x")
    assert code == 0, err
    assert {0.05: "1 frame,", 0.2: "5 frames,"}[seconds] in err


def test_silence_is_a_sound(face: Path, tmp_path: Path, longtake: Call):
    """A silent soundtrack makes a silent film."""
    with wave.open(str(tmp_path / "silent.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(32_000))
    assert longtake("new", face, tmp_path / "silent.wav", "--run", "x")[0] == 0


@pytest.mark.parametrize("which", ["picture", "sound"])
@pytest.mark.parametrize("kind", ["missing", "empty", "corrupt", "cut", "folder", "wrong type"])
def test_a_file_that_cannot_be_used_is_named(  # noqa: PLR0917
    which: str, kind: str, face: Path, speech: Path, tmp_path: Path, longtake: Call
):
    """Missing, empty, corrupt, cut off, a folder, of another type: which file, and what is wrong with it."""
    bad = tmp_path / ("bad.png" if which == "picture" else "bad.wav")
    good = face if which == "picture" else speech
    if kind == "folder":
        bad.mkdir()
    elif kind == "wrong type":
        shutil.copy(speech if which == "picture" else face, bad)
    elif kind != "missing":
        whole = good.read_bytes()
        bad.write_bytes(
            {"empty": b"", "corrupt": b"\x00RIFF" + bytes(999), "cut": whole[:30]}[kind]
        )
    words = (bad, speech) if which == "picture" else (face, bad)
    line = refused(longtake, "new", *words, "--run", "x")
    assert f"longtake: The {which} {bad} cannot be used: " in line


def test_one_pixel_is_no_face(speech: Path, tmp_path: Path, longtake: Call):
    """1×1 is refused, with the least that would do."""
    line = refused(longtake, "new", picture(tmp_path / "odd", "one pixel"), speech, "--run", "x")
    assert "1×1" in line
    assert "give a larger one" in line


def test_a_huge_picture_is_refused_or_read_in_bounded_memory(
    speech: Path, tmp_path: Path, longtake: Call
):
    """20 000 × 20 000 does not end in a stack trace."""
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    code, _, err = longtake("new", tmp_path / "huge.png", speech, "--run", "x", "--num-clip", "1")
    assert code in {0, 2}
    assert "Traceback" not in err
    assert code == 0 or "huge.png cannot be used" in err


def test_a_film_without_sound_is_no_soundtrack(face: Path, tmp_path: Path, longtake: Call):
    """What is missing in it is said."""
    with av.open(str(tmp_path / "mute.mp4"), "w") as film:
        _film_a_frame(film)
    line = refused(longtake, "new", face, tmp_path / "mute.mp4")
    assert "it holds no sound; give a WAV" in line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--size", "70*70"], "such as 64*64"),
        (["--size", "0*64"], "such as 16*64"),
        (["--size", "x*y"], "width*height is needed"),
        (["--infer_frames", "32"], "24 or 36"),
        (["--start_clip", "5"], "the film has 5 clips, counted from 0"),
        (["--model", "nobody"], "one of pocket"),
        (["--keep-frames", "some"], "a number of clips"),
        (["--audio-lead", "500"], "from -25 to 25"),
        (["--disk-budget", "1KB"], "the run takes up to"),
        (["--disk-budget", "1e400"], "such as 20GB"),
        (["--device-memory", "-5GB"], "such as 20GB"),
        (["--sample_guide_scale", "nan"], "from 0 to 100"),
    ],
)
def test_an_option_that_cannot_be_is_named_with_what_can(
    words: list[str], says: str, face: Path, speech: Path, longtake: Call
):
    """The option, its value, and one that would do."""
    assert says in refused(longtake, "new", face, speech, *words)


def test_a_folder_that_cannot_be_written_is_named(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
):
    """A file where a folder is needed, a place without files."""
    (tmp_path / "file").write_text("mine")
    for words in (["--run", "file/x"], ["--run", "/proc/x"]):
        assert words[1].split("/")[0] in refused(longtake, "new", face, speech, *words, code=5)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_disk_that_is_too_small_is_said_before_any_work(
    face: Path, tmp_path: Path, longtake: Call
):
    """How much is needed, how much is free."""
    hour = tmp_path / "hour.wav"
    with wave.open(str(hour), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * 8000 * 3600)
    side = math.isqrt(shutil.disk_usage(tmp_path).free * 2 // (90_000 * 3)) // 16 * 16
    line = refused(
        longtake, "new", face, hour, "--size", f"{side}*{side}", "--keep-frames", "all", code=5
    )
    assert "GB are needed" in line
    assert "GB are free" in line
    assert "GB are short" in line


def test_a_folder_with_another_film_is_left_alone(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
):
    """What differs is named, and nothing is touched."""
    assert longtake("new", face, speech, "--run", "x", "--num-clip", "1")[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "x").rglob("*") if path.is_file()}
    line = refused(
        longtake, "new", face, speech, "--run", "x", "--num-clip", "1", "--base-seed", "7", code=3
    )
    assert "seed" in line
    assert {
        path: path.read_bytes() for path in (tmp_path / "x").rglob("*") if path.is_file()
    } == before


def test_a_folder_with_other_things_in_it_keeps_them(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
):
    """Somebody's files stay as they are; where they have the names that a run uses, no run is made among them."""
    letter = tmp_path / "mine/letter.txt"
    letter.parent.mkdir()
    letter.write_text("dear")
    assert longtake("new", face, speech, "--run", "mine", "--num-clip", "1")[0] == 0
    assert letter.read_text() == "dear"
    (tmp_path / "yours/frames").mkdir(parents=True)
    assert "yours" in refused(longtake, "new", face, speech, "--run", "yours")


def test_a_script_that_does_not_fit_the_film_is_refused(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
):
    """Past the end, unordered, of an unknown key, missing, or for a model with one prompt for a whole film."""
    words = ("new", face, speech, "--run", "x")
    script = tmp_path / "film.csv"
    for text, said in (
        ("from,prompt\n9s,a", "entry 1 lies past the end: the film lasts 0:00:09"),
        ("from,prompt\n5s,a\n4s,b", "entry 2 must begin after entry 1"),
        ("from,mood\n5s,a", "entry 1: mood is not known"),
    ):
        script.write_text(text, encoding="utf-8")
        assert f"--script {script} cannot be used: {said}" in refused(longtake, *words, "--script", script)  # fmt: skip
    assert "there is no such file" in refused(longtake, *words, "--script", "none.toml")


def test_what_is_unwanted_needs_guidance(
    face: Path, speech: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
):
    """A model that was distilled without it refuses --negative-prompt, and so does one whose guidance is switched off."""
    words = ("new", face, speech, "--run", "x", "--negative-prompt", "blur")
    assert "pocket has no guidance" in refused(longtake, *words)

    def describe(name: str, options: avatar.Options) -> avatar.ModelTraits:
        return replace(fake_avatar.describe(name, options), guidance=options.guidance)

    monkeypatch.setattr(registry, "describe_model", describe)
    off = (*words, "--model", "wan-s2v", "--sample-guide-scale", "1")
    assert "--negative-prompt blur cannot be used: without guidance" in refused(longtake, *off)


def test_a_script_asks_a_large_model_for_words_alone(
    face: Path, speech: Path, tmp_path: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
):
    """Strengths are refused, and fades where a clip is denoised at once; nothing is left out silently."""

    def describe(name: str, options: avatar.Options) -> avatar.ModelTraits:
        return replace(fake_avatar.describe(name, options), name=name, reads_words=False)

    monkeypatch.setattr(registry, "describe_model", describe)
    words = ("plan", face, speech, "--rehearse", "no", "--script", "film.csv", "--model")
    film = tmp_path / "film.csv"
    film.write_text("from,prompt,gesture\n0s,a,\n5s,b,0.5", encoding="utf-8")
    assert "entry 2 says how strong" in refused(longtake, *words, "live-avatar")
    film.write_text("from,prompt,fade\n2.1s,a,\n5.6s,b,2", encoding="utf-8")
    assert longtake(*words, "live-avatar")[0] == 0
    monkeypatch.setenv("FAKE_MOTION", "3")
    assert "entry 2 fades, and the prompt of wan-s2v changes" in refused(
        longtake, *words, "wan-s2v"
    )
    film.write_text("from,prompt\n2.1s,a\n2.5s,b", encoding="utf-8")
    assert "two changes about 0:00:01.92 are nearer" in refused(longtake, *words, "wan-s2v")
    film.write_text("from,prompt\n2.1s,a\n5.6s,b", encoding="utf-8")
    out = " ".join(longtake(*words, "wan-s2v")[1].split())
    assert "The script: 2 changes: 0:00:01.9 a; 0:00:05.8 b" in out
