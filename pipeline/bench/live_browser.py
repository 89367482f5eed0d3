"""Whether picture and sound of a long live film are together in a browser, played by the page's own player: python -m pipeline.bench.live_browser [--minutes 10] [--last 20].

The film of pipeline.bench.live_sync (each second a white frame, and a click with it) is given out beside page.js, whose player is told to go near its end.
Chromium says of each white frame the time that it has in the film, and of each click where the film stood when Web Audio was given it. Wants chromium,
chromium-driver and selenium.
"""

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from pathlib import Path

from pipeline.bench.live_sync import make_live_film
from pipeline.bench.page_browser import ADDRESS, PageBrowser, find_lack, open_browser

LEVEL = 40.0
"""Milliseconds: a frame of 25 a second, and less than anybody sees."""
PLAYER = Path(__file__).parents[1] / "web" / "page.js"
PAGE = """<!doctype html><meta charset="utf-8"><body><div id="lt-tabs">.</div>
<div><video id="lt-film" width="320" height="320"></video></div>
<span id="lt-mark" data-run="film" data-live="live/"></span>
<script src="page.js"></script></body>
"""
WATCH = """
const video = document.getElementById('lt-film'), done = arguments[arguments.length - 1];
const pixel = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
window.seen = {flashes: [], clicks: [], shown: 0, from: null};
const look = (_, frame) => {
  pixel.drawImage(video, 0, 0, 1, 1);
  seen.shown += 1;
  if (pixel.getImageData(0, 0, 1, 1).data[0] > 128) seen.flashes.push(frame.mediaTime);
  video.requestVideoFrameCallback(look);
};
const listen = `registerProcessor('clicks', class extends AudioWorkletProcessor {
  process([[sound]]) {
    const at = sound ? sound.findIndex((each) => Math.abs(each) > .3) : -1;
    if (at >= 0) this.port.postMessage(currentTime + at / sampleRate);
    return true;
  }
})`;
(async () => {
  const context = new AudioContext();
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([listen], {type: 'text/javascript'})));
  const clicks = new AudioWorkletNode(context, 'clicks');
  context.createMediaElementSource(video).connect(clicks).connect(context.destination);
  let last = -1;
  clicks.port.onmessage = ({data}) => {
    if (data > last + .5) seen.clicks.push(video.currentTime - (context.currentTime - data));
    last = data;
  };
  await context.resume();
  video.requestVideoFrameCallback(look);
  done(context.state);
})();
"""


@dataclass(frozen=True)
class BrowserOffsets:
    """How far clicks come after their flashes in a browser, in milliseconds; negative: before."""

    flashes: int
    clicks: int
    frames: int
    """That were shown of those that the film has there."""
    frames_there: int
    earliest: float
    median: float
    latest: float


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """The address of a web server over a folder; ended afterwards."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"{ADDRESS}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def measure_in_browser(folder: Path, seconds: int, last: float, fps: int) -> BrowserOffsets:
    """Play the last so many seconds of the live film in a folder, which the page is put beside."""
    (folder / "index.html").write_text(PAGE, encoding="utf-8")
    (folder / "page.js").write_bytes(PLAYER.read_bytes())
    with serve_folder(folder) as address, open_browser() as browser:
        browser.open(f"{address}/index.html")
        browser.wait_for(
            lambda: browser.film[1] > 1 and browser.film[2] >= 3, "the film's beginning"
        )
        _go_to(browser, seconds - last)
        state = browser.driver.execute_async_script(WATCH)
        assert state == "running", f"Web Audio is {state}"
        begun = browser.film[0]
        ended = "return document.getElementById('lt-film').ended"
        browser.wait_for(lambda: browser.run_script(ended), "its end")
        seen = browser.run_script("return window.seen")
    return compare_times(seen["flashes"], seen["clicks"], (seen["shown"], (seconds - begun) * fps))


def _go_to(browser: PageBrowser, time: float) -> None:
    """Seek, as a person does with the bar, and wait until the film plays from there."""
    browser.run_script("document.getElementById('lt-film').currentTime = arguments[0]", time)
    browser.wait_for(lambda: browser.film[0] > time + 0.2 and browser.film[2] >= 3, "the seek")


def compare_times(
    flashes: list[float], clicks: list[float], frames: tuple[int, float]
) -> BrowserOffsets:
    """Each click against the flash that is nearest; a flash in the first second has none that was listened to."""
    nearest = ((click, min(flashes, key=lambda flash: abs(flash - click))) for click in clicks)
    offsets = sorted(1000 * (click - flash) for click, flash in nearest)
    shown, there = frames
    return BrowserOffsets(
        flashes=len(flashes),
        clicks=len(clicks),
        frames=shown,
        frames_there=round(there),
        earliest=offsets[0],
        median=offsets[len(offsets) // 2],
        latest=offsets[-1],
    )


def main() -> int:
    """Measure and print; 7 where an offset is above the level or a click is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--last", type=float, default=20, help="seconds that are watched (20)")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--late", type=float, default=0, help="seconds that the sound is put too late: the measure must see it (0)")  # fmt: skip
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if lack := find_lack():
        print(f"{lack} is not here", file=sys.stderr)
        return 2
    seconds = ceil(60 * asked.minutes)
    with tempfile.TemporaryDirectory() as place:
        make_live_film(Path(place), seconds, asked.fps, asked.late)
        found = measure_in_browser(Path(place), seconds, asked.last, asked.fps)
    print(json.dumps(asdict(found), indent=2) if asked.json else format_offsets(found, asked.last))
    together = max(abs(found.earliest), abs(found.latest)) <= LEVEL
    return 0 if together and abs(found.flashes - found.clicks) <= 1 else 7


def format_offsets(found: BrowserOffsets, last: float) -> str:
    """The figures as lines for people."""
    return (
        f"the last {last:g} s: {found.flashes} flashes, {found.clicks} clicks, {found.frames} of {found.frames_there} frames shown\n"
        f"a click comes after its flash: {found.earliest:+.1f} to {found.latest:+.1f} ms, median {found.median:+.1f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
