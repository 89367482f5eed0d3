"""storage/channel_mix.py: many channels become one to hear and two to show, none of them lost; ordinary mono and stereo are taken as ever."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import ffmpeg
from recording import clicks, hear, write_sound

from storage.soundtrack import encode_soundtrack, probe_sound, stream_sound
from storage.speaker import Reading

RATE = 16_000


def heard(path: Path, rate: int = RATE, reading: Reading | None = None) -> np.ndarray:
    """As the model hears it."""
    reading = probe_sound(path).reading if reading is None else reading
    return np.concatenate(list(stream_sound(path, rate, reading)))


def filmed(path: Path) -> np.ndarray:
    """[side, sample], as the film has it."""
    encode_soundtrack(path, path.with_suffix(".film.m4a"), probe_sound(path).reading)
    return hear(path.with_suffix(".film.m4a"))[0]


def voice(seconds: float = 4, seed: int = 0) -> np.ndarray:
    """Something like speech: syllables of noise with pauses between them."""
    samples = round(RATE * seconds)
    time = np.arange(samples) / RATE
    noise = np.random.default_rng(seed).normal(0, 0.2, samples)
    return (noise * (np.sin(time * (19 + seed)) > -0.3)).astype(np.float32)


def two(path: Path, left: np.ndarray, right: np.ndarray) -> Path:
    """A stereo file."""
    samples = np.stack([left, right]).astype(np.float32)
    return write_sound(path, samples, RATE, "pcm_f32le")


def loudness(samples: np.ndarray) -> float:
    """In dB."""
    return float(20 * np.log10(np.sqrt((samples.astype(np.float64) ** 2).mean()) + 1e-9))


def test_mono_is_the_mean_of_left_and_right(tmp_path: Path) -> None:
    """As films before have it, to the bit, and so are all of a stereo's ordinary kinds."""
    one, other = voice(), voice(seed=1)
    noise = np.random.default_rng(3).normal(0, 0.002, len(one))
    for left, right in (
        (one, one),  # in the middle
        (one, other),  # two people
        (one + noise, 0.3 * one - noise),  # to one side
        (one + other, one - other),  # wide
        (one, np.roll(one, 9)),  # two microphones
        (one * 0, one * 0),  # silence
    ):
        path = two(tmp_path / "a.wav", left, right)
        assert probe_sound(path).reading == Reading()
        mean = (left.astype(np.float32) / 2 + right.astype(np.float32) / 2).astype(np.float32)
        assert np.allclose(heard(path), mean, atol=1e-6)
        assert np.array_equal(heard(path), heard(path, reading=Reading()))


@pytest.mark.parametrize("codec", ["wav", "mp3", "m4a"])
@pytest.mark.parametrize("share", [-1.0, -0.7])
def test_two_channels_that_cancel_each_other_do_not(
    tmp_path: Path, codec: str, share: float
) -> None:
    """A plug wired the wrong way round: one side is turned over, and heard is a voice. In the film both sides then go the same way, for a telephone's one loudspeaker too."""
    noise = np.random.default_rng(3).normal(0, 0.002, len(voice()))
    path = two(tmp_path / "a.wav", voice() + noise, share * voice() + noise)
    path = path if codec == "wav" else ffmpeg.make(tmp_path / f"b.{codec}", "-i", path)
    assert probe_sound(path).reading == Reading(mix="turned")
    wanted = loudness(voice() * (1 - share) / 2)
    assert loudness(heard(path)) == pytest.approx(wanted, abs=0.5)
    film = filmed(path)
    assert loudness(film.mean(axis=0)) == pytest.approx(wanted, abs=0.5)
    assert np.corrcoef(film)[0, 1] > 0.9


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("noise", [0.0, 0.001])
def test_of_one_channel_beside_a_silent_one_all_is_heard(
    tmp_path: Path, side: str, noise: float
) -> None:
    """At its own level, and not at half; the film keeps what it was given."""
    hiss = np.random.default_rng(3).normal(0, noise, len(voice()))
    sides = (voice(), hiss) if side == "left" else (hiss, voice())
    path = two(tmp_path / "a.wav", *sides)
    facts = probe_sound(path)
    assert facts.reading == Reading(mix=side)
    assert {facts.silent, side} == {"left", "right"}
    assert np.allclose(heard(path), voice(), atol=1e-6)
    loud = [loudness(each) > -40 for each in filmed(path)]
    assert loud == [side == "left", side == "right"]


