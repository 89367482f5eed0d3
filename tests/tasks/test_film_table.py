"""A table of films: CSV and JSON Lines alike, words as they were typed, and what is wrong with it in one line."""

from pathlib import Path

import pytest

from storage.errors import BadTable
from tasks.film_table import FilmLine, name_runs, read_film_table
from tasks.request import Request


def write(path: Path, text: str) -> Path:
    """A table with this text."""
    path.write_text(text, encoding="utf-8")
    return path


def test_both_kinds_of_table_say_the_same(tmp_path: Path) -> None:
    """A film of each option that is a path, a number, a switch or several; paths lie beside the table, blanks and empty cells say nothing."""
    csv = "image,audio,num_clip,live,speaker,save-dir,prompt,pose_video\n"
    csv += 'a.png, b.wav ,3,yes,"l.wav@face:1; r.wav@m.png",out,"Tea, please",\n'
    json = '{"image": "a.png", "audio": "b.wav", "num_clip": 3, "live": true, "speaker": ["l.wav@face:1", "r.wav@m.png"],'
    json += ' "save_dir": "out", "prompt": "Tea, please", "pose_video": null}\n'
    lines = [
        read_film_table(write(tmp_path / name, text))[0].as_options()
        for name, text in (("films.csv", csv), ("films.jsonl", json))
    ]
    assert lines[0] == lines[1] | {"live": "True"}
    request = Request.from_words(lines[0], "table")
    assert (request.image, request.audio) == (tmp_path / "a.png", tmp_path / "b.wav")
    assert (request.num_clip, request.live, request.prompt) == (3, True, "Tea, please")
    assert request.speaker == (f"{tmp_path}/l.wav@face:1", f"{tmp_path}/r.wav@{tmp_path}/m.png")
    assert request.output_dir == tmp_path / "out"


def test_switch_with_a_word_of_its_own(tmp_path: Path) -> None:
    """`fp8` and `enable_online_decode` stand for words of their options, or for nothing."""
    path = write(tmp_path / "films.csv", "image,fp8,enable_online_decode\na,yes,1\nb,no,0\n")
    first, second = (line.as_options() for line in read_film_table(path))
    assert (first["precision"], first["offline"]) == ("fp8", "False")
    assert set(second) == {"image"}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("films.txt", "image\n", "a table is one of .csv, .jsonl, .ndjson"),
        ("films.csv", "", "it has no film"),
        ("films.csv", "image,audio\n\n", "it has no film"),
        ("films.csv", "image,image\na,b\n", "image is there twice"),
        ("films.csv", "image\na,b\n", "a row has more columns than the first one"),
        ("films.csv", "image,num_clip,num-clip\na,1,2\n", "num_clip is there twice"),
        ("films.csv", "image,output_file,save_file\na,b,c\n", "output_file is there twice"),
        ("films.csv", "image;audio\na;b\n", "its columns are parted by ';', and commas"),
        ("films.csv", "image\taudio\na\tb\n", "its columns are parted by '\\t', and commas"),
        ("films.csv", 'image,prompt\n\na,"two\nlines"\na,b,c\n', "the first one (line 5)"),
        ("films.jsonl", '{"image": "a", "run": "b\\u0000"}\n', "run holds a zero byte"),
        ("films.jsonl", '{"num_clip": 1, "num-clip": 2}\n', "num_clip is there twice"),
        ("films.csv", 'image\n"a\n', "it is no CSV"),
        ("films.csv", "image,,audio\na,b,c\n", "a column without a name is no flag"),
        ("films.csv", "image,imige\na,b\n", "imige is no flag of a film; did you mean image?"),
        ("films.jsonl", '{"image": "a"}\n[1]\n', "line 2: an object such as"),
        ("films.jsonl", '{"image": {}}\n', "line 1: image is neither text nor a number"),
        ("films.jsonl", '{"image": "a", "image": "b"}\n', "line 1: a key is there twice"),
        ("films.jsonl", '{"image": NaN}\n', "line 1: NaN is no number"),
        ("films.jsonl", '{"promptt": "a"}\n', "films.jsonl:1 cannot be used: promptt is no flag"),
        ("nowhere.csv", None, "there is no such file"),
    ],
)
def test_table_that_cannot_be_used(
    name: str, text: str | None, reason: str, tmp_path: Path
) -> None:
    """Each is one line that names the place."""
    path = tmp_path / name
    if text is not None:
        write(path, text)
    with pytest.raises(BadTable) as refused:
        read_film_table(path)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_line_is_where_a_film_begins(tmp_path: Path) -> None:
    """Of empty lines and cells of several lines, too."""
    path = write(tmp_path / "films.csv", 'image,prompt\n\na,"two\nlines"\nb,x\n')
    assert [line.place for line in read_film_table(path)] == ["films.csv:3", "films.csv:5"]


