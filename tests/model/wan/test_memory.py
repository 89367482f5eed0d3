"""What waits on the host, and what that leaves on the card, by arithmetic."""

from itertools import pairwise

import pytest

from model import shapes
from model.wan.memory import Film, Placing, choose, least, need

PUBLISHED = shapes.configure(shapes.PUBLISHED)


@pytest.mark.parametrize("fp8", [False, True])
def test_the_fastest_way_that_fits_is_taken(fp8: bool) -> None:
    """Everything on the card; rings on the host; then no more layers than must be."""
    needed = need(PUBLISHED, Film(704, 384, 4, 3, 12, fp8))
    assert choose(needed, None, None) == Placing()
    assert choose(needed, needed.total(Placing()), None) == Placing()
    assert choose(needed, needed.total(Placing()) - 1, None) == Placing(True)
    some = choose(needed, needed.total(Placing(True)) - needed.block, None)
    assert some.rings_on_host
    assert 0 < some.layers_on_host < 6
    assert needed.total(some) <= needed.total(Placing(True)) - needed.block
    assert choose(needed, 0, None) == Placing(True, 40) == choose(needed, None, True)
    assert choose(needed, 0, False) == Placing()
    assert least(needed, None) == needed.total(Placing(True, 40))


def test_eight_bits_are_half() -> None:
    """Of layers and rings, but for the scales."""
    wide, eight = (need(PUBLISHED, Film(704, 384, 4, 3, 12, fp8)) for fp8 in (False, True))
    assert eight.block == pytest.approx(wide.block / 2, rel=0.01)
    assert eight.rings == pytest.approx(wide.rings * (128 + 4) / 256)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 39, 40])
def test_those_that_wait_are_spread(count: int) -> None:
    """So many different ones, the gaps between them alike."""
    waiting = Placing(True, count).waiting(40)
    assert len(set(waiting)) == count
    assert all(0 <= layer < 40 for layer in waiting)
    gaps = {b - a for a, b in pairwise(waiting)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_no_rings_need_no_rings() -> None:
    """The clip-wise model remembers motion latents alone."""
    needed = need(PUBLISHED, Film(704, 384, 40, 20, 0))
    assert needed.rings == 0
    assert needed.total(Placing(True)) == needed.total(Placing())
