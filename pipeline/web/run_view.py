"""What the page shows of a film as HTML: its state, how it goes, the player's marker, its newest latents and their sound; all of it from what the job's view says."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipeline.monitor.progress import format_seconds_left
from pipeline.monitor.words import (
    clips_in_words,
    clips_of_parent,
    film_length,
    format_bytes,
    time_in_words,
    value_in_words,
)
from pipeline.report.page import escape_words
from pipeline.web.page_texts import Say

if TYPE_CHECKING:
    from pipeline.jobs.job_view import JobView
    from pipeline.monitor.status import EffectiveSetting

MOVING = {"queued", "running"}
"""States that end by themselves."""
MEDIA = "/media"
"""Where pipeline/web/media_routes.py answers."""


def media_of(view: "JobView", name: str) -> str:
    """The address of a picture or a file of a film."""
    return f"{MEDIA}/{quote(view.name, safe='')}/{name}"


def title_of(view: "JobView") -> str:
    """What people call the film, as text of HTML."""
    return escape_words(view.title or view.name)


def render_state(view: "JobView", say: Say) -> str:
    """How a film goes, with the marker that tells the player what to play."""
    share = share_done(view)
    chips = "".join(f"<span>{escape_words(words)}</span>" for words in list_chips(view, say))
    faults = "".join(
        f"<p class=bad>{escape_words(words)}</p>" for words in (view.error, view.stall) if words
    )
    return (
        f"<div class='lt-card lt-state'><div class=lt-head><h2>{title_of(view)}</h2>{render_pill(view, say)}</div>"
        f"<div class=lt-bar role=progressbar aria-valuenow={share:.0f} aria-valuemin=0 aria-valuemax=100><i style='width:{share:.1f}%'></i></div>"
        f"<p class=lt-line>{escape_words(describe_progress(view, say))}</p><div class=lt-chips>{chips}</div>{faults}</div>"
        f"{render_marker(view)}"
    )


def render_nothing(words: str) -> str:
    """What stands where no film is chosen."""
    return f"<div class='lt-card lt-hint'>{escape_words(words)}</div><i id=lt-mark hidden></i>"


def render_marker(view: "JobView") -> str:
    """What page.js reads: which film, where its live folder or its file is, and whether nothing is added to it now."""
    live = media_of(view, "live/") if view.playlist and not view.film else ""
    film = media_of(view, "video.mp4") if view.film else ""
    shape = f"{view.width}/{view.height}" if view.width else ""
    idle = "" if view.state in {"queued", "running"} else "yes"
    return f"<i id=lt-mark hidden data-run='{quote(view.name)}' data-live='{live}' data-film='{film}' data-shape='{shape}' data-idle='{idle}'></i>"


def render_pill(view: "JobView", say: Say) -> str:
    """A film's state as a coloured word."""
    state = "stopping" if view.stopping else view.state
    words = say(state, place=(view.place or 0) + 1) if state == "queued" else say(state)
    return f"<span class='lt-pill {state}'>{words}</span>"


def share_done(view: "JobView") -> float:
    """Per cent of the clips that can be played."""
    return 100 * view.clips_done / view.clips if view.clips else 0.0


def describe_length(view: "JobView") -> str:
    """The length of the film; empty until it is known."""
    return film_length(view.frames, view.fps) if view.frames and view.fps else ""


def describe_progress(view: "JobView", say: Say) -> str:
    """Clips and the time that is left, in one line."""
    if not view.clips:
        return ""
    parts = [describe_length(view), say("played", done=view.clips_done, clips=view.clips)]
    if view.eta is not None:
        parts.append(say("left", time=format_seconds_left(view.eta)))
    return " · ".join(parts)


def list_chips(view: "JobView", say: Say) -> Iterator[str]:
    """The figures of a film that goes, each in a few words."""
    if view.model and view.width:
        yield f"{view.model} {view.width}×{view.height}"
    if view.parent:
        yield describe_retake(view.parent, say)
    if view.frames_a_second:
        yield say("a_second", rate=f"{view.frames_a_second:.1f}")
    for stage, seconds in view.stages.items():
        yield f"{say(stage)} {say('a_clip', seconds=time_in_words(seconds, 2))}"
    if view.state == "running" and view.clips:
        yield say("ahead", count=view.clips_denoised)
    yield from describe_device(view, say)
    if view.bytes_on_disk:
        yield say("on_disk", size=format_bytes(view.bytes_on_disk))


