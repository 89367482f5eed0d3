"""longtake plan: what a film will take, before it is made."""

import json
import os
import sys
from argparse import ArgumentTypeError
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser, read_one_of
from pipeline.commands.command import (
    Command,
    Job,
    print_renderables,
    print_result,
    print_words,
)
from pipeline.json_output import to_json
from storage.errors import BadInput, NoSpace

if TYPE_CHECKING:
    from pipeline.batch.batch import BatchRequest
    from pipeline.options.given_options import GivenOptions
    from pipeline.plan.batch_plan import Machines
    from pipeline.plan.planner import PlanOptions


MOST_PRICE = 1e9


def prepare(command: Command) -> Job:
    """The request as `new` would read it, and how it is planned."""
    from pipeline.options.sources import gather_options
    from pipeline.plan.planner import PlanOptions

    if command.options["batch"]:
        return _prepare_batch(command)
    _refuse_others(command, ("machines", "price_hour"), "the films of a table: --batch TABLE")
    given = gather_options(command.given, os.environ, Path.cwd())
    gpu = str(command.options["gpu"]) if command.options["gpu"] else None
    how = PlanOptions(gpu, _read_rehearse(command), command.has("fit"))
    return Job(partial(_print_plan, command, given, how), int)


def _refuse_others(command: Command, names: tuple[str, ...], place: str) -> None:
    """Refuse options that would be read by nobody."""
    for name in names:
        if command.options[name] is not None and command.options[name] is not False:
            raise BadInput(f"--{name.replace('_', '-')} is for {place}.")


def _read_rehearse(command: Command) -> bool | None:
    return {"yes": True, "no": False}.get(str(command.options["rehearse"]))


def _prepare_batch(command: Command) -> Job:
    """The table, and the machines that its films are planned for."""
    from pipeline.batch.batch import BatchRequest, read_defaults
    from pipeline.plan.batch_plan import Machines

    if command.options["gpu"]:
        raise BadInput("--machines says which machines a table is planned for, not --gpu.")
    _refuse_others(command, ("fit", "what_if"), "one film, and not for --batch")
    machines = Machines.from_word(str(command.options["machines"] or 1))
    request = BatchRequest(command.path("batch"), defaults=read_defaults(command.given))
    return Job(partial(_print_batch, command, request, machines), int)


def _print_batch(command: Command, request: "BatchRequest", machines: "Machines") -> int:
    from pipeline.plan.batch_plan import plan_batch, show_batch_plan

    word = command.options["price_hour"]
    price = None if word is None else float(str(word))
    found = plan_batch(request, machines, price, _print_next, rehearse=_read_rehearse(command))
    print_result(command, found, show_batch_plan(found))
    if found.refused:
        return BadInput.exit_code
    return NoSpace.exit_code if found.short else 0


def _print_plan(command: Command, given: "GivenOptions", how: "PlanOptions") -> int:
    from pipeline.options.sources import make_request
    from pipeline.plan.planner import plan_film
    from pipeline.plan.screen import show_plan, show_variants
    from pipeline.plan.variants import plan_variants

    request, found = plan_film(make_request(given), how)
    variants = plan_variants(request, how, _print_next) if command.has("what_if") else ()
    if command.has("json"):
        print(to_json({**json.loads(found.as_json()), "what_if": variants}))
    else:
        print_renderables(show_plan(found))
        print_renderables(["", show_variants(variants)] if variants else [])
    for notice in given.told:
        print(notice, file=sys.stderr)
    return 0 if found.fits else NoSpace.exit_code


def _read_price(word: str) -> float:
    with suppress(ValueError):
        if 0 <= (price := float(word)) <= MOST_PRICE:
            return price
    raise ArgumentTypeError(f"a number from 0 on is needed, not {word}")


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
    parser.add_argument(
        "--batch", metavar="TABLE", help="Plan the films of a table; flags are for all of them."
    )
    parser.add_argument(
        "--machines",
        metavar="NAME*N",
        help="Of --batch: so many machines, such as 4090x4*10, or 10 like this one (1).",
    )
    parser.add_argument(
        "--price-hour", type=_read_price, metavar="X", help="Of --batch: what a machine hour costs."
    )
    parser.add_fit()
    parser.add_switch("--what-if", "Also what steps, clip length and size each change.")
    parser.add_json()
