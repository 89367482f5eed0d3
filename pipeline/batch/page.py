"""One page about all films of a batch: a picture, the state, length and pace of each, with links to the film and to its own report."""

from collections.abc import Iterator
from os.path import relpath
from pathlib import Path
from string import Template
from urllib.parse import quote

from pipeline.batch.batch import STATES, BatchFilm, BatchResult
from pipeline.monitor.status import read_status
from pipeline.monitor.words import film_length, format_figure
from pipeline.report.page import SHELL, escape_words
from pipeline.report.pictures import read_frames_at, to_data_url
from storage.errors import LongtakeError, count_noun
from storage.names import VIDEO
from storage.output_file import PAGE, OutputFile
from storage.run_paths import path_inside
from tasks.open_run import open_run
from tasks.options import read_run

MOST_PICTURES = 500
"""Films that get a picture; each has some three kilobytes."""
MARK = "<p class=brand>longtake batch</p>"
"""What a page of ours is known by, which the next call may replace."""
_FOOT = "What the states mean stands in docs/batch.md of longtake; frames a second are by the events of each run. The films were made by an AI."
_SIDE = 96
_HEAD_BYTES = 8192


def find_page(path: Path, table: Path) -> OutputFile:
    """The place of the page, checked. Raises BadOutput, NotWritable: another file is there, or none can be."""
    output = OutputFile(path, PAGE, None, (table,), overwrite=_is_own_page(path))
    output.check()
    return output


def write_batch_page(result: BatchResult, target: OutputFile) -> None:
    """Write the page about a batch; it names the films as they lie from where it is. Raises NotWritable."""
    title = escape_words(result.table.name)
    body = "\n".join(_render_body(result, target.real.parent))
    page = Template(SHELL.read_text(encoding="utf-8")).substitute(
        title=title, body=body, columns=1, kind="one", foot=_FOOT
    )
    with target.write() as draft:
        draft.write_bytes(page.encode())


def _is_own_page(path: Path) -> bool:
    try:
        with path.open("rb") as page:
            return MARK.encode() in page.read(_HEAD_BYTES)
    except OSError:
        return False


def _render_body(result: BatchResult, folder: Path) -> Iterator[str]:
    counts = ", ".join(f"{result.count(each)} {each}" for each in STATES if result.count(each))
    kind = "bad" if result.missing else "good"
    yield f"<header>{MARK}<h1>{escape_words(result.table.name)}</h1><p class={kind}>{counts}</p></header>"
    yield "<div class=wide><table><tr><th></th><th>film</th><th>state</th><th>length</th><th>frames a second</th><th></th></tr>"
    for number, film in enumerate(result.films):
        yield _render_film(film, folder, pictured=number < MOST_PICTURES)
    yield "</table></div>"


def _render_film(film: BatchFilm, folder: Path, *, pictured: bool) -> str:
    kind = "good" if film.is_there else "bad" if film.state == "failed" else "none"
    length = film_length(film.frames, film.fps) if film.fps else "–"
    cells = [
        _render_picture(film) if pictured and film.is_there else "",
        f"{escape_words(film.run)}<br><span class=note>{escape_words(film.place)}</span>",
        f"<span class={kind}>{film.state}</span>",
        f"{length}<br><span class=note>{count_noun(film.clips, 'clip') if film.clips else ''}</span>",
        _render_pace(film),
        _render_links(film, folder) or escape_words(film.reason),
    ]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _render_picture(film: BatchFilm) -> str:
    """A frame from the middle; nothing where the film does not lie on this machine, or cannot be read."""
    try:
        path = path_inside(read_run(film.run), VIDEO)
        picture = next(iter(read_frames_at(path, [film.frames / film.fps / 2])))
    except (LongtakeError, OSError, ValueError, StopIteration):
        return ""
    picture.thumbnail((_SIDE, _SIDE))
    return f"<img style='min-width: {_SIDE}px' src='{to_data_url(picture)}' alt='A frame from the middle'>"


def _render_pace(film: BatchFilm) -> str:
    """How fast it was made, by its run's events."""
    try:
        speed = read_status(open_run(read_run(film.run))).frames_a_second if film.is_there else None
    except LongtakeError:
        speed = None
    return format_figure(speed, 1) if speed else "–"


def _render_links(film: BatchFilm, folder: Path) -> str:
    """Links to the film and to its run's report, where these lie on this machine."""
    named = {"film": VIDEO, "report": "report.html"} if film.is_there else {}
    return " · ".join(
        f"<a href='{quote(relpath(path.absolute(), folder))}'>{name}</a>"
        for name, file in named.items()
        if (path := path_inside(read_run(film.run), file)).is_file()
    )
