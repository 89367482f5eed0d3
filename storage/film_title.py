"""What a film is called in its file: words on one line."""

from pathlib import Path
from typing import TYPE_CHECKING

from storage.printable import spell_unprintable

if TYPE_CHECKING:
    pass

LONGEST_TITLE = 200
"""Characters."""
_UNNAMED = "film"


def clean_title(words: str) -> str:
    """Words as a title: letters that a terminal would obey, or that are none, become spaces; no more than LONGEST_TITLE characters."""
    shown = "".join(each if spell_unprintable(each) == each else " " for each in words)
    return " ".join(shown.split())[:LONGEST_TITLE].rstrip()


def title_of_sound(sound: Path) -> str:
    """The title of a film that was given none: the name of its sound's file."""
    return clean_title(sound.stem) or _UNNAMED
