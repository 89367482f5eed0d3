"""An error's line: its docstring, filled in, with the plurals and stops of its reasons."""

from storage.errors import BadOption, count_noun, count_times


def test_a_reason_brings_its_own_stop() -> None:
    """No full stop after a question mark, none after another, and no hole where there is nothing to say."""
    assert str(BadOption("--offline", "", "why")) == "--offline cannot be used: why."
    assert str(BadOption("ahed", 3, "did you mean ahead?")).endswith(": did you mean ahead?")
    assert str(BadOption("x", 3, "it ends.")).endswith(": it ends.")
    assert str(BadOption("--run", "..", "why")) == "--run .. cannot be used: why."


def test_one_is_not_several() -> None:
    """A number and its noun."""
    said = [
        count_noun(1, "clip"),
        count_noun(0, "clip"),
        count_noun(2, "retry"),
        count_noun(1, "retry"),
    ]
    assert said == ["1 clip", "0 clips", "2 retries", "1 retry"]
    assert (count_times(1), count_times(3)) == ("once", "3 times")
