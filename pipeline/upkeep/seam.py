"""How much a join of two takes shows: what changes there from frame to frame and from latent to latent, against inside the clips beside it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tasks.events import emit_event, record_events

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from storage.run import Run

STAGE = "seam"


@dataclass(frozen=True)
class SeamChange:
    """How much pictures (or latents) change at a seam, against inside of the clips beside it."""

    joint: float
    """At the seam."""
    inside: float
    """Mean, in the two clips beside it."""
    most: float
    """The greatest of those."""


@dataclass(frozen=True)
class Seam:
    """The join before a clip, and how much it shows."""

    clip: int
    seconds: float
    """Where in the film it is."""
    frames: SeamChange
    """Mean absolute difference of what is played, of 255."""
    latents: SeamChange
    """Root of the mean squared difference."""
    apart: float | None = None
    """The same, of the last latent before a join and the one that its clip was made after; None where that is not kept."""


def measure_seams(run: "Run") -> tuple[Seam, ...]:
    """The seams of a retake's own takes; measured once, then kept in a record and told in an event."""
    takes = run.spec.takes[-1 - len((run.parent or {}).get("also", ())) :]
    ends = sorted({each for take in takes for each in (take.clip, take.until)})
    ends = [each for each in ends if 0 < each < run.spec.clips]
    return tuple(_read_seam(run, clip) or _measure_seam(run, clip) for clip in ends)


def _read_seam(run: "Run", clip: int) -> Seam | None:
    facts = run.records.read(STAGE, clip)
    if facts is None:
        return None
    steps = {name: SeamChange(**facts[name]) for name in ("frames", "latents")}
    return Seam(clip, facts["seconds"], **steps, apart=facts["apart"])


def _measure_seam(run: "Run", clip: int) -> Seam:
    seconds = round(clip * run.spec.clip_frames / run.spec.fps, 3)
    seam = Seam(
        clip,
        seconds,
        _frame_change(run, clip),
        _latent_change(run, clip),
        _latents_apart(run, clip),
    )
    facts = asdict(seam)
    run.records.commit(STAGE, facts.pop("clip"), **facts)
    with record_events(run.events_path):
        emit_event(
            "seam_measured",
            clip=clip,
            seconds=seconds,
            frame_step=seam.frames.joint,
            frame_inside=seam.frames.inside,
            latent_step=seam.latents.joint,
            latent_inside=seam.latents.inside,
            apart=seam.apart,
        )
    return seam


def _frame_change(run: "Run", clip: int) -> SeamChange:
    import numpy as np

    from storage.video_check import decode_frames

    played = (
        frame
        for each in (clip - 1, clip)
        for frame in decode_frames(run.verified_path("segment", each), run.spec)
    )
    wide = (frame.astype(np.int16) for frame in played)
    changes = [float(np.abs(after - before).mean()) for before, after in pairwise(wide)]
    return _to_change(changes, run.spec.frames_in(clip - 1) - 1)


def _latent_change(run: "Run", clip: int) -> SeamChange:
    shown = (latent for each in (clip - 1, clip) for latent in _split_time(run.latents.read(each)))
    changes = [_rms_distance(before, after) for before, after in pairwise(shown)]
    return _to_change(changes, run.spec.clip_latents - 1)


def _to_change(changes: list[float], joint: int) -> SeamChange:
    inside = changes[:joint] + changes[joint + 1 :]
    mean = sum(inside) / max(1, len(inside))
    return SeamChange(round(changes[joint], 4), round(mean, 4), round(max(inside, default=0.0), 4))


def _latents_apart(run: "Run", clip: int) -> float | None:
    if clip not in run.spec.joins or run.spec.motion_latents:
        return None
    older = run.join_context(clip).read("latents")[:, -1]
    return round(_rms_distance(older, run.latents.read(clip - 1)[:, -1]), 4)


def _split_time(latents: "NDArray[Any]") -> "Iterator[NDArray[Any]]":
    """The frames [c, h, w] of latents [c, t, h, w], one after the other."""
    return (latents[:, number] for number in range(latents.shape[1]))


def _rms_distance(one: "NDArray[np.float32]", other: "NDArray[np.float32]") -> float:
    import numpy as np

    return float(np.sqrt(np.mean((one.astype(np.float64) - other) ** 2)))
