"""A plan as a card of the page: what the film will be, how long it takes, what it needs and whether that is there."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.monitor.words import format_bytes, time_in_words
from pipeline.report.page import escape_words
from pipeline.web.page_texts import Say

Plan = Mapping[str, Any]
"""What `longtake plan --json` says."""
ROOMS = ("device", "host", "disk")


def render_plan(plan: Plan, say: Say, rate: float | None = None) -> str:
    """The card of a plan, as HTML; `rate`: frames a second of the last film like it, where there was one."""
    facts = "".join(
        f"<div><dt>{say(name)}</dt><dd>{escape_words(value)}</dd></div>"
        for name, value in list_facts(plan, say, rate)
    )
    rooms = "".join(render_room(name, plan[name], say) for name in ROOMS if plan[name])
    notes = "".join(f"<li>{escape_words(note)}</li>" for note in plan["notes"])
    return (
        f"<div class='lt-card'><dl class='lt-facts'>{facts}</dl><div class='lt-rooms'>{rooms}</div>"
        f"{render_verdict(plan, say)}{f'<ul class=lt-notes>{notes}</ul>' if notes else ''}</div>"
    )


def render_fault(words: object) -> str:
    """A one-line error in the place of a card, as HTML."""
    return f"<div class='lt-card lt-fault' role='alert'>{escape_words(words)}</div>"


def render_hint(words: str) -> str:
    """What stands where no plan is yet, as HTML."""
    return f"<div class='lt-card lt-hint'>{escape_words(words)}</div>"


def list_facts(plan: Plan, say: Say, rate: float | None) -> Iterator[tuple[str, str]]:
    """Name (of TEXTS) and words of each fact of the film and its time."""
    film, time = plan["film"], plan["time"]
    yield "length", f"{film['length']} · {say('frames', frames=film['frames'], fps=film['fps'])}"
    yield "clips", say("clips_of", clips=film["clips"], frames=film["clip_frames"])
    size = f"{film['width']}×{film['height']}"
    yield "model", f"{film['model']} · {size} · {say('steps', count=film['steps'])}"
    if time["film"] is not None:
        yield "time", time_in_words(time["film"])
        yield "first_clip", time_in_words(time["first"])
        yield "pace", say("a_second", rate=f"{time['frames_a_second']:.1f}")
    elif rate:
        yield "time", say("time_like", time=time_in_words(film["frames"] / rate))
    else:
        yield "time", say("time_unknown")


def render_room(name: str, room: Mapping[str, Any], say: Say) -> str:
    """One kind of room: a bar of what is needed of what is free, as HTML."""
    known = room["free"] is not None
    free = say("free", free=format_bytes(room["free"])) if known else say("free_unknown")
    share = min(1.0, room["needed"] / room["free"]) if room["free"] else float(known)
    kind = "good" if room["fits"] else "bad"
    return (
        f"<div class='lt-room {kind}'><span>{say(name)}</span><b>{format_bytes(room['total'])}</b>"
        f"<i class='lt-bar'><i style='width:{100 * share:.1f}%'></i></i><small>{free}</small></div>"
    )


def render_verdict(plan: Plan, say: Say) -> str:
    """Whether the film fits, and what would fit, as HTML."""
    if plan["fits"]:
        return f"<p class='good'>✓ {say('fits')}</p>"
    short = ", ".join(say(name) for name in plan["short"])
    ways = "".join(
        f"<li><code>{escape_words(' '.join(way['flags']))}</code> {escape_words(way['costs'])}</li>"
        for way in plan["ways"]
    )
    more = f"<p>{say('ways')}</p><ul>{ways}</ul>" if ways else ""
    return f"<p class='bad'>✗ {say('fits_not', short=short)}</p>{more}"
