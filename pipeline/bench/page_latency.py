"""How long it takes until a new clip is seen by who watches a film while it is made: python -m pipeline.bench.page_latency [--seconds 40].

A film of pocket is asked for in the page of `longtake web`, in Chromium on this machine, and watched --rate times as fast as it plays: so the player has
soon seen all that is there, and waits for each clip. Times are told from the event that a clip is published: until it stands in the playlist, is in the
player, and its first frame is on the screen. Wants chromium, chromium-driver and selenium.
"""

import argparse
import json
import sys
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pipeline.bench.page_browser import PageBrowser, WebServer, find_lack, open_browser, serve_page

EXAMPLES = Path(__file__).parents[2] / "examples"
PICTURE, SOUND = EXAMPLES / "mila.png", EXAMPLES / "harbour.wav"
STEPS = ("in the playlist", "in the player", "on the screen")
SLACK = 2.0
"""Seconds, besides one clip, in which a clip must be seen."""
WATCH = """
const rate = arguments[0];
const video = document.getElementById('lt-film');
window.seen = {held: [], shown: []};
const look = (_, frame) => {
  seen.shown.push([frame.mediaTime, Date.now() / 1000]);
  video.requestVideoFrameCallback(look);
};
video.requestVideoFrameCallback(look);
let last = 0;
setInterval(() => {
  if (video.playbackRate !== rate) video.playbackRate = rate;
  const spans = video.buffered, end = spans.length ? spans.end(spans.length - 1) : 0;
  if (end > last) seen.held.push([last = end, Date.now() / 1000]);
}, 10);
"""
Marks = list[tuple[float, float]]
"""Times in the film, and of the clock."""


@dataclass(frozen=True)
class ClipSeen:
    """One clip of a film that is watched: seconds after it was published."""

    clip: int
    listed: float
    held: float
    shown: float


def repeat_sound(path: Path, seconds: float) -> None:
    """Write the example's sound again and again, so long."""
    with wave.open(str(SOUND), "rb") as source:
        facts, content = source.getparams(), source.readframes(source.getnframes())
    size = int(seconds * facts.framerate) * facts.sampwidth * facts.nchannels
    with wave.open(str(path), "wb") as file:
        file.setparams(facts)
        file.writeframes((content * (size // len(content) + 1))[:size])


def watch_film(browser: PageBrowser, server: WebServer, sound: Path, rate: float) -> list[ClipSeen]:
    """Ask for a film and watch it to its end; its clips, but the first two, before which the player has yet to come."""
    browser.open(f"{server.address}/en/")
    browser.give(PICTURE, sound)
    browser.click("#lt-make")
    browser.wait_for(lambda: browser.run, "a film in the address")
    browser.run_script(WATCH, rate)
    ended = "return document.getElementById('lt-film').ended"
    browser.wait_for(lambda: browser.state == "finished", "the film is done")
    browser.wait_for(lambda: browser.run_script(ended), "its end is seen")
    seen = browser.run_script("return window.seen")
    run = server.root / browser.run
    return compare_clips(run, seen["held"], seen["shown"])[2:]


def compare_clips(run: Path, held: Marks, shown: Marks) -> list[ClipSeen]:
    """When each clip of a run came to be seen, by the run's events and what the page has noted."""
    lines = (run / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [event for event in map(json.loads, lines) if "clip" in event]
    told = {(event["event"], event["clip"]): float(event["time"]) for event in events}
    found, start = [], 0.0
    playlist = (run / "live/film.m3u8").read_text(encoding="utf-8").splitlines()
    for clip, line in enumerate(line for line in playlist if line.startswith("#EXTINF:")):
        end = start + float(line[8:-1])
        published = told["clip_published", clip]
        times = (
            told["live_extended", clip],
            _find_first(held, end - 0.1),
            _find_first(shown, start),
        )
        found.append(ClipSeen(clip, *(time - published for time in times)))
        start = end
    return found


def _find_first(marks: Marks, time: float) -> float:
    """By the clock, when this time of the film was reached."""
    return next(clock for reached, clock in marks if reached >= time - 1e-3)


def describe_clips(clips: Sequence[ClipSeen]) -> str:
    """The figures as lines for people: median and worst of each step."""
    columns = zip(*((each.listed, each.held, each.shown) for each in clips), strict=True)
    lines = [f"{len(clips)} clips, seconds after each was published:   median    worst"]
    for name, times in zip(STEPS, columns, strict=True):
        lines.append(f"{name:>46}   {median(times):6.2f}   {max(times):6.2f}")
    return "\n".join(lines)


def main() -> int:
    """The command line; 7 where a clip was seen later than the next one's length and two seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("--seconds", type=float, default=40, help="how long the film is (40)")
    parser.add_argument(
        "--rate",
        type=float,
        default=2,
        help="how much faster it is watched than it plays (2); 1 where films are made more slowly",
    )
    parser.add_argument("--clip", type=float, default=1.92, help="seconds of a clip (1.92, pocket's)")  # fmt: skip
    parser.add_argument("--each", action="store_true", help="each clip by itself, too")
    asked = parser.parse_args()
    if lack := find_lack():
        print(f"{lack} is not here", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder, serve_page(Path(folder) / "films") as server:
        sound = Path(folder) / "sound.wav"
        repeat_sound(sound, asked.seconds)
        with open_browser() as browser:
            clips = watch_film(browser, server, sound, asked.rate)
    if asked.each:
        print(*clips, sep="\n")
    print(describe_clips(clips))
    level = asked.clip + SLACK
    print(f"the level is {level:.2f} s on the screen")
    return 0 if max(each.shown for each in clips) <= level else 7


if __name__ == "__main__":
    sys.exit(main())
