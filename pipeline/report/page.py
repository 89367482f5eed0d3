"""report.html: verdict, curves, pictures and the worst moments of one film or of several beside each other, in one file."""

import os
from collections.abc import Callable, Iterator, Sequence
from html import escape
from os.path import relpath
from pathlib import Path
from string import Template
from urllib.parse import quote
from zlib import crc32

from pipeline.monitor.words import film_length, format_figure
from pipeline.report.curves import build_film_plots
from pipeline.report.moments import NotableMoment, find_notable_moments
from pipeline.report.pictures import draw_contact_sheet, render_frame, render_pair
from pipeline.report.plots import draw_plot
from pipeline.report.reading import FilmReading
from storage.errors import count_noun
from storage.output_file import OutputFile
from storage.printable import spell_unprintable

MOMENTS_SHOWN = 6
"""Moments that are shown and not only named."""
SHELL = Path(__file__).with_name("page.html")
"""The page without its body, as a string.Template of title, body, columns, kind and foot."""
_FOOT = "Measured from the film's own frames and samples. What each number is, where it comes from and what it cannot see stands in docs/report.md of longtake. The film was made by an AI."
ROWS = 500
"""Clips of the table, changes of the script; --json has all of any film."""


def write_page(readings: Sequence[FilmReading], target: OutputFile) -> None:
    """Write the report page of some films. The films stay where they are; the page names them as they lie from where it is. Raises NotWritable."""
    shell = Template(SHELL.read_text(encoding="utf-8"))
    title = " · ".join(each.film.name for each in readings)
    body = "\n".join(_render_body(readings, target.real.parent))
    kind = "one" if len(readings) == 1 else "several"
    page = shell.substitute(
        title=escape_words(title), body=body, columns=len(readings), kind=kind, foot=_FOOT
    )
    with target.write() as draft:
        draft.write_bytes(page.encode())


def _render_body(readings: Sequence[FilmReading], folder: Path) -> Iterator[str]:
    yield "<header><p class=brand>longtake report</p>"
    yield "".join(_render_verdict(each) for each in readings) + "</header>"
    yield _render_films(readings, folder)
    yield "<h2>Levels</h2>" + _render_levels(readings)
    if any(each.making for each in readings):
        yield "<h2>How it was made</h2>" + _render_makings(readings)
    if any(each.making and each.making.script for each in readings):
        yield "<h2>Script</h2><p class=note>When which prompt holds. A click plays the film from there.</p>"
        yield _side_by_side(readings, lambda each: _render_script(each, _film_link(each, folder)))
    yield "<h2>Worst moments</h2><p class=note>What is beyond a level comes first. Shown are the frame before and the one at that time; of what comes slowly (colour, sharpness, likeness, the face) the first frame and the one at that time. A click plays the film from a second before.</p>"
    yield _side_by_side(readings, lambda each: _render_moments(each, _film_link(each, folder)))
    yield "<h2>From the first frame to the last</h2><p class=note>Grey spans are pauses of the voice, ticks are where clips meet, broken lines are levels.</p>"
    yield _render_curves(readings)
    yield "<h2>Clip by clip</h2>" + _side_by_side(readings, _render_clips)


def _render_verdict(each: FilmReading) -> str:
    found, missed = each.quality, each.quality.missed
    name = escape_words(each.film.name)
    facts = f"{film_length(found.frames, found.fps)}, {count_noun(found.frames, 'frame')} at {found.fps:g} fps, in {count_noun(found.clips, 'clip')} of {count_noun(found.clip_frames, 'frame')}"
    if missed:
        words = f"{found.verdict}: " + "; ".join(escape_words(level.what) for level in missed)
        return f"<h1>{name}</h1><p class=bad>✗ {words}</p><p class=note>{facts}</p>"
    return f"<h1>{name}</h1><p class=good>✓ {found.verdict}</p><p class=note>{facts}</p>"


