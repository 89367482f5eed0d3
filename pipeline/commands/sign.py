"""longtake sign: a signed copy of a finished film."""

import os
from functools import partial
from pathlib import Path

from pipeline.commands.arguments import Parser
from pipeline.commands.command import Command, Job, prepare_logging, put_path


def prepare(command: Command) -> Job:
    """The film, the key, the certificate and where the signed one goes, all checked."""
    from pipeline.signing.credentials import read_credentials
    from pipeline.signing.sign import choose_file, choose_output, choose_run_film, sign_film
    from tasks.open_run import open_run
    from tasks.store_run import FILM

    prepare_logging(command)
    credentials = read_credentials(command.file("key"), command.file("cert"), os.environ)
    path = command.look_at_run(FILM)
    film = choose_file(path) if path.is_file() else choose_run_film(open_run(path))
    target, overwrite = command.file("output_file"), command.has("overwrite")
    output = choose_output(film, target, overwrite=overwrite)
    return Job(partial(sign_film, film, credentials, output), _show_path)


def _show_path(path: Path) -> int:
    put_path(path)
    return 0


def add_arguments(parser: Parser) -> None:
    """A run or a film, and what it is signed with."""
    parser.add_argument("run", metavar="RUN", help="The folder of a run, or a film.")
    parser.add_argument("--key", metavar="FILE", help="The private key, in PEM (LONGTAKE_C2PA_KEY).")  # fmt: skip
    parser.add_argument(
        "--cert",
        metavar="FILE",
        help="The certificate and those that vouch for it, in PEM (LONGTAKE_C2PA_CERT).",
    )
    parser.add_output("Where the signed film goes (RUN/video.signed.mp4).")
