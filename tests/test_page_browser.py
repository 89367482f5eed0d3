"""The page in a real browser: upload to film, stop and resume, reload in the middle, two tabs, a server that is killed and started again."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.bench.page_browser import PageBrowser, WebServer, find_lack, open_browser, serve_page
from pipeline.jobs.job_folder import JobFolder
from pipeline.jobs.job_root import JobRoot
from storage.lock import find_local_holder

EXAMPLES = Path(__file__).parents[1] / "examples"
PICTURE, SOUND = EXAMPLES / "mila.png", EXAMPLES / "harbour.wav"
MOVING = {"queued", "running"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(find_lack()), reason=f"{find_lack()} is not here"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    with serve_page(tmp_path / "root") as server:
        yield server
        end_films(server.root)


@pytest.fixture
def browser() -> Iterator[PageBrowser]:
    with open_browser() as browser:
        yield browser


def end_films(root: Path) -> None:
    """Stop what a test has left running."""
    jobs = JobRoot(root)
    for view in jobs.list_jobs():
        jobs.stop(view.name)


def begin_film(browser: PageBrowser, server: WebServer) -> str:
    """Ask for a small film in the page; its name, once it is being made."""
    browser.open(f"{server.address}/en/")
    browser.give(PICTURE, SOUND)
    browser.click("#lt-make")
    browser.wait_for(lambda: browser.run, "a film in the address")
    browser.wait_for(lambda: browser.state == "running", "the film is being made")
    return browser.run


def test_from_upload_to_film_it_plays_while_it_is_made_and_nothing_comes_from_elsewhere(
    server, browser
):
    name = begin_film(browser, server)
    browser.wait_for(lambda: browser.film[0] > 0.2, "the film plays")
    assert browser.state == "running"
    browser.wait_for(lambda: browser.is_seen("#lt-beside img"), "latents and sound")
    browser.wait_for(lambda: browser.state == "finished", "the film is done")
    browser.wait_for(lambda: browser.film[1] > 12.7, "all of it is in the player")
    ended = "return document.getElementById('lt-film').ended"
    browser.wait_for(lambda: browser.run_script(ended), "the player comes to the film's end")
    assert browser.is_seen("#lt-tabs a[download]")
    run = JobRoot(server.root).view(name).run
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert facts["settings"]["live"] is True
    assert browser.list_foreign() == []


def test_stopped_and_resumed_from_the_page_the_film_comes_to_its_end(server, browser):
    begin_film(browser, server)
    browser.wait_for(lambda: browser.film[1] > 0, "a first clip")
    browser.click("#lt-stop")
    browser.wait_for(lambda: browser.state == "stopped", "it stands still")
    browser.wait_for(lambda: browser.is_seen("#lt-resume"), "the button")
    browser.wait_for(lambda: browser.has_ended, "the player waits for nothing")
    browser.click("#lt-resume")
    browser.wait_for(lambda: browser.state in MOVING, "it goes on")
    browser.wait_for(lambda: browser.state == "finished", "the film is done")
    browser.wait_for(lambda: browser.film[1] > 12.7, "all of it is in the player")


def test_a_reload_and_a_second_tab_show_the_same_film(server, browser):
    name = begin_film(browser, server)
    browser.driver.refresh()
    browser.wait_for(lambda: browser.state in {*MOVING, "finished"}, "the state after the reload")
    assert browser.run == name
    browser.driver.switch_to.new_window("tab")
    browser.open(f"{server.address}/zh/")
    browser.open_tab(2)
    browser.click("#lt-gallery [data-run]")
    browser.wait_for(lambda: browser.run == name, "the film of the gallery")
    browser.wait_for(lambda: browser.state == "finished", "the second tab sees its end")
    browser.driver.close()
    browser.driver.switch_to.window(browser.driver.window_handles[0])
    browser.wait_for(lambda: browser.state == "finished", "the first tab sees its end")


def test_a_killed_server_harms_no_film_and_the_page_finds_it_again(server, browser):
    name = begin_film(browser, server)
    server.kill()
    server.start()
    browser.wait_for(lambda: browser.read_text("#lt-state"), "the page is back")
    browser.wait_for(lambda: browser.state == "finished", "the film is done")
    assert browser.run == name


def test_a_closed_browser_stops_nothing_and_a_killed_film_is_said_to_be_lost(server):
    with open_browser() as first:
        name = begin_film(first, server)
    jobs = JobRoot(server.root)
    assert jobs.view(name).state == "running"
    with open_browser() as second:
        second.open(f"{server.address}/en/?run={name}")
        second.wait_for(lambda: second.state == "running", "it goes on")
        os.kill(find_film_process(jobs, name), signal.SIGKILL)
        second.wait_for(lambda: second.state == "lost", "its process is gone")
        second.click("#lt-resume")
        second.wait_for(lambda: second.state == "finished", "it is resumed")


def find_film_process(jobs: JobRoot, name: str) -> int:
    """The id of the process that makes a film."""
    process = find_local_holder(JobFolder(jobs.root, name).path)
    assert process is not None, "nobody makes it"
    return process


def test_an_error_of_the_form_is_one_line_of_the_command_line(server, browser):
    browser.open(f"{server.address}/en/")
    browser.give(PICTURE, SOUND)
    browser.run_script(
        "document.querySelectorAll('.lt-group > button').forEach((each) => each.click())"
    )
    browser.wait_for(lambda: browser.is_seen("#lt-field-sample_steps input"), "the field")
    browser.type_in("sample_steps", "0")
    browser.wait_for(lambda: browser.is_seen("#lt-plan .lt-fault"), "the error")
    assert "--sample-steps" in browser.read_text("#lt-plan")


def test_a_click_on_the_picture_tells_the_mouth_and_the_plan_has_it(server, browser):
    from selenium.webdriver import ActionChains

    browser.open(f"{server.address}/en/")
    browser.give(PICTURE, SOUND)
    browser.wait_for(lambda: browser.is_seen("#lt-face img"), "the face")
    image = browser.find("#lt-face img")
    browser.run_script("arguments[0].scrollIntoView({block: 'center'})", image)
    below = round(image.size["height"] * 0.15)
    ActionChains(browser.driver).move_to_element_with_offset(image, 0, below).click().perform()
    browser.wait_for(lambda: "the mouth as told" in browser.read_text("#lt-plan"), "the told mouth")
