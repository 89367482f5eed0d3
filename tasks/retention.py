"""Which by-products stay on the disk."""

import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from storage.disk import format_bytes
from tasks.disk_plan import DiskPlan, count_live_copies, run_bytes
from tasks.events import emit_event
from tasks.kept import parse_kept
from tasks.loaded_model import model_traits_of

if TYPE_CHECKING:
    from model.avatar import ModelTraits
    from storage.arrays import ClipArray
    from storage.run import Run
    from storage.spec import Settings, Spec


def count_frames_kept(run: "Run") -> int | None:
    """How many clips' frames stay; `auto` keeps all if the run fits the disk budget with them, else none."""
    # What the run's frames take already counts as free, so that a resume decides alike.
    free = shutil.disk_usage(run.root).free + _bytes_of_stored_frames(run)
    paths = run.input_paths.values()
    inputs = sum(path.stat().st_size for path in paths if path.is_file())
    return choose_frames_kept(run.spec, run.settings, free, (model_traits_of(run), inputs))


def choose_frames_kept(
    spec: "Spec", settings: "Settings", free: int, beside: tuple["ModelTraits", int]
) -> int | None:
    """How many clips' frames stay on a disk with `free` bytes; None is all. `beside`: what the model leaves on it, and bytes of picture and sound."""
    if settings.keep_frames != "auto":
        return parse_kept(settings.keep_frames)
    if settings.disk_budget is None:
        return None if raw_frames_bytes(spec) <= free // 2 else 0
    steps, live = parse_kept(settings.keep_steps), count_live_copies(settings)
    whole = run_bytes(DiskPlan(spec, None, steps, live=live), settings, *beside)
    return None if whole <= settings.disk_budget else 0


def raw_frames_bytes(spec: "Spec") -> int:
    """Bytes of all frames of a film, raw."""
    return spec.clips * spec.clip_frames * spec.height * spec.width * 3


def prune_oldest(array: "ClipArray", clip: int, clips: int | None) -> None:
    """Prune the clip that is now one too many, `clip` being the newest."""
    if clips and clip >= clips and array.complete(clip - clips):
        array.remove(clip - clips)


def prune_unwanted(run: "Run", pulse: "Callable[[], None]") -> None:
    """Remove what settings that a person gave do not keep any more; what `auto` by itself has kept stays while there is room."""
    settings, count, gained = run.settings, 0, 0
    if settings.keep_frames == "auto" and settings.disk_budget is None:
        return
    for array, clip in find_prunable(run, count_frames_kept(run)):
        pulse()
        count, gained = count + 1, gained + prune_piece(array, clip)
    if count:
        emit_event("by_products_pruned", count=count, bytes=gained, size=format_bytes(gained))


def tell_gone(run: "Run") -> None:
    """Say how many clips' frames and steps were removed before and would stay now: a setting brings none back, but for frames that are all to stay."""
    settings = run.settings
    # By `auto` nothing is promised, and by `all` what is gone is decoded again.
    frames = "none" if settings.keep_frames in {"auto", "all"} else settings.keep_frames
    gone = {}
    for array, stays in (
        (run.frames, parse_kept(frames)),
        (run.steps, parse_kept(settings.keep_steps)),
    ):
        first = 0 if stays is None else max(run.spec.clips - stays, 0)
        gone[array.name] = sum(_is_pruned(array, clip) for clip in range(first, run.spec.clips))
    if any(gone.values()):
        emit_event("by_products_gone", **gone, run=str(run.root))


def find_prunable(run: "Run", frames: int | None) -> "Iterator[tuple[ClipArray, int]]":
    """What need not stay, oldest first: frames but those of so many clips, then steps."""
    for array, stays in ((run.frames, frames), (run.steps, parse_kept(run.settings.keep_steps))):
        if stays is None:
            continue
        newest = max((clip for clip in range(run.spec.clips) if array.complete(clip)), default=0)
        for clip in range(newest + 1 - stays):
            if array.complete(clip) and run.records.complete("segment", clip):
                yield array, clip


def prune_piece(array: "ClipArray", clip: int) -> int:
    """Remove a clip's frames or steps; the bytes that came free by it: none where another run shares them (a retake)."""
    try:
        chunk = array.chunk_path(clip).stat()
        freed = chunk.st_blocks * 512 if chunk.st_nlink == 1 else 0
    except FileNotFoundError:  # lost before
        freed = 0
    array.remove(clip)
    return freed


def withdraw_pruned_frames(run: "Run") -> int:
    """Where all frames are to stay, withdraw the clips whose frames were pruned, so that they are decoded again; how many."""
    if run.settings.keep_frames != "all":
        return 0
    pruned = [clip for clip in range(run.spec.clips) if _is_pruned(run.frames, clip)]
    for clip in pruned:
        run.records.withdraw("segment", clip)
        run.records.withdraw("frames", clip)
    return len(pruned)


def give_up(array: "ClipArray", clip: int) -> None:
    """Prune what was damaged and is not kept any more, so that nobody waits for it to be made again."""
    if array.records.doubted(array.name, clip):
        prune_piece(array, clip)


def _is_pruned(array: "ClipArray", clip: int) -> bool:
    return (array.records.read(array.name, clip) or {}).get("state") == "pruned"


def is_kept(array: "ClipArray", clip: int, clips: int | None) -> bool:
    """False where none are kept, and for a clip that was pruned before and is only made again for something else."""
    return clips is None or (clips > 0 and not _is_pruned(array, clip))


def _bytes_of_stored_frames(run: "Run") -> int:
    first = run.frames.complete(0)
    made = sum(run.frames.complete(clip) for clip in range(run.spec.clips)) if first else 0
    return made * raw_frames_bytes(run.spec) // run.spec.clips
