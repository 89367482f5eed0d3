"""Pictures of the page in each of its states, light and dark, on a desk and on a telephone: to be looked at, and for docs/web.md.

    python -m pipeline.bench.page_pictures --out DIR

Wants chromium, chromium-driver and selenium. Makes small films meanwhile, which takes a few minutes.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from pipeline.bench.page_browser import (
    DESKTOP,
    SMALL_PHONE,
    PageBrowser,
    WebServer,
    find_lack,
    open_browser,
    serve_page,
)
from pipeline.jobs.job_request import JobRequest
from pipeline.jobs.job_root import JobRoot

EXAMPLES = Path(__file__).parents[2] / "examples"
PICTURE, SOUND = EXAMPLES / "mila.png", EXAMPLES / "harbour.wav"
OTHERS = (("joon", "tea"), ("ruth", "mercado"), ("pip", "harbour"))
PROMPT = "A happy presenter nods."


def photograph_desk(server: WebServer, out: Path, language: str, *, dark: bool) -> None:
    """The states of one film from an empty form to the report, on a desk."""
    name = f"{'dark' if dark else 'light'}-{language}"
    with open_browser(DESKTOP, dark=dark, language=language) as browser:
        browser.open(f"{server.address}/{language}/")
        browser.wait_for(lambda: browser.is_seen("#lt-make"), "the form")
        browser.photograph(out / f"desk-{name}-1-empty.png")
        browser.give(PICTURE, SOUND)
        browser.type_in("prompt", PROMPT)
        browser.wait_for(lambda: browser.is_seen("#lt-face img"), "the face")
        browser.wait_for(lambda: "nod" in browser.read_text("#lt-plan"), "the plan of the prompt")
        browser.photograph(out / f"desk-{name}-2-plan.png")
        browser.click("#lt-make")
        browser.wait_for(lambda: browser.film[0] > 0.5, "the film plays")
        browser.photograph(out / f"desk-{name}-3-working.png")
        browser.click("#lt-stop")
        browser.wait_for(lambda: browser.state == "stopped", "it stands still")
        browser.photograph(out / f"desk-{name}-4-stopped.png")
        browser.click("#lt-resume")
        browser.wait_for(lambda: browser.state == "running", "it goes on")
        browser.wait_for(lambda: browser.state == "finished", "it is done")
        look_inside(browser)
        browser.photograph(out / f"desk-{name}-5-finished.png")


def look_inside(browser: PageBrowser) -> None:
    """Open what is folded away below a film, and ask for a picture of it."""
    for fold in ("retake", "look", "settings"):
        browser.click(f"#lt-{fold} > button")
    browser.click("#lt-look-button")
    browser.wait_for(lambda: browser.is_seen("#lt-look-picture img"), "the picture of inspect")


def photograph_phone(server: WebServer, out: Path, language: str, *, dark: bool) -> None:
    """Form, film and all films, on a telephone."""
    name = f"{'dark' if dark else 'light'}-{language}"
    run = JobRoot(server.root).list_jobs()[-1].name
    with open_browser(SMALL_PHONE, dark=dark, language=language) as browser:
        browser.open(f"{server.address}/{language}/")
        browser.give(PICTURE, SOUND)
        browser.wait_for(lambda: browser.is_seen("#lt-face img"), "the face")
        browser.photograph(out / f"phone-{name}-1-plan.png")
        browser.open(f"{server.address}/{language}/?run={run}")
        browser.wait_for(lambda: browser.film[0] > 0.5, "the film plays")
        browser.photograph(out / f"phone-{name}-2-watch.png")
        browser.open_tab(2)
        browser.wait_for(lambda: browser.is_seen("#lt-gallery [data-run]"), "all films")
        browser.wait_for(
            lambda: browser.run_script(
                "return [...document.querySelectorAll('#lt-gallery img')].every((each) => each.naturalWidth)"
            ),
            "their pictures",
        )
        browser.photograph(out / f"phone-{name}-3-films.png")


def fill_queue(jobs: JobRoot) -> None:
    """Small films for the gallery: some are made, some wait."""
    for face, sound in OTHERS:
        picture, voice = EXAMPLES / f"{face}.png", EXAMPLES / f"{sound}.wav"
        jobs.submit(JobRequest(picture, voice, {"num-clip": "2"}, title=f"{face.title()}, {sound}"))


def make_pictures(out: Path) -> None:
    """All of them, into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, serve_page(Path(folder) / "films") as server:
        photograph_desk(server, out, "en", dark=False)
        photograph_desk(server, out, "zh", dark=True)
        fill_queue(JobRoot(server.root))
        photograph_phone(server, out, "en", dark=False)
        photograph_phone(server, out, "zh", dark=True)
        for view in JobRoot(server.root).list_jobs():
            JobRoot(server.root).stop(view.name)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="the folder of the pictures")
    if lack := find_lack():
        print(f"{lack} is not here", file=sys.stderr)
        return 2
    make_pictures(parser.parse_args().out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
