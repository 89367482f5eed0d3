"""longtake inspect: look at latents."""

from pipeline.verb import Command, Parser, Verb, prepare, show


def _act(command: Command) -> int:
    from pipeline import runs
    from pipeline.screens import show_inspection

    prepare(command)
    inspection = runs.inspect(
        command.path("run"),
        int(str(command.options["clip"])),
        step=command.number("step"),
        output_file=command.file("output_file"),
    )
    if command.options["json"]:
        print(inspection.as_json())
    else:
        show(show_inspection(inspection))
    return 0


def _expect(parser: Parser) -> None:
    parser.take_run()
    parser.add_argument(
        "--clip", type=int, required=True, metavar="N", help="Which clip, counted from 0."
    )
    parser.add_argument(
        "--step", type=int, metavar="S", help="This step only, counted from 0; larger pictures."
    )
    parser.add_argument(
        "--output-file", metavar="FILE", help="Where the PNG goes (RUN-clipN.png in this folder)."
    )
    parser.add_argument("--json", action="store_true", help="The numbers for machines.")


VERB = Verb(
    "inspect",
    "One clip's latents after each step, as pictures (PNG) and numbers.",
    "longtake inspect runs/mine --clip 3 --step 2",
    _expect,
    _act,
)
