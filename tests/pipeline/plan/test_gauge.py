"""The speed of a card, measured; here the processor stands for it."""

from model.avatar import Machine
from pipeline.plan.gauge import card_here, measure
from pipeline.plan.place import sheet_speed


def test_both_speeds_are_measured() -> None:
    """Products and copies, of any device."""
    speed = measure("cpu", side=64, size=1 << 12)
    assert 0 < speed.relative < 1
    assert speed.link > 0


def test_a_processor_is_no_card() -> None:
    """Asked for by name, too."""
    assert card_here(Machine(device="cpu")) is None


def test_known_cards_have_a_speed_unmeasured() -> None:
    """By the name that the driver gives."""
    known = sheet_speed("NVIDIA GeForce RTX 4090")
    assert known is not None
    assert 0.1 < known.relative < 0.2
    assert sheet_speed("NVIDIA B300") is None
