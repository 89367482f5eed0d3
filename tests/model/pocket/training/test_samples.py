"""The held-out voices are whole, aligned, and small."""

import numpy as np

from model.pocket.training.dataset import HELD_OUT, VARIANTS, read_dataset, write_dataset
from model.pocket.training.samples import FOLDER, read_samples


def test_every_voice_has_twenty_seconds_and_its_curves() -> None:
    """Seven voices of the training synthesiser and three of another, each with its true mouth."""
    samples = read_samples()
    assert [sample.engine for sample in samples].count("espeak") >= 6
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
