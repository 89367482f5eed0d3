"""What the verbs' values look like on a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

from pipeline.monitor.panel import describe_device, describe_stages
from pipeline.monitor.progress import format_seconds_left
from pipeline.monitor.script_words import describe_place
from pipeline.monitor.words import (
    clips_in_words,
    clips_of_parent,
    dub_in_words,
    film_length,
    format_bytes,
    speed_in_words,
    state_in_words,
    time_in_words,
    value_in_words,
)
from pipeline.signing.file_check import describe_signature
from storage.errors import count_noun, describe_span
from storage.printable import spell_unprintable
from storage.remote.address import name_run
from tasks.film_part import FilmPart

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.monitor.status import Status
    from pipeline.quality.thresholds import FilmQuality
    from pipeline.quality.worst_clips import ClipMeasure
    from pipeline.upkeep.seam import Seam
    from pipeline.upkeep.verify import Verification
    from storage.scan import Finding
    from tasks.retake import RetakePlan

_LINES = 20
"""Files that are named on a terminal; --json names all."""


def show_status(status: "Status") -> Iterator["RenderableType"]:
    """A run's status on a terminal: a few lines on the film, then every setting with its source."""
    from rich.table import Table
    from rich.text import Text

    name = name_run(Path(status.run))
    yield Text.assemble((spell_unprintable(name), "bold"), " ", *state_in_words(status.state))
    lines = Table.grid(padding=(0, 2))
    for name, text in fact_rows(status):
        lines.add_row(Text(name, style="dim"), Text(spell_unprintable(text)))
    yield lines
    yield ""
    yield _table_of_settings(status)


def fact_rows(status: "Status") -> Iterator[tuple[str, str]]:
    """Name and words of what is known of a run, a row each."""
    length = film_length(status.frames, status.fps)
    yield "film", f"{length}, {count_noun(status.frames, 'frame')} at {status.fps} fps"
    if (old := status.parent) is not None:
        made = f"{clips_in_words(clips_of_parent(old))} again, seed {old['seed']}"
        kind = "redub" if old.get("dub") else "retake"
        yield kind, f"of {old['run']}: {made} (before: {old['seed_before']})"
        if isinstance(dub := old.get("dub"), dict):
            yield "other sound", dub_in_words(dub["start"], dub["stop"])
    if status.script:
        seconds = status.seconds * status.clips_denoised / status.clips
        yield "script", describe_place(status.script, seconds)
    yield (
        "clips",
        f"{status.clips_done} of {status.clips} playable, {status.clips_denoised} denoised",
    )
    if status.first_playable_clip_after is not None:
        yield "first clip", f"playable after {status.first_playable_clip_after:.1f} s"
    if status.seconds_a_clip and status.frames_a_second:
        yield "pace", speed_in_words(status.seconds_a_clip, status.frames_a_second)
    yield from _progress_rows(status)
    if status.retries:
        yield "retries", str(status.retries)
    if status.fault:
        yield "fault", status.fault
    yield from _file_rows(status)
    if status.state in {"stopped", "failed"}:
        yield "go on", _resume_command(status)
        yield "see it", join(["longtake", "mux", name_run(Path(status.run)), "--partial"])


def _file_rows(status: "Status") -> Iterator[tuple[str, str]]:
    """Name and words of what lies on the disk, or of the film on a store."""
    if status.bytes_on_disk is not None:
        yield "on disk", format_bytes(status.bytes_on_disk)
    if status.film:
        yield "video", status.film


def _resume_command(status: "Status") -> str:
    """What goes on with the run, and puts the film where it was asked to be put as well, unless it is there."""
    asked = next((each.value for each in status.settings if each.name == "output_file"), None)
    target = None if asked is None or Path(str(asked)).exists() else Path(str(asked))
    return FilmPart(output_file=target).resume_command(Path(status.run))


def _progress_rows(status: "Status") -> Iterator[tuple[str, str]]:
    """Name and words of what is known of a run beyond its clips, most of it only while it is made."""
    if status.stages:
        yield "stages", describe_stages(status.stages)
    if status.eta is not None:
        yield "left", format_seconds_left(status.eta)
    if status.state == "working" and (card := describe_device(status.device)):
        yield "card", card
    if status.stall:
        yield "quiet", status.stall


def _table_of_settings(status: "Status") -> "RenderableType":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("setting")
    table.add_column("value", overflow="fold")
    table.add_column("from", style="dim")
    for decides, settings in groupby(status.settings, key=lambda setting: setting.decides):
        table.add_row(Text(f"decides {decides}", style="bold"))
        for setting in settings:
            name, source = spell_unprintable(setting.name), spell_unprintable(setting.source)
            table.add_row(f"  {name}", value_in_words(setting.value), source)
    return table


