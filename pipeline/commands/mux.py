"""longtake mux: join what is there."""

from pipeline.commands.command import Command, Parser, Verb, prepare_logging, report_film


def _run_mux(command: Command) -> int:
    from pipeline import api

    prepare_logging(command)
    film = api.mux(
        command.path("run"),
        partial=bool(command.options["partial"]),
        output_file=command.file("output_file"),
        overwrite=bool(command.options["overwrite"]),
    )
    return report_film(film)


def _add_arguments(parser: Parser) -> None:
    parser.add_run()
    parser.add_argument(
        "--partial",
        action="store_true",
        help="The longest finished beginning, also while the film is made.",
    )
    parser.take_output("Where the film goes (RUN/video.mp4, RUN/partial.mp4).")


VERB = Verb(
    "mux",
    "Join the finished clips and their sound, at any time.",
    "longtake mux runs/mine --partial --output-file so-far.mp4",
    _add_arguments,
    _run_mux,
)
