"""What the server is told when it starts."""

from dataclasses import dataclass, field
from pathlib import Path

from storage.errors import BadInput

LOCAL = {"127.0.0.1", "localhost", "::1"}
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

    def check(self) -> None:
        """Raise BadInput where anybody on the network could come, or half a password is told."""
        if (self.user is None) != (self.password is None):
            raise BadInput("--user and --password go together; with a token neither is needed.")
        if self.host not in LOCAL and self.token is None and self.password is None:
            raise BadInput(
                f"At {self.host} others can reach the server: add --token, or --user and --password."
            )
        for secret in (self.token, self.password):
            if secret is not None and not secret:
                raise BadInput("A token or a password is empty.")
