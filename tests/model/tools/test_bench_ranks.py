"""The measure of ranks: which ways it tries, what it says of them, and that a way that hangs is ended."""

import json
from pathlib import Path

import numpy as np
import pytest

from model.tools import bench_ranks, make_checkpoint
from model.tools.bench_ranks import TriedWay, read_way, try_way
from model.tools.rank_trial import RankTrial


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny checkpoint."""
    folder = tmp_path_factory.mktemp("weights")
    make_checkpoint.main(["--out", str(folder)])
    return str(folder)


def test_a_way_is_read() -> None:
    """Ranks, what is shared out, clips, memory of each, and whether rank 0 does all of a film; what is no way is refused."""
    shared = RankTrial("ckpt", clips=8)
    found = read_way("layers4:12:24:whole", shared)
    told = (found.ranks, found.parallel, found.clips, found.memory, found.whole)
    assert told == (4, "layers", 12, 24_000_000_000, True)
    assert read_way("1", shared) == shared
    assert read_way("steps2::30", shared).clips == 8
    assert read_way("heads2", shared).parallel == "heads"
    with pytest.raises(ValueError, match="4: 1, steps2"):
        read_way("4", shared)


def test_all_ranks_can_be_on_one_card() -> None:
    """Each then names the first; else each has its own."""
    trial = RankTrial("ckpt", ranks=3, parallel="layers")
    assert trial.machine.gpus == (0, 1, 2)
    assert RankTrial("ckpt", ranks=3, parallel="layers", one_card=True).machine.gpus == (0, 0, 0)


def test_a_row_compares() -> None:
    """Pace and drift of the clips between the first three and the last, and how far off the plan was; bytes as far as both have gone."""
    first, other = TriedWay("1"), TriedWay("2 by layers")
    for clip, seconds in enumerate((50, 9, 9, 2, 2, 2, 2)):
        first.note({"clip": clip, "seconds": seconds, "digest": f"d{clip}"})
    for clip, seconds in enumerate((50, 9, 9, 1, 1.5, 1, 1.5)):
        other.note(
            {
                "clip": clip,
                "seconds": seconds,
                "digest": f"d{clip}",
                "memory": {"1": 13_200_000_000},
            }
        )
    other.note({"planned": 0.9})
    row = "| 2 by layers, not ended | 7 | 1.000 | 2.000 | 1.000 | 0.900 (-10%) | 13.20 | the same |"
    assert other.row(first) == row
    other.digests[6] = "x"
    other.note({"ended": True})
    assert "| 2 by layers | 7 |" in other.row(first)
    assert other.row(first).endswith("| OTHERS |")


def test_by_heads_latents_are_compared(tmp_path: Path) -> None:
    """Other bytes are expected there, and the distance is told, at clip 0 and at the last; numbers that are none are a fault."""
    ways = []
    for name, by_heads in (("1", False), ("2 by heads", True)):
        (folder := tmp_path / name).mkdir()
        ways.append(TriedWay(name, folder, by_heads))
        for clip in range(2):
            np.save(folder / f"{clip}.npy", np.ones(4) * (1.25 if by_heads and clip else 1))
            ways[-1].note({"clip": clip, "seconds": 1, "digest": f"{name} {clip}"})
    first, other = ways
    assert other.compare(first) == "0.0e+00 … 2.5e-01"
    assert first.compare(first) == "the same"
    assert bench_ranks.fits(other, first)
    np.save(other.kept / "1.npy", np.full(4, np.nan))
    assert not bench_ranks.fits(other, first)


def test_a_way_that_takes_too_long_is_ended(weights: str) -> None:
    """What it has said until then counts, and it is told that it has not ended."""
    tried = try_way(RankTrial(weights, device="cpu", size="64*64", clips=2), limit=0.2)
    assert not tried.ended


def test_two_ranks_make_the_bytes_of_one(weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In processes, over gloo: a line of JSON for each clip, and code 0; by heads they may be others, and near."""
    words = ["--weights", weights, "--device", "cpu", "--size", "64*64", "--clips", "2"]
    ways = ["--ways", "layers2", "1", "steps2", "heads2", "--one-card", "--at-once", "2"]
    assert bench_ranks.main([*words, *ways]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    digests = {(each["way"], each["clip"]): each["digest"] for each in told if "clip" in each}
    for clip in range(2):
        made = {digests[way, clip] for way in ("1", "2 by layers", "2 by steps")}
        assert len(made) == 1
    assert sum("| the same |" in line for line in lines) >= 3
    assert sum(line.startswith("| 2 by heads | 2 |") for line in lines) == 1


def test_a_large_checkpoint_may_have_a_small_prompt_encoder(tmp_path: Path) -> None:
    """Its states are as wide as the transformer reads them."""
    from model.weights import checkpoint, checks

    make_checkpoint.main(["--out", str(tmp_path), "--dim", "96", "--text-size", "tiny"])
    checks.require_sound(checks.check_weights(checkpoint.locate_weights(str(tmp_path))))
