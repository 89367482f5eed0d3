"""A film's signature, read: who signed it, and whether it is as it was then."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.json_output import to_json
from storage.film_marks import SOURCE_TYPE
from storage.run_paths import path_inside

if TYPE_CHECKING:
    from storage.run import Run

State = Literal["valid", "broken", "unsigned", "unread"]
KIND = "video/mp4"
SIGNED = "video.signed.mp4"
"""Beside a run's film."""
RUN_LABEL, INPUTS_LABEL = "org.longtake.run", "org.longtake.inputs"
_UNKNOWN_SIGNER = "signingCredential.untrusted"
"""No list of trusted signers is asked: that is for whoever trusts them."""


@dataclass(frozen=True)
class Signature:
    """What is known of a film's signature."""

    path: str
    state: State
    """broken: the film or the signature was changed; unread: the extra `c2pa` is not installed."""
    signer: str = ""
    flaw: str = ""
    """What is wrong, to be read after the path."""
    run: dict[str, Any] = field(default_factory=dict)
    """The facts of the run that it was signed with."""

    @property
    def holds(self) -> bool:
        """False where something was changed."""
        return self.state != "broken"

    def as_json(self) -> str:
        """The signature as one JSON object, for machines."""
        return to_json(self)


def is_signed(path: Path) -> bool:
    """True if a file has a signature, whole or not."""
    return read_signature(path).state in {"valid", "broken"}


def read_signature(path: Path) -> Signature:
    """Read and check the signature of a film. Raises OSError."""
    try:
        import c2pa
    except ImportError:
        return Signature(str(path), "unread")
    try:
        with path.open("rb") as film, c2pa.Reader(KIND, film) as reader:
            return _judge(path, json.loads(reader.json()))
    except c2pa.C2paError.ManifestNotFound:
        return Signature(str(path), "unsigned")
    except c2pa.C2paError as error:
        return Signature(str(path), "broken", flaw=f"its signature cannot be read ({error})")


def read_signed_film(run: "Run") -> Signature | None:
    """The signature of the film that was signed beside a run's own; None where there is none. One of another film, or of this one as it was once, does not hold."""
    path = path_inside(run.root, SIGNED)
    if not path.is_file():
        return None
    found, facts = read_signature(path), run.records.vouched("video")
    if found.state != "valid" or (facts and found.run.get("film") == facts["sha256"]):
        return found
    return replace(found, state="broken", flaw="is not of the film that lies beside it now")


def _judge(path: Path, found: dict[str, Any]) -> Signature:
    manifest = found["manifests"][found["active_manifest"]]
    signed = manifest.get("signature_info") or {}
    names = filter(None, (signed.get("common_name"), signed.get("issuer")))
    said = {each["label"]: each["data"] for each in manifest.get("assertions", ())}
    signer, run = ", ".join(dict.fromkeys(names)), said.get(RUN_LABEL, {})
    if flaw := _find_flaw(found):
        return Signature(str(path), "broken", signer, f"is not as it was signed: {flaw}", run)
    if SOURCE_TYPE not in json.dumps(said):
        return Signature(str(path), "valid", signer, "its signature does not say that a model made it", run)  # fmt: skip
    return Signature(str(path), "valid", signer, "", run)


def _find_flaw(found: dict[str, Any]) -> str:
    """The first thing that does not hold, in the library's words; empty where all does."""
    failures = found.get("validation_status") or ()
    serious = (each for each in failures if each.get("code") != _UNKNOWN_SIGNER)
    return next((str(each.get("explanation") or each.get("code")) for each in serious), "")
