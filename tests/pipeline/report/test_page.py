"""report.html: one file that needs no network, with the worst moments linked to their times."""
# ruff: noqa: E402 - the path is set before what lies on it

import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

sys.path[:0] = [str(Path(__file__).parents[2])]
from drawn_film import Drawn, draw_film, write_film

from pipeline.bench import degradations
from pipeline.monitor.script_words import ScriptedPrompt
from pipeline.quality.external_judges import Opinions
from pipeline.quality.identity import Identity, RegionIdentity
from pipeline.report.plots import Curve, Plot, draw_plot, thin_track
from pipeline.report.reading import FilmMaking, Target
from pipeline.report.write import Report, write_report
from storage.output_file import PAGE, OutputFile


class Tags(HTMLParser):
    """Every tag with what it names, and whether each that was opened was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.named: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.named += [
            (tag, value or "") for name, value in attrs if name in {"src", "href", "poster"}
        ]
        if tag not in {"meta", "img", "line", "rect", "circle", "polyline", "html", "body", "p"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"html", "body", "p", "line", "rect", "circle", "polyline"}:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A clean film, and one that turns red and jumps."""
    folder = tmp_path_factory.mktemp("films")
    clean = draw_film(seconds=10)
    harm = degradations.tint_gradually(40, len(clean.frames)).picture(iter(clean.frames))
    frames = np.stack(list(degradations.mirror_from(150).picture(harm)))
    other = replace(clean, frames=frames)
    return write_film(clean, folder / "clean film.mp4"), write_film(other, folder / "<red>.mp4")


@pytest.fixture(scope="module")
def made(films: tuple[Path, Path]) -> Report:
    """Both beside each other, in a folder of its own."""
    return write_report(films, Target(films[0].parent / "pages" / "both.html"))


def test_the_page_is_whole_and_needs_no_network(made: Report):
    """Well-formed; everything in it is a data address, or one of the films by a relative link that leads there."""
    text = made.page.read_text(encoding="utf-8")
    tags = Tags(text)
    assert not tags.wrong
    assert not tags.open
    assert "http" not in re.sub(r"data:[^'\"]+", "", text)
    assert len(text) < 600_000
    for tag, value in tags.named:
        if value.startswith("data:image/jpeg;base64,"):
            continue
        name = value.split("#")[0].replace("%20", " ").replace("%3C", "<").replace("%3E", ">")
        assert (made.page.parent / name).resolve().is_file(), (tag, value)
    assert text.count("<svg") == 14
    assert "prefers-color-scheme: dark" in text
    assert "$" not in text.split("<script>")[0].replace("$title", "")


def test_the_worst_moments_come_first_and_lead_to_their_times(made: Report):
    """The cut at six seconds is linked to a second before it; the clean film has no alarm."""
    text = made.page.read_text(encoding="utf-8")
    assert re.search(r"<b class=bad>✗</b> <a href='[^']*red[^']*#t=5\.00'[^>]*>0:06\.00</a>", text)
    clean, red = made.readings
    assert not clean.quality.missed
    assert {level.what for level in red.quality.missed} >= {
        "largest jump against usual change",
        "colour against its own beginning, of 255",
    }


def test_names_of_files_are_text(made: Report):
    """A name with angle brackets is no tag."""
    text = made.page.read_text(encoding="utf-8")
    assert "<red>" not in text
    assert "&lt;red&gt;.mp4" in text


def test_the_same_films_give_the_same_page(made: Report, films: tuple[Path, Path]):
    """Nothing of the day or the process is in it."""
    again = write_report(films, Target(made.page.with_name("again.html")))
    assert again.page.read_bytes() == made.page.read_bytes()


def test_a_page_of_one_film_lies_beside_it(drawn_short: Drawn, tmp_path: Path):
    """Where nothing else is said."""
    film = write_film(drawn_short, tmp_path / "short.mp4")
    assert write_report([film], Target()).page == tmp_path / "short-report.html"


def test_what_networks_say_is_on_the_page(made: Report, tmp_path: Path):
    """Where they were asked, with no level."""
    from pipeline.report.page import write_page

    said = Opinions(2, 5.5, 7.25, (0.9, 0.8))
    reading = replace(made.readings[0], quality=replace(made.readings[0].quality, opinions=said))
    write_page([reading], OutputFile(tmp_path / "page.html", PAGE))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    for words in (
        "SyncNet: confidence</th><td>none</td><td class=none>5.50",
        "worst clip</th><td>none</td><td class=none>0.80",
    ):
        assert words in text


def test_a_script_is_a_table_of_times_that_play_the_film(made: Report, tmp_path: Path):
    """Prompts are text; a film of one prompt has no table."""
    from pipeline.report.page import write_page

    prompts = (
        ScriptedPrompt(0.96, "0:00:01.0", "<b>smiles</b>", 50, 100, 2),
        ScriptedPrompt(4.8, "0:00:04.8", "", 100, 100, 0),
    )
    making = FilmMaking("pocket", "64×64", "online", None, None, 0, prompts)
    write_page([replace(made.readings[0], making=making)], OutputFile(tmp_path / "p.html", PAGE))
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert not Tags(text).wrong
    assert "#t=0.96' data-film='" in text
    assert "&lt;b&gt;smiles&lt;/b&gt; (expression 50 %, fade 2)</td>" in text
    assert "<h2>Script</h2>" in text
    assert "<h2>Script</h2>" not in made.page.read_text(encoding="utf-8")


def test_a_face_that_melts_has_a_curve_and_a_moment(made: Report, tmp_path: Path):
    """Its first lost part at its second, beside the first frame; a film without boxes beside it says that nothing was measured."""
    from pipeline.report.page import write_page

    clean, red = made.readings
    clips = red.quality.clips
    kept = tuple(float(value) for value in np.linspace(0.95, 0.5, clips))
    parts = (
        RegionIdentity("right eye", 0.95, 0.5, 0.53, 9.6, 4.0, 18.0, 0.6, kept),
        RegionIdentity("hair", 0.99, 0.98, 0.99, 2.0, None, 1.0, None, (0.98,) * clips),
    )
    face = Identity(parts, 0.2, 0.0)
    readings = [clean, replace(red, quality=replace(red.quality, identity=face))]
    write_page(readings, OutputFile(tmp_path / "page.html", PAGE))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert re.search(r"#t=3\.00'[^>]*>0:04\.00</a> the right eye melts: 0\.53 of what it was", text)
    assert "the part that kept least" in text
    assert text.count("<svg") == 15
    assert text.count("not measured</div>") == 1


@pytest.fixture(scope="module")
def drawn_short() -> Drawn:
    """Two seconds."""
    return draw_film(seconds=2)


def test_a_long_curve_keeps_its_peaks():
    """An hour is drawn with as many points as a second, and one frame that sticks out is still there."""
    y = np.zeros(90_000)
    y[54_321] = 5
    x, thin = thin_track(np.arange(90_000.0), y)
    assert len(x) <= 401
    assert thin.max() == 5
    svg = draw_plot(Plot([Curve("", np.arange(90_000.0), y)], "of 255", 0, 5, (0, 90_000)))
    assert len(svg) < 20_000
