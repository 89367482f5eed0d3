"""The power goes: what was not synced is gone, and nothing that was called done is."""

import random
import time
from pathlib import Path

import pytest
from disks import Disk, disk
from films import DOORS, Film, Tally, Tree, differing, running
from test_write_points import forks

SLOW = {"FAKE_DENOISE": "0.01", "FAKE_DECODE": "0.01"}


def recorded(film: Film, folder: Path, stride: int, order: str = "online") -> dict[str, int]:
    """Cuts at every so many-th step, by the record of what was synced."""
    seed = random.randrange(1 << 30)
    found = forks("cuts", film, folder / "cuts", stride, seed, order)
    names = ("lost", "by_hand", "differing")
    assert not any(found.get(name) for name in names), f"seed {seed}: {found}"
    return {"cuts": found["tried"], "told": found["told"], **dict.fromkeys(names, 0)}


def test_cut_at_some_steps(brief: Film, tmp_path: Path, tally: Tally) -> None:
    """What was synced, and of the rest whatever a disk likes: nothing that was called done is lost, no torn state is accepted."""
    tally(**recorded(brief, tmp_path, 120))


def test_a_retake_cut_at_some_steps(brief: Film, tmp_path: Path, tally: Tally) -> None:
    """While files of the old film are linked, records of their own are made for them, and clips are made again: the same."""
    tally(**recorded(brief, tmp_path, 120, "retake"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_retake_cut_at_every_third_step(brief: Film, tmp_path: Path, tally: Tally) -> None:
    """Many more of them."""
    tally(**recorded(brief, tmp_path, 3, "retake"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_cut_at_every_third_step(brief: Film, tmp_path: Path, tally: Tally) -> None:
    """About 150 cuts, each with another throw of the dice."""
    tally(**recorded(brief, tmp_path, 3))


@pytest.mark.slow
def test_the_record_finds_a_store_that_does_not_sync(
    brief: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial is one: where no sync counts, it finds loss."""
    monkeypatch.setenv("FAULT_NO_SYNC", "1")
    assert forks("cuts", brief, tmp_path / "cuts", 40, 1, "online")["lost"] > 3


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_cut_of_a_real_file_system(
    kind: str, film: Film, unbroken: Tree, tmp_path: Path, tally: Tally
) -> None:
    """Thirty cuts of a loop-mounted file system while both doors work in turn, remounted and gone on with each time."""
    chance, seed, cuts, told, films = random.Random(), random.randrange(1 << 30), 0, 0, 0
    chance.seed(seed)
    with disk(kind, tmp_path / "disk") as one:
        while cuts < 30:
            place = one.path / f"{films:02d}"
            hit, kept = make_under_cuts(film, one, place, chance)
            cuts, told, films = cuts + hit, told + kept, films + 1
            # The byte that `present` has of a clip is not synced: the same command again sets it right.
            again = film.make(place)
            assert not differing(again, unbroken), f"seed {seed}, film {films}"
    tally(cuts=cuts, told=told, lost=0, differing=0, by_hand=0)


def make_under_cuts(film: Film, one: Disk, place: Path, chance: random.Random) -> tuple[int, int]:
    """One film, the power cut again and again until it is done; the cuts, and how many stages had been called done."""
    account = one.path.parent / f"{place.name}.told"
    for cut in range(60):
        door = DOORS[cut % 2]
        # What the process says must not lie on the disk that goes.
        place.mkdir(exist_ok=True)
        said = one.path.parent / "said"
        with running(film.start(door, place, said, FAULT_TOLD=str(account), **SLOW)) as started:
            started.wait_for(place / "film", chance.randrange(5, 45))
            time.sleep(chance.random() * 0.05)
            ended = started.process.poll()
            # Told before the cut, so durable before it.
            done = account.read_text().splitlines() if account.exists() else []
            one.cut()
            started.kill()
            status, words = started.end()
        one.unmount()
        one.mount()
        check_told_of(place / "film", done)
        if ended == 0:
            return cut, len(done)
        assert status < 0, f"{door} ended with {status}: {words[-2000:]}"
    raise AssertionError("not done after sixty cuts")


def check_told_of(root: Path, lines: list[str]) -> None:
    """Everything that was called done is vouched for, and whole."""
    from forks import check_told

    from storage.run import Run

    if not lines:
        return
    told = [line.split() for line in lines]
    check_told(
        Run.open(root), [(stage, None if clip == "None" else int(clip)) for stage, clip in told]
    )
