"""The command line: help, one-line errors, exit codes, streams."""

import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands.parser import parse_command
from pipeline.commands.registry import VERBS
from storage.errors import NotMade
from tasks import film

Call = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]


def test_the_door_imports_little():
    """`longtake --help` takes a twentieth of a second: at most 20 modules of ours, none of a verb, and no library but Python's own."""
    heavy = "torch zarr luigi av PIL numpy structlog rich diffusers argparse"
    code = "import sys; from pipeline.cli import main; main(['--help']); print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = said.stdout.splitlines()[-1].split()
    rooms = {"pipeline", "tasks", "storage", "model"}
    assert "pipeline.commands.registry" in loaded
    assert not {*heavy.split(), *(f"pipeline.commands.{verb}" for verb in VERBS)} & {*loaded}
    assert sum(name.partition(".")[0] in rooms for name in loaded) <= 20


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str, longtake: Call):
    """Help goes to stdout, ends well, says what the verb does and shows it at work; the example itself parses."""
    code, out, err = longtake(verb, "--help")
    assert code == 0
    assert not err
    assert f"\n  {VERBS[verb].example}\n" in out
    assert parse_command(VERBS[verb].example.split()[1:]).verb == verb


def test_first_screen_names_every_verb(longtake: Call):
    """Without words, and with --help, the verbs, an example of each and the exit codes."""
    code, out, _ = longtake()
    assert code == 0
    assert out == longtake("--help")[1]
    assert all(f"\n  {each.example}\n" in out for each in VERBS.values())
    assert "exit codes" in out


def test_every_flag_of_help_has_a_line_of_its_own(longtake: Call):
    """No flag that works is missing in the help, and no flag that does nothing is in it."""
    from pipeline.options.flags import FLAGS

    out = longtake("new", "--help")[1]
    for flag in FLAGS:
        assert (f"  {flag.spelling} " in out) == bool(flag.fields), flag.name


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["stats"], "stats is no verb of longtake. Did you mean status?"),
        (
            ["new", "a", "b", "--ahaed", "3"],
            "--ahaed is no flag of longtake. Did you mean --ahead?",
        ),
        (["new", "--sed", "3"], "--sed is no flag of longtake. Did you mean --base-seed?"),
        (["new", "--steps=3"], "Did you mean --sample-steps?"),
        (["new", "a", "b", "c"], "c is one file too many"),
        (["resume"], "The following arguments are required: RUN"),
        (["resume", "a", "b"], "b is one word too many"),
        (["status", "nowhere"], "nowhere is not a run"),
        (["inspect"], "The following arguments are required: RUN"),
        (["inspect", "nowhere", "--clip", "x"], "a whole number is needed, not x"),
        (["new", "a", "b", "--size"], "--size: expected one argument"),
        (["--prompt", "x"], "No picture was given"),
    ],
)
def test_bad_usage_is_one_line_and_code_two(words: list[str], line: str, longtake: Call):
    """Nothing on stdout, one line on stderr that names the thing and the way out."""
    code, out, err = longtake(*words)
    assert code == 2
    assert not out
    assert line in err
    assert err.count("\n") == 1


def test_a_prompt_may_begin_with_dashes():
    """A value belongs to its flag whatever it looks like."""
    command = parse_command(["--prompt", "--fp8 or -5 degrees", "--base_seed", "-1"])
    assert [(flag.name, word) for flag, word in command.given] == [
        ("prompt", "--fp8 or -5 degrees"),
        ("base-seed", "-1"),
    ]


def test_files_may_stand_anywhere():
    """IMAGE and AUDIO may have flags between them."""
    command = parse_command(["new", "face.png", "--run", "x", "speech.wav"])
    assert [(flag.name, word) for flag, word in command.given] == [
        ("image", "face.png"),
        ("audio", "speech.wav"),
        ("run", "x"),
    ]


def test_debug_shows_where_it_comes_from(longtake: Call):
    """--debug adds the traceback; without it there is none."""
    assert "Traceback" in longtake("status", "nowhere", "--debug")[2]
    assert "Traceback" not in longtake("status", "nowhere")[2]


def test_a_fault_of_our_own_is_one_line_too(longtake: Call, monkeypatch: pytest.MonkeyPatch):
    """What nobody thought of ends with code 1 and a line that says how to see more."""
    from tasks import open_run

    def broken(root: Path) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(open_run, "open_run", broken)
    code, _, err = longtake("status", "x")
    assert code == 1
    assert (
        err == "longtake: A fault of longtake itself: ZeroDivisionError: oh. --debug shows where.\n"
    )


def test_an_interruption_that_a_library_covers_is_one(
    longtake: Call, monkeypatch: pytest.MonkeyPatch
):
    """Ctrl-C or SIGTERM inside of argparse, whose `finally` then fails: 130 or 143, and no fault of longtake."""

    def interrupted(*_: object) -> None:
        try:
            raise KeyboardInterrupt("SIGTERM")
        finally:
            raise AttributeError("'_StoreAction' object has no attribute 'save_nargs'")

    monkeypatch.setattr("pipeline.cli.prepare_job", interrupted)
    code, _, err = longtake("verify", "x")
    assert (code, err.count("\n")) == (143, 1)
    assert "Stopped." in err


def test_the_walk_to_the_film_has_three_hops(
    face: Path, speech: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
):
    """Nothing of ours stands between `main`, `new` and `make_film`; the plan and the notices are said before."""
    hops = []

    def make_film(*_: object) -> None:
        rooms = tuple(str(ROOT / room) for room in ("pipeline", "tasks", "storage", "model"))
        hops.extend(
            each.name for each in traceback.extract_stack() if each.filename.startswith(rooms)
        )
        raise NotMade("The film")

    monkeypatch.setattr(film, "make_film", make_film)
    code, _, err = longtake("new", face, speech, "--run", "x", "--infer-frames", "12")
    assert (code, hops) == (NotMade.exit_code, ["main", "new"])
    assert [line.partition(" ")[0] for line in err.splitlines()] == ["[PLAN]", "The", "longtake:"]


def test_version(longtake: Call):
    """One line."""
    code, out, _ = longtake("--version")
    assert code == 0
    assert out.startswith("longtake ")
