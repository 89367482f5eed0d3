"""One flag of a command line: what it does here, and how its word is read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from storage.errors import BadOption, Refused
from storage.spec import CROPS

Outcome = Literal["works", "ignored", "refused"]


@dataclass(frozen=True)
class Flag:
    """One flag, what it does here, and why not where it does nothing."""

    name: str
    """With dashes and without the two in front."""
    does: str
    """The help line of a flag that works; of another, what it did where it was published."""
    fields: tuple[str, ...] = ()
    """The fields of the Request that it fills; none for a flag that does nothing here."""
    read: Callable[[str], object] = str
    metavar: str = "TEXT"
    constant: object = None
    """What a flag without a value stands for."""
    published: bool = False
    """In Live Avatar's or Wan2.2's own command lines, or in articles about them."""
    only: tuple[str, ...] = ()
    """The values that are accepted, where the others are refused."""
    ignored: str = ""
    refused: str = ""
    place: bool = False
    """It names weights, which must be there whatever becomes of it."""
    costs: bool = False
    """That it is ignored makes another film, or a slower one."""
    free: tuple[str, ...] = ()
    """The values with which it does not."""

    @property
    def outcome(self) -> Outcome:
        """What becomes of it, for a value that is accepted if any is."""
        if self.fields:
            return "works"
        return "ignored" if self.ignored else "refused"

    @property
    def spelling(self) -> str:
        """As a person types it here."""
        return f"--{self.name}"

    def values(self, word: str) -> dict[str, object]:
        """Fields of the Request by name, from the word on the command line or in the environment."""
        if not self.fields:
            return {}
        value = self.constant if self.constant is not None else self._value(word)
        together = value if isinstance(value, tuple) else (value,)
        return dict(zip(self.fields, together, strict=True))

    def _value(self, word: str) -> object:
        try:
            return self.read(word)
        except ValueError as error:
            raise BadOption(self.spelling, word, str(error)) from None

    def why_idle(self, word: str) -> str:
        """Why it does nothing here; raises Refused where it cannot be honoured."""
        if self.refused and word not in self.only:
            shown = f"{self.spelling} {word}" if self.only else self.spelling
            raise Refused(shown, self.refused)
        return self.ignored


def read_whole(word: str) -> int:
    """A whole number."""
    try:
        return int(word)
    except ValueError:
        raise ValueError("a whole number is needed") from None


def read_spacing(word: str) -> int:
    """A number of clips; `auto` is -1."""
    return -1 if word == "auto" else read_whole(word)


def read_number(word: str) -> float:
    """A number of seconds."""
    try:
        return float(word)
    except ValueError:
        raise ValueError("a number is needed") from None


def read_decimal(word: str) -> str:
    """A decimal number from 0 to 100, as text: `4.50` is `4.5`."""
    try:
        value = float(word)
    except ValueError:
        value = -1
    if not 0 <= value <= 100:
        raise ValueError("a number from 0 to 100 is needed, such as 4.5")
    return f"{value:g}"


def read_truth(word: str) -> bool:
    """True or False."""
    if word.lower() not in {"true", "false", "1", "0", "yes", "no"}:
        raise ValueError("True or False is needed")
    return word.lower() in {"true", "1", "yes"}


def read_size(word: str) -> tuple[int, int]:
    """Width and height out of `704*384` or `704x384`."""
    from tasks.request import parse_size

    return parse_size(word)


def read_crop(word: str) -> str:
    """How the picture fits."""
    if word == "face":
        raise ValueError(
            "nobody looks for the face; say where it is: top, centre, bottom, left or right"
        )
    return read_choice(*CROPS)(word)


def read_choice(*words: str) -> Callable[[str], str]:
    """One of these words."""

    def read(word: str) -> str:
        if word not in words:
            raise ValueError(f"one of {', '.join(words)} is needed")
        return word

    return read


def read_kept(*words: str) -> Callable[[str], str]:
    """One of these words or how many clips to keep."""

    def read(word: str) -> str:
        if word not in words and not word.isdecimal():
            raise ValueError(f"{', '.join(words)} or a number of clips is needed")
        return word

    return read


def read_bytes(word: str) -> int:
    """Bytes, at least one, out of `500MB`, `20GB` or a plain number of bytes; GB = 1e9."""
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    upper = word.upper().replace(" ", "")
    factor = units.get(upper[-2:], 1)
    try:
        size = int(float(upper[:-2] if factor > 1 else upper) * factor)
    except (ValueError, OverflowError):  # inf
        size = 0
    if size < 1:
        raise ValueError("a size such as 20GB is needed")
    return size


def write_table(flags: Iterable[Flag]) -> str:
    """Every published flag, what it does here and why, as the Markdown of docs/flags.md."""
    flags = tuple(flags)
    rows = [_table_row(flag) for flag in flags if flag.published]
    own = [f"| `{flag.spelling}` | {flag.does} |" for flag in flags if not flag.published]
    return "\n".join(
        [
            "# Flags",
            "",
            "Made from `pipeline/options/flags.py` by `python -m pipeline.options.flags`; a test holds the two together.",
            "",
            "## Live Avatar's and Wan2.2's flags",
            "",
            "`longtake --prompt … --image … --audio …` reads a Live Avatar command line as it is published, with dashes or underscores, also with the",
            "launcher and the script in front (`torchrun … s2v_streaming_interact.py`), whose words are dropped. Each flag works, is ignored with one line,",
            "or is refused with the reason before any work. `longtake new` takes the same flags.",
            "",
            "| flag | what it says | here | why |",
            "|---|---|---|---|",
            *rows,
            "",
            "## Ours",
            "",
            "| flag | what it does |",
            "|---|---|",
            *own,
            "",
        ]
    )


def _table_row(flag: Flag) -> str:
    outcome: str = flag.outcome
    reason = flag.ignored or flag.refused
    if flag.only:
        outcome, reason = (
            f"ignored for {', '.join(flag.only)}, else refused",
            f"{flag.ignored}; {flag.refused}",
        )
    return f"| `{flag.spelling}` | {flag.does} | {outcome} | {reason} |"
