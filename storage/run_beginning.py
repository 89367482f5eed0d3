"""What a run is made of, and the beginning of its folder, before run.json is there."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from storage import drafts, layout, publish, run_json
from storage.input_files import copy_input, link_input, plain_suffix
from storage.names import BEGUN, FOLDERS, OWN
from storage.records import Facts
from storage.run_paths import path_inside
from storage.spec import Settings, Spec

if TYPE_CHECKING:
    from storage.run import Run

Fingerprint = Mapping[str, str | int]


@dataclass(frozen=True)
class RetakeSource:
    """The run whose files a new run shares, and what was taken from it."""

    facts: Facts
    """What run.json says of it, as `parent`."""
    joints: tuple[Facts, ...]
    share: Callable[["Run"], None]
    """Link what the two have in common; done again where a crash has cut it short."""


@dataclass(frozen=True)
class NewRun:
    """All that a new run is made of: spec, settings, sources, inputs."""

    spec: Spec
    settings: Settings
    sources: Mapping[str, str]
    """Where each setting came from: flag, environment, default, published flag."""
    fingerprint: Fingerprint
    """The numerics: what decides the last bits."""
    image: Path
    audio: Path
    origin: RetakeSource | None = None
    more: Mapping[str, Path] = field(default_factory=dict)
    """Further inputs by name: the pose video, what several speakers are made of."""

    strange: frozenset[str] = frozenset()
    """Names of inputs that are no other run's: they are copied, also where the others are linked."""

    @property
    def inputs(self) -> Mapping[str, Path]:
        """The files that the run gets its own copies of, by name."""
        return {"image": self.image, "audio": self.audio, **self.more}


def prepare_folder(root: Path, start: NewRun) -> Facts:
    """Make a new run's folders, its inputs and its empty arrays; what run.json will say of it."""
    facts = _first_facts(start)
    for folder in FOLDERS:
        publish.make_folder(path_inside(root, folder))
    for name, digest in start.spec.input_digests.items():
        bring = copy_input if start.origin is None or name in start.strange else link_input
        bring(start.inputs[name], path_inside(root, facts["inputs"][name]), digest)
    layout.create_arrays(root, start.spec)
    if start.origin is not None:
        run_json.write_file(root, BEGUN, facts)
    return facts


def find_beginning(root: Path) -> Facts | None:
    """What an interrupted create has written down, its drafts swept away."""
    drafts.sweep_drafts(root, OWN)
    return run_json.read_file(root, BEGUN)[0]


def forget_beginning(root: Path) -> None:
    """Remove what is only for a run that has no run.json yet."""
    if (path := path_inside(root, BEGUN)).exists():
        publish.remove_path(path)


def _first_facts(start: NewRun) -> Facts:
    origin = start.origin
    return {
        "format": run_json.FORMAT,
        "spec": asdict(start.spec),
        "fingerprint": dict(start.fingerprint),
        "settings": asdict(start.settings),
        "sources": dict(start.sources),
        "inputs": {
            name: f"inputs/{name}{plain_suffix(path)}" for name, path in start.inputs.items()
        },
        "joints": [*origin.joints] if origin else [],
        **({"parent": origin.facts} if origin else {}),
    }