def test_where_a_part_cancels_one_channel_is_followed(tmp_path: Path) -> None:
    """Neither way of adding keeps all of it; what one channel has is whole, and it is not called silent."""
    sign = np.where(np.arange(len(voice())) < len(voice()) // 2, 1, -1)
    facts = probe_sound(path := two(tmp_path / "a.wav", voice(), sign * voice()))
    assert (facts.reading, facts.silent) == (Reading(mix="left"), "")
    assert np.allclose(heard(path), voice(), atol=1e-6)


def test_a_few_words_that_cancel_change_nothing(tmp_path: Path) -> None:
    """An effect in a film's sound is no reason to hear the rest of it otherwise."""
    sign = np.where(np.arange(len(voice(20))) < RATE * 0.5, -1, 1)
    assert probe_sound(two(tmp_path / "a.wav", voice(20), sign * voice(20))).reading == Reading()


@pytest.mark.parametrize(
    ("suffix", "layout", "speaker"),
    [
        *(("wav", "5.1", speaker) for speaker in ("FL", "FC", "LFE", "BR")),
        ("wav", "7.1", "SL"),
        ("flac", "5.1", "FC"),
        ("m4a", "5.1", "FC"),
        # It ended the process: eight pointers are all that an audio frame has.
        ("m4a", "7.1", "FC"),
    ],
)
def test_surround_is_as_loud_as_ffmpeg_makes_it(
    tmp_path: Path, suffix: str, layout: str, speaker: str
) -> None:
    """Each speaker by itself, beside `-ac 1` (what is heard) and `-ac 2` (the film's two sides), to half a dB."""
    mono = write_sound(tmp_path / "a.wav", voice(2)[None] * 0.5, RATE, "pcm_s16le")
    mix = f"[0:a]aresample=48000,pan={layout}|{speaker}=c0[a]"
    bits = ("-b:a", "512k") if suffix == "m4a" else ()
    path = ffmpeg.make(
        tmp_path / f"b.{suffix}", "-i", mono, "-filter_complex", mix, "-map", "[a]", *bits
    )
    one, both = (
        np.frombuffer(ffmpeg.piped("-i", path, "-ac", count, "-f", "f32le"), np.float32)
        for count in (1, 2)
    )
    film = filmed(path)
    # A side that is alone is followed by itself; here it is added, as ffmpeg does.
    added = replace(probe_sound(path).reading, mix="")
    found = [loudness(heard(path, 48_000, added)), *map(loudness, film)]
    theirs = [loudness(one), *map(loudness, both.reshape(-1, 2).T)]
    for ours, their in zip(found, theirs, strict=True):
        assert ours == pytest.approx(their, abs=0.5) or max(ours, their) < -55


def test_a_voice_in_the_centre_is_as_loud_as_by_itself(tmp_path: Path) -> None:
    """Heard at its own level; louder than before, when everything was turned down for what might clip."""
    samples = np.zeros((6, len(voice())), np.float32)
    samples[2] = voice()
    path = write_sound(tmp_path / "a.wav", samples, RATE, "pcm_f32le")
    assert np.allclose(heard(path), voice(), atol=1e-6)
    before = heard(path, reading=Reading())
    assert loudness(heard(path)) - loudness(before) == pytest.approx(3.01, abs=0.01)


def test_surround_that_would_clip_is_turned_down_by_as_much(tmp_path: Path) -> None:
    """And by no more."""
    samples = np.tile(np.sin(np.arange(RATE * 2) / 20).astype(np.float32), (6, 1)) * 0.9
    path = write_sound(tmp_path / "a.wav", samples, RATE, "pcm_f32le")
    reading = probe_sound(path).reading
    assert reading.gain == 460  # 1 / (.9 · (1 + √2))
    assert 0.95 < np.abs(filmed(path)[:, 4096:-4096]).max() < 1.02


def test_left_stays_left(tmp_path: Path) -> None:
    """The film keeps stereo, and mono stays one channel."""
    both = clicks(48_000, 2, 2)
    both[1] = 0
    left, right = np.abs(filmed(write_sound(tmp_path / "a.wav", both, 48_000, "pcm_s16le"))).max(
        axis=1
    )
    assert left > 0.5
    assert right < 0.05
    assert len(filmed(write_sound(tmp_path / "b.wav", both[:1], 48_000, "pcm_s16le"))) == 1


def test_films_before_keep_their_mix(tmp_path: Path) -> None:
    """A run whose spec says nothing of how its sound is read hears it and shows it as its version did."""
    path = two(tmp_path / "a.wav", voice(), -voice())
    assert not heard(path, reading=Reading()).any()
    encode_soundtrack(path, tmp_path / "old.m4a", Reading())
    old = hear(tmp_path / "old.m4a")[0]
    assert np.corrcoef(old)[0, 1] < -0.9
    samples = np.zeros((6, len(voice())), np.float32)
    samples[2] = voice()
    path = write_sound(tmp_path / "b.wav", samples, RATE, "pcm_f32le")
    encode_soundtrack(path, tmp_path / "old.m4a", Reading())
    assert loudness(hear(tmp_path / "old.m4a")[0]) - loudness(voice()) == pytest.approx(
        -10.66, abs=0.2
    )