def show_verification(
    found: "Verification", *, repairing: bool = False
) -> Iterator["RenderableType"]:
    """A verification on a terminal: whether the run is whole; else what is broken, what it takes to make it whole, and how (unless that is just being done)."""
    from rich.text import Text

    size = f"{format_bytes(found.bytes_on_disk)} in {found.took:.1f} s"
    yield Text.assemble(
        (spell_unprintable(found.run), "bold"), " is ", *_verdict_parts(found), f" ({size})"
    )
    if found.found:
        yield ""
        yield _file_grid(found.found)
    if any(_repair_rows(found)):
        yield ""
        yield f"To make it whole{_repair_seconds(found)}:"
        yield render_grid(_repair_rows(found))
    for one in found.lost:
        yield ""
        if one.sha256:
            yield Text(
                f"Only you can bring {spell_unprintable(one.path)} back: the file with SHA-256\n  {one.sha256}"
            )
        else:
            yield Text(
                f"Only the run that this was taken from can bring {spell_unprintable(one.path)} back."
            )
        yield (_BRING_BACK if one.sha256 else _RETAKE) + (
            "" if one.needed else " All that is made from it is there."
        )
    if found.signature is not None:
        yield ""
        yield describe_signature(found.signature)
    if found.watermark is not None:
        yield ""
        yield Text(str(found.watermark))
    if found.notes:
        yield ""
        yield "Beside it, nothing of the film:"
        yield _file_grid(found.notes)
    if not repairing and (way := _next_command(found)) is not None:
        yield ""
        yield Text(spell_unprintable(way), style="green")


def show_plan_of_retake(plan: "RetakePlan", seconds: float | None) -> Iterator["RenderableType"]:
    """A retake's plan on a terminal: what will be replayed and made."""
    from rich.text import Text

    take = plan.take
    yield Text.assemble(
        (spell_unprintable(plan.root), "bold"), f" from {spell_unprintable(plan.old)}"
    )
    if plan.begun:
        yield f"It is there, with seed {take.seed}: this goes on with it."
        return
    again, kept = set(plan.clips), set(plan.redecode)
    shared = [clip for clip in range(plan.missing.start) if clip not in again]
    price = (
        ""
        if seconds is None
        else f", about {time_in_words(max(1, round(seconds)), 0)} once the model is loaded"
    )
    rows = [
        ("make", f"{clips_in_words(plan.clips)}, seed {take.seed} (before: {plan.seed_before})")
    ]
    if (dub := plan.take.dub) is not None:
        rows.append(("sound", f"another {dub_in_words(dub.start, dub.stop)}"))
    if plan.missing:
        rows.append(("make", f"{clips_in_words(plan.missing)}, to which the old film has not come"))
    replayed = sorted(clip for span in plan.replay for clip in span)
    if replayed:
        words = "to come there, each compared with what is there"
        words = f"{clips_in_words(sorted(set(replayed)))}, {words}"
        rows.insert(0, ("replay", words))
    if kept:
        rows.append(("decode", f"{clips_in_words(plan.redecode)} again, after the new past"))
    if shared:
        how = "copied: another file system" if plan.copies else "linked"
        rows.append(("share", f"{clips_in_words(shared)}, {how}"))
    yield render_grid(rows)
    yield f"In all {count_noun(len(replayed) + len(plan.clips) + len(plan.missing), 'clip')} to denoise{price}."


def show_seams(seams: "Iterable[Seam]") -> Iterator["RenderableType"]:
    """The seams of a retake on a terminal, a line each."""
    for seam in seams:
        frames, latents = seam.frames, seam.latents
        line = f"seam before clip {seam.clip} ({seam.seconds:.2f} s): "
        line += f"frames {frames.joint:.2f} of 255, inside {frames.inside:.2f} (most {frames.most:.2f}); "
        line += (
            f"latents {latents.joint:.3f}, inside {latents.inside:.3f} (most {latents.most:.3f})"
        )
        yield line if seam.apart is None else f"{line}; {seam.apart:.3f} from the old past"


def show_worst_clips(worst: "Sequence[ClipMeasure]") -> Iterator["RenderableType"]:
    """Which clips of a film are made again, and why; or that there is none."""
    if not worst:
        yield "No clip misses a level of `longtake report`: there is nothing to make again."
        return
    for each in worst:
        yield f"worst: clip {each.clip}, {each.what} {each.shown}, level {each.level}"


