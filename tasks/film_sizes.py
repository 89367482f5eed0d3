"""Sizes of a film: in words, and those below one."""

from collections.abc import Iterator

Size = tuple[int, int]
"""Width and height."""


def smaller_sizes(asked: "Size", unit: int) -> "Iterator[Size]":
    """Sizes that are smaller by one unit each way, and again, down to half: 688*368 after 704*384."""
    width, height = asked
    while 2 * (min(width, height) - unit) >= min(asked):
        width, height = width - unit, height - unit
        yield width, height


def format_size(size: "Size") -> str:
    """704*384."""
    return f"{size[0]}*{size[1]}"
