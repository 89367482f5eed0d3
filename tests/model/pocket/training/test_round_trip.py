"""True motion comes through pocket's latents and its decoder."""

from model.avatar import DeviceConfig, Options
from model.pocket.avatar import PocketAvatar
from model.pocket.training.judged_presenters import make_presenters
from model.pocket.training.round_trip import measure_round_trip
from model.pocket.training.samples import read_samples


def test_the_shipped_decoder_shows_true_motion() -> None:
    """Of a presenter that training never met; mouth and eyes, which move most, are a little less exact."""
    avatar = PocketAvatar(Options(128, 128, 24), DeviceConfig())
    people = make_presenters(1, 128, first=800_000)
    found = measure_round_trip(avatar, people, read_samples()[0].curves[:24])
    assert found["all"] > 31
    assert 25 < found["mouth_eyes"] < found["all"]
