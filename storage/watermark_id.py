"""The id of a watermark: 48 bits, which a person writes as a few letters or as twelve hexadecimal digits."""

ID_BYTES = 6
ID_DIGITS = 2 * ID_BYTES
AUTO = "auto"
"""The id of a film that is called after itself: the beginning of the digest of its spec as it would be without a watermark."""
LEAST_SIDE = 192
"""Pixels of a film's shorter side: in a smaller one too little is left of a watermark."""


def parse_id(word: str) -> str:
    """The id that a word means, in twelve hexadecimal digits: such digits themselves, or up to six printable ASCII letters; raises ValueError."""
    if len(word) == ID_DIGITS and set(word.lower()) <= set("0123456789abcdef"):
        return word.lower()
    if not (0 < len(word) <= ID_BYTES and is_spellable(word)) or word != word.strip():
        raise ValueError("auto is needed, 1 to 6 letters (ASCII), or 12 hexadecimal digits")
    return word.encode().ljust(ID_BYTES, b"\0").hex()


def spell_id(id_: str) -> str:
    """The letters that an id stands for; empty where it is a number."""
    letters = bytes.fromhex(id_).rstrip(b"\0").decode("latin-1")
    return letters if letters and is_spellable(letters) else ""


def describe_id(id_: str) -> str:
    """An id for people: `ACME (41434d450000)`, `0b6e8d1fa2c4`."""
    return f"{letters} ({id_})" if (letters := spell_id(id_)) else id_


def is_spellable(letters: str) -> bool:
    """Whether all of the letters are ASCII that prints."""
    return letters.isascii() and letters.isprintable()
