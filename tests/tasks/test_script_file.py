"""A script's file: four ways to write one and the same, and one line for whatever is wrong with it."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.errors import BadOption
from storage.printable import spell_unprintable
from tasks.script_file import MOST_ENTRIES, ScriptEntry, read_script
from tasks.written_file import LARGEST_FILE

TOML = """
fade = 2
[[entry]]
from = "0:00"
prompt = "She smiles."
[[entry]]
from = 00:00:04
until = "6.5s"
prompt = "She nods,\\n and looks up."
expression = 0.5
gesture = 1.29
fade = 0
seed = 7
"""
JSON = """{"fade": 2, "entry": [{"from": "0:00", "prompt": "She smiles."},
{"from": "0:04", "until": "6.5s", "prompt": "She nods, and looks up.", "expression": 0.5, "gesture": 1.29, "fade": 0, "seed": 7}]}"""
CSV = """\ufefffrom,until,prompt,expression,gesture,fade,seed
0s,,She smiles.,,,2,
0:00:04,6.5s,"She nods, and looks up.",0.5,1.29,0,7
"""
ENTRIES = [
    ScriptEntry(Fraction(0), None, "She smiles.", fade=2),
    ScriptEntry(Fraction(4), Fraction(13, 2), "She nods, and looks up.", 50, 129, 0, 7),
]
SRT = """1
00:00:00,000 --> 00:00:03,250
She smiles.

2
00:00:04,000 --> 00:00:06,500
She nods,
and looks up.
"""


def write(folder: Path, suffix: str, text: str) -> Path:
    path = folder / f"film{suffix}"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("suffix", "text"), [(".toml", TOML), (".json", JSON), (".csv", CSV)])
def test_the_same_is_read_of_every_kind_of_file(tmp_path: Path, suffix: str, text: str) -> None:
    """A fade said for the whole file is that of the entries that say none; strengths are exact; a prompt is one line."""
    assert read_script(write(tmp_path, suffix, text)) == ENTRIES


def test_blanks_around_a_cell_and_old_line_ends_change_nothing(tmp_path: Path) -> None:
    """As spreadsheets and hands write them."""
    for text in ("from , prompt ,fade\n1s ,a, \n", "from,prompt\r1s,a\r"):
        path = tmp_path / "film.csv"
        path.write_bytes(text.encode())
        assert read_script(path) == [ScriptEntry(Fraction(1), None, "a")]


def test_subtitles_are_prompts_with_their_times(tmp_path: Path) -> None:
    """An SRT file with Windows' line ends too; lines of one subtitle are one prompt, and its number may be missing."""
    wanted = [
        ScriptEntry(Fraction(0), Fraction(13, 4), "She smiles."),
        ScriptEntry(Fraction(4), Fraction(13, 2), "She nods, and looks up."),
    ]
    for text in (
        SRT,
        SRT.replace("\n", "\r\n"),
        SRT.replace("\n", "\r"),
        SRT.replace("1\n00", "00"),
    ):
        path = tmp_path / "film.srt"
        path.write_bytes(text.encode())
        assert read_script(path) == wanted


def test_an_empty_prompt_is_one(tmp_path: Path) -> None:
    """It asks for nothing, in every kind of file."""
    texts = {
        ".toml": '[[entry]]\nfrom = "1s"\nprompt = ""',
        ".json": '[{"from": "1s", "prompt": ""}]',
        ".csv": "from,prompt\n1s,",
        ".srt": "1\n00:00:01,000 --> 00:00:02,000",
    }
    for suffix, text in texts.items():
        assert [each.prompt for each in read_script(write(tmp_path, suffix, text))] == [""]


def test_prompts_of_every_script_are_text(tmp_path: Path) -> None:
    """Persian and emoji have joiners that no terminal prints."""
    for prompt in ("می\u200cخندد", "👩\u200d🏫 smiles", "她点头。"):
        path = write(tmp_path, ".csv", f"from,prompt\n1s,{prompt}")
        assert read_script(path)[0].prompt == prompt


def entries(*tables: str) -> str:
    return "".join(f"[[entry]]\n{table}\n" for table in tables)