def describe_retake(parent: "Mapping[str, object]", say: Say) -> str:
    """Which clips of the other film were made again, and with which seed."""
    facts = {"clip": parent["clip"], "seed": parent["seed"]}
    if parent["until"] is None:
        return say("retaken_to_the_end", **facts)
    if parent.get("also"):
        return say("retaken_several", clips=clips_in_words(clips_of_parent(parent)), **facts)
    return say("retaken", last=int(str(parent["until"])) - 1, **facts)


def describe_device(view: "JobView", say: Say) -> Iterator[str]:
    """What the film is made on, and what the driver says of it."""
    if {"used", "total", "load", "temperature"} <= view.device.keys():
        numbers = {name: int(str(view.device[name])) for name in ("load", "temperature")}
        room = {name: format_bytes(int(str(view.device[name]))) for name in ("used", "total")}
        yield f"{view.device.get('card', view.device_name)}: {say('device_line', **numbers, **room)}"
    elif view.device_name:
        yield view.device_name


def render_beside(view: "JobView", say: Say) -> str:
    """The newest clip's latents and its sound."""
    if not view.clips_denoised:
        return ""
    clip = view.clips_denoised - 1
    latents, wave = escape_words(say("latents", clip=clip)), escape_words(say("wave", clip=clip))
    return (
        f"<figure class=lt-fig><img src='{media_of(view, f'latents.png?clip={clip}')}' alt='{latents}'><figcaption>{latents}: {say('latents_help')}</figcaption></figure>"
        f"<figure class=lt-fig><img class=lt-wave src='{media_of(view, f'wave.svg?clip={clip}')}' alt='{wave}'><figcaption>{wave}</figcaption></figure>"
    )


def render_settings(settings: "Sequence[EffectiveSetting]", say: Say) -> str:
    """What a film is made with, and where each of it came from, as a table."""
    rows = "".join(
        f"<tr><th scope=row>{escape_words(each.name)}</th><td>{escape_words(value_in_words(each.value))}</td><td>{escape_words(each.source)}</td></tr>"
        for each in settings
    )
    heads = "".join(f"<th>{say(name)}</th>" for name in ("setting", "value", "source"))
    return f"<div class=lt-wide><table class=lt-table><tr>{heads}</tr>{rows}</table></div>"


def render_links(view: "JobView", say: Say) -> str:
    """The film to be downloaded and its report, where they are there."""
    links = []
    if view.film:
        name = escape_words(view.name)
        links.append(
            f"<a class=lt-button href='{media_of(view, 'video.mp4')}' download='{name}.mp4'>{say('download')}</a>"
        )
    if (view.run / "report.html").is_file():
        links.append(
            f"<a class=lt-button href='{media_of(view, 'report.html')}' target=_blank rel=noopener>{say('report_open')}</a>"
        )
    return f"<div class=lt-links>{''.join(links)}</div>" if links else ""


def render_gallery(views: "Sequence[JobView]", say: Say) -> str:
    """Films as cards with thumbnails; a click on one shows it."""
    if not views:
        return f"<div class='lt-card lt-hint'>{say('no_films')}</div>"
    return f"<div class=lt-gallery>{''.join(render_card(view, say) for view in views)}</div>"


def render_card(view: "JobView", say: Say) -> str:
    """One film's card."""
    # Another address once there is a frame of the film to be seen, and not the picture alone.
    picture = media_of(view, f"thumbnail.jpg?made={int(view.clips_done > 0)}")
    bar = f"<div class=lt-bar><i style='width:{share_done(view):.1f}%'></i></div>"
    return (
        f"<a class=lt-film href='?run={quote(view.name)}' data-run='{escape_words(view.name)}'><img loading=lazy src='{picture}' alt=''>"
        f"<span class=lt-name>{title_of(view)}</span>{bar if view.state in MOVING else ''}"
        f"<span class=lt-line>{render_pill(view, say)} {describe_length(view)}</span></a>"
    )
