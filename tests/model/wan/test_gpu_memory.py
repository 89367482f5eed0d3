"""What a film takes of a card, part by part, and of the host; against what one H200 and its host showed (docs/models.md)."""

from dataclasses import replace
from itertools import pairwise

import pytest

from model.avatar import DeviceConfig, Options
from model.estimates import MachineSpeed, MemoryEstimate, TimeEstimate
from model.registry import estimate_memory, estimate_time
from model.wan.gpu_memory import MemoryInput, OffloadPlan, choose_offload, compute_need, least_bytes
from model.weights import published_shapes

PUBLISHED = published_shapes.build_config(published_shapes.PUBLISHED)
GB = 1e9
ASKED = Options(704, 384, 0, 4)
EIGHT = replace(ASKED, precision="fp8")


def taken(
    name: str, free: float, *, offload: bool | None = None, options: Options = ASKED
) -> MemoryEstimate:
    return estimate_memory(name, options, DeviceConfig(device="cuda", offload=offload), int(free))


@pytest.mark.parametrize(
    ("name", "options", "measured"),
    [("live-avatar", ASKED, 73.8), ("live-avatar", EIGHT, 44.4), ("wan-s2v", ASKED, 49.1)],
)
def test_the_card_is_reckoned_within_five_in_a_hundred(
    name: str, options: Options, measured: float
) -> None:
    """The sum of the parts against what the card's driver saw of the H200."""
    assert taken(name, 140 * GB, options=options).peak / GB == pytest.approx(measured, rel=0.05)


def test_the_host_holds_what_waits() -> None:
    """No power of two is taken for it, and nothing where nothing waits."""
    needed = compute_need(PUBLISHED, MemoryInput(704, 384, 4, 3, 12))
    waiting = taken("live-avatar", 140 * GB, offload=True)
    assert sum(waiting.host.values()) == 40 * needed.block + needed.kv_caches
    assert not sum(taken("live-avatar", 140 * GB).host.values())


def test_several_speakers_take_more_of_the_card() -> None:
    """What each of them makes all tokens hear, at once; one speaker's is in what was measured."""
    alone, *several = (taken("live-avatar", 140 * GB, options=replace(ASKED, speakers=n)).peak for n in (1, 2, 4))  # fmt: skip
    assert alone == taken("live-avatar", 140 * GB).peak
    each = 16 * 5120 * 3 * 704 * 384 // 256
    # Their injector takes more than all else that a layer does with three further blocks: 2 bytes a number of a token, and 16 for each speaker.
    joined = 3 * 5120 * 3 * 704 * 384 // 256
    assert [more - alone for more in several] == [
        n * each + joined * (2 + 16 * n - 28) for n in (2, 4)
    ]


def test_what_there_is_decides_the_way() -> None:
    """The fastest that fits, in words."""
    ways = [taken("live-avatar", free * GB).way for free in (140, 60, 24)]
    assert ways[0] == "all on the card"
    assert ways[1] == "rings wait on the host"
    assert ways[2].startswith("rings and ")
    assert ways[2].endswith(" layers wait on the host")


def test_without_a_card_it_is_the_hosts() -> None:
    """In float32, twice as much."""
    here = estimate_memory("live-avatar", ASKED, DeviceConfig(device="cpu"), None)
    assert not here.device
    assert sum(here.host.values()) > 1.9 * (taken("live-avatar", 140 * GB).peak - GB)


def test_hours_come_from_what_was_measured() -> None:
    """At the measured size the measured seconds; smaller is quicker, a slower card slower, waiting parts cost the link."""
    machine = DeviceConfig(device="cuda")
    at = estimate_time("live-avatar", ASKED, machine, int(140 * GB), MachineSpeed())
    assert at is not None
    assert at.denoise == pytest.approx(0.95 * 3.43, rel=0.01)
    assert at.decode == pytest.approx(0.285, rel=0.01)
    small = estimate_time(
        "live-avatar", Options(384, 256, 0, 4), machine, int(140 * GB), MachineSpeed()
    )
    slow = estimate_time("live-avatar", ASKED, machine, int(140 * GB), MachineSpeed(0.25))
    waiting = estimate_time("live-avatar", ASKED, machine, int(24 * GB), MachineSpeed())
    assert small is not None
    assert slow is not None
    assert waiting is not None
    assert small.denoise < at.denoise / 2
    assert slow.denoise == pytest.approx(4 * at.denoise)
    assert waiting.denoise > at.denoise
    wan = estimate_time("wan-s2v", ASKED, machine, int(140 * GB), MachineSpeed())
    assert wan is not None
    assert wan.denoise == pytest.approx(14.5, rel=0.01)