ONE, TWO = 'from = "1s"\nprompt = "a"', 'from = "2s"\nprompt = "b"'
WRONG = {
    "unordered": (".toml", entries(TWO, ONE), "entry 2 must begin after entry 1"),
    "twice": (".toml", entries(ONE, ONE), "entry 2 must begin after entry 1"),
    "overlapping": (".toml", entries(ONE + '\nuntil = "3s"', TWO), "entry 1 goes on when entry 2 begins"),
    "backwards": (".toml", entries(ONE + '\nuntil = "1s"'), "entry 1 ends before it begins"),
    "unknown key": (".toml", entries(ONE + '\nmood = "a"'), "entry 1: mood is not known; from, until, prompt, expression, gesture, fade, seed are"),
    "unknown key of all": (".toml", "speed = 1\n" + entries(ONE), "speed is not known; entry, fade are"),
    "strange key": (".json", r'[{"from": "1s", "a\n\u001b[2J": 3}]', r"entry 1: a\n\x1b[2J is not known"),
    "strange time": (".json", r'[{"from": "1s\n", "prompt": "a"}]', r"192.4s is needed, not 1s\n"),
    "no time": (".toml", entries('prompt = "a"'), "entry 1: from is missing"),
    "no prompt": (".json", '[{"from": "1s"}]', "entry 1: prompt is missing"),
    "plain number": (".toml", entries('from = 4\nprompt = "a"'), "entry 1: a time such as 0:03:12, 3:12.4 or 192.4s is needed, not 4"),
    "minute 61": (".toml", entries('from = "0:61:00"\nprompt = "a"'), "entry 1: 0:61:00 is no time"),
    "number for a prompt": (".json", '[{"from": "1s", "prompt": 7}]', "entry 1: prompt is no text"),
    "control character": (".json", r'[{"from": "1s", "prompt": "a\u001b[2J"}]', "entry 1: prompt is no plain text"),
    "lone surrogate": (".json", r'[{"from": "1s", "prompt": "\ud800"}]', "entry 1: prompt is no plain text"),
    "long prompt": (".json", '[{"from": "1s", "prompt": "%s"}]' % ("x" * 2001), "at most 2000 characters"),
    "too strong": (".toml", entries(ONE + "\nexpression = 2.01"), "entry 1: expression is a number from 0 to 2, not 2.01"),
    "no number": (".csv", "from,prompt,gesture\n1s,a,much", "entry 1: gesture is a number from 0 to 2, not much"),
    "endless": (".csv", "from,prompt,gesture\n1s,a,1e999999999", "entry 1: gesture is a number from 0 to 2"),
    "nan in a table": (".toml", entries(ONE + "\ngesture = nan"), "entry 1: gesture is a number from 0 to 2, not nan"),
    "nan": (".json", '[{"from": "1s", "prompt": "a", "gesture": NaN}]', "NaN is no number"),
    "key twice": (".json", '[{"from": "1s", "prompt": "a", "prompt": "b"}]', "a key is there twice"),
    "column twice": (".csv", "from,from,prompt\n1s,2s,a", "from is there twice"),
    "short row": (".csv", "from,prompt\n1s", "entry 1: prompt is missing"),
    "digits apart": (".csv", "from,prompt,fade\n1s,a,1_0", "entry 1: fade is a number from 0 to 100, not 1_0"),
    "thousands of digits": (".toml", entries(ONE + "\nfade = " + "9" * 5000), "it is no TOML: a number in it is too long"),
    "no empty line": (".srt", "00:00:01,000 --> 00:00:02,000\nShe\n2\n00:00:03,000 --> 00:00:04,000\nnods", "entry 1: another one's times stand in it"),
    "truth": (".toml", entries(ONE + "\ngesture = true"), "entry 1: gesture is a number"),
    "no seed": (".toml", entries(ONE + "\nseed = -1"), "entry 1: seed is a whole number from 0 to 999999999999999999, not -1"),
    "half a seed": (".toml", entries(ONE + "\nseed = 7.0"), "entry 1: seed is a whole number from 0"),
    "large seed": (".csv", "from,prompt,seed\n1s,a,1000000000000000000", "entry 1: seed is a whole number from 0"),
    "true seed": (".json", '[{"from": "1s", "prompt": "a", "seed": true}]', "entry 1: seed is a whole number from 0"),
    "half a block": (".toml", entries(ONE + "\nfade = 0.5"), "entry 1: fade is a whole number of blocks"),
    "no entry": (".toml", "", "it has no entry"),
    "empty JSON": (".json", "", "it is no JSON"),
    "empty CSV": (".csv", "", "it has no entry"),
    "empty SRT": (".srt", "\n\n", "it has no entry"),
    "a table": (".toml", "entry = 3", "entry is no list of tables"),
    "words": (".json", '"a"', "a list of entries is needed"),
    "no TOML": (".toml", "from: 3", "it is no TOML"),
    "deep": (".toml", "a = " + "[" * 5000, "it is no TOML"),
    "a comma": (".csv", "from,prompt\n1s,She nods, and smiles", "a row has more columns than the first one"),
    "open quote": (".csv", 'from,prompt\n1s,"a', "it is no CSV"),
    "no arrow": (".srt", "1\n00:00:01,000\nShe", "entry 1: a line such as"),
    "another kind": (".txt", "a", "its name must end with .toml, .json, .csv, .srt"),
    "large": (".toml", "#" * (LARGEST_FILE + 1), f"it is larger than {LARGEST_FILE} bytes"),
    "many": (".csv", "from,prompt\n" + "".join(f"{n}s,a\n" for n in range(MOST_ENTRIES + 1)), "it has 1001 entries, and 1000 can be had"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line_that_names_the_entry(tmp_path: Path, name: str) -> None:
    suffix, text, words = WRONG[name]
    path = write(tmp_path, suffix, text)
    with pytest.raises(BadOption) as error:
        read_script(path)
    said = str(error.value)
    assert said.startswith(f"--script {path} cannot be used: ")
    assert words in said
    assert "\n" not in said


WORDS = st.sampled_from(
    ["from", "until", "prompt", "fade", "entry", "1s", "0:04", "1e-999999999", '"', "'", ",", "=", "[[", "]]", "{", "}", "[", "]", ":", "\n", "\n\n", "\0",
     "-->", "00:00:01,000 --> 00:00:04,000", "1", "She nods.", "nan", "true", "\u2028", "\ufeff", "9" * 5000]
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([".toml", ".json", ".csv", ".srt"]), st.lists(WORDS | st.text(max_size=3)))
def test_whatever_a_file_has_it_is_read_or_refused_in_one_line(
    tmp_path: Path, suffix: str, words: list[str]
) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes("".join(words).encode(errors="surrogatepass"))
    try:
        said = read_script(path)[0].prompt or "an empty prompt"
    except BadOption as error:
        said = str(error)
    assert spell_unprintable(said) == said
    assert len(said) < 600


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """Missing, a folder, or no UTF-8."""
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "folder.toml").mkdir()
    for name, words in (
        ("none.toml", "there is no such file"),
        ("folder.toml", "it is no file"),
        ("bytes.toml", "it is no UTF-8 text"),
    ):
        with pytest.raises(BadOption, match=words):
            read_script(tmp_path / name)
