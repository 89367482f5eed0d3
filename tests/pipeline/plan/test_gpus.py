"""Cards by name."""

import pytest

from pipeline.plan.gpus import GPUS, find_gpu
from storage.errors import BadOption


@pytest.mark.parametrize(
    ("words", "count"),
    [("4090", 1), ("RTX 4090", 1), ("4090x4", 4), ("4*4090", 4), ("NVIDIA GeForce RTX 4090", 1)],
)
def test_names_as_people_write_them(words: str, count: int) -> None:
    """With and without the maker, and how many there are."""
    assert find_gpu(words) == (GPUS["4090"], count)


def test_an_unknown_card_is_refused_with_those_that_are_known() -> None:
    """The way out is in the line."""
    with pytest.raises(BadOption, match=r"--gpu 9000 .*3090, 4090.*4090x4"):
        find_gpu("9000")


def test_every_card_says_where_its_numbers_come_from() -> None:
    """And leaves some of its memory to the driver."""
    for card in GPUS.values():
        assert card.source.startswith("NVIDIA")
        assert 20e9 < card.usable < card.memory
        assert 0 < card.relative <= 1
