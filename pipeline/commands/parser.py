"""Words into a command: our verbs, and Live Avatar's command lines, which have none."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pipeline.commands.command import Command, Given, Job
from pipeline.commands.help_screen import print_help
from pipeline.commands.registry import VERBS
from storage.errors import BadInput

if TYPE_CHECKING:
    from pipeline.commands.arguments import Parser

ABOUT = """A picture and a soundtrack become a talking film of any length; what is finished survives any crash."""
_CODES = """exit codes:
  0 done                            4 a clip failed after its tries
  1 a fault of longtake             5 no space, or not writable
  2 bad input                       6 hung, ended by the watchdog
  3 damaged, or another film's run  7 whole, but below a level
  8 no watermark was found          9 not all films of a batch are there
  75 another process works on it    130, 143 interrupted"""


def prepare_job(words: Sequence[str]) -> Job:
    """What is to be called for these words; raises BadInput, BadOption or Refused."""
    command = parse_command(words)
    if command.verb == "help":
        return Job(partial(print_help, str(command.options["text"])), int)
    job: Job = VERBS[command.verb].module.prepare(command)
    return job


def parse_command(words: Sequence[str]) -> Command:
    """The command that the words ask for; raises BadInput, BadOption or Refused."""
    words = list(words)
    if not words or words[0] in {"-h", "--help", "help"}:
        return Command("help", {"text": render_overview()})
    if words[0] == "--version":
        return Command("help", {"text": _read_version()})
    if words[0] in VERBS:
        return _parse_verb(words[0], words[1:], words)
    after = _cut_launcher(words[words[0] == "run" :])
    if words[0] == "run" or (after and after[0].startswith("-")):
        return _parse_verb("new", after, words)
    hint = _closest_word(words[0], VERBS) or f"There are {', '.join(VERBS)}."
    raise BadInput(f"{words[0]} is no verb of longtake. {hint}")


def _cut_launcher(words: list[str]) -> list[str]:
    """The words after the script's name: `torchrun --nproc_per_node=5 s2v_streaming_interact.py --prompt …`."""
    named = [place for place, word in enumerate(words) if word.endswith((".py", ".sh"))]
    first = named[0] if named and not _is_value(words, named[0]) else -1
    return words[first + 1 :]


def _is_value(words: list[str], place: int) -> bool:
    """Whether the word belongs to a flag of ours before it (`--prompt x.py`)."""
    from pipeline.options.flags import FLAGS

    before = words[place - 1].lstrip("-").replace("_", "-") if place else ""
    return any(flag.name == before and flag.constant is None for flag in FLAGS)


def render_overview() -> str:
    """The first screen."""
    verbs = "\n".join(f"  {verb.name:8}  {verb.summary}" for verb in VERBS.values())
    examples = "\n".join(f"  {verb.example}" for verb in VERBS.values())
    return f"""{ABOUT}

usage: longtake VERB … [--help]
       longtake --prompt … --image … --audio … --size W*H …    (a Live Avatar command line, as it is)

verbs:
{verbs}

examples:
{examples}

{_CODES}
"""


def _read_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"longtake {version('longtake')}\n"
    except PackageNotFoundError:
        return "longtake straight from its sources\n"


def _parse_verb(verb: str, words: list[str], asked: list[str]) -> Command:
    from pipeline.commands.arguments import Parser

    parser = Parser(VERBS[verb])
    VERBS[verb].module.add_arguments(parser)
    if "-h" in words or "--help" in words:
        return Command("help", {"text": parser.format_help()})
    # Intermixed: `IMAGE --run DIR AUDIO` too.
    space, unknown = parser.parse_known_intermixed_args(list(_bind_values(parser, words)))
    if unknown:
        raise _unknown_word(parser, unknown[0])
    options = vars(space)
    given = options.pop("given", None) or []
    return Command(verb, options, [*_file_flags(options), *given], asked)


def _file_flags(options: dict[str, object]) -> Given:
    """IMAGE and AUDIO as the flags that they stand for."""
    from pipeline.options.flags import FLAGS

    files = options.pop("files", [])
    words = [str(word) for word in files] if isinstance(files, list) else []
    if len(words) > 2:
        raise BadInput(f"{words[2]} is one file too many: a picture and a sound make a film.")
    names = [flag for flag in FLAGS if flag.name in {"image", "audio"}]
    return list(zip(names, words, strict=False))


def _bind_values(parser: "Parser", words: list[str]) -> Iterator[str]:
    """Dashes for underscores in names, and each value bound to its flag: a prompt may begin with a dash."""
    takes = {name for act in parser._actions if act.nargs is None for name in act.option_strings}
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        name = name.replace("_", "-")
        if not word.startswith("--"):
            yield word
        elif name in takes and not equals and (following := next(rest, None)) is not None:
            yield f"{name}={following}"
        else:
            yield name + equals + value


def _unknown_word(parser: "Parser", word: str) -> BadInput:
    from argparse import SUPPRESS

    if not word.startswith("-"):
        return BadInput(f"{word} is one word too many. See `{parser.prog} --help`.")
    name = word.partition("=")[0]
    shown = [each for each in parser._actions if each.help is not SUPPRESS]
    known = [option for action in shown for option in action.option_strings]
    hint = _closest_word(name, known) or f"See `{parser.prog} --help`."
    return BadInput(f"{name} is no flag of longtake. {hint}")


def _closest_word(word: str, known: Iterable[str]) -> str:
    """Asks for the name that may be meant, also by a part of it (`--sed`: --base-seed); empty where none is near."""
    import difflib

    whole = {name.lstrip("-"): name for name in known}
    # The first of several flags that share a part: --steps is --sample-steps.
    pairs = [name for name in reversed(whole) if name.count("-") == 1]
    parts = {part: whole[name] for name in pairs for part in name.split("-")}
    names = {**parts, **whole}
    near = difflib.get_close_matches(word.lstrip("-"), names, 1)
    return f"Did you mean {names[near[0]]}?" if near else ""
