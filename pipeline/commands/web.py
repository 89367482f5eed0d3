"""longtake web: the page and the HTTP API over a folder of runs."""

import os
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser
from pipeline.commands.command import Command, Job, prepare_logging, print_words
from storage.errors import BadInput, Interrupted, Terminated

if TYPE_CHECKING:
    from pipeline.web.settings import WebSettings

TOKEN, PASSWORD = "LONGTAKE_WEB_TOKEN", "LONGTAKE_WEB_PASSWORD"
PACKAGES = ("fastapi", "uvicorn", "python_multipart", "websockets", "gradio")


def prepare(command: Command) -> Job:
    """The folder, the port, and who may come."""
    prepare_logging(command)
    for package in PACKAGES:
        if find_spec(package) is None:
            raise BadInput(
                f"longtake web needs the package {package}, which is not installed (in longtake's folder: pip install '.[web]')."
            )
    return Job(partial(_serve, _read_settings(command)), int)


def _read_settings(command: Command) -> "WebSettings":
    """What the words and the environment say; raises BadInput."""
    from pipeline.web.settings import WebSettings

    def read_word(name: str, variable: str = "") -> str | None:
        word = command.options[name] or os.environ.get(variable)
        return None if word is None else str(word)

    settings = WebSettings(
        root=command.file("root") or Path("runs"),
        host=read_word("host") or "127.0.0.1",
        port=WebSettings.port if command.options["port"] is None else command.number("port") or 0,
        places=tuple(command.paths("allow")),
        token=read_word("token", TOKEN),
        user=read_word("user"),
        password=read_word("password", PASSWORD),
    )
    settings.check()
    return settings


def _serve(settings: "WebSettings") -> int:
    """Serve until Ctrl-C or SIGTERM; their exit code."""
    from pipeline.web.server import open_port, serve_forever

    with open_port(settings.host, settings.port) as listening:
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        print_words(f"http://{shown}:{port}/")
        try:
            serve_forever(settings, listening)
        except KeyboardInterrupt as stopped:
            print_words("longtake: The server has ended; the films go on.", sys.stderr)
            kind = Terminated if str(stopped) == "SIGTERM" else Interrupted
            return kind.exit_code
    return 0


def add_arguments(parser: Parser) -> None:
    """Where it listens, what it serves, and who may come."""
    parser.usage = "longtake web [--port P] [--root DIR] [flags]"
    parser.add_number("--port", "P", "The port (7860; 0 takes a free one).")
    parser.add_argument("--root", metavar="DIR", help="The folder of runs (runs).")
    parser.add_argument(
        "--host", metavar="NAME", help="The address to listen at (127.0.0.1: this machine alone)."
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="DIR",
        help="Requests may name files in it as well, weights among them; again for each folder.",
    )
    parser.add_argument(
        "--token", metavar="TEXT", help=f"What requests must bring (rather in {TOKEN})."
    )
    parser.add_argument("--user", metavar="NAME", help="Whom the browser must name.")
    parser.add_argument(
        "--password", metavar="TEXT", help=f"With --user, and what for (rather in {PASSWORD})."
    )
