"""A table of films: a line a film, a column (or key) an option of `longtake new`; CSV, or JSON Lines.

Paths in it are read from the table's own folder. A film without a `run` is named after its picture and its sound.
"""

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os.path import realpath
from pathlib import Path

from storage.errors import BadTable
from storage.remote.address import is_url, read_url
from storage.schema import Unfit, parse_json
from tasks.options import OPTIONS, Option, read_path, read_run, read_truth
from tasks.speaker_words import read_speaker, split_words
from tasks.written_file import number_rows, read_text, require_once, spell_shortly

LARGEST_TABLE = 1 << 26
"""Bytes: a hundred thousand films of long words."""
RUNS = "runs"
"""The folder beside the table, of runs that are not named."""
_LONGEST_STEM = 40
_READ_PATHS = (read_path, read_run)
_MADE_BY_WEIGHTS = {"weights", "lora"}
"""Options whose word is a path where that is there, and a name of the hub else."""


def _name_columns() -> dict[str, tuple[Option, object]]:
    """Each name of an option as a column, with what it stands for where it is a switch."""
    named: dict[str, tuple[Option, object]] = {}
    for option in OPTIONS.values():
        named[option.spelling.replace("-", "_")] = option, option.value
        named |= {each.flag.replace("-", "_"): (option, each.value) for each in option.aliases}
    return named


COLUMNS = _name_columns()
"""What a column stands for: the option, and its value where the flag takes no word."""


@dataclass(frozen=True)
class FilmLine:
    """One film of a table: its words by column, empty ones left out, paths from the table's folder on."""

    place: str
    """Where it stands, such as `films.csv:7`."""
    words: Mapping[str, str]

    def word_of(self, option: str) -> str:
        """What is said for an option, by whichever of its names; empty where nothing is."""
        found = (word for name, word in self.words.items() if _option_name(name) == option)
        return next(found, "")

    def with_defaults(self, defaults: Mapping[str, str]) -> "FilmLine":
        """The line with these words for all options that it says nothing of."""
        said = {_option_name(name) for name in self.words}
        added = {name: word for name, word in defaults.items() if _option_name(name) not in said}
        return replace(self, words={**added, **self.words})

    def as_options(self) -> dict[str, object]:
        """The words by the names of the options, as Request.from_words reads them. Raises BadTable where a switch says neither yes nor no."""
        values: dict[str, object] = {}
        for name, word in self.words.items():
            option, constant = COLUMNS[name]
            if constant is None:
                values[option.name] = word
            elif self.switch_is_on(name):
                values[option.name] = str(constant)
        return values

    def switch_is_on(self, name: str) -> bool:
        """Whether the column of a flag without a word says yes. Raises BadTable where it says neither."""
        try:
            return read_truth(self.words[name])
        except ValueError as error:
            raise BadTable(self.place, f"{name}: {error}") from None


def read_film_table(path: Path, names: Collection[str] = COLUMNS) -> list[FilmLine]:
    """The films of a table whose columns are among `names`. Raises BadTable: it cannot be read, is empty, or has another column."""
    try:
        rows = _read_rows(path)
    except ValueError as error:
        raise BadTable(path, str(error)) from None
    if not rows:
        raise BadTable(
            path, "it has no film: a line each is needed, below the names of the columns"
        )
    lines, folder = [], path.absolute().parent
    for number, row in rows:
        try:
            words = _read_words(row, names)
        except ValueError as error:
            raise BadTable(f"{path}:{number}", str(error)) from None
        anchored = {name: anchor_word(name, word, folder) for name, word in words.items()}
        lines.append(FilmLine(f"{path.name}:{number}", anchored))
    return lines


