"""What a person may write as the id of a watermark."""

import pytest

from storage.watermark_id import describe_id, parse_id, spell_id


@pytest.mark.parametrize(
    ("word", "id_", "text"),
    [
        ("ACME", "41434d450000", "ACME"),
        ("a b", "612062000000", "a b"),
        ("123456", "313233343536", "123456"),
        ("00FF00ff1234", "00ff00ff1234", ""),
    ],
)
def test_letters_and_digits_are_ids(word: str, id_: str, text: str):
    """Letters come back as they were; twelve digits are a number."""
    assert (parse_id(word), spell_id(id_)) == (id_, text)
    assert describe_id(id_) == (f"{text} ({id_})" if text else id_)


@pytest.mark.parametrize("word", ["", "sevenxx", "Grün", "a\nb", " a", "a ", "0123456789ag", "生成", "\0"])  # fmt: skip
def test_other_words_are_refused(word: str):
    """Too long, not ASCII, unprintable, or with blanks around them."""
    with pytest.raises(ValueError, match="1 to 6 letters"):
        parse_id(word)
