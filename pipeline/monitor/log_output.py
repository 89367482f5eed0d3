"""One stream of log lines, Luigi's included: all of it into inference.log, and what a person needs onto stderr."""

import logging
import os
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from storage.errors import NotWritable
from storage.printable import spell_unprintable
from storage.run_paths import open_own

if TYPE_CHECKING:
    from rich.console import Console

# Lines of this logger are words for people and are written as they are, so that `grep '^\[PROGRESS\]'` finds them.
LINES = "longtake.lines"


def log_line(line: str, level: int = logging.INFO) -> None:
    """Log one line for people: in inference.log, and on stderr (on a terminal only from WARNING on: the bar tells the rest)."""
    logging.getLogger(LINES).log(level, "%s", line)


def configure_logging(*, debug: bool = False, console: "Console | None" = None) -> None:
    """Send structlog's events and all loggers' lines one way; `console` is the terminal's, whose bar lines must not tear."""
    import structlog

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    root = logging.getLogger()
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for old in [handler for handler in root.handlers if isinstance(handler, _ConsoleHandler)]:
        root.removeHandler(old)
    root.addHandler(_ConsoleHandler(debug=debug, console=console))
    logging.captureWarnings(capture=True)


def quiet_luigi() -> None:
    """Send Luigi's lines the way of all others: it would put a handler of its own on stderr, and every DEBUG line through it."""
    from luigi.configuration import get_config

    get_config().set("core", "no_configure_logging", "true")
    debug = logging.getLogger().level <= logging.DEBUG
    # It tells of every pending task at every clip, 40 lines: our own events say what was done.
    logging.getLogger("luigi-interface").setLevel(logging.NOTSET if debug else logging.WARNING)
    logging.getLogger("luigi").setLevel(logging.NOTSET if debug else logging.WARNING)


class RunLog:
    """Holds every log line of this process until the run's folder is there, then writes them to its log."""

    def __init__(self) -> None:
        self._held = MemoryHandler(_HELD_LINES, flushLevel=_NEVER)
        self._file: _FileHandler | None = None

    def open(self, path: Path) -> None:
        """Append to this log from now on, what was held first; raises NotWritable."""
        try:
            self._file = _FileHandler(path)
        except OSError as error:
            raise NotWritable(path, error.strerror) from error
        self._file.setFormatter(_make_formatter())
        self._held.setTarget(self._file)
        self._held.close()
        root = logging.getLogger()
        root.removeHandler(self._held)
        root.addHandler(self._file)

    def __enter__(self) -> Self:
        """Begin to hold lines."""
        import structlog

        if not structlog.is_configured():
            configure_logging()
        quiet_luigi()
        logging.getLogger().addHandler(self._held)
        return self

    def __exit__(self, *_fault: object) -> None:
        """Let go of the log."""
        for handler in (self._held, self._file):
            if handler is not None:
                logging.getLogger().removeHandler(handler)
                handler.close()


_HELD_LINES = 10_000
_NEVER = logging.CRITICAL + 1


class _FileHandler(logging.Handler):
    """Lines at the end of a file. On a full or read-only disk they are lost: the error that ends the film is told on stderr."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        if path.is_dir():
            from storage.publish import set_aside

            set_aside(path)
        self._file = open_own(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line at once: nothing is buffered, so nothing is left that could not be written at the end."""
        with suppress(OSError):
            os.write(self._file, (self.format(record) + "\n").encode())

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        super().close()


class _ConsoleHandler(logging.Handler):
    """Writes to stderr what a person needs; everything with --debug."""

    def __init__(self, *, debug: bool, console: "Console | None") -> None:
        super().__init__(logging.DEBUG if debug else logging.INFO)
        self._debug, self._console = debug, console
        self.setFormatter(_make_formatter())

    def filter(self, record: logging.LogRecord) -> bool:
        """True if the line goes to stderr."""
        if self._debug:
            return True
        return record.name == LINES and (self._console is None or record.levelno >= logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, above the progress bar where there is one."""
        try:
            line = self.format(record)
            if self._console is not None:
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                sys.stderr.write(line + "\n")
        except (OSError, ValueError):
            # A closed terminal must not end the film.
            self.handleError(record)


def _make_formatter() -> logging.Formatter:
    import structlog

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
        ],
        processors=[_render_event],
    )


def _render_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """An event as a log line, `2026-11-21T22:14:13Z info clip_published clip=3 frames=48`; words for people as they are."""
    record: logging.LogRecord = event.pop("_record")
    event.pop("_from_structlog")
    what, level = event.pop("event"), event.pop("level")
    if record.name == LINES:
        return spell_unprintable(what)
    trace = event.pop("exception", None)
    when = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    facts = "".join(f" {name}={spell_unprintable(value)}" for name, value in event.items())
    # Indented: what an error says is no line of its own.
    story = "".join(f"\n  {line}" for line in trace.split("\n")) if trace else ""
    return (
        f"{when} {level} {spell_unprintable(what)}{facts}{spell_unprintable(story, keep=chr(10))}"
    )
