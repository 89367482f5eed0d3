"""Words into a command: our verbs, and Live Avatar's command lines, which have none."""

import argparse
import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import NoReturn

from pipeline.flag import Flag
from pipeline.flags import FLAGS, GROUPS, cut_launcher
from storage.errors import BadInput
from storage.spec import Settings

_SET = {each.name for each in fields(Settings)} - {"asked_size", "output_file"}
SETTINGS = tuple(flag for flag in FLAGS if flag.fields and _SET.issuperset(flag.fields))
"""What may change while a film is made."""

Given = list[tuple[Flag, str]]

ABOUT = """A picture and a soundtrack become a talking film of any length; what is finished survives any crash."""
EXAMPLES = {
    "new": "longtake new face.png speech.wav --run runs/mine",
    "resume": "longtake resume runs/mine",
    "status": "longtake status runs/mine --json",
    "mux": "longtake mux runs/mine --partial --output_file so-far.mp4",
    "inspect": "longtake inspect runs/mine --clip 3 --step 2",
    "verify": "longtake verify runs/mine --repair",
    "doctor": "longtake doctor --model live-avatar --weights ckpt",
    "accept": "longtake accept --model live-avatar --weights ckpt --size 704*384",
}
_DOES = {
    "new": "Make a film; the same command again goes on where it stopped.",
    "resume": "Go on with a run.",
    "status": "What a run has, how fast it goes, and where each setting came from.",
    "mux": "Join the finished clips and their sound, at any time.",
    "inspect": "One clip's latents after each step, as pictures (PNG) and numbers.",
    "verify": "Whether a run is whole, byte by byte; what is broken, what that costs, and --repair.",
    "doctor": "Whether a folder of weights is whole and fits its model, without loading it.",
    "accept": "Three clips, a kill, a resume, the bytes compared, and a page about it; takes the flags of `new`.",
}
_CODES = """exit codes:
  0 done                            4 a clip failed after its tries
  1 a fault of longtake             5 no space, or not writable
  2 bad input                       6 hung, ended by the watchdog
  3 damaged, or another film's run  75 another process works on the run
                                    130, 143 interrupted"""


@dataclass
class Command:
    """What the words ask for."""

    verb: str
    options: dict[str, object] = field(default_factory=dict)
    given: Given = field(default_factory=list)
    """Flags of `new` in their order, each with its word."""
    debug: bool = False
    asked: list[str] = field(default_factory=list)
    """The words themselves."""

    def path(self, name: str) -> Path:
        """An option that is a path."""
        return Path(str(self.options[name]))


def parse(words: Sequence[str]) -> Command:
    """The command that the words ask for; raises BadInput, BadOption or Refused."""
    words = list(words)
    if not words or words[0] in {"-h", "--help", "help"}:
        return Command("help", {"text": overview()})
    if words[0] == "--version":
        return Command("help", {"text": _version()})
    if words[0] in EXAMPLES:
        return _read(words[0], words[1:])
    if words[0] == "run":
        return _read("new", cut_launcher(words[1:]))
    after = cut_launcher(words)
    if after and after[0].startswith("-"):
        return _read("new", after)
    near = difflib.get_close_matches(words[0], EXAMPLES, 1)
    hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(EXAMPLES)}."
    raise BadInput(f"{words[0]} is no verb of longtake. {hint}")


def overview() -> str:
    """The first screen."""
    verbs = "\n".join(f"  {verb:8}  {does}" for verb, does in _DOES.items())
    examples = "\n".join(f"  {example}" for example in EXAMPLES.values())
    return f"""{ABOUT}

usage: longtake VERB … [--help]
       longtake --prompt … --image … --audio … --size W*H …    (a Live Avatar command line, as it is)

verbs:
{verbs}

examples:
{examples}

{_CODES}
"""


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"longtake {version('longtake')}\n"
    except PackageNotFoundError:
        return "longtake straight from its sources\n"


def _read(verb: str, words: list[str]) -> Command:
    parser = PARSERS[verb]()
    if "-h" in words or "--help" in words:
        return Command("help", {"text": parser.format_help()})
    # Intermixed: `IMAGE --run DIR AUDIO` too.
    space, unknown = parser.parse_known_intermixed_args(list(_bound(parser, words)))
    if unknown:
        raise _unknown(parser, unknown[0])
    options = vars(space)
    given, debug = options.pop("given", None) or [], bool(options.pop("debug"))
    return Command(verb, options, [*_files(options), *given], debug)


def _files(options: dict[str, object]) -> Given:
    """IMAGE and AUDIO as the flags that they stand for."""
    files = options.pop("files", [])
    words = [str(word) for word in files] if isinstance(files, list) else []
    if len(words) > 2:
        raise BadInput(f"{words[2]} is one file too many: a picture and a sound make a film.")
    return list(
        zip((flag for flag in FLAGS if flag.name in {"image", "audio"}), words, strict=False)
    )


def _bound(parser: argparse.ArgumentParser, words: list[str]) -> Iterator[str]:
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


