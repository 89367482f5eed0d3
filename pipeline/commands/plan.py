"""longtake plan: what a film will take, before it is made."""

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser, read_one_of
from pipeline.commands.command import Command, Job, print_renderables, print_words
from pipeline.json_output import to_json
from storage.errors import NoSpace

if TYPE_CHECKING:
    from pipeline.options.sources import GivenOptions
    from pipeline.plan.planner import PlanOptions


def prepare(command: Command) -> Job:
    """The request as `new` would read it, and how it is planned."""
    from pipeline.options.sources import gather_options
    from pipeline.plan.planner import PlanOptions

    given = gather_options(command.given, os.environ, Path.cwd())
    gpu = str(command.options["gpu"]) if command.options["gpu"] else None
    rehearse = {"yes": True, "no": False}.get(str(command.options["rehearse"]))
    how = PlanOptions(gpu, rehearse, command.has("fit"))
    return Job(partial(_print_plan, command, given, how), int)


def _print_plan(command: Command, given: "GivenOptions", how: "PlanOptions") -> int:
    from pipeline.plan.planner import plan_film
    from pipeline.plan.screen import show_plan, show_variants
    from pipeline.plan.variants import plan_variants

    request, found = plan_film(given.to_request(), how)
    variants = plan_variants(request, how, _print_next) if command.has("what_if") else ()
    if command.has("json"):
        print(to_json({**json.loads(found.as_json()), "what_if": variants}))
    else:
        print_renderables(show_plan(found))
        print_renderables(["", show_variants(variants)] if variants else [])
    for notice in given.told:
        print(notice, file=sys.stderr)
    return 0 if found.fits else NoSpace.exit_code


def _print_next(words: str) -> None:
    print_words(f"planning: {words}", sys.stderr)


def add_arguments(parser: Parser) -> None:
    """What a film is made of, and how it is planned."""
    parser.add_film_flags()
    parser.add_argument(
        "--gpu", metavar="NAME", help="Plan for a machine with this card, such as 4090 or 4090x4."
    )
    parser.add_argument(
        "--rehearse",
        type=read_one_of("auto", "yes", "no"),
        metavar="WHEN",
        default="auto",
        help="Make the first clips to measure: yes, no, or auto (where that takes seconds).",
    )
    parser.add_fit()
    parser.add_switch("--what-if", "Also what steps, clip length and size each change.")
    parser.add_json()
