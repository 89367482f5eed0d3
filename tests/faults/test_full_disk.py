"""No room, no quota, no inodes, no right to write: one clear line, and with room again the same bytes."""

from pathlib import Path

import pytest
from disks import call, disk, memory_disk
from films import DOORS, Film, Tally, Tree, differing, is_plain, tree

# A fragment of a path that each stage writes.
STAGES = {
    "copying the inputs": "/inputs/",
    "encoding the inputs": "/.encoded.",
    "the sound": "/.sound.",
    "the sound's features": "/audio/.c.5",
    "steps": "/steps/.c.5",
    "latents": "/latents/.c.5",
    "their record": "/commits/.latents.00005",
    "the carry": "/carry/.",
    "frames": "/frames/.c.5",
    "a segment": "/segments/.00005",
    "its record": "/commits/.segment.00005",
    "the soundtrack": "/.soundtrack",
    "the film": "/.video",
    "its record, the last": "/commits/.video",
}


def lost(found: Tree, expected: Tree) -> list[str]:
    """What is otherwise; frames and steps that were pruned for want of room are not."""
    spared = ("frames/", "steps/", "commits/frames.", "commits/steps.", "present/")
    return [name for name in differing(found, expected) if not name.startswith(spared)]


def check_end(said: tuple[int, str], root: Path, door: str) -> None:
    """It ended with a code and one line for a person, which names the place."""
    status, words = said
    assert status > 0, words
    assert "Traceback" not in words or door == "luigi", words
    assert is_plain(words, root) if door == "longtake" else str(root) in words, words


@pytest.mark.parametrize(("door", "reason"), zip(DOORS, ("ENOSPC", "EDQUOT"), strict=True))
def test_a_full_disk_ends_in_one_line(
    door: str, reason: str, *, film: Film, unbroken: Tree, tmp_path: Path, tally: Tally
) -> None:
    """No space, or no more of the quota, for a segment, as the system says it: a code, the path, and then the same bytes."""
    fault = {"FAULT_CALL": "write:always", "FAULT_WHERE": "segments/.00005", "FAULT_ERRNO": reason}
    ended = film.start(door, tmp_path, **fault).end()
    check_end(ended, tmp_path / "film", door)
    assert not lost(film.make(tmp_path, door), unbroken)
    tally(tried=1, differing=0, by_hand=0)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_full_at_each_stage(
    stage: str, film: Film, unbroken: Tree, tmp_path: Path, tally: Tally
) -> None:
    """A real small disk that is full from the moment on when this is begun; made free, the same command ends the film."""
    with disk("ext4", tmp_path / "disk") as one:
        place, filler = one.path / "place", one.path / "filler"
        said = tmp_path / "said"
        door = DOORS[list(STAGES).index(stage) % 2]
        started = film.start(door, place, said, FAULT_FILL=f"{STAGES[stage]}:{filler}")
        said_at_end = started.end()
        assert filler.exists(), "it was full"
        # A carry is written beside the work and given up first: where frames could be pruned, the film is whole.
        if stage != "the carry" or said_at_end[0]:
            check_end(said_at_end, place / "film", door)
        filler.unlink()
        status, words = film.start(door, place, said).end()
        assert status == 0, words
        assert not lost(tree(place / "film"), unbroken)
    tally(tried=1, differing=0, by_hand=0)


@pytest.mark.slow
@pytest.mark.parametrize("records", [5, 40, 90])
def test_gone_read_only(
    records: int, film: Film, unbroken: Tree, tmp_path: Path, tally: Tally
) -> None:
    """ext4 finds an error in itself and goes read-only under the work."""
    slow = {"FAKE_DENOISE": "0.02"}
    with disk("ext4", tmp_path / "disk", "errors=remount-ro") as one:
        place, said = one.path / "place", tmp_path / "said"
        started = film.start("longtake", place, said, **slow)
        started.wait_for(place / "film", records)
        one.break_down()
        check_end(started.end(), place / "film", "longtake")
        check_end(film.start("longtake", place, said).end(), place / "film", "longtake")
        one.repair()
        status, words = film.start("longtake", place, said).end()
        assert status == 0, words
        assert not differing(tree(place / "film"), unbroken)
    tally(tried=1, differing=0, by_hand=0)


@pytest.mark.slow
@pytest.mark.parametrize("inodes", [20, 100, 200])
def test_no_inodes(inodes: int, film: Film, unbroken: Tree, tmp_path: Path, tally: Tally) -> None:
    """Room for bytes, and none for another file."""
    with memory_disk(tmp_path / "disk", f"size=64m,nr_inodes={inodes}") as path:
        place, said = path / "place", tmp_path / "said"
        check_end(film.start("longtake", place, said).end(), place / "film", "longtake")
        call("mount", "-o", "remount,nr_inodes=100000", str(path))
        status, words = film.start("longtake", place, said).end()
        assert status == 0, words
        assert not lost(tree(place / "film"), unbroken)
    tally(tried=1, differing=0, by_hand=0)
