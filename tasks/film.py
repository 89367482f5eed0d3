"""The whole film: what a person names, the windows that Luigi sees, and the joining."""

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.request import Part

if TYPE_CHECKING:
    from storage.run import Run


def make(run: "Run", part: Part | None = None, *, local_scheduler: bool | None = True) -> Path:
    """Make what the run lacks and return the film; `local_scheduler=None` takes Luigi's own command line's.

    Takes the run's lock, sweeps drafts, checks what is there, then drives Luigi window by window. Raises WorkFailed,
    Interrupted, RunLocked, OtherNumerics, NoSpace. Ctrl-C and SIGTERM end it after the current write (main thread only).
    """
    raise NotImplementedError
