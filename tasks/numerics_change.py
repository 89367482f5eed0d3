"""Going on under other numerics, where a person accepts that the film has a joint."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from storage.publish import remove_path
from tasks.events import emit_event
from tasks.route import find_route

if TYPE_CHECKING:
    from storage.run import Run


def accept_numerics(run: "Run", numerics: Mapping[str, str | int]) -> int:
    """Let the film go on from its newest carry under these numerics, and give that clip.

    The KV cache cannot be rebuilt from latents and would not come out the same here, so the few clips after the carry are made anew.
    """
    missing = next((clip for clip in range(run.spec.clips) if not run.latents.complete(clip)), None)
    if missing is None:
        return run.spec.clips
    joint = find_route(run.spec, missing, run.carry.complete).start
    # An older take that the film goes back to stays: it does not follow from what is made now.
    stop = next((clip for clip in run.spec.joins if clip > missing), run.spec.clips)
    # From the end, so that what is left stays a chain; the joint last: until it stands, the same command does this again.
    for clip in reversed(range(joint, stop)):
        _withdraw_clip(run, clip)
    while (later := run.carry.newest(stop - 1)) is not None and later > joint:
        run.carry.discard(later)
    run.records.withdraw("video")
    remove_path(run.video_path)
    run.accept_joint(joint, numerics)
    emit_event("joint_accepted", clip=joint, redone=missing - joint)
    return joint


def _withdraw_clip(run: "Run", clip: int) -> None:
    """Record and file: a file that no record vouches for would be held for one that lost its record."""
    if run.records.read("segment", clip) is not None:
        run.records.withdraw("segment", clip)
        remove_path(run.segment_path(clip))
    motion = [run.motion] if run.spec.motion_latents else []
    pose = [run.pose] if run.spec.pose else []
    for array in (run.frames, run.latents, run.steps, run.audio, *pose, *motion):
        if run.records.read(array.name, clip) is not None:
            array.withdraw(clip)
            remove_path(array.chunk_path(clip))
