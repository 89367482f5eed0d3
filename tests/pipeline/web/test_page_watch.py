"""What the page shows of a film is what the job's view says, told once; deeds and errors are the jobs' own."""

from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest
from fastapi import HTTPException

from pipeline.jobs.job_view import JobView
from pipeline.web.films_tab import FilmsTab
from pipeline.web.media_routes import give_picture
from pipeline.web.page_context import PageContext
from pipeline.web.watch_tab import SHOWN, WatchTab, words_of_look
from storage.errors import BadInput, BadOption, NoSuchJob

WORKING = JobView(
    "film-1", "running", "A <b>title</b>", 1.0, Path("/films/film-1"), clips=7, clips_done=2, clips_denoised=4,
    frames=319, fps=25, width=256, height=256, model="pocket", eta=61.0, frames_a_second=24.5,
    stages={"denoise": 0.5}, playlist=Path("/films/film-1/live/film.m3u8"), device_name="cpu",
)  # fmt: skip


class Jobs:
    """A folder of jobs with one film, whose view a test may change."""

    def __init__(self) -> None:
        self.one = WORKING
        self.done: list[tuple[object, ...]] = []

    def view(self, name: str) -> JobView:
        if name != self.one.name:
            raise NoSuchJob(Path("/films"), name)
        return self.one

    def list_jobs(self) -> list[JobView]:
        return [self.one]

    def stop(self, name: str) -> JobView:
        self.done.append(("stop", name))
        return self.one

    def retake(self, name, clips, flags) -> JobView:
        if not clips:
            raise BadInput("The clips of a retake are none.")
        self.done.append(("retake", name, clips, flags))
        return JobView("film-2", "queued", "", 2.0, Path("/films/film-2"), place=0)

    def delete(self, name: str) -> None:
        self.done.append(("delete", name))


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
def tab(jobs) -> WatchTab:
    return WatchTab(PageContext(jobs, "en"), gr.Textbox())


def test_a_film_that_is_made_shows_clips_time_rates_and_what_to_play(tab):
    shown = tab.describe_film("film-1")
    for words in (
        "2 of 7 clips",
        "0:01:01 left",
        "24.5 frames a second",
        "denoiser",
        "cpu",
        "256×256",
    ):
        assert words in shown["state"]
    assert "data-live='/media/film-1/live/'" in shown["state"]
    assert "latents.png?clip=3" in shown["beside"]
    assert (shown["stop"], shown["resume"]) == ("yes", "")


def test_a_retake_says_which_clips_were_made_again(jobs, tab):
    """Film and retake have one title; clips and seed tell them apart."""
    for until, words in ((6, "retake of clips 4 to 5, seed 7"), (None, "retake from clip 4 on")):
        jobs.one = replace(WORKING, parent={"clip": 4, "until": until, "seed": 7})
        assert words in tab.describe_film("film-1")["state"]


def test_words_that_somebody_chose_are_no_html(tab):
    assert "&lt;b&gt;title&lt;/b&gt;" in tab.describe_film("film-1")["state"]


@pytest.mark.parametrize("state", ["stopped", "failed", "lost"])
def test_a_film_that_stands_still_says_why_and_can_be_resumed(jobs, tab, state):
    jobs.one = JobView("film-1", state, "", 1.0, Path("/films/film-1"), error="It broke.")
    shown = tab.describe_film("film-1")
    assert "It broke." in shown["state"]
    assert (shown["stop"], shown["resume"], shown["more"]) == ("", "yes", "yes")


def test_a_look_tells_only_what_has_changed(jobs, tab):
    seen, *first = tab.look("film-1", {})
    assert len(first) == len(SHOWN)
    again, *second = tab.look("film-1", seen)
    assert again == seen
    assert second == [gr.skip()] * len(SHOWN)
    jobs.one = JobView(**{**vars(WORKING), "clips_done": 3})
    _, *third = tab.look("film-1", seen)
    assert [part for part, update in zip(SHOWN, third, strict=True) if update != gr.skip()] == [
        "state"
    ]


def test_a_film_that_is_gone_is_said_in_one_line(tab):
    assert "film-9" in tab.describe_film("film-9")["state"]
    assert "data-live" not in tab.describe_film("film-9")["state"]
    assert tab.describe_film("")["more"] == ""


def test_a_retake_is_the_film_that_is_watched_then_and_its_error_a_line(jobs, tab):
    assert tab.retake_clips("film-1", 2, 4, " 7 ") == ("film-2", "")
    assert jobs.done == [("retake", "film-1", range(2, 4), {"seed": "7"})]
    name, fault = tab.retake_clips("film-1", 2, 2, "")
    assert (name, "of a retake are none" in fault) == ("film-1", True)


def test_a_film_that_is_deleted_is_watched_no_more(jobs, tab):
    assert tab.delete_film("film-1") == ("", "")
    assert jobs.done == [("delete", "film-1")]


def test_ways_to_look_are_those_of_inspect_and_no_others(tmp_path):
    file = tmp_path / "look.png"
    assert words_of_look("clip", 3, file) == ["--clip", "3", "--output-file", str(file)]
    assert words_of_look("hunt", 3, file) == ["--hunt"]
    with pytest.raises(BadOption):
        words_of_look("--replay", 3, file)


def test_the_gallery_has_a_card_a_film_and_is_told_once(jobs):
    tab = FilmsTab(PageContext(jobs, "zh"), gr.Textbox())
    seen, cards = tab.look({})
    assert cards.count("data-run='film-1'") == 1
    assert "正在制作" in cards
    assert tab.look(seen)[1] == gr.skip()


def test_a_film_that_waits_shows_its_picture_among_all_films(face: Path):
    """It has no run yet to take a frame from; without a picture there is nothing to show."""
    waiting = JobView("film-2", "queued", "", 2.0, Path("/films/film-2"), place=0, picture=face)
    assert give_picture(waiting).body[:2] == b"\xff\xd8"  # JPEG
    with pytest.raises(HTTPException):
        give_picture(JobView("film-2", "queued", "", 2.0, Path("/films/film-2"), place=0))
