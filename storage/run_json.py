"""run.json: what is frozen in a run, and its settings. Kept twice, sealed against damage, and checked field by field: somebody else may have written it."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from storage.digest import CONTENT_CHANGED
from storage.errors import RunDamaged, RunTooNew
from storage.names import COPY, MAIN
from storage.publish import publish_bytes
from storage.refusals import raise_if_machine_refused, raise_if_unreadable
from storage.run_paths import path_inside, read_plain
from storage.schema import (
    NONE,
    EitherOf,
    ListOf,
    TableOf,
    TableWith,
    Text,
    Unfit,
    Whole,
    check_value,
    checks_of,
    read_json,
)
from storage.seed_history import DIGEST, LARGEST_SEED, MOST_CLIPS, Take
from storage.speaker import SPEAKER_INPUTS
from storage.spec import MOST_TAKES, Settings, Spec

FORMAT = 1
LARGEST = 8 << 20
"""Bytes of run.json."""

Facts = dict[str, Any]
Found = tuple[Facts | None, str | None]
"""What a file says; or what is wrong with it."""


def _check_spec(facts: object) -> None:
    TableWith({})(facts)
    Spec.from_facts(facts)  # type: ignore[arg-type]


def _input_name(name: str) -> Text:
    return Text(64, rf"inputs/{name}(\.[^\W_]+)?")


_FINGERPRINT = TableOf(
    EitherOf((Whole(-(1 << 62), 1 << 62), Text(4096))),
    256,
    {"threads": Whole(1, 1024)},
)
_CLIP = Whole(0, MOST_CLIPS)
_PARENT = TableWith(
    {
        "run": Text(4096),
        "spec": Text(64, DIGEST),
        **{name: checks_of(Take)[name] for name in ("clip", "until", "seed", "redecode")},
        "seed_before": Whole(0, LARGEST_SEED),
    },
    {
        "soften": checks_of(Take)["soften"],
        "dub": checks_of(Take)["dub"],
        "also": ListOf(ListOf(Whole(0, MOST_CLIPS), 2), MOST_TAKES),
    },
)


_DUBS = tuple(f"dub{number}" for number in range(1, MOST_TAKES + 1))
_FIELDS = TableWith(
    {
        "spec": _check_spec,
        "settings": TableWith({}, checks_of(Settings)),
        "fingerprint": _FINGERPRINT,
        "sources": TableOf(Text(4096), 256),
        # Names of our own, in the run: any other could lead out of it.
        "inputs": TableWith(
            {name: _input_name(name) for name in ("image", "audio")},
            {name: _input_name(name) for name in ("pose", *SPEAKER_INPUTS, *_DUBS)},
        ),
        "joints": ListOf(TableWith({"clip": _CLIP, "fingerprint": _FINGERPRINT}), 100_000),
    },
    {"parent": EitherOf((NONE, _PARENT))},
)


def read_facts(root: Path) -> Facts:
    """What a run's files say of it, by run.json or else by its copy. Raises RunDamaged, RunTooNew, LinkInRun."""
    (main, flaw), (copy, _) = (read_file(root, name) for name in (MAIN, COPY))
    if main and copy and main["spec"] != copy["spec"]:
        words = f"{MAIN} and {COPY} are of two films"
        raise RunDamaged(root, words, "remove the one that does not belong here")
    if facts := main or copy:
        return facts
    for name in (MAIN, COPY):
        _require_readable(path_inside(root, name))
    words = f"{MAIN} and its copy are both damaged: {MAIN} {flaw}"
    raise RunDamaged(root, words, f"copy {MAIN} back from a backup")


def _require_readable(path: Path) -> None:
    """Raise NotReadable where the disk does not give the file, or MachineLimit."""
    try:
        read_plain(path, LARGEST)
    except OSError as error:
        raise_if_unreadable(path, error)


def read_either(root: Path) -> Facts | None:
    """The facts of run.json or of its copy, whichever can be read; None where neither can. Raises RunTooNew, LinkInRun."""
    return read_file(root, MAIN)[0] or read_file(root, COPY)[0]


def read_file(root: Path, name: str) -> Found:
    """The facts of one of the files, its seal and every field checked; or what is wrong with it, to be read after its name. Raises RunTooNew, LinkInRun."""
    try:
        facts = read_json(path_inside(root, name), LARGEST)
    except FileNotFoundError:
        return None, "is missing"
    except OSError as error:
        raise_if_machine_refused(error)
        return None, f"cannot be read ({error.strerror})"
    except Unfit:
        return None, CONTENT_CHANGED
    if not isinstance(facts, dict) or facts.pop("seal", None) != _compute_seal(facts):
        return None, CONTENT_CHANGED
    try:
        check_value("format", facts.get("format"), Whole(1, 1 << 31))
        if facts["format"] > FORMAT:
            raise RunTooNew(root, facts["format"], FORMAT)
        _FIELDS(facts)
        _require_pose_video(facts)
    except Unfit as reason:
        return None, f"cannot be: {reason}"
    return facts, None


def _require_pose_video(facts: Facts) -> None:
    """A film that has the hash of a pose video has the name of its file, and no other film has."""
    if bool(facts["spec"].get("pose")) != ("pose" in facts["inputs"]):
        raise Unfit("inputs and spec differ in whether there is a pose video")


def find_run_json_flaws(root: Path) -> Iterator[tuple[str, str]]:
    """Each of run.json and its copy that is not whole, with what is wrong with it."""
    found = {name: read_file(root, name) for name in (MAIN, COPY)}
    wanted = found[MAIN][0] or found[COPY][0]
    for name, (facts, flaw) in found.items():
        if flaw is not None:
            yield name, flaw
        elif facts != wanted:
            yield name, f"says something else than {MAIN}"


def save_run_json(root: Path, facts: Facts) -> None:
    """Write run.json and its copy, durably."""
    # The copy first: run.json, the last thing written, is what makes the folder a run.
    for name in (COPY, MAIN):
        write_file(root, name, facts)


def write_file(root: Path, name: str, facts: Facts) -> None:
    """Write run.json or its copy, durably. What could not be read again is not written: raises Unfit."""
    _FIELDS(facts)
    sealed = {**facts, "seal": _compute_seal(facts)}
    text = json.dumps(sealed, indent=2, ensure_ascii=False) + "\n"
    publish_bytes(path_inside(root, name), text.encode())


def _compute_seal(facts: Facts) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