def _render_films(readings: Sequence[FilmReading], folder: Path) -> str:
    def one(each: FilmReading) -> str:
        link = _film_link(each, folder)
        pictures = draw_contact_sheet(
            each.film.path, each.quality.seconds, each.quality.fps, each.quality.mouth
        )
        first = render_frame(each.film.path, each.quality.seconds / 2)
        place = "the mouth was found in the box" if each.quality.mouth else "no mouth was found"
        return (
            f'<video controls preload="metadata" poster="{first}" src="{link}" id="{_player_name(each)}"></video>'
            f'<img src="{pictures}" alt="Twelve frames, evenly over the film">'
            f"<p class=note>Twelve frames, evenly over the film; {place}. The film is <a href='{link}'>{escape_words(each.film.path.name)}</a>.</p>"
        )

    return _side_by_side(readings, one)


def _render_levels(readings: Sequence[FilmReading]) -> str:
    """The table of levels as HTML: a row a level, a column a film; a level may have other words where a film has no picture to be held against."""
    rows: dict[str, dict[int, str]] = {}
    bounds: dict[str, str] = {}
    for column, each in enumerate(readings):
        for level in each.quality.levels:
            bounds[level.what] = level.level
            mark = {True: "✓", False: "✗", None: "–"}[level.met]
            kind = {True: "good", False: "bad", None: "none"}[level.met]
            value = "not measured" if level.value is None else level.shown
            rows.setdefault(level.what, {})[column] = f"<td class={kind}>{mark} {value}</td>"
        for what, number in _list_opinions(each):
            bounds[what] = "none"
            rows.setdefault(what, {})[column] = f"<td class=none>{_format_number(number)}</td>"
    heads = "".join(f"<th>{escape_words(each.film.name)}</th>" for each in readings)
    lines = (
        f"<tr><th scope=row>{escape_words(what)}</th><td>{bounds[what]}</td>"
        + "".join(cells.get(column, "<td class=none>–</td>") for column in range(len(readings)))
        + "</tr>"
        for what, cells in rows.items()
    )
    return f"<div class=wide><table><tr><th></th><th>level</th>{heads}</tr>{''.join(lines)}</table></div>"


def _list_opinions(each: FilmReading) -> Iterator[tuple[str, float]]:
    """Name and figure of each opinion of a network, where one was asked."""
    said = each.quality.opinions
    if said is None:
        return
    if said.syncnet_offset is not None:
        yield "SyncNet: frames late, at 25 a second", said.syncnet_offset
        yield "SyncNet: confidence", said.syncnet_confidence or 0.0
        yield "SyncNet: distance", said.syncnet_distance or 0.0
    if said.likeness:
        yield "likeness by the given network, worst clip", min(said.likeness)


def _render_makings(readings: Sequence[FilmReading]) -> str:
    def cell(value: object, unit: str = "") -> str:
        text = "–" if value is None else f"{value:.1f}{unit}" if isinstance(value, float) else value
        return f"<td>{escape_words(str(text))}</td>"

    facts: list[tuple[str, Callable[[FilmReading], str]]] = [
        ("model", lambda each: cell(each.making and each.making.model)),
        ("size", lambda each: cell(each.making and each.making.size)),
        ("decoded", lambda each: cell(each.making and each.making.mode)),
        (
            "first clip to play after",
            lambda each: cell(each.making and each.making.first_clip, " s"),
        ),
        ("frames a second", lambda each: cell(each.making and each.making.speed)),
        ("tries that failed", lambda each: cell(each.making and each.making.retries)),
    ]
    heads = "".join(f"<th>{escape_words(each.film.name)}</th>" for each in readings)
    lines = "".join(
        f"<tr><th scope=row>{name}</th>{''.join(show(each) for each in readings)}</tr>"
        for name, show in facts
    )
    return f"<div class=wide><table><tr><th></th>{heads}</tr>{lines}</table></div>"


def _render_script(each: FilmReading, link: str) -> str:
    prompts = each.making.script if each.making else ()
    lines = "".join(
        f"<tr><td><a href='{link}#t={one.seconds:.2f}' data-film='{_player_name(each)}'>{one.clock}</a></td>"
        f"<td>{escape_words(str(one).removeprefix(one.clock))}</td></tr>"
        for one in prompts[:ROWS]
    )
    more = f"<p class=note>The first {ROWS}.</p>" if len(prompts) > ROWS else ""
    return f"<table>{lines}</table>{more}"


