"""What run.json may say: each field in its bounds, whoever wrote it."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from storage import run_json
from storage.errors import LongtakeError, RunDamaged, RunTooNew
from storage.run import Run
from storage.run_beginning import NewRun
from storage.schema import DEPTH, Unfit, parse_json
from storage.seed_history import MOST_CLIPS, Take
from storage.spec import MOST_TAKES, Settings


def say(run: Run, changes: dict[str, Any]) -> None:
    """Let both files say something else, sealed like ours; `a.b` is the field b of a."""
    facts = json.loads((run.root / "run.json").read_text(encoding="utf-8"))
    del facts["seal"]
    for name, value in changes.items():
        *way, last = name.split(".")
        place = facts
        for step in way:
            place = place[step]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    text = json.dumps({**facts, "seal": run_json._compute_seal(facts)})
    for name in ("run.json", "run.copy.json"):
        (run.root / name).write_text(text, encoding="utf-8")


HOSTILE: list[tuple[dict[str, Any], str]] = [
    ({"spec.clips": 10**9}, "clips is 1000000000: at most 1000000"),
    ({"spec.width": 10**6}, "width is 1000000: at most 8192"),
    ({"spec.width": 8192, "spec.height": 8192, "spec.clip_frames": 40}, "clips of 40"),
    ({"spec.latent_width": 8192, "spec.latent_height": 8192}, "can be held"),
    ({"spec.clips": 4}, "are not 4 clips"),
    ({"spec.fps": 0}, "1 or more is needed"),
    ({"spec.fps": True}, "a whole number is needed"),
    ({"spec.seed": 1.0}, "a whole number is needed"),
    ({"spec.seed": ...}, "seed is missing"),
    ({"spec.more": 1}, "more is of a later version"),
    ({"spec.model": "../os"}, "model is '../os'"),
    ({"spec.image": "0" * 63}, "image is"),
    ({"spec.prompt": "caf\udce9"}, "no UTF-8 text"),
    ({"spec.prompt": "x" * 100_001}, "at most 100000 characters"),
    ({"spec.takes": [{"clip": 0}]}, "parent is missing"),
    ({"spec": []}, "a table is needed"),
    ({"inputs.image": "inputs/../../face.png"}, "image is"),
    ({"inputs.image": "/etc/passwd"}, "image is"),
    ({"inputs.audio": "inputs/image.png"}, "audio is"),
    ({"inputs.audio": "video.mp4"}, "audio is"),
    ({"settings.ahead": 10**9}, "ahead is 1000000000: at most 1000"),
    ({"settings.keep_frames": "1" * 99}, "keep_frames is"),
    ({"settings.stall_limit": "long"}, "a number is needed"),
    ({"settings.stall_limit": 10**400}, "at most 31536000"),
    ({"settings.output_file": ["x"]}, "text is needed"),
    ({"fingerprint.threads": 10**9}, "threads is 1000000000: at most 1024"),
    ({"fingerprint": {"torch": None}}, "torch is None"),
    ({"joints": [{"clip": 1}]}, "fingerprint is missing"),
    ({"joints": [{}] * 100_001}, "at most 100000 entries"),
    ({"parent": {"run": "x"}}, "spec is missing"),
    ({"sources": {"ahead": 1}}, "text is needed"),
    ({"format": "1"}, "format is '1'"),
]


def test_what_cannot_be_is_named(run: Run) -> None:
    """One line, code 3: the field, its value, and what is needed; a whole copy still stands for it."""
    whole = (run.root / "run.json").read_bytes()
    for changes, flaw in HOSTILE:
        say(run, changes)
        with pytest.raises(RunDamaged) as damaged:
            Run.open(run.root)
        assert flaw in str(damaged.value)
        assert damaged.value.exit_code == 3
        (run.root / "run.copy.json").write_bytes(whole)
        assert Run.open(run.root).spec == run.spec
        (run.root / "run.json").write_bytes(whole)


def test_a_later_format_is_not_looked_into(run: Run) -> None:
    """Its fields are that version's."""
    say(run, {"format": 2, "spec": "of another kind"})
    with pytest.raises(RunTooNew):
        Run.open(run.root)


def test_no_nesting_and_no_size_is_too_much_to_refuse(run: Run) -> None:
    """A hundred thousand lists in each other, and a file of a terabyte that takes no room."""
    path, other = run.root / "run.json", run.root / "run.copy.json"
    other.unlink()
    for text in (b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000):
        path.write_bytes(text)
        with pytest.raises(RunDamaged):
            Run.open(run.root)
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RunDamaged, match="larger than"):
        Run.open(run.root)


@pytest.mark.parametrize("text", [b"NaN", b"[1e999]", b"\xff", b"{", b"9" * 5000])
def test_json_of_ours_is_plain(text: bytes) -> None:
    """No numbers that are none, no bytes that are no text. What is too large to be counted with is refused by the field's own check."""
    if text == b"[1e999]":
        assert parse_json(text) == [float("inf")]
        return
    with pytest.raises(Unfit):
        parse_json(text)


def test_depth_is_counted() -> None:
    """So many levels and no more."""
    for depth, fits in ((DEPTH, True), (DEPTH + 1, False)):
        text = b"[" * depth + b"]" * depth
        if fits:
            assert parse_json(text)
        else:
            with pytest.raises(Unfit, match="nested"):
                parse_json(text)


def test_the_largest_film_can_be_opened(run: Run, start: NewRun) -> None:
    """What is within all bounds is no damage, and opening it is quick: a million clips, as many takes as there may be."""
    takes = tuple(Take("0" * 64, clip, MOST_CLIPS, clip + 1) for clip in range(MOST_TAKES))
    frames = MOST_CLIPS * start.spec.clip_frames
    spec = replace(start.spec, clips=MOST_CLIPS, frames=frames, takes=takes)
    say(run, {"spec": json.loads(json.dumps(asdict(spec)))})
    opened = Run.open(run.root)
    assert opened.spec == spec
    assert opened.presence.flaw() == f"has {run.spec.clips} bytes, not {MOST_CLIPS}"
    with opened.lock():
        opened.sweep()
    assert opened.presence.flaw() is None


def test_nothing_is_written_that_could_not_be_read(run: Run) -> None:
    """A value that nobody should have let through ends the change, and not the run."""
    before = (run.root / "run.json").read_bytes()
    with pytest.raises(Unfit, match="ahead is -1"):
        run.update_settings(Settings(ahead=-1), {})
    assert (run.root / "run.json").read_bytes() == before


def test_the_line_is_for_people(run: Run) -> None:
    """One line, without what would act on a terminal."""
    say(run, {"spec.crop": "\x1b[31m\n"})
    with pytest.raises(LongtakeError) as damaged:
        Run.open(run.root)
    assert str(damaged.value).isprintable()
