"""A help screen, which stands out on a terminal."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType


def print_help(text: str) -> int:
    """Print it on stdout, coloured where that is a terminal; the exit code."""
    if sys.stdout.isatty():
        from pipeline.commands.command import print_renderables

        print_renderables([colour_help(text)])
    else:
        print(text, end="")
    return 0


def colour_help(text: str) -> "RenderableType":
    """A help screen: flags, verbs and examples stand out."""
    from rich.highlighter import RegexHighlighter
    from rich.text import Text

    from pipeline.commands.registry import VERBS

    class Help(RegexHighlighter):
        base_style = ""
        highlights = [  # noqa: RUF012 - rich's own way
            r"(?P<bold_cyan>(?<![\w-])--?[a-z][a-z-]*)",
            r"(?m)(?P<bold>^[a-z ]+:$)",
            r"(?m)(?P<green>^  longtake .*$)",
            rf"(?m)^  (?P<bold_cyan>{'|'.join(VERBS)})  ",
        ]

    return Help()(Text(text.rstrip("\n")))
