"""longtake status: what a run has."""

from pipeline.verb import Command, Parser, Verb, prepare, show


def _act(command: Command) -> int:
    from pipeline import runs
    from pipeline.screens import show_status

    prepare(command)
    status = runs.status(command.path("run"))
    if command.options["json"]:
        print(status.as_json())
    else:
        show(show_status(status))
    return 0


def _expect(parser: Parser) -> None:
    parser.take_run()
    parser.take_json()


VERB = Verb(
    "status",
    "What a run has, how fast it goes, and where each setting came from.",
    "longtake status runs/mine --json",
    _expect,
    _act,
)