def test_a_small_film_waits_for_the_host() -> None:
    """Where the card is quick the host cannot ask for its work any faster: 384×256 in eight bits took 1.7 s a clip, and not .85; with graphs of the layers the transformer took .71, and .61 once four blocks went together."""
    machine, small = DeviceConfig(device="cuda"), Options(384, 256, 0, 4, precision="fp8")

    def told(options: Options, free: float, launch: float = 6.6e-6) -> TimeEstimate:
        speed = MachineSpeed(launch=launch)
        found = estimate_time("live-avatar", options, machine, int(free * GB), speed)
        assert found is not None
        return found

    graphed, waits = told(small, 140), told(small, 20)
    assert graphed.denoise == pytest.approx(0.65, rel=0.07)
    assert graphed.host < graphed.denoise
    assert waits.host == pytest.approx(1.7, rel=0.1)
    assert told(small, 20, 13.2e-6).host == pytest.approx(2 * waits.host)


def test_loading_is_as_quick_as_the_disk() -> None:
    """From the memory that keeps a disk's files it is the libraries that take their time; kernels that are not compiled yet take more."""
    machine = DeviceConfig(device="cuda")
    times = [
        estimate_time("live-avatar", EIGHT, machine, int(140 * GB), speed)
        for speed in (MachineSpeed(reading=10e9), MachineSpeed(), MachineSpeed(compiled=False))
    ]
    kept, disk, new = (each.load for each in times if each is not None)
    assert kept == pytest.approx(24.7, rel=0.01)
    assert disk == pytest.approx(51.8, rel=0.01)
    assert new == pytest.approx(disk + 11)


@pytest.mark.parametrize(("free", "measured"), [(140, 2.37), (38, 2.44), (24, 2.46)])
def test_what_waits_costs_what_it_was_seen_to_cost(free: float, measured: float) -> None:
    """Seconds of a whole clip in fp8, where rings and layers come over from the host (docs/performance.md)."""
    machine = DeviceConfig(device="cuda")
    told = estimate_time("live-avatar", EIGHT, machine, int(free * GB), MachineSpeed())
    assert told is not None
    assert told.denoise + told.decode * told.beside == pytest.approx(measured, rel=0.06)


@pytest.mark.parametrize("fp8", [False, True])
def test_the_fastest_way_that_fits_is_taken(fp8: bool) -> None:
    """Everything on the card; rings on the host; then no more layers than must be."""
    needed = compute_need(PUBLISHED, MemoryInput(704, 384, 4, 3, 12, fp8))
    assert choose_offload(needed, None, None) == OffloadPlan()
    assert choose_offload(needed, needed.total(OffloadPlan()), None) == OffloadPlan()
    whole, single = needed.total(OffloadPlan()), OffloadPlan(joins=False)
    assert choose_offload(needed, whole - 1, None) == single
    assert choose_offload(needed, needed.total(single) - 1, None) == OffloadPlan(True)
    some = choose_offload(needed, needed.total(OffloadPlan(True)) - needed.block, None)
    assert some.kv_on_host
    assert 0 < some.layers_on_host < 6
    assert needed.total(some) <= needed.total(OffloadPlan(True)) - needed.block
    assert choose_offload(needed, None, True) == OffloadPlan(True, 40)
    least = OffloadPlan(True, 40, joins=False)
    assert choose_offload(needed, 0, None) == choose_offload(needed, 0, True) == least
    assert choose_offload(needed, 0, False) == OffloadPlan(joins=False)
    assert least_bytes(needed, None) == needed.total(least)


@pytest.mark.parametrize(("free", "joins"), [(140, True), (24, True), (16, False)])
def test_blocks_go_one_by_one_where_nothing_else_fits(free: int, joins: bool) -> None:
    """In fp8 at 704x384: within 16 GB there is no room for four blocks' rows, and the film is made all the same."""
    needed = compute_need(PUBLISHED, MemoryInput(704, 384, 4, 3, 12, True))
    plan = choose_offload(needed, free * GB, None)
    assert plan.joins == joins
    assert needed.total(plan) <= free * GB
    # No more layers than must be.
    assert not plan.waits or needed.total(plan) > free * GB - needed.block


def test_eight_bits_are_half() -> None:
    """Of layers and rings, but for the scales and the rows that fill up a tile."""
    wide, eight = (
        compute_need(PUBLISHED, MemoryInput(704, 384, 4, 3, 12, fp8)) for fp8 in (False, True)
    )
    assert eight.block == pytest.approx(wide.block / 2, rel=0.01)
    assert wide.kv_caches / 2 < eight.kv_caches < 1.02 * wide.kv_caches / 2


@pytest.mark.parametrize("count", [0, 1, 2, 7, 39, 40])
def test_those_that_wait_are_spread(count: int) -> None:
    """So many different ones, the gaps between them alike."""
    waiting = OffloadPlan(True, count).waiting(40)
    assert len(set(waiting)) == count
    assert all(0 <= layer < 40 for layer in waiting)
    gaps = {b - a for a, b in pairwise(waiting)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_no_rings_need_no_rings() -> None:
    """The clip-wise model remembers motion latents alone."""
    needed = compute_need(PUBLISHED, MemoryInput(704, 384, 40, 20, 0))
    assert needed.kv_caches == 0
    assert needed.total(OffloadPlan(True)) == needed.total(OffloadPlan())
