"""longtake plan: what a film will take, before it is made."""

import json
import os
import sys
from pathlib import Path

from pipeline.commands.command import Command, Parser, Verb, one_of, print_renderables, print_words
from pipeline.commands.new import add_film_flags, add_fit
from pipeline.json_output import to_json
from storage.errors import NoSpace


def _run_plan(command: Command) -> int:
    from pipeline.options import sources
    from pipeline.plan.planner import PlanOptions, plan_film
    from pipeline.plan.screen import show_plan, show_variants
    from pipeline.plan.variants import plan_variants

    wishes = sources.gather_options(command.given, os.environ, Path.cwd())
    options, request = command.options, wishes.to_request()
    gpu = str(options["gpu"]) if options["gpu"] else None
    rehearse = {"yes": True, "no": False}.get(str(options["rehearse"]))
    how = PlanOptions(gpu, rehearse, bool(options["fit"]))
    request, found = plan_film(request, how)
    variants = plan_variants(request, how, _print_next) if options["what_if"] else ()
    if options["json"]:
        print(to_json({**json.loads(found.as_json()), "what_if": variants}))
    else:
        print_renderables(show_plan(found))
        print_renderables(["", show_variants(variants)] if variants else [])
    for notice in wishes.told:
        print(notice, file=sys.stderr)
    return 0 if found.fits else NoSpace.exit_code


def _print_next(words: str) -> None:
    print_words(f"planning: {words}", sys.stderr)


def _add_arguments(parser: Parser) -> None:
    add_film_flags(parser)
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
    add_fit(parser)
    parser.add_argument(
        "--what-if", action="store_true", help="Also what steps, clip length and size each change."
    )
    parser.add_json()


VERB = Verb(
    "plan",
    "What a film will take: clips, memory, disk, hours; and what would fit.",
    "longtake plan face.png speech.wav --run runs/mine",
    _add_arguments,
    _run_plan,
)
