"""How a spec lies on the disk as Zarr: which arrays there are, and their shapes. Made once, at the film's final size."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from storage.array_layout import ArrayLayout
from storage.chunks import ChunkUnreadable, read_chunk
from storage.digest import CONTENT_CHANGED
from storage.names import GROUP
from storage.publish import make_folder, publish_bytes, remove_path
from storage.refusals import raise_if_machine_refused
from storage.run_paths import path_inside
from storage.schema import Unfit, read_json
from storage.spec import Spec

TIME_CLIPS = 1024

LARGEST_METADATA = 1 << 20
"""Bytes of a zarr.json."""

ClipLayout = tuple[tuple[int, ...], str, tuple[str, ...]]


def clip_arrays(spec: Spec) -> dict[str, ClipLayout]:
    """The layout of each stage's array, by stage: shape of one clip, NumPy type, names of the dimensions."""
    latent = (spec.latent_channels, spec.clip_latents, spec.latent_height, spec.latent_width)
    frame = (spec.clip_frames, spec.height, spec.width, 3)
    features: tuple[int, ...] = (spec.audio_layers, spec.audio_channels, spec.clip_frames)
    heard: tuple[str, ...] = ("layer", "channel", "frame")
    if spec.speakers:
        features, heard = (spec.speaker_count, *features), ("speaker", *heard)
    arrays: dict[str, ClipLayout] = {
        "latents": (latent, "float32", ("c", "t", "h", "w")),
        "steps": ((spec.steps, *latent), "float32", ("step", "c", "t", "h", "w")),
        "frames": (frame, "uint8", ("frame", "y", "x", "rgb")),
        "audio": (features, "float32", heard),
    }
    if spec.pose:
        arrays["pose"] = (latent, "float32", ("c", "t", "h", "w"))
    if spec.motion_latents:
        motion = (spec.latent_channels, spec.motion_latents, spec.latent_height, spec.latent_width)
        arrays["motion"] = (motion, "float32", ("c", "past", "h", "w"))
    return arrays


def create_arrays(root: Path, spec: Spec) -> None:
    """Make every array of a run, empty and durable, and last the group that holds them. What an interrupted create left of them goes first."""
    metadata = _metadata_files(spec)
    group = metadata.pop(GROUP)
    for name, text in metadata.items():
        path = path_inside(root, name)
        if path.parent.exists():
            remove_path(path.parent)
        make_folder(path.parent)
        publish_bytes(path, text)
    for first, last in _time_spans(spec):
        _publish_times(root, spec, first, last)
    publish_bytes(path_inside(root, "present/c.0"), bytes(spec.clips))
    publish_bytes(path_inside(root, GROUP), group)


def find_layout_flaws(root: Path, spec: Spec) -> Iterator[tuple[str, str]]:
    """Each file of `create_arrays` that is not as it was made, and what is wrong with it. Reads 8 bytes a frame of film: that is quick."""
    for name, wanted in _metadata_files(spec).items():
        if (flaw := find_json_flaw(path_inside(root, name), wanted)) is not None:
            yield name, flaw
    for first, last in _time_spans(spec):
        if (flaw := _time_flaw(root, spec, first, last)) is not None:
            yield _time_chunk(first), flaw


def rewrite_layout_file(root: Path, spec: Spec, name: str) -> None:
    """Write one of the files of `create_arrays` anew, by its name in the run: it follows from the spec."""
    metadata = _metadata_files(spec)
    path = path_inside(root, name)
    make_folder(path.parent)
    if name in metadata:
        publish_bytes(path, metadata[name])
        return
    for first, last in _time_spans(spec):
        if name == _time_chunk(first):
            _publish_times(root, spec, first, last)


def find_metadata_flaw(path: Path, layout: ArrayLayout) -> str | None:
    """What is wrong with the zarr.json of an array; None if it says what `create_arrays` writes."""
    from storage.zarr_store import render_metadata

    return find_json_flaw(path, render_metadata(layout))


def find_json_flaw(path: Path, wanted: bytes) -> str | None:
    """What is wrong with a zarr.json against the bytes it should hold, by what it says: another version of Zarr may set its lines otherwise. None if it says it all."""
    try:
        found = read_json(path, LARGEST_METADATA)
    except FileNotFoundError:
        return "is missing"
    except (OSError, Unfit) as error:
        raise_if_machine_refused(error)
        return CONTENT_CHANGED
    return None if found == json.loads(wanted) else CONTENT_CHANGED


def _time_flaw(root: Path, spec: Spec, first: int, last: int) -> str | None:
    layout = array_layouts(spec)["time"]
    try:
        found = read_chunk(path_inside(root, _time_chunk(first)), layout.chunks, layout.dtype)
    except ChunkUnreadable as error:
        return str(error)
    same = np.array_equal(found[: last - first], _frame_times(spec, first, last), equal_nan=True)
    return None if same else CONTENT_CHANGED


def _time_spans(spec: Spec) -> Iterator[tuple[int, int]]:
    for first in range(0, spec.clips, TIME_CLIPS):
        yield first, min(first + TIME_CLIPS, spec.clips)


def _publish_times(root: Path, spec: Spec, first: int, last: int) -> None:
    from storage.zarr_store import array_at

    array = array_at(path_inside(root, "time"), array_layouts(spec)["time"])
    array[first:last] = _frame_times(spec, first, last)


def _time_chunk(first: int) -> str:
    return f"time/c.{first // TIME_CLIPS}.0"


def _metadata_files(spec: Spec) -> dict[str, bytes]:
    """Every zarr.json of a run by its path, the group's last: it holds all the others."""
    from storage.zarr_store import render_metadata

    texts = {name: render_metadata(one) for name, one in array_layouts(spec).items()}
    group = _group_metadata({name: json.loads(text) for name, text in texts.items()})
    return {**{f"{name}/{GROUP}": text for name, text in texts.items()}, GROUP: group}


def array_layouts(spec: Spec) -> dict[str, ArrayLayout]:
    """Every array of a run by its name."""
    clips = {
        name: ArrayLayout((spec.clips, *shape), (1, *shape), dtype, ("clip", *dimensions))
        for name, (shape, dtype, dimensions) in clip_arrays(spec).items()
    }
    time = ArrayLayout(
        (spec.clips, spec.clip_frames),
        (min(TIME_CLIPS, spec.clips), spec.clip_frames),
        "float64",
        ("clip", "frame"),
        attributes={"units": "s", "long_name": "time of a frame in the film; NaN beyond its end"},
    )
    flags = {"flag_masks": [1, 2, 4, 8], "flag_meanings": "audio latents steps frames"}
    present = ArrayLayout(
        (spec.clips,), (spec.clips,), "uint8", ("clip",), checked=False, attributes=flags
    )
    return {**clips, "time": time, "present": present}


def _frame_times(spec: Spec, first: int, last: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    frame = np.arange(first * spec.clip_frames, last * spec.clip_frames)
    seconds = np.where(frame < spec.frames, frame / spec.fps, np.nan)
    return seconds.reshape(last - first, spec.clip_frames)


def _group_metadata(metadata: dict[str, Any]) -> bytes:
    # Consolidated by hand: without it every reader of the folder is warned of each file that is no array. It cannot go stale, since no array is ever
    # added or resized.
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {"coordinates": "time present"},
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": metadata},
    }
    return json.dumps(group, indent=2).encode()
