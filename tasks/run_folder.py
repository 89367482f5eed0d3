"""Where the run of a film lies: in its own folder, or in one for several films."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from storage.errors import NotARun
from storage.names import find_conflicting_names, is_run
from storage.run import Run
from storage.spec import Spec

FILE_BYTES = 128
"""Of the longest path in a run, from its folder on, as a draft."""

if TYPE_CHECKING:
    from tasks.request import Request


def choose_folder(request: "Request", spec: Spec) -> Path:
    """The folder, absolute."""
    if request.run is None and request.output_dir is not None:
        place = resolve_folder(request.output_dir)
        return room_in(place, spec, any_seed=request.base_seed == -1)
    return resolve_folder(request.run or name_folder(Path("runs"), spec))


def name_folder(place: Path, spec: Spec) -> Path:
    """The folder of a film's own among those of others: that of an older version's run, which named no threads of the encoder, or a new one's."""
    older = place / replace(spec, encoder_threads=0).digest[:12]
    return older if is_run(older) else place / spec.digest[:12]


def resolve_folder(path: Path) -> Path:
    """The folder without links on the way, absolute; it need not be there. Raises NotARun where its links lead round in a circle, or no file of a run could be named in it."""
    try:
        folder = path.resolve()
        folder.exists()  # a name that is too long
    except RuntimeError:
        raise NotARun(path, "its links lead round in a circle") from None
    except OSError as error:
        raise NotARun(path, error.strerror) from None
    longest = os.pathconf("/", "PC_PATH_MAX") - FILE_BYTES
    if len(os.fsencode(folder)) > longest:
        raise NotARun(path, f"its path is longer than {longest} bytes")
    return folder


def room_in(place: Path, spec: Spec, *, any_seed: bool) -> Path:
    """Where in a folder for films this film's run lies or will lie: in itself, or beside another film's in a folder of its own there.

    `any_seed`: the seed was drawn, so it is no part of what the run is found by.
    """
    named = replace(spec, seed=-1) if any_seed else spec
    own = name_folder(place, named)
    if is_run(own):
        return own
    if is_run(place):
        return place if is_of(place, spec, any_seed=any_seed) else own
    return own if find_conflicting_names(place) else place


def is_of(root: Path, spec: Spec, *, any_seed: bool) -> bool:
    """True if the run in a folder is of this film; `any_seed`: but for its seed."""
    there = Run.open(root).spec
    return there == follow_run(spec, there, any_seed=any_seed)


def follow_run(spec: Spec, there: Spec, *, any_seed: bool) -> Spec:
    """The spec with what a run has that no request says: the face that was found, where none is told, the encoder's threads of its day, and with `any_seed` the seed that it drew."""
    return replace(
        spec,
        seed=there.seed if any_seed else spec.seed,
        face_boxes=spec.face_boxes or there.face_boxes,
        encoder_threads=there.encoder_threads,
    )
