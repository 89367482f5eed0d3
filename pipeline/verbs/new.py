"""longtake new: a film."""

import argparse
import os
from pathlib import Path

from pipeline.flags import FLAGS, GROUPS
from pipeline.keeping import keep_going, take_keeping, words_of
from pipeline.sinks import attached
from pipeline.sinks.address import KEY, chosen, take_events
from pipeline.verb import Command, Parser, Verb, add_flag, prepare, tell

NOTHING: tuple[str, ...] = ()


def _act(command: Command) -> int:
    from pipeline import runs, settings

    wishes = settings.gather(command.given, os.environ, Path.cwd())
    request, changes = wishes.request(), NOTHING
    if command.options["fit"]:
        request, changes = runs.fit(request)
    if changes:
        wishes.notices.append(f"[PLAN] It does not fit as asked; --fit takes {' '.join(changes)}")
    if command.options["keep_going"]:
        from tasks.request import resolve

        root = resolve(request).root
        # By its name: where the seed is drawn, each start would else be another film. What fits is found once, and then stands in the run beside what was asked.
        more = ["--fit"] if command.options["fit"] else []
        return keep_going(command, ["new", *words_of(command), *more, "--run", str(root)], root)
    console, breaks = prepare(command), bool(command.options["break_lock"])
    with attached(chosen(command.options[KEY], os.environ, Path.cwd())):
        film = runs.new(request, console=console, notices=wishes.told, break_lock=breaks)
    return tell(film)


def take_flags(parser: Parser) -> None:
    """IMAGE, AUDIO and everything that a film is made of."""
    parser.usage = f"{parser.prog} IMAGE AUDIO [flags]"
    parser.add_argument(
        "files",
        nargs="*",
        metavar="IMAGE AUDIO",
        help="The picture, and the sound or a film with sound.",
    )
    for title, flags in GROUPS.items():
        group = parser.add_argument_group(title)
        for flag in flags:
            add_flag(group, flag, flag.does)
    for flag in FLAGS:
        if not flag.fields:
            add_flag(parser, flag, argparse.SUPPRESS)


def _expect(parser: Parser) -> None:
    take_flags(parser)
    take_keeping(parser)
    take_events(parser)
    take_fit(parser)


def take_fit(parser: Parser) -> None:
    """What `new` and `plan` do where there is no room."""
    parser.add_argument(
        "--fit",
        action="store_true",
        help="Where it does not fit, take the first way that does (longtake plan tells them).",
    )


VERB = Verb(
    "new",
    "Make a film; the same command again goes on where it stopped.",
    "longtake new face.png speech.wav --run runs/mine",
    _expect,
    _act,
)
