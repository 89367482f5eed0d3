"""How a spec lies on the disk as Zarr: which arrays there are, and their shapes. Made once, at the film's final size."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from storage.publish import publish_bytes
from storage.spec import Spec

NAMES = ("latents", "steps", "frames", "audio", "motion", "time", "present", "zarr.json")

TIME_CLIPS = 1024

ClipLayout = tuple[tuple[int, ...], str, tuple[str, ...]]


def clip_arrays(spec: Spec) -> dict[str, ClipLayout]:
    """Of each stage's array: the shape of one clip, the type, the names of the dimensions."""
    latent = (spec.latent_channels, spec.clip_latents, spec.latent_height, spec.latent_width)
    frame = (spec.clip_frames, spec.height, spec.width, 3)
    features = (spec.audio_layers, spec.audio_channels, spec.clip_frames)
    arrays: dict[str, ClipLayout] = {
        "latents": (latent, "float32", ("c", "t", "h", "w")),
        "steps": ((spec.steps, *latent), "float32", ("step", "c", "t", "h", "w")),
        "frames": (frame, "uint8", ("frame", "y", "x", "rgb")),
        "audio": (features, "float32", ("layer", "channel", "frame")),
    }
    if spec.motion_latents:
        motion = (spec.latent_channels, spec.motion_latents, spec.latent_height, spec.latent_width)
        arrays["motion"] = (motion, "float32", ("c", "past", "h", "w"))
    return arrays


def create(root: Path, spec: Spec) -> None:
    """Make every array of a run, empty and durable, and last the group that holds them."""
    from storage import store

    arrays = {name: store.create(root / name, one) for name, one in _layouts(spec).items()}
    for first in range(0, spec.clips, TIME_CLIPS):
        last = min(first + TIME_CLIPS, spec.clips)
        arrays["time"][first:last] = _times(spec, first, last)
    publish_bytes(root / "present" / "c.0", bytes(spec.clips))
    metadata = {name: json.loads((root / name / "zarr.json").read_bytes()) for name in arrays}
    publish_bytes(root / "zarr.json", _group(metadata))


def _layouts(spec: Spec) -> dict[str, Any]:
    from storage.store import Layout

    clips = {
        name: Layout((spec.clips, *shape), (1, *shape), dtype, ("clip", *dimensions))
        for name, (shape, dtype, dimensions) in clip_arrays(spec).items()
    }
    time = Layout(
        (spec.clips, spec.clip_frames),
        (min(TIME_CLIPS, spec.clips), spec.clip_frames),
        "float64",
        ("clip", "frame"),
        attributes={"units": "s", "long_name": "time of a frame in the film; NaN beyond its end"},
    )
    flags = {"flag_masks": [1, 2, 4, 8], "flag_meanings": "audio latents steps frames"}
    present = Layout(
        (spec.clips,), (spec.clips,), "uint8", ("clip",), checked=False, attributes=flags
    )
    return {**clips, "time": time, "present": present}


def _times(spec: Spec, first: int, last: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    frame = np.arange(first * spec.clip_frames, last * spec.clip_frames)
    seconds = np.where(frame < spec.frames, frame / spec.fps, np.nan)
    return seconds.reshape(last - first, spec.clip_frames)


def _group(metadata: dict[str, Any]) -> bytes:
    # Consolidated by hand: without it every reader of the folder is warned of each file that is no array. It cannot go stale, since no array is ever
    # added or resized.
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {"coordinates": "time present"},
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": metadata},
    }
    return json.dumps(group, indent=2).encode()
