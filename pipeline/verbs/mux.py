"""longtake mux: join what is there."""

from pipeline.verb import Command, Parser, Verb, prepare, tell


def _act(command: Command) -> int:
    from pipeline import runs

    prepare(command)
    film = runs.mux(
        command.path("run"),
        partial=bool(command.options["partial"]),
        output_file=command.file("output_file"),
        overwrite=bool(command.options["overwrite"]),
    )
    return tell(film)


def _expect(parser: Parser) -> None:
    parser.take_run()
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
    _expect,
    _act,
)
