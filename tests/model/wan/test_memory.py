"""What a film takes of a card, part by part, and of the host; against what one H200 and its host showed (docs/models.md)."""

import pytest

from model.avatar import Machine, Memory, Options, Speed, labour, memory

GB = 1e9
ASKED = Options(704, 384, 0, 4)


def taken(name: str, free: float, *, offload: bool | None = None) -> Memory:
    return memory(name, ASKED, Machine(device="cuda", offload=offload), int(free))


@pytest.mark.parametrize(
    ("name", "free", "offload", "measured"),
    [
        ("live-avatar", 140, False, 93.4),
        ("live-avatar", 60, None, 43.0),
        ("wan-s2v", 140, False, 48.3),
    ],
)
def test_the_card_is_reckoned_within_five_in_a_hundred(
    name: str, free: float, offload: bool | None, measured: float
) -> None:
    """The sum of the parts against torch's own peak on the H200."""
    assert taken(name, free * GB, offload=offload).peak / GB == pytest.approx(measured, rel=0.05)


def test_the_host_holds_powers_of_two() -> None:
    """Memory that the card reads by itself is rounded up by torch: 136 GB were taken, with the program's few."""
    waiting = taken("live-avatar", 140 * GB, offload=True)
    assert sum(waiting.host.values()) / GB == pytest.approx(136 - 3, rel=0.02)
    assert not sum(taken("live-avatar", 140 * GB).host.values())


def test_what_there_is_decides_the_way() -> None:
    """The fastest that fits, in words."""
    ways = [taken("live-avatar", free * GB).way for free in (140, 60, 24)]
    assert ways[0] == "all on the card"
    assert ways[1] == "rings wait on the host"
    assert ways[2] == "rings and layers wait on the host"


def test_without_a_card_it_is_the_hosts() -> None:
    """In float32, twice as much."""
    here = memory("live-avatar", ASKED, Machine(device="cpu"), None)
    assert not here.device
    assert sum(here.host.values()) > 1.9 * (taken("live-avatar", 140 * GB).peak - GB)


def test_hours_come_from_what_was_measured() -> None:
    """At the measured size the measured seconds; smaller is quicker, a slower card slower, waiting parts cost the link."""
    machine = Machine(device="cuda")
    at = labour("live-avatar", ASKED, machine, int(140 * GB), Speed())
    assert at is not None
    assert at.denoise == pytest.approx(4.46, rel=0.01)
    assert at.decode == pytest.approx(1.7, rel=0.01)
    small = labour("live-avatar", Options(384, 256, 0, 4), machine, int(140 * GB), Speed())
    slow = labour("live-avatar", ASKED, machine, int(140 * GB), Speed(0.25))
    waiting = labour("live-avatar", ASKED, machine, int(24 * GB), Speed())
    assert small is not None
    assert slow is not None
    assert waiting is not None
    assert small.denoise < at.denoise / 2
    assert slow.denoise == pytest.approx(4 * at.denoise)
    assert waiting.denoise == pytest.approx(43, rel=0.02)
    wan = labour("wan-s2v", ASKED, machine, int(140 * GB), Speed())
    assert wan is not None
    assert wan.denoise == pytest.approx(16, rel=0.01)