def _render_moments(each: FilmReading, link: str) -> str:
    found = find_notable_moments(each.quality)
    shown = "".join(_render_figure(each, place, link) for place in found[:MOMENTS_SHOWN])
    rest = "".join(
        f"<li>{_render_moment_link(each, place, link)}</li>" for place in found[MOMENTS_SHOWN:]
    )
    return f"<div class=moments>{shown}</div><ul>{rest}</ul>"


def _render_figure(each: FilmReading, place: NotableMoment, link: str) -> str:
    before = 0.0 if place.slow else max(place.second - 1 / each.quality.fps, 0.0)
    picture = render_pair(each.film.path, before, place.second)
    words = "The first frame" if place.slow else "The frame before"
    return (
        f"<figure><img src='{picture}' alt='{words}, and the one at that time'>"
        f"<figcaption>{_render_moment_link(each, place, link)}</figcaption></figure>"
    )


def _render_moment_link(each: FilmReading, place: NotableMoment, link: str) -> str:
    start = max(place.second - 1, 0)
    mark = "<b class=bad>✗</b> " if place.alarm else ""
    time = f"{int(place.second) // 60}:{place.second % 60:05.2f}"
    return f"{mark}<a href='{link}#t={start:.2f}' data-film='{_player_name(each)}'>{time}</a> {escape_words(place.what)}"


def _render_curves(readings: Sequence[FilmReading]) -> str:
    parts = []
    for row in zip(*(build_film_plots(each, readings) for each in readings), strict=True):
        title, words, _ = row[0]
        cells = "".join(
            f"<div>{draw_plot(plot)}</div>" if plot else "<div class=note>not measured</div>"
            for _, _, plot in row
        )
        head = f"<h3>{title}</h3><p class=note>{words}</p>"
        parts.append(f"<section>{head}<div class=beside>{cells}</div></section>")
    return f"<div class=curves>{''.join(parts)}</div>"


def _render_clips(each: FilmReading) -> str:
    found = each.quality
    heads = "<tr><th>clip</th><th>at</th><th>mouth late</th><th>sure</th><th>colour</th><th>sharp</th><th>like</th></tr>"
    lines = []
    for looks in found.drift.clips[:ROWS]:
        lips = None if found.sync is None else found.sync.clips[looks.clip]
        late = "–" if lips is None or lips.offset is None else _format_number(lips.offset)
        sure = "–" if lips is None else f"{lips.confidence:.2f}"
        second = looks.clip * found.clip_frames / found.fps
        lines.append(
            f"<tr><td>{looks.clip}</td><td>{second:.2f} s</td><td>{late}</td><td>{sure}</td>"
            f"<td>{looks.colour:.1f}</td><td>{looks.sharpness:.2f}</td><td>{looks.likeness:.3f}</td></tr>"
        )
    more = (
        f"<p class=note>The first {ROWS} clips; <code>--json</code> has all.</p>"
        if found.clips > ROWS
        else ""
    )
    return f"<details><summary>{count_noun(found.clips, 'clip')} of {escape_words(each.film.name)}</summary><table>{heads}{''.join(lines)}</table>{more}</details>"


def _side_by_side(readings: Sequence[FilmReading], tell: Callable[[FilmReading], str]) -> str:
    name = len(readings) > 1
    cells = (
        f"<div>{f'<h3>{escape_words(each.film.name)}</h3>' if name else ''}{tell(each)}</div>"
        for each in readings
    )
    return f"<div class=beside>{''.join(cells)}</div>"


def _player_name(each: FilmReading) -> str:
    """The name of a film's player in the page: by its path, so that it is the same at any time."""
    return f"film{crc32(os.fsencode(each.film.path.absolute()))}"


def _film_link(each: FilmReading, folder: Path) -> str:
    return quote(os.fsencode(relpath(each.film.path.absolute(), folder)))


def escape_words(words: object) -> str:
    """Words that somebody may have chosen, as text of an HTML page."""
    return escape(spell_unprintable(words))


def _format_number(value: float) -> str:
    return format_figure(value, 0 if float(value).is_integer() else 2)
