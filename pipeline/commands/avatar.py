"""longtake avatar: a presenter is drawn."""

import secrets
import shlex
import sys
from functools import partial
from pathlib import Path

from pipeline.commands.arguments import Parser, read_one_of
from pipeline.commands.command import Command, Job, prepare_logging, print_words, put_path

STYLES = ("flat", "outlined", "shaded", "textured", "line")


def prepare(command: Command) -> Job:
    """Who, how and where to."""
    from pipeline.avatar_pictures import AvatarRequest, draw_presenters

    prepare_logging(command)
    seed, size, count = (command.number(name) for name in ("seed", "size", "count"))
    request = AvatarRequest(
        secrets.randbelow(1_000_000) if seed is None else seed,
        str(command.options["style"]),
        512 if size is None else size,
        1 if count is None else count,
        command.file("output_file"),
        command.has("overwrite"),
    )
    return Job(partial(draw_presenters, request), _show_paths)


def _show_paths(paths: list[Path]) -> int:
    for path in paths:
        put_path(path)
    print_words(f"longtake new {shlex.quote(str(paths[0]))} speech.wav", sys.stderr)
    return 0


def add_arguments(parser: Parser) -> None:
    """A seed, a style, a size, and a place."""
    parser.add_number("--seed", "N", "Who it is; the file's name has it (another each time).")
    parser.add_argument(
        "--style",
        type=read_one_of(*STYLES),
        default=STYLES[0],
        metavar="STYLE",
        help=f"{', '.join(STYLES[:-1])} or {STYLES[-1]} (flat).",
    )
    parser.add_number("--size", "PIXELS", "Of a side, 128 to 2048 (512).")
    parser.add_argument(
        "-n", dest="count", type=int, metavar="COUNT", help="So many presenters, of as many seeds."
    )
    parser.add_argument(
        "-o",
        "--output-file",
        metavar="FILE",
        help="Where the picture goes, or a folder for several (avatar-SEED-STYLE.png).",
    )
    parser.add_switch("--overwrite", "Files of these names may be replaced.")
