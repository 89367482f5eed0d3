"""Words that somebody else may have chosen, as a terminal, a line of a log or a page may show them."""

import unicodedata

# Controls (a terminal obeys them), marks that turn the direction of text, ends of lines, bytes that were no UTF-8.
_ACTING = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_JOINERS = "\u200c\u200d"
"""Persian and many emoji are not written without them."""


def spell_unprintable(words: object, keep: str = "") -> str:
    r"""Words as text that a terminal only shows: a letter that would act or is invisible is spelled, as \x1b, \n or \u202e; those of `keep` stay."""
    text = str(words)
    if text.isprintable():
        return text
    return "".join(each if _is_harmless(each, keep) else _spell_letter(each) for each in text)


def _is_harmless(letter: str, keep: str) -> bool:
    if letter.isprintable() or letter in keep or letter in _JOINERS:
        return True
    return unicodedata.category(letter) not in _ACTING


def _spell_letter(letter: str) -> str:
    # A byte of a file's name that is no letter: Python's stand-in for it is of no use to a person.
    if "\udc80" <= letter <= "\udcff":
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()
