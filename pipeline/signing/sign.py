"""`longtake sign`: a signed copy of a finished film, beside it. The unsigned film stays as it is, to the byte."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.signing.credentials import Credentials
from pipeline.signing.signature import (
    INPUTS_LABEL,
    KIND,
    RUN_LABEL,
    SIGNED,
    is_signed,
    read_signature,
)
from storage.digest import hash_file
from storage.errors import AlreadySigned, BadCertificate, BadFilm, NotWritable
from storage.film_marks import SOURCE_TYPE, TOOL
from storage.media_file import open_media
from storage.output_file import FILM, OutputFile, SourceRun
from storage.run_marks import title_of
from storage.run_paths import path_inside

if TYPE_CHECKING:
    from storage.run import Run

Assertion = dict[str, Any]


@dataclass(frozen=True)
class FilmToSign:
    """A film, and what its signature will say of it."""

    path: Path
    title: str
    assertions: tuple[Assertion, ...]
    maker: SourceRun | None
    signed: Path
    """Where the signed one goes, unless another place is named."""


def choose_run_film(run: "Run") -> FilmToSign:
    """The whole film of a run, with the run's facts and the hashes of its inputs. Raises NotMade, Damaged."""
    path = run.verified_path("video")
    facts = describe_run(run, hash_file(path)), describe_inputs(run)
    maker = SourceRun(run.root, run.spec)
    return FilmToSign(path, title_of(run), facts, maker, path_inside(run.root, SIGNED))


def choose_file(path: Path) -> FilmToSign:
    """A film by itself, a part or a partial film; its tags say what it is. Raises BadFilm."""
    try:
        with open_media(path, "mp4") as film:
            title = str(film.metadata.get("title") or path.stem)
            made = SOURCE_TYPE in film.metadata.get("description", "")
    except Exception as error:
        raise BadFilm(path, "it is no mp4 that can be read") from error
    if not made:
        raise BadFilm(path, "longtake did not make it, as its description says, and signs no other")
    facts: Assertion = {"label": RUN_LABEL, "data": {"film": hash_file(path)}}
    return FilmToSign(path, title, (facts,), None, path.with_name(f"{path.stem}.signed.mp4"))


def sign_film(film: FilmToSign, credentials: Credentials, output: OutputFile) -> Path:
    """Put the signed film where `output` says; read back before it is there. Raises BadCertificate where the library does not take the certificate, NotWritable."""
    import c2pa

    info = c2pa.C2paSignerInfo(credentials.algorithm, credentials.chain, credentials.key, None)
    try:
        with (
            output.write() as draft,
            film.path.open("rb") as source,
            draft.open("w+b") as target,
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(json.dumps(build_manifest(film))) as builder,
        ):
            builder.sign(signer, KIND, source, target)
            target.flush()
            _require_valid(draft, output.path)
    except c2pa.C2paError.Io as error:
        raise NotWritable(output.path, "its disk did not take it whole") from error
    except c2pa.C2paError as error:
        raise BadCertificate("this certificate", f"{error}") from error
    return output.path


def _require_valid(draft: Path, path: Path) -> None:
    """Raise NotWritable unless what was written reads back as what was signed."""
    if (found := read_signature(draft)).state != "valid":
        raise NotWritable(path, f"what was signed reads back otherwise: it {found.flaw}")


def choose_output(film: FilmToSign, path: Path | None, *, overwrite: bool) -> OutputFile:
    """Where the signed film goes; raises AlreadySigned, BadOutput, before any work."""
    if is_signed(film.path):
        raise AlreadySigned(film.path, "sign the film that it was made from")
    target = path or film.signed
    if target.is_file() and not overwrite and is_signed(target):
        raise AlreadySigned(target, "--overwrite signs it anew")
    output = OutputFile(target, FILM, film.maker, (film.path,), overwrite)
    output.check()
    return output


def build_manifest(film: FilmToSign) -> dict[str, Any]:
    """What is signed, as the library takes it."""
    created = {
        "action": "c2pa.created",
        "digitalSourceType": SOURCE_TYPE,
        "softwareAgent": _agent(),
    }
    actions = {"label": "c2pa.actions.v2", "data": {"actions": [created]}}
    return {
        "claim_generator_info": [_agent()],
        "title": film.title,
        "format": KIND,
        "assertions": [actions, *film.assertions],
    }


def describe_run(run: "Run", film: str) -> Assertion:
    """What decided the film, and the hash of the unsigned one; the prompt is in the spec's digest, and not told."""
    spec = run.spec
    names = ("model", "weights", "seed", "width", "height", "fps", "frames", "clips", "steps")
    facts = {
        "film": film,
        "spec": spec.digest,
        **{name: getattr(spec, name) for name in names},
        "takes": len(spec.takes),
        "numerics": dict(run.fingerprint_at(-1)),
        "joints": len(run.joints),
    }
    return {"label": RUN_LABEL, "data": facts}


def describe_inputs(run: "Run") -> Assertion:
    """The hashes of what the film was made from."""
    inputs = {"picture": run.spec.image, "sound": run.spec.audio}
    inputs |= {f"sound {number}": dub.audio for number, dub in run.spec.dubs.items()}
    inputs |= {"pose video": run.spec.pose} if run.spec.pose else {}
    data = [{"input": name, "alg": "sha256", "hash": digest} for name, digest in inputs.items()]
    return {"label": INPUTS_LABEL, "data": {"inputs": data}}


def _agent() -> dict[str, str]:
    return {"name": TOOL, "version": version(TOOL)}
