"""A prompt schedule as text, and how much of what holds a prompt is."""

import pytest

from model.prompt_schedule import PromptChange, format_changes, parse_changes

CHANGES = (
    PromptChange(0, 0, 100, 100, "She smiles."),
    PromptChange(9, 2, 50, 130, ""),
    PromptChange(14, 0, 100, 0, "她点头 7 8"),
    PromptChange(15, 0, 100, 100, "7:8", 0),
    PromptChange(16, 0, 100, 100, "a", 123456789),
)


def test_what_is_written_is_read() -> None:
    """Prompts that are empty or hold numbers, too."""
    text = format_changes(CHANGES)
    assert text.splitlines()[1] == "9 2 50 130 "
    assert parse_changes(text) == CHANGES
    assert parse_changes("") == ()


@pytest.mark.parametrize(
    ("fade", "shares"), [(0, [0, 1, 1, 1]), (1, [0, 0.5, 1, 1]), (2, [0, 1 / 3, 2 / 3, 1])]
)
def test_a_fade_begins_at_the_first_block_and_ends_after_so_many(
    fade: int, shares: list[float]
) -> None:
    change = PromptChange(5, fade, 100, 100, "a")
    assert [change.share_at(block) for block in range(4, 8)] == pytest.approx(shares)
