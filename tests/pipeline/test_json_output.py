"""--json of every verb, on a whole run and on every kind of damage: JSON or one line, never a fault."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harm import HARMS

from pipeline.json_output import to_json, to_plain
from storage.run import Run

Call = Callable[..., tuple[int, str, str]]


@dataclass
class Odd:
    """What a verb's value may hold."""

    where: Path
    clips: range
    numbers: tuple[Any, ...]
    more: dict[int, Any]


def strictly(text: str) -> Any:
    """The value, as a reader takes it that knows no NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_whatever_a_verb_says_is_valid_json() -> None:
    """Ranges are their numbers, paths text, what is no number null; what has no place in JSON is a TypeError."""
    numbers = (math.nan, -math.inf, 1.5, Fraction(1, 4), np.float32("nan"), np.int64(3), True)
    odd = Odd(Path("a/b"), range(2, 5), numbers, {1: np.array([[1.0, np.inf]]), 2: {"é"}})
    assert strictly(to_json(odd)) == {
        "where": "a/b",
        "clips": [2, 3, 4],
        "numbers": [None, None, 1.5, 0.25, None, 3, True],
        "more": {"1": [[1.0, None]], "2": ["é"]},
    }
    assert to_plain(Odd(Path(), range(0), (), {}))["clips"] == []
    assert to_json("é").isascii()
    with pytest.raises(TypeError):
        to_json({"what": object()})


def lose(*names: str) -> Callable[[Path], None]:
    """These files or folders are gone."""

    def act(root: Path) -> None:
        for name in names:
            path = root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return act


def harm(how: str, *names: str) -> Callable[[Path], None]:
    """Each of these, as in tests/harm.py."""

    def act(root: Path) -> None:
        for name in names:
            HARMS[how](root / name)

    return act


def unlike(root: Path) -> None:
    """Latents that are no numbers, vouched for all the same."""
    run = Run.open(root)
    latents = np.full(run.latents.shape, np.nan, np.float32)
    run.records.withdraw("latents", 1)
    run.latents.publish(1, latents)


def both(*acts: Callable[[Path], None]) -> Callable[[Path], None]:
    """One after the other."""

    def act(root: Path) -> None:
        for each in acts:
            each(root)

    return act


DAMAGES: dict[str, Callable[[Path], object]] = {
    "lost steps": both(unlike, lose("steps/c.2.0.0.0.0.0", "latents/c.2.0.0.0.0")),
    "lost folders": lose("commits", "present", "carry", "segments", "events.jsonl"),
    "folders as files": both(
        harm("folder", "latents/c.1.0.0.0.0", "video.mp4", "events.jsonl"), lose("inputs/audio.wav")
    ),
    "cut and flipped": both(
        harm("cut", "video.mp4", "soundtrack.m4a", "events.jsonl", "present/c.0", "run.json"),
        harm("flip", "steps/zarr.json", "sound/c.0", "frames/c.0.0.0.0.0"),
    ),
    "lost records": lose("commits/latents.00001.json", "commits/video.json"),
}
VERBS = {
    "status": (),
    "inspect": (),
    "inspect --clip": ("--clip", "1"),
    "inspect --audio": ("--clip", "1", "--audio"),
    "inspect --hunt": ("--hunt",),
    "inspect --diff": ("--diff", "whole/x"),
    "verify": (),
    "verify --repair": ("--repair",),
    "verify again": (),
}
FILMS = {"report": ("--output-file", "report.html"), "verify": ("--quality",)}


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the film is made once."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def whole(kept: Path, face: Path, speech: Path, tmp_path: Path, longtake: Call) -> Path:
    """A finished film of three short clips."""
    if not (kept / "x").exists():
        words = ("--num-clip", "3", "--infer-frames", "12", "--carry-every", "2")
        assert longtake("new", face, speech, "--run", kept / "x", *words)[0] == 0
    return shutil.copytree(kept / "x", tmp_path / "whole" / "x")


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_verb_says_json_on_every_damage(whole: Path, longtake: Call, damage: str) -> None:
    """Also of what it will make again; where it cannot answer, one line and nothing on stdout."""
    shutil.copytree(whole, "x")
    DAMAGES[damage](Path("x"))
    states = []
    for verb, words in (*VERBS.items(), *(FILMS.items() if damage == "cut and flipped" else ())):
        code, out, err = longtake(verb.split()[0], "x", *words, "--json")
        assert code in ({0, 3, 7} if out else {2, 3, 5}), (verb, code, err)
        assert out or err.splitlines()[-1].startswith("longtake: ")
        assert out.isascii()
        states += [strictly(out)["state"]] if out and verb.startswith("verify") else []
    assert states[:3] in (["damaged", "whole", "whole"], ["lost", "lost", "lost"])
