"""Which by-products stay on the disk."""

import shutil
from shlex import quote
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.arrays import ClipArray
    from storage.run import Run
    from storage.spec import Settings, Spec


def kept(words: str) -> int | None:
    """How many clips `all`, `none` or a number stand for; None is all of them."""
    if words == "all":
        return None
    return 0 if words == "none" else int(words)


def frames_kept(run: "Run") -> int | None:
    """How many clips' frames stay; `auto` keeps all if they fit the disk budget, else none."""
    # What the run's frames take already counts as free, so that a resume decides alike.
    free = shutil.disk_usage(run.root).free + _frames_there(run)
    return choose_frames(run.spec, run.settings, free)


def choose_frames(spec: "Spec", settings: "Settings", free: int) -> int | None:
    """The same for a disk with so much free."""
    if settings.keep_frames != "auto":
        return kept(settings.keep_frames)
    budget = free // 2 if settings.disk_budget is None else settings.disk_budget
    return None if frames_bytes(spec) <= budget else 0


def frames_bytes(spec: "Spec") -> int:
    """Bytes of all frames of a film, raw."""
    return spec.clips * spec.clip_frames * spec.height * spec.width * 3


def keep(array: "ClipArray", run: "Run", clip: int, clips: int | None) -> None:
    """Prune the clip that is now one too many, `clip` being the newest."""
    if clips and clip >= clips and array.complete(clip - clips):
        array.remove(clip - clips, remake=remake_of(array, run, clip - clips))


def remake_of(array: "ClipArray", run: "Run", clip: int) -> str:
    """The way to have it again: frames are decoded anew; steps are denoised again for a look, beside the run."""
    if array.name == "frames":
        return f"longtake resume {quote(str(run.root))} --keep-frames all"
    return f"longtake inspect {quote(str(run.root))} --clip {clip} --replay"


def want_frames_again(run: "Run") -> int:
    """Where all frames are to stay, withdraw the clips whose frames were pruned, so that they are decoded again; how many."""
    if run.settings.keep_frames != "all":
        return 0
    pruned = [clip for clip in range(run.spec.clips) if _is_pruned(run, clip)]
    for clip in pruned:
        run.records.withdraw("segment", clip)
        run.records.withdraw("frames", clip)
    return len(pruned)


def _is_pruned(run: "Run", clip: int) -> bool:
    return (run.records.read("frames", clip) or {}).get("state") == "pruned"


def is_kept(array: "ClipArray", clip: int, clips: int | None) -> bool:
    """False where none are kept, and for a clip that was pruned before and is only made again for something else."""
    pruned = (array.records.read(array.name, clip) or {}).get("state") == "pruned"
    return clips is None or (clips > 0 and not pruned)


def _frames_there(run: "Run") -> int:
    first = run.frames.complete(0)
    made = sum(run.frames.complete(clip) for clip in range(run.spec.clips)) if first else 0
    return made * frames_bytes(run.spec) // run.spec.clips
