"""longtake new: a film."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser
from pipeline.commands.command import (
    Command,
    Job,
    read_progress,
    report_film,
    switch_live_on,
)
from pipeline.commands.keep_going import flags_as_words, keep_going
from pipeline.push.address import add_push
from pipeline.sinks.address import add_events_to

if TYPE_CHECKING:
    from pipeline.options.given_options import GivenOptions
    from tasks.request import Request


def prepare(command: Command) -> Job:
    """Flags, environment and longtake.toml become one request."""
    from pipeline import api
    from pipeline.options.sources import gather_options, make_request

    switch_live_on(command)
    given = gather_options(command.given, os.environ, Path.cwd())
    request = make_request(given)
    if command.has("fit"):
        request = _fit_request(request, given)
    if command.has("keep_going"):
        from tasks.resolve import resolve_request

        root = resolve_request(request).root
        # By its name: where the seed is drawn, each start would else be another film. What fits is found once, and then stands in the run beside what was asked.
        fit = ["--fit"] if command.has("fit") else []
        return keep_going(
            command, ["new", *flags_as_words(command), *fit, "--run", str(root)], root
        )
    making = partial(
        api.new,
        request,
        progress=read_progress(command),
        notices=given.told,
        break_lock=command.has("break_lock"),
    )
    return Job(making, report_film)


def _fit_request(request: "Request", given: "GivenOptions") -> "Request":
    """The request, where there is no room for it with the first of the ways that fit, which is noted; makes nothing."""
    from pipeline.plan.planner import PlanOptions, plan_film

    request, plan = plan_film(request, PlanOptions(rehearse=False, fit=True))
    if plan.changes:
        ways = " ".join(plan.changes)
        given.notices.append(f"[PLAN] It does not fit as asked; --fit takes {ways}")
    return request


def add_arguments(parser: Parser) -> None:
    """What a film is made of, and how."""
    parser.add_film_flags()
    parser.add_keep_going()
    add_events_to(parser)
    add_push(parser)
    parser.add_fit()
