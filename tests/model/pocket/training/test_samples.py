"""The held-out voices are whole, aligned, and small."""

import numpy as np

from model.pocket.training.acoustics import measure_loudness
from model.pocket.training.dataset import HELD_OUT, VARIANTS, read_dataset, write_dataset
from model.pocket.training.phrases_chinese import SENTENCES
from model.pocket.training.samples import (
    BACKGROUNDS,
    FOLDER,
    MANDARIN,
    Sample,
    add_background,
    read_samples,
)


def test_every_voice_has_twenty_seconds_and_its_curves() -> None:
    """Eight voices of the training synthesiser and three of another, each with its true mouth."""
    samples = read_samples()
    assert [sample.engine for sample in samples].count("espeak") == len(HELD_OUT)
    assert [sample.engine for sample in samples].count("flite") == 3
    for sample in samples:
        assert len(sample.sound) == len(sample.curves) * 640 == 320_000
        assert sample.curves.min() >= 0
        assert sample.curves.max() <= 1


def test_sound_and_curves_are_aligned() -> None:
    """Loudness follows the mouth best within a frame of where it is, so the codec's delay is undone."""
    lags = range(-4, 5)
    profile = np.zeros(len(lags))
    for sample in read_samples():
        loud = np.sqrt((sample.sound.reshape(-1, 640) ** 2).mean(1))
        profile += [np.corrcoef(np.roll(sample.curves[:, 0], lag), loud)[0, 1] for lag in lags]
    assert abs(lags[int(profile.argmax())]) <= 1


def test_no_held_out_voice_is_trained_on() -> None:
    """Their variants are not among those that the training sound is drawn from."""
    assert not {voice.split("+")[1] for voice in HELD_OUT} & set(VARIANTS)


def test_a_background_is_as_loud_as_asked_and_the_same_on_every_call() -> None:
    """Music, noise and babble lie 10 dB below the voice, whose mouth stays what it was."""
    whole = read_samples()[0]
    sample = Sample(whole.voice, whole.sound[:64_000], whole.curves[:100])
    for kind in BACKGROUNDS:
        mixed = add_background(sample, kind, 10)
        below = measure_loudness(sample.sound) / (mixed.sound - sample.sound).std()
        assert abs(20 * np.log10(below) - 10) < 0.3
        assert np.array_equal(mixed.sound, add_background(sample, kind, 10).sound)
        assert mixed.curves is sample.curves
    assert {add_background(sample, kind).voice for kind in BACKGROUNDS} == {
        f"{sample.voice} over {kind}" for kind in BACKGROUNDS
    }


def test_no_held_out_sentence_is_trained_on() -> None:
    """What the held-out voices say in Mandarin is not among what training says."""
    said = {sentence for line in MANDARIN.splitlines() for sentence in line.split("|")}
    assert not said & set(SENTENCES["cmn"])
    assert len(said) >= 14


def test_all_of_it_is_small() -> None:
    """At most two mebibytes in the repository."""
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 2 << 20


def test_what_is_written_is_read(tmp_path) -> None:
    """Log-mel comes back within half a level, and curves within a two-hundredth."""
    draw = np.random.default_rng(3)
    mel, curves = (
        draw.normal(0, 1, (400, 80)).astype(np.float32),
        draw.random((100, 3)).astype(np.float32),
    )
    write_dataset(tmp_path / "sound.npz", mel, curves)
    bands, mouths = read_dataset(tmp_path / "sound.npz")
    assert np.abs(bands.numpy() - mel.clip(-2.05, None)).max() < 0.1
    assert np.abs(mouths.numpy() - curves).max() < 0.003
