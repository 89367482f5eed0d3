"""Encoder, decoder, memory and numbers that fail: the right clip is blamed, it is tried again, then the failure is clear and nothing else is lost."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from films import DOORS, Film, Tally, Tree, differing, is_plain, tree

CODES = {"longtake": 4, "luigi": 30}


@dataclass(frozen=True)
class Fault:
    """One kind of fault, of clip 5."""

    stage: str
    """Where it is blamed."""
    switch: str
    """The environment's; empty for the model's own."""
    doing: str
    """How the failure names it."""

    def environment(self, folder: Path, times: int) -> dict[str, str]:
        """What makes it happen so many times."""
        if self.switch:
            of = {"latents": "denoise:5", "segment": "decode:5"}[self.stage]
            return {self.switch: f"{'5' if self.switch == 'FAULT_ENCODE' else of}:{times}"}
        folder.mkdir(exist_ok=True)
        name = {"latents": "denoise.5", "segment": "decode.5"}[self.stage]
        (folder / name).write_text(str(times))
        return {"FAKE_FAIL": str(folder)}


FAULTS = {
    "the denoiser": Fault("latents", "", "denoising"),
    "the decoder": Fault("segment", "", "decoding"),
    "the encoder": Fault("segment", "FAULT_ENCODE", "decoding"),
    "memory, denoising": Fault("latents", "FAULT_OOM", "denoising"),
    "memory, decoding": Fault("segment", "FAULT_OOM", "decoding"),
    "not a number": Fault("latents", "FAULT_NAN", "denoising"),
    "infinity": Fault("latents", "FAULT_INF", "denoising"),
}
# The denoiser of a slow decoder is ahead by as many clips as it may; that of a slow denoiser never is.
PACES = {"ahead": {"FAKE_DECODE": "0.05"}, "in step": {"FAKE_DENOISE": "0.05"}}
QUICK = [("the decoder", "in step", "longtake"), ("the denoiser", "ahead", "luigi")]
ALL = [(fault, pace, door) for fault in FAULTS for pace in PACES for door in DOORS]


def blamed(root: Path, event: str) -> list[tuple[str, int]]:
    """Which stage of which clip the events of a kind name."""
    lines = [json.loads(line) for line in (root / "events.jsonl").read_text().splitlines()]
    return [(line["stage"], line["clip"]) for line in lines if line["event"] == event]


def once(film: Film, place: Path, fault: Fault, pace: str, door: str) -> Tree:
    """It happens once: the clip is tried again, and the film is made."""
    there = fault.environment(place.parent / f"{place.name}.faults", 1)
    found = film.make(place, door, **there, **PACES[pace])
    # Where memory was short something is given up first, which is no try of the clip's.
    event = "memory_relieved" if fault.switch == "FAULT_OOM" else "clip_retry"
    assert blamed(place / "film", event) == [(fault.stage, 5)]
    return found


def always(film: Film, place: Path, fault: Fault, pace: str, door: str) -> Tree:
    """It happens always: after three tries the failure names clip and stage; then the device is well again."""
    root = place / "film"
    there = fault.environment(place.parent / f"{place.name}.faults", 99)
    status, words = film.start(door, place, **there, **PACES[pace]).end()
    assert status == CODES[door], words
    assert "Clip 5 failed" in words or "Clip 5 ran out of memory" in words, words
    assert fault.doing in words
    assert is_plain(words, Path("/x")) or door == "luigi", words
    assert blamed(root, "clip_failed")[-1] == (fault.stage, 5)
    records = {path.name for path in (root / "commits").iterdir()}
    kept = {f"segment.{clip:05d}.json" for clip in range(5)}
    kept |= {"latents.00005.json"} if fault.stage == "segment" else set()
    assert kept <= records, "what was finished stays, the denoised clip too"
    before = {name: (root / "latents" / name).stat().st_mtime_ns for name in _latents(root)}
    status, words = film.start(door, place).end()
    assert status == 0, words
    after = {name: (root / "latents" / name).stat().st_mtime_ns for name in before}
    assert before == after, "no denoise is done again"
    return tree(root)


def _latents(root: Path) -> list[str]:
    clips = [path.name.split(".")[1] for path in (root / "commits").glob("latents.*.json")]
    return [f"c.{int(clip)}.0.0.0.0" for clip in clips]


@pytest.mark.parametrize(("fault", "pace", "door"), QUICK)
def test_some_faults(
    fault: str, pace: str, door: str, *, film: Film, unbroken: Tree, tmp_path: Path, tally: Tally
) -> None:
    """A decoder that fails always and a denoiser that fails once, while running ahead."""
    act = always if fault == "the decoder" else once
    assert not differing(act(film, tmp_path / "a", FAULTS[fault], pace, door), unbroken)
    tally(tried=1, differing=0, by_hand=0)


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "pace", "door"), ALL)
def test_once_and_always(
    fault: str, pace: str, door: str, *, film: Film, unbroken: Tree, tmp_path: Path, tally: Tally
) -> None:
    """Each fault once, and always, ahead and in step, through each door."""
    for name, act in (("once", once), ("always", always)):
        found = act(film, tmp_path / name, FAULTS[fault], pace, door)
        assert not differing(found, unbroken), name
    tally(tried=2, differing=0, by_hand=0)
