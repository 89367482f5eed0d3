"""What the server is told when it starts."""

from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True)
class WebSettings:
    """How `longtake web` serves one folder of jobs."""

    root: Path
    host: str = "127.0.0.1"
    port: int = 7860
    places: tuple[Path, ...] = ()
    """Folders besides the root in which requests may name files: pictures, sounds, weights."""
    token: str | None = field(default=None, repr=False)
    """What `Authorization: Bearer …` must say, where it is set."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    """With `user`, what a browser is asked for."""
    upload_bytes: int = 512 * MIB
    """Of one file at the most."""
    upload_seconds: float = 30.0
    """An upload of which nothing comes for so long is given up."""
    uploads_at_once: int = 8
    creates_a_minute: int = 60
    """Films that may be asked for in a minute, by everybody together."""
