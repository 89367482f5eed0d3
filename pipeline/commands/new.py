"""longtake new: a film."""

import argparse
import os
from pathlib import Path

from pipeline.commands.command import Command, Parser, Verb, add_flag, prepare_logging, report_film
from pipeline.commands.keep_going import add_keep_going, flags_as_words, keep_going
from pipeline.options.flags import FLAGS, GROUPS
from pipeline.sinks import attach_sinks
from pipeline.sinks.address import KEY, add_events_to, choose_addresses

NOTHING: tuple[str, ...] = ()


def _run_new(command: Command) -> int:
    from pipeline import api
    from pipeline.options import sources

    wishes = sources.gather_options(command.given, os.environ, Path.cwd())
    request, changes = wishes.to_request(), NOTHING
    if command.options["fit"]:
        request, changes = api.fit_request(request)
    if changes:
        wishes.notices.append(f"[PLAN] It does not fit as asked; --fit takes {' '.join(changes)}")
    if command.options["keep_going"]:
        from tasks.resolve import resolve_request

        root = resolve_request(request).root
        # By its name: where the seed is drawn, each start would else be another film. What fits is found once, and then stands in the run beside what was asked.
        more = ["--fit"] if command.options["fit"] else []
        return keep_going(
            command, ["new", *flags_as_words(command), *more, "--run", str(root)], root
        )
    console, breaks = prepare_logging(command), bool(command.options["break_lock"])
    with attach_sinks(choose_addresses(command.options[KEY], os.environ, Path.cwd())):
        film = api.new(request, console=console, notices=wishes.told, break_lock=breaks)
    return report_film(film)


def add_film_flags(parser: Parser) -> None:
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


def _add_arguments(parser: Parser) -> None:
    add_film_flags(parser)
    add_keep_going(parser)
    add_events_to(parser)
    add_fit(parser)


def add_fit(parser: Parser) -> None:
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
    _add_arguments,
    _run_new,
)
