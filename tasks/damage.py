"""What is broken in a run is found once, when its work begins: withdrawn, told, and so made again."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from storage.errors import Damaged, Pruned
from tasks.events import emit

if TYPE_CHECKING:
    from storage.arrays import ClipArray
    from storage.run import Run


def withdraw_damaged(run: "Run", pulse: "Callable[[], None]" = lambda: None) -> int:
    """Check what is published against its records: every latent and file by its hash, frames by their length; how many were bad."""
    found = 0
    for clip in range(run.spec.clips):
        pulse()
        found += _check_clip(run, clip)
    for stage, path in (("soundtrack", run.soundtrack_path), ("video", run.video_path)):
        found += not _file_is_whole(run, stage, None, path) and _withdraw(run, stage, None)
    return found


def _check_clip(run: "Run", clip: int) -> int:
    found = 0
    if run.latents.complete(clip) and not _is_whole(run.latents, clip):
        found += _withdraw(run, "latents", clip)
    if run.spec.motion_latents and run.motion.complete(clip) and not _is_whole(run.motion, clip):
        found += _withdraw(run, "motion", clip)
    if not _file_is_whole(run, "segment", clip, run.segment_path(clip)):
        found += _withdraw(run, "segment", clip)
    if run.frames.complete(clip) and not _frames_are_there(run, clip):
        found += _withdraw(run, "frames", clip)
        # Frames come with their segment: it is made again from the same latents, to the same bytes.
        run.records.withdraw("segment", clip)
    return found


def _is_whole(array: "ClipArray", clip: int) -> bool:
    try:
        array.read(clip)
    except Damaged:
        return False
    except Pruned:
        return True
    return True


def _frames_are_there(run: "Run", clip: int) -> bool:
    path = run.frames.chunk_path(clip)
    spec = run.spec
    # The chunk holds the raw bytes and a crc32c; its hash is checked where it is read.
    size = spec.clip_frames * spec.height * spec.width * 3
    return path.is_file() and path.stat().st_size >= size


def _file_is_whole(run: "Run", stage: str, clip: int | None, path: Path) -> bool:
    facts = run.records.read(stage, clip)
    if facts is None or facts["state"] != "done":
        return True
    if not path.is_file() or path.stat().st_size != facts["bytes"]:
        return False
    return bool(digest_of_file(path) == facts["sha256"])


def _withdraw(run: "Run", stage: str, clip: int | None) -> int:
    emit("damage_found", stage=stage, clip=clip)
    if clip is not None and stage in {"latents", "frames", "motion"}:
        getattr(run, stage).withdraw(clip)
    else:
        run.records.withdraw(stage, clip)
    return 1


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
