"""longtake plan: what a film will take, before it is made."""

import json
import os
import sys
from pathlib import Path

from pipeline.jsontext import to_json
from pipeline.verb import Command, Parser, Verb, one_of, put, show
from pipeline.verbs.new import take_fit, take_flags
from storage.errors import NoSpace


def _act(command: Command) -> int:
    from pipeline import settings
    from pipeline.plan.planning import How, planned
    from pipeline.plan.screen import show_plan, show_variants
    from pipeline.plan.variants import what_if

    wishes = settings.gather(command.given, os.environ, Path.cwd())
    options, request = command.options, wishes.request()
    gpu = str(options["gpu"]) if options["gpu"] else None
    rehearse = {"yes": True, "no": False}.get(str(options["rehearse"]))
    how = How(gpu, rehearse, bool(options["fit"]))
    request, found = planned(request, how)
    variants = what_if(request, how, _next) if options["what_if"] else ()
    if options["json"]:
        print(to_json({**json.loads(found.as_json()), "what_if": variants}))
    else:
        show(show_plan(found))
        show(["", show_variants(variants)] if variants else [])
    for notice in wishes.told:
        print(notice, file=sys.stderr)
    return 0 if found.fits else NoSpace.exit_code


def _next(words: str) -> None:
    put(f"planning: {words}", sys.stderr)


def _expect(parser: Parser) -> None:
    take_flags(parser)
    parser.add_argument(
        "--gpu", metavar="NAME", help="Plan for a machine with this card, such as 4090 or 4090x4."
    )
    parser.add_argument(
        "--rehearse",
        type=one_of("auto", "yes", "no"),
        metavar="WHEN",
        default="auto",
        help="Make the first clips to measure: yes, no, or auto (where that takes seconds).",
    )
    take_fit(parser)
    parser.add_argument(
        "--what-if", action="store_true", help="Also what steps, clip length and size each change."
    )
    parser.take_json()


VERB = Verb(
    "plan",
    "What a film will take: clips, memory, disk, hours; and what would fit.",
    "longtake plan face.png speech.wav --run runs/mine",
    _expect,
    _act,
)
