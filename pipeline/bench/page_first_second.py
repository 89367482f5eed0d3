"""How long it takes from a click on "Make the film" until its first second can be played, in Chromium on this machine.

    python -m pipeline.bench.page_first_second [--films 3] [--level 8]

Each film is pocket's, 256×256, asked for in the page like any other; the server runs already. Wants chromium, chromium-driver and selenium.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from pipeline.bench.page_browser import PageBrowser, WebServer, find_lack, open_browser, serve_page

EXAMPLES = Path(__file__).parents[2] / "examples"
PICTURE, SOUND = EXAMPLES / "mila.png", EXAMPLES / "harbour.wav"
STEPS = ("queued", "process", "played")


def time_film(browser: PageBrowser, server: WebServer) -> tuple[float, float, float]:
    """Seconds after the click until the film is in the queue, its run is there, and its first second is in the player and plays."""
    browser.open(f"{server.address}/en/")
    browser.give(PICTURE, SOUND)
    time.sleep(2)  # a person looks at the plan
    begun = time.monotonic()
    browser.click("#lt-make")
    browser.wait_for(lambda: browser.run, "a film in the address")
    queued = time.monotonic() - begun
    browser.wait_for(lambda: browser.read_text("#lt-state .lt-line"), "its run")
    process = time.monotonic() - begun
    browser.wait_for(lambda: browser.film[1] > 1 and browser.film[0] > 0, "the film plays")
    played = time.monotonic() - begun
    browser.wait_for(lambda: browser.state == "finished", "the film is done")
    return queued, process, played


def main() -> int:
    """The command line; code 7 where the median is above the level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("--films", type=int, default=3, help="how many films (3)")
    parser.add_argument("--level", type=float, default=8.0, help="seconds that the median may take (8)")  # fmt: skip
    asked = parser.parse_args()
    if lack := find_lack():
        print(f"{lack} is not here", file=sys.stderr)
        return 2
    with (
        tempfile.TemporaryDirectory() as folder,
        serve_page(Path(folder) / "films") as server,
        open_browser() as browser,
    ):
        found = [time_film(browser, server) for _ in range(asked.films)]
    print("seconds after the click:", *(f"{name:>9}" for name in STEPS))
    for times in found:
        print(" " * 24, *(f"{each:9.1f}" for each in times))
    middle = median(times[-1] for times in found)
    print(f"the median film plays after {middle:.1f} s; the level is {asked.level:g} s")
    return 0 if middle <= asked.level else 7


if __name__ == "__main__":
    sys.exit(main())
