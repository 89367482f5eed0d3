"""What is broken in a run is withdrawn, told, and so made again. storage/scan.py finds it; each kind of it has one remedy, here."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from storage import layout
from storage.publish import remove_path
from storage.scan import Finding, RunScan
from tasks.events import emit_event
from tasks.kept import parse_kept
from tasks.retention import prune_piece

if TYPE_CHECKING:
    from storage.run import Run


def withdraw_damaged(
    run: "Run", pulse: Callable[[], None] = lambda: None, *, thorough: bool = False
) -> list[Finding]:
    """Look through the run and withdraw what is broken; what that was. Quick at every start; thorough once a reader has met damage.

    `pulse` is called between two clips.
    """
    scan = RunScan(run, thorough=thorough, watch=lambda _: pulse(), held=True)
    found = [each for each in scan.findings() if each.damage]
    withdraw_findings(run, found)
    return found


def withdraw_findings(run: "Run", found: Iterable[Finding]) -> None:
    """Take back what these files vouch for or are vouched for by; what follows from the spec alone is written anew at once.

    Each record says from then on, until its work is done again, that it was damaged: a crash in between is no loss of it.
    """
    for each in found:
        emit_event("damage_found", stage=each.stage, clip=each.clip, file=each.path, flaw=each.flaw)
        REMEDIES[each.stage](run, each)


def _write_anew(run: "Run", found: Finding) -> None:
    if found.stage == "layout":
        layout.rewrite_layout_file(run.root, run.spec, found.path)
    else:
        run.sweep()


def _leave_to_person(_run: "Run", _found: Finding) -> None:
    """A picture or a sound comes back from a person alone, and a join's past from the run that it was taken from; what needs it says so."""


def _doubt_clip(run: "Run", found: Finding) -> None:
    run.records.doubt(found.stage, found.clip)


def _doubt_bits(run: "Run", found: Finding) -> None:
    """What the clips after it were made of comes back with the same bits, or not at all."""
    getattr(run, found.stage).doubt(_clip_of(found))


def _doubt_steps(run: "Run", found: Finding) -> None:
    """Steps come with their latents, to the same bits; unless none are wanted any more."""
    if is_made_again(run, found):
        run.records.doubt("steps", found.clip)
        run.latents.doubt(_clip_of(found))
    else:
        prune_piece(run.steps, _clip_of(found))


def _doubt_frames(run: "Run", found: Finding) -> None:
    """Frames come with their segment, from the same latents to the same bytes; unless none are wanted any more."""
    if is_made_again(run, found):
        run.records.doubt("frames", found.clip)
        run.records.doubt("segment", found.clip)
    else:
        prune_piece(run.frames, _clip_of(found))


def _forget_record(run: "Run", found: Finding) -> None:
    """A seam is measured again when it is asked for; an output is somebody's file again."""
    remove_path(run.root / found.path)


def _remove_live(run: "Run", found: Finding) -> None:
    """It is made again of clips and sound, by who asked for this or by the next session."""
    remove_path(run.root / found.path)


def _discard_carry(run: "Run", found: Finding) -> None:
    """No film needs it back: an older one serves, or the beginning."""
    run.carry.discard(_clip_of(found))


def is_made_again(run: "Run", found: Finding) -> bool:
    """False for a by-product that the settings no longer ask for."""
    wish = {"steps": run.settings.keep_steps, "frames": run.settings.keep_frames}.get(found.stage)
    return wish in {None, "auto"} or parse_kept(str(wish)) != 0


def _clip_of(found: Finding) -> int:
    assert found.clip is not None, found
    return found.clip


REMEDIES: dict[str, Callable[["Run", Finding], None]] = {
    "run": _write_anew,
    "layout": _write_anew,
    "present": _write_anew,
    "input": _leave_to_person,
    "inputs": _doubt_clip,
    "sound": _doubt_clip,
    "audio": _doubt_clip,
    "pose": _doubt_clip,
    "latents": _doubt_bits,
    "motion": _doubt_bits,
    "steps": _doubt_steps,
    "frames": _doubt_frames,
    "segment": _doubt_clip,
    "carry": _discard_carry,
    "past": _leave_to_person,
    "soundtrack": _doubt_clip,
    "video": _doubt_clip,
    "memo": _forget_record,
    "live": _remove_live,
}
