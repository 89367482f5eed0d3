"""The carry: two, and anchors."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_film import flip

from storage.carry import CarryStore, NamedArray
from storage.errors import Damaged, NotMade
from storage.records import Records
from storage.run import Run


def pieces(value: int) -> list[NamedArray]:
    rings = [
        (f"step{step}/layer{layer}/k", np.full((4, 3), value + step, np.uint16))
        for step in (0, 1)
        for layer in (0, 1)
    ]
    return [*rings, ("drawn", np.array(value, np.int64))]


def kept(carry: CarryStore) -> list[str]:
    return sorted(path.name for path in carry.folder.iterdir())


def test_a_carry_comes_back_piece_by_piece_in_order(run: Run) -> None:
    """Names, order, bits and types are those that were published."""
    run.carry.publish(8, iter(pieces(5)))
    found = list(run.carry.load(8))
    assert [name for name, _ in found] == [name for name, _ in pieces(5)]
    for (_, one), (_, other) in zip(found, pieces(5), strict=True):
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def test_the_newest_at_most_is_found(run: Run) -> None:
    """The nearest carry before a clip, or none."""
    assert run.carry.newest(100) is None
    run.carry.publish(8, pieces(1))
    run.carry.publish(16, pieces(2))
    assert [run.carry.newest(clip) for clip in (7, 8, 15, 16, 100)] == [None, 8, 8, 16, 16]


def test_there_are_never_three(run: Run) -> None:
    """The older one goes when the newer is whole and before a third begins; the newest stays meanwhile."""

    def watched() -> Iterator[NamedArray]:
        for piece in pieces(3):
            assert run.carry.newest(100) == 16
            assert sorted(name for name in kept(run.carry) if name.isdigit()) == ["00016"]
            yield piece

    run.carry.publish(8, pieces(1))
    run.carry.publish(16, pieces(2))
    assert kept(run.carry) == ["00008", "00016"]
    run.carry.publish(24, watched())
    assert kept(run.carry) == ["00016", "00024"]
    assert not run.records.complete("carry", 8)


def test_anchors_stay(run: Run) -> None:
    """With carry_anchors 2 and carry_every 8 every multiple of 16 is kept."""
    run.update_settings(replace(run.settings, carry_anchors=2), {})
    for clip in range(8, 56, 8):
        run.carry.publish(clip, pieces(clip))
    assert kept(run.carry) == ["00016", "00032", "00040", "00048"]
    assert run.carry.newest(39) == 32


def test_a_replay_writes_no_older_carry(run: Run) -> None:
    """Where a newer one is complete, an older one is not written, nor the same one again."""

    def unread() -> Iterator[NamedArray]:
        raise AssertionError("a piece was asked for")
        yield

    run.carry.publish(16, pieces(2))
    run.carry.publish(8, unread())
    run.carry.publish(16, unread())
    assert kept(run.carry) == ["00016"]


def test_a_carry_that_breaks_off_is_none(run: Run) -> None:
    """Half the pieces vouch for nothing, and the one before stays."""

    def broken() -> Iterator[NamedArray]:
        yield from pieces(2)[:2]
        raise MemoryError

    run.carry.publish(8, pieces(1))
    with pytest.raises(MemoryError):
        run.carry.publish(16, broken())
    assert kept(run.carry) == ["00008"]
    assert run.carry.newest(100) == 8
    with pytest.raises(NotMade, match="clip 16"):
        list(run.carry.load(16))


def test_a_damaged_piece_is_an_error_and_the_older_carry_is_there(run: Run) -> None:
    """One flipped bit is seen before the piece is handed out; discarded, the one before it is the newest."""
    run.carry.publish(8, pieces(1))
    run.carry.publish(16, pieces(2))
    flip(run.root / "carry" / "00016" / "step1.layer0.k" / "c.0.0")
    with pytest.raises(Damaged, match="step1/layer0/k"):
        list(run.carry.load(16))
    run.carry.discard(16)
    assert run.carry.newest(100) == 8
    assert kept(run.carry) == ["00008"]


def test_a_carry_without_a_record_is_swept(tmp_path: Path) -> None:
    """A folder that no record vouches for is an orphan of a crash."""
    (tmp_path / "commits").mkdir()
    (tmp_path / "carry").mkdir()
    records = Records(tmp_path)
    carry = CarryStore(tmp_path / "carry", records)
    carry.publish(8, pieces(1))
    records.withdraw("carry", 8)
    assert carry.sweep() == 1
    assert kept(carry) == []
