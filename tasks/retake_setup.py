"""Where a retake comes from: its run is made here, with all that it shares with the old one."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.run import Run
from storage.run_beginning import NewRun, RetakeSource
from storage.sharing import FileSharing
from tasks.clip_context import read_latents_before, read_motion_before
from tasks.events import emit_event, record_events
from tasks.inputs import publish_dubbed_sounds
from tasks.retake import RetakePlan, clips_to_redecode, new_takes, remembered_latents
from tasks.route import shared_carries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storage.seed_history import Take


def begin_retake(found: RetakePlan) -> Run:
    """The new run: made, gone on with where its beginning was cut short, or opened if it is there."""
    if found.begun:
        run = Run.open(found.root)
        if found.dub_file is not None and next(run.find_input_flaws(), None):
            run.restore_inputs({**Run.open(found.old).input_paths, **dubbed_input(found)})
        if (found.settings, dict(found.sources)) != (run.settings, dict(run.sources)):
            with run.lock():
                run.update_settings(found.settings, found.sources)
        restore_join_contexts(found, run)
        return run
    old = Run.open(found.old)
    with old.lock():
        origin = RetakeSource(
            parent_facts(found),
            inherited_joints(old, found.takes),
            lambda run: share_files(old, run),
        )
        start = NewRun(
            spec=found.spec,
            settings=found.settings,
            sources=found.sources,
            fingerprint=old.fingerprint_at(-1),
            image=old.image_path,
            audio=old.audio_path,
            origin=origin,
            more={**old.input_paths, **dubbed_input(found)},
            strange=frozenset(dubbed_input(found)),
        )
        return Run.create(found.root, start)


def dubbed_input(found: RetakePlan) -> dict[str, Path]:
    """The sound that is dubbed now, by the name of its copy; nothing where none is."""
    return {} if found.dub_file is None else {f"dub{len(found.spec.takes)}": found.dub_file}


def parent_facts(found: RetakePlan) -> dict[str, Any]:
    """What run.json says of it. The spec says the same of what decides pixels; a folder may be gone by the time that one reads this."""
    take, *others = found.takes
    return {
        "run": str(found.old),
        "spec": take.parent,
        "clip": take.clip,
        "until": take.until,
        "seed_before": found.seed_before,
        "seed": take.seed,
        "redecode": take.redecode,
        "soften": take.soften,
        **({"dub": asdict(take.dub)} if take.dub else {}),
        **({"also": [[each.clip, each.until] for each in others]} if others else {}),
    }


def inherited_joints(old: Run, takes: "Iterable[Take]") -> tuple[dict[str, Any], ...]:
    """The old run's joints, as the new film has them: what is made now is made under the last numerics."""
    joints = list(old.joints)
    for take in takes:
        if old.fingerprint_at(take.clip) == old.fingerprint:
            continue
        joints = [each for each in joints if not take.clip < each["clip"] <= take.until]
        joints.append({"clip": take.clip, "fingerprint": dict(old.fingerprint)})
        if take.until < old.spec.clips:
            joints.append({"clip": take.until, "fingerprint": dict(old.fingerprint_at(take.until))})
    return tuple(sorted(joints, key=lambda joint: int(joint["clip"])))


def share_files(old: Run, new: Run) -> None:
    """Link all that the two have in common, and keep what a join was made of. Done again, it passes over what is there."""
    takes, clips = new_takes(old.spec, new.spec), range(new.spec.clips)
    take, again = takes[0], clips_to_redecode(old, takes)
    same = [clip for clip in clips if not any(each.remakes(clip) for each in takes)]
    sharing = FileSharing(old, new)
    sharing.share_once()
    sharing.share_clips("audio", same if take.dub else clips)
    if new.spec.pose:
        sharing.share_clips("pose", clips)
    for stage in ("steps", "latents"):
        sharing.share_clips(stage, same)
    for stage in (
        ("motion", "frames", "segment") if new.spec.motion_latents else ("frames", "segment")
    ):
        sharing.share_clips(stage, (clip for clip in same if clip not in again))
    keep_join_contexts(old, new)
    publish_dubbed_sounds(new)
    sharing.share_carries(shared_carries(old.spec, new.spec, sorted(old.carry.complete)))
    with record_events(new.events_path):
        facts = {"clip": take.clip, "until": take.until, "seed": take.seed}
        emit_event("run_shared", parent=str(old.root), copied=sharing.copied, **facts)


def restore_join_contexts(found: RetakePlan, run: Run) -> None:
    """Bring back from the old run what was damaged of that which a join was made of."""
    for join in run.spec.contexts:
        past = run.join_context(join)
        if past.complete() and next(past.flaws(), None) is None:
            continue
        with run.lock():
            run.records.withdraw("past", join)
            keep_join_contexts(Run.open(found.old), run)


def keep_join_contexts(old: Run, new: Run) -> None:
    """Keep what each join was made of: the film shows it no more."""
    ends = {take.until: take for take in new_takes(old.spec, new.spec)}
    for join in new.spec.contexts:
        past = new.join_context(join)
        if past.complete():
            continue
        if join not in ends:
            past.publish(old.join_context(join).read_all())
        elif new.spec.motion_latents:
            past.publish({"motion": read_motion_before(old, join)})
        else:
            memory = remembered_latents(old, ends[join])
            past.publish({"latents": read_latents_before(old, join, memory)})