def _unknown(parser: argparse.ArgumentParser, word: str) -> BadInput:
    if not word.startswith("-"):
        return BadInput(f"{word} is one word too many. See `{parser.prog} --help`.")
    name = word.partition("=")[0]
    known = [option for action in parser._actions for option in action.option_strings]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]}?" if near else f"See `{parser.prog} --help`."
    return BadInput(f"{name} is no flag of longtake. {hint}")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and leaves ending to the caller."""

    def __init__(self, verb: str) -> None:
        super().__init__(
            prog=f"longtake {verb}",
            description=_DOES[verb],
            epilog=f"example:\n  {EXAMPLES[verb]}",
            formatter_class=_Help,
            allow_abbrev=False,
            add_help=False,
        )
        self.add_argument(
            "--debug", action="store_true", help="Show all log lines, and where a fault comes from."
        )

    def error(self, message: str) -> NoReturn:
        """One line instead of the usage."""
        raise BadInput(f"{message[0].upper()}{message[1:]}. See `{self.prog} --help`.")


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)


class _Note(argparse.Action):
    """Puts the flag and its word into the list of what was given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's own signature
        space: argparse.Namespace,
        values: object,
        option: str | None = None,  # noqa: ARG002
    ) -> None:
        """Keep it."""
        space.given = [*(getattr(space, "given", None) or []), (self.const, str(values))]


def _new(verb: str = "new") -> argparse.ArgumentParser:
    parser = _Parser(verb)
    parser.usage = f"longtake {verb} IMAGE AUDIO [flags]"
    parser.add_argument(
        "files",
        nargs="*",
        metavar="IMAGE AUDIO",
        help="The picture, and the sound or a film with sound.",
    )
    for title, flags in GROUPS.items():
        group = parser.add_argument_group(title)
        for flag in flags:
            _add(group, flag, flag.does)
    for flag in FLAGS:
        if not flag.fields:
            _add(parser, flag, argparse.SUPPRESS)
    if verb == "new":
        _add_keeping(parser)
    return parser


def _add(group: "argparse._ActionsContainer", flag: Flag, text: str) -> None:
    words = 0 if flag.constant is not None else None
    group.add_argument(
        flag.spelling,
        action=_Note,
        const=flag,
        nargs=words,
        metavar=flag.metavar,
        help=text,
        dest="given",
    )


def _resume() -> argparse.ArgumentParser:
    parser = _of_a_run("resume")
    parser.usage = "longtake resume RUN [settings]"
    parser.add_argument(
        "--accept-joint",
        action="store_true",
        help="Go on although another machine or version began it.",
    )
    _add_keeping(parser)
    group = parser.add_argument_group("settings from now on, which decide no pixel")
    for flag in SETTINGS:
        _add(group, flag, flag.does)
    return parser


def _add_keeping(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="Start again after a crash, in a new process, until the film is done.",
    )
    parser.add_argument(
        "--break-lock",
        action="store_true",
        help="Take a run from a process on another machine, which must be dead.",
    )


def _status() -> argparse.ArgumentParser:
    parser = _of_a_run("status")
    parser.add_argument("--json", action="store_true", help="For machines.")
    return parser


def _mux() -> argparse.ArgumentParser:
    parser = _of_a_run("mux")
    parser.add_argument(
        "--partial",
        action="store_true",
        help="The longest finished beginning, also while the film is made.",
    )
    parser.add_argument(
        "--output-file",
        metavar="FILE",
        help="Where the film goes (RUN/video.mp4, RUN/partial.mp4).",
    )
    return parser


def _inspect() -> argparse.ArgumentParser:
    parser = _of_a_run("inspect")
    parser.add_argument(
        "--clip", type=int, required=True, metavar="N", help="Which clip, counted from 0."
    )
    parser.add_argument(
        "--step", type=int, metavar="S", help="This step only, counted from 0; larger pictures."
    )
    parser.add_argument(
        "--output-file", metavar="FILE", help="Where the PNG goes (RUN-clipN.png in this folder)."
    )
    parser.add_argument("--json", action="store_true", help="The numbers for machines.")
    return parser


def _verify() -> argparse.ArgumentParser:
    parser = _of_a_run("verify")
    parser.add_argument(
        "--repair",
        action="store_true",
        help="Make again exactly what is broken; the price is said first.",
    )
    parser.add_argument("--json", action="store_true", help="For machines.")
    return parser


def _doctor() -> argparse.ArgumentParser:
    parser = _Parser("doctor")
    parser.add_argument(
        "--model",
        default="live-avatar",
        metavar="NAME",
        help="live-avatar (the default) or wan-s2v.",
    )
    parser.add_argument(
        "--weights",
        metavar="DIR",
        help="The folder of the published weights, or owner/name as the hub calls it.",
    )
    parser.add_argument(
        "--lora", metavar="FILE", help="liveavatar.safetensors, where it does not lie with them."
    )
    return parser


def _of_a_run(verb: str) -> argparse.ArgumentParser:
    parser = _Parser(verb)
    parser.add_argument("run", metavar="RUN", help="The folder of the run.")
    return parser


PARSERS: dict[str, Callable[[], argparse.ArgumentParser]] = {
    "new": _new,
    "resume": _resume,
    "status": _status,
    "mux": _mux,
    "inspect": _inspect,
    "verify": _verify,
    "doctor": _doctor,
    "accept": partial(_new, "accept"),
}