def show_measured_again(
    before: "Iterable[ClipMeasure]", after: "Iterable[ClipMeasure | None]"
) -> Iterator["RenderableType"]:
    """The measures of clips before they were made again, and after."""
    for old, new in zip(before, after, strict=True):
        line = f"clip {old.clip}: {old.what} {old.shown} before, "
        if new is None:
            yield f"{line}not found now"
            continue
        verdict = "missed" if new.badness > 1 else "met"
        yield f"{line}{new.shown} now, level {old.level}: {verdict}"


def _verdict_parts(found: "Verification") -> Iterator[tuple[str, str] | str]:
    if found.found:
        yield ("damaged", "bold red")
        yield f": {count_noun(len(found.found), 'file')}"
        return
    yield ("whole again" if found.repaired else "whole", "bold green")
    if found.finished:
        yield f": {count_noun(found.clips, 'clip')}, the film and its sound"
    else:
        yield f" as far as it goes: {found.clips_done} of {count_noun(found.clips, 'clip')}"


def _file_grid(found: "Iterable[Finding]") -> "RenderableType":
    several = list(found)
    rows = [
        ("" if one.clip is None else f"clip {one.clip}", one.path, one.flaw)
        for one in islice(several, _LINES)
    ]
    if len(several) > _LINES:
        rows.append(("", f"… and {len(several) - _LINES} more", "--json names them"))
    return render_grid(rows)


def render_grid(rows: Iterable[tuple[str, ...]]) -> "RenderableType":
    """Rows as columns that are as wide as they need to be; a line is never folded, so that it can be grepped and copied."""
    from rich.text import Text

    several = [tuple(map(spell_unprintable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*several, strict=True)]
    lines = (
        "  " + "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True))
        for row in several
    )
    return Text("\n".join(line.rstrip() for line in lines))


def _repair_seconds(found: "Verification") -> str:
    price, seconds = found.price, found.seconds
    if seconds is None:
        return " (how long that takes, this run cannot tell yet)"
    words = time_in_words(max(1, round(seconds)), 0)
    loaded = any((price.denoise, price.replay, price.decode, price.hear, "inputs" in price.once))
    return f", about {words}" + (" once the model is loaded" if loaded else ", without the model")


def _repair_rows(found: "Verification") -> Iterator[tuple[str, str]]:
    """Name and clips of each kind of work that a repair does."""
    price = found.price
    if price.rewrite:
        yield "rewrite", ", ".join(price.rewrite)
    if price.drop:
        yield (
            "drop",
            f"the carry before {clips_in_words(price.drop)}; nothing that is there needs it",
        )
    if price.once:
        yield "make", "; ".join(_ONCE[each] for each in price.once)
    if price.copy:
        yield "copy", f"the latents of {clips_in_words(price.copy)}, from their steps"
    if price.denoise:
        yield "denoise", clips_in_words(price.denoise)
    if price.replay:
        clips = count_noun(sum(map(len, price.replay)), "clip")
        spans = [describe_span(each[0], each[-1]) for each in islice(price.replay, _LINES)]
        words = "on the way there, each compared with what is published"
        yield "replay", f"{clips} {words}: {', '.join(spans)}"
    if price.decode:
        yield "decode", clips_in_words(price.decode)
    if price.encode:
        yield "encode", f"{clips_in_words(price.encode)}, from the frames that are there"
    if price.hear:
        yield "hear", clips_in_words(price.hear)


_ONCE = {
    "inputs": "the encoded inputs",
    "sound": "the sound as the model hears it",
    "soundtrack": "the soundtrack",
    "video": "the film, joined from its segments",
}


def show_quality(
    quality: "FilmQuality", *, missed_only: bool = False
) -> Iterator["RenderableType"]:
    """A film's quality on a terminal: each level with what was measured."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    missed = quality.missed
    colour = "bold red" if missed else "bold green"
    yield Text.assemble((spell_unprintable(quality.film), "bold"), " ", (quality.verdict, colour))
    if missed_only and not missed:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_column("level")
    for each in missed if missed_only else quality.levels:
        style = {True: "green", False: "bold red", None: "dim"}[each.met]
        table.add_row(each.what, Text(each.shown, style=style), each.level)
    yield table
    if quality.melting is not None:
        yield Text(quality.melting)


_BRING_BACK = "Put it there, or give the same `longtake new` command again, with it."


_RETAKE = "Give the same `longtake retake` or `redub` command again, with that run in its place."


def _next_command(found: "Verification") -> str | None:
    if found.found and not found.repaired and any(_repair_rows(found)):
        return join(["longtake", "verify", found.run, "--repair"])
    if not found.found and not found.finished:
        return join(["longtake", "resume", found.run])
    return None
