"""What a table of films will take: the sum of the films' own plans, over so many machines."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.plan.batch_plan import Machines
from storage.errors import BadOption

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def table(tmp_path: Path, face: Path, speech: Path) -> Path:
    """A film of two clips, one of four, and one without a picture."""
    path = tmp_path / "films.csv"
    rows = "face.png,speech.wav,2\nface.png,speech.wav,4\nnowhere.png,speech.wav,1\n"
    path.write_text(f"image,audio,num_clip\n{rows}", encoding="utf-8")
    return path


def test_plan_is_the_sum_of_the_films(table: Path, longtake: Call) -> None:
    """By the arithmetic of `plan` for each; the longest film is begun first, and a film that cannot be made is told."""
    words = ("--infer-frames", "12", "--machines", "4090*2", "--price-hour", "3", "--json")
    code, out, _ = longtake("plan", "--batch", table, *words)
    found = json.loads(out)
    alone = []
    for clips in (2, 4):
        one = ("face.png", "speech.wav", "--num-clip", clips, "--infer-frames", "12", "--json")
        alone.append(json.loads(longtake("plan", *one, "--gpu", "4090")[1]))
    seconds = [each["time"]["film"] for each in alone]
    assert code == 2, "a film cannot be made"
    assert found["refused"][0].startswith("films.csv:4: The picture")
    assert (found["films"], found["clips"], found["machines"]) == (2, 6, 2)
    assert found["machine_hours"] == pytest.approx(sum(seconds) / 3600)
    assert found["hours"] == found["bound"] == pytest.approx(max(seconds) / 3600)
    assert found["price"] == pytest.approx(sum(seconds) / 1200)
    assert found["stored"] == sum(each["disk"]["total"] for each in alone)
    assert found["moved"] >= found["stored"]


def test_plan_as_a_screen(table: Path, longtake: Call) -> None:
    """Length, hours, bytes and money for people, and nothing is written."""
    before = set(table.parent.iterdir())
    words = ("--machines", "4090x4*10", "--price-hour", "2", "--infer-frames", "12")
    _, out, _ = longtake("plan", "--batch", table, *words)
    assert "2 films, " in out
    assert "on 10 × 4 × RTX 4090" in out
    for line in ("until all are there", "machine hours", "stored", "moved", "price"):
        assert line in out
    assert set(table.parent.iterdir()) == before


def test_words_that_are_none_refuse_their_film_alone(table: Path, longtake: Call) -> None:
    """With its line, as what stands in the way of any other film."""
    names, first, *_ = table.read_text(encoding="utf-8").splitlines()
    table.write_text(f"{names},sample_steps\n{first},\n{first},x\n", encoding="utf-8")
    words = ("--machines", "4090x4*10", "--infer-frames", "12")
    code, out, _ = longtake("plan", "--batch", table, *words)
    assert code == 2
    assert "1 film, " in out
    assert "films.csv:3: --sample-steps x cannot be used: a whole number is needed" in out


def test_machines() -> None:
    """As many as are said, of a kind or like this one; nonsense is refused."""
    assert Machines.from_word("4090x4*10") == Machines("4090x4", 10)
    assert Machines.from_word("12") == Machines(None, 12)
    assert Machines.from_word("4090") == Machines("4090", 1), "a card, and not so many machines"
    for word in ("0", "4090*", "*3", "-1", "4090*x"):
        with pytest.raises(BadOption, match="--machines"):
            Machines.from_word(word)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--gpu", "4090"), "--machines says which machines"),
        (("--price-hour", "-1"), "a number from 0 on is needed"),
        (("--fit",), "--fit is for one film, and not for --batch."),
        (("--what-if",), "--what-if is for one film, and not for --batch."),
        (("--num-clip", "x"), "longtake: --num-clip x cannot be used: a whole number is needed."),
        (("--machines", "5091*3"), "--machines 5091*3 cannot be used: known are"),
        (("--machines", "4090x0*3"), "--machines 4090x0*3 cannot be used: known are"),
    ],
)
def test_bad_words(words: tuple[str, ...], line: str, table: Path, longtake: Call) -> None:
    """Each is refused in one line with code 2."""
    code, out, err = longtake("plan", "--batch", table, *words)
    assert (code, out) == (2, "")
    assert line in err


@pytest.mark.parametrize(("name", "word"), [("--machines", "2"), ("--price-hour", "0")])
def test_words_about_a_table_without_one(name: str, word: str, longtake: Call) -> None:
    """They are refused, as nobody would read them."""
    code, out, err = longtake("plan", "face.png", "speech.wav", name, word)
    assert (code, out) == (2, "")
    assert f"{name} is for the films of a table: --batch TABLE." in err


def test_time_that_is_not_known(table: Path, longtake: Call) -> None:
    """Of this machine, without a rehearsal, what would make it; of another, no rehearsal here."""
    path = table.with_name("one.csv")
    path.write_text("image,audio,num_clip\nface.png,speech.wav,2\n", encoding="utf-8")
    words = ("plan", "--batch", path, "--infer-frames", "12", "--rehearse", "no")
    code, _, err = longtake(*words)
    assert (code, "one.csv:2: how long it takes is not known; --rehearse yes" in err) == (2, True)
