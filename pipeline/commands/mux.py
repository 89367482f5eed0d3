"""longtake mux: join what is there."""

from functools import partial

from pipeline.commands.arguments import Parser
from pipeline.commands.command import Command, Job, prepare_logging, report_film


def prepare(command: Command) -> Job:
    """The run, how much of it, and where it goes."""
    from pipeline.upkeep.partial_mux import mux_finished
    from tasks.open_run import open_run
    from tasks.store_run import FILM

    prepare_logging(command)
    joining = partial(
        mux_finished,
        open_run(command.look_at_run(FILM)),
        partial=command.has("partial"),
        output_file=command.file("output_file"),
        overwrite=command.has("overwrite"),
    )
    return Job(joining, report_film)


def add_arguments(parser: Parser) -> None:
    """A run, and how much of it."""
    parser.add_run()
    parser.add_switch("--partial", "The longest finished beginning, also while the film is made.")
    parser.add_output("Where the film goes (RUN/video.mp4, RUN/partial.mp4).")
