"""`longtake verify FILE`: what a film says of itself, wherever it lies, and whether its signature holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.json_output import to_json
from pipeline.signing.signature import Signature, read_signature
from storage.errors import BadFilm
from storage.video_check import find_missing


@dataclass(frozen=True)
class FileCheck:
    """A film by itself."""

    signature: Signature
    lacks: str
    """Marks that it does not have, in words."""

    @property
    def is_good(self) -> bool:
        """True where it says that a model made it, and nothing was changed since it was signed, if it was."""
        return self.signature.holds and not self.lacks

    def as_json(self) -> str:
        """The check as one JSON object, for machines."""
        return to_json(self)


def check_file(path: Path) -> FileCheck:
    """Read a film's marks and its signature. Raises BadFilm where it is no mp4."""
    try:
        lacks = find_missing(path)
    except Exception as error:
        raise BadFilm(path, "it is no mp4 that can be read") from error
    return FileCheck(read_signature(path), lacks)


def show_file(check: FileCheck) -> Iterator[str]:
    """The check in words, for people."""
    yield describe_signature(check.signature)
    if check.lacks:
        yield f"It lacks {check.lacks}."
    else:
        yield "It says that a model made it: the IPTC's term, the AIGC field, XMP."


def describe_signature(signature: Signature) -> str:
    """A signature in one line."""
    path = signature.path
    if signature.state == "unsigned":
        return f"{path} is not signed."
    if signature.state == "unread":
        return f"Whether {path} is signed cannot be read: the extra `c2pa` is not installed."
    if signature.flaw:
        return f"{path} {signature.flaw}."
    film = f" (the film {str(signature.run['spec'])[:12]})" if "spec" in signature.run else ""
    return f"{path} is as it was signed by {signature.signer}{film}."