def test_runs_are_named_after_picture_and_sound(tmp_path: Path) -> None:
    """With a number where several are alike; one that is named is taken, one of an output_dir lies in it."""
    words = [
        {"image": "x/mila.png", "audio": "y/tea time.wav"},
        {"image": "z/mila.png", "audio": "tea time.mp3"},
        {"image": "mila.png", "audio": "a.wav", "run": "/films/own"},
        {"image": "mila.png", "audio": "a.wav", "output_dir": "/films"},
        {"image": "mila.png", "speaker": "l.wav@face:1;r.wav@face:2"},
    ]
    lines = [FilmLine(f"t:{number}", each) for number, each in enumerate(words)]
    assert name_runs(lines, "/runs") == [
        "/runs/mila-tea_time",
        "/runs/mila-tea_time-2",
        "/films/own",
        "/films/mila-a",
        "/runs/mila-l",
    ]
    assert name_runs(lines[:2], "s3://bucket/films")[1] == "s3://bucket/films/mila-tea_time-2"
    stored = [FilmLine("t:1", {"run": "s3://bucket/a/"}), FilmLine("t:2", {"run": "s3://bucket/b"})]
    assert name_runs(stored, "/runs") == ["s3://bucket/a", "s3://bucket/b"]
    (tmp_path / "loop").symlink_to("loop")
    looped = [FilmLine("t:1", {"run": f"{tmp_path}/loop/a"})]  # told when the film is looked at
    assert name_runs(looped, "/runs") == [f"{tmp_path}/loop/a"]
    same = [FilmLine("t:1", {"run": "/films/a"}), FilmLine("t:2", {"run": "/films/b/../a"})]
    with pytest.raises(BadTable, match="the run of t:1, too"):
        name_runs(same, str(tmp_path))


@pytest.mark.parametrize(
    "own", [{"output_file": "/films/x/../a.mp4"}, {"save_file": "/films/a.mp4"}]
)
def test_two_films_have_two_output_files(own: dict[str, str]) -> None:
    """By whichever name of the flag, and however it is spelled; that of the command line is for one film alone."""
    lines = [FilmLine("t:1", {"image": "a", "output_file": "/films/a.mp4"}), FilmLine("t:2", own)]
    with pytest.raises(BadTable, match="the output file of t:1, too"):
        name_runs(lines, "/runs")
    apart = [lines[0], FilmLine("t:2", {"output_file": "/films/b.mp4"}), FilmLine("t:3", {})]
    assert len(name_runs(apart, "/runs")) == 3
    shared = [
        FilmLine(f"t:{n}", {"image": "a"}).with_defaults({"output_file": "b"}) for n in (1, 2)
    ]
    with pytest.raises(BadTable, match="the output file of t:1, too"):
        name_runs(shared, "/runs")


def test_words_for_all_films_yield_to_their_own() -> None:
    """By whichever name of the option."""
    line = FilmLine("t:1", {"save_dir": "a", "live": "no"})
    added = line.with_defaults({"output_dir": "b", "live": "yes", "prompt": "x"})
    assert added.words == {"save_dir": "a", "live": "no", "prompt": "x"}