def _read_words(row: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """The words of a row by column, empty ones left out. Raises ValueError: a column is no flag, one option is said twice, or a word is none."""
    spelled = [name.replace("-", "_") for name in row]
    if (unknown := next((name for name in spelled if name not in names), None)) is not None:
        raise ValueError(describe_unknown(unknown, names))
    require_once(spelled)
    words = {name: word for name, word in zip(spelled, row.values(), strict=True) if word}
    require_once(_option_name(name) for name in words if not _is_switch(name))
    if (broken := next((name for name, word in words.items() if "\0" in word), None)) is not None:
        raise ValueError(f"{broken} holds a zero byte, which no flag can")
    return words


def describe_unknown(name: str, names: Iterable[str]) -> str:
    """That a column is none, and which one may be meant."""
    near = difflib.get_close_matches(name, list(names), 1)
    hint = f"did you mean {near[0]}?" if near else "see `longtake new --help` for all there are"
    return f"{spell_shortly(name) or 'a column without a name'} is no flag of a film; {hint}"


def name_runs(lines: Sequence[FilmLine], runs: str) -> list[str]:
    """The folder of each film's run, absolute, or its URL. One that is not named lies in `runs`, or its own output_dir, by the names of picture and sound, with a number from the second alike on.

    Raises BadTable where two films have one, or one --output-file.
    """
    named: list[str] = []
    alike: Counter[str] = Counter()
    for line in lines:
        if run := line.word_of("run"):
            named.append(_spell_place(line, run))
            continue
        root = _spell_place(line, f"{line.word_of('output_dir') or runs}/{_name_film(line)}")
        alike[root] += 1
        named.append(root if alike[root] == 1 else f"{root}-{alike[root]}")
    _require_own_places(lines, named, "run")
    _require_own_places(lines, [line.word_of("output_file") for line in lines], "output file")
    return named


def _spell_place(line: FilmLine, word: str) -> str:
    """A run's folder or URL, in the one way that it is written. Raises BadTable."""
    try:
        return read_url(word) if is_url(word) else str(Path(word).absolute())
    except ValueError as error:
        raise BadTable(line.place, f"{word}: {error}") from None


def _require_own_places(lines: Sequence[FilmLine], places: Sequence[str], what: str) -> None:
    """Raise BadTable where two films have one place; an empty one is none."""
    first: dict[str, str] = {}
    for line, place in zip(lines, places, strict=True):
        own = place if is_url(place) or not place else realpath(place)
        other = first.setdefault(own, line.place)
        if own and other != line.place:
            raise BadTable(line.place, f"{place} is the {what} of {other}, too; name another")


def _name_film(line: FilmLine) -> str:
    image, sound = Path(line.word_of("image")), line.word_of("audio")
    if not sound and (speakers := line.word_of("speaker")):
        sound = speakers.split(";")[0].rpartition("@")[0]
    stems = (re.sub(r"[^\w-]+", "_", path.stem)[:_LONGEST_STEM] for path in (image, Path(sound)))
    return "-".join(stem for stem in stems if stem) or "film"


def _is_switch(column: str) -> bool:
    return column in COLUMNS and COLUMNS[column][1] is not None


def _option_name(column: str) -> str:
    """The name of the option that a column is of; that of a flag which is no option is its own."""
    return COLUMNS[column][0].name if column in COLUMNS else column


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Line numbers and cells by column. Raises ValueError."""
    readers = {".csv": number_rows, ".jsonl": _read_json_lines, ".ndjson": _read_json_lines}
    if (read := readers.get(path.suffix.lower())) is None:
        raise ValueError(f"a table is one of {', '.join(readers)}")
    return read(read_text(path, LARGEST_TABLE))


def _read_json_lines(text: str) -> list[tuple[int, dict[str, str]]]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                found = parse_json(line.encode(), each_once=True)
                rows.append((number, dict(_spell_values(found))))
            except (Unfit, ValueError) as error:
                raise ValueError(f"line {number}: {error}") from None
    return rows


def _spell_values(found: object) -> Iterator[tuple[str, str]]:
    """Each key with its value as the word of a flag. Raises ValueError."""
    if not isinstance(found, dict):
        raise ValueError("an object such as {…} is needed")
    for name, value in found.items():
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            yield name, ";".join(value)
        elif isinstance(value, bool):
            yield name, str(value).lower()
        elif value is None or isinstance(value, str | int | float):
            yield name, "" if value is None else str(value).strip()
        else:
            raise ValueError(f"{spell_shortly(name)} is neither text nor a number")


def anchor_word(name: str, word: str, folder: Path) -> str:
    """The word of a column, where it is a path as one from this folder on."""
    option = COLUMNS[name][0] if name in COLUMNS else None
    if option is None or not word or is_url(word):
        return word
    if option.repeats:
        return _anchor_speakers(word, folder)
    there = option.name in _MADE_BY_WEIGHTS and (folder / word).exists()
    return str(folder / word) if there or option.kind.read in _READ_PATHS else word


def _anchor_speakers(word: str, folder: Path) -> str:
    try:
        asked = [read_speaker(each) for each in split_words(word)]
    except ValueError:  # said of this one film, when it is looked at
        return word
    return ";".join(
        f"{folder / each.sound if each.sound else ''}@{folder / each.mask if each.mask else each.place}"
        for each in asked
    )
