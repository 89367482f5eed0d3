"""What a person sees while the film is made: a bar on a terminal, and the lines that people grep for in the log."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from pipeline.monitor.eta import EtaEstimator, Facts
from pipeline.monitor.log_output import log_line
from pipeline.monitor.words import clips_in_words
from storage.errors import count_noun
from tasks import events

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from pipeline.push.address import PushAddress
    from pipeline.sinks.address import SinkAddress

OnClipComplete = Callable[[int, int], None]


@dataclass(frozen=True)
class ProgressOptions:
    """Where it is seen how a film is made."""

    console: "Console | None" = None
    """A terminal for the bar."""
    events_to: "Sequence[SinkAddress]" = ()
    """Places that every event is sent to."""
    push_to: "Sequence[PushAddress]" = ()
    """Servers that the live film is pushed to."""


NOT_SHOWN = ProgressOptions()


class LogLines:
    """Events in, the lines of the articles out, and the clips counted on the way."""

    def __init__(self) -> None:
        self.clips = self.done = self.made = 0
        """To be made or found by this command; published; published since the last start."""

    def add_event(self, event: str, facts: Facts) -> None:
        """Say what there is to say about one event."""
        speak = getattr(self, f"_{event}", None)
        if speak is not None:
            speak(facts)

    def _run_started(self, facts: Facts) -> None:
        self.clips, self.done, self.made = int(str(facts["clips"])), int(str(facts["done"])), 0
        if not facts.get("offline"):
            log_line("[INFO] Online decode enabled. Will decode and save each clip immediately.")
        log_line(f"[INFO] Output directory set to: {facts['run']}")

    def _repair_started(self, facts: Facts) -> None:
        self.clips, self.done, self.made = int(str(facts["clips"])), 0, 0
        log_line(
            f"[INFO] Repairing: {_format_number(facts['files'], 'damaged file')}, {_format_number(facts['clips'], 'clip')} to be shown again"
        )

    def _run_shared(self, facts: Facts) -> None:
        log_line(
            f"[INFO] Retake of {facts['parent']} from clip {facts['clip']} on, seed {facts['seed']}"
        )
        if copied := facts["copied"]:
            words = f"{float(str(copied)) / 1e6:.1f} MB could not be linked there, and were copied"
            log_line(f"[WARN] {words}", logging.WARNING)

    def _joint_accepted(self, facts: Facts) -> None:
        redone = _format_number(facts["redone"], "clip")
        words = f"{redone} made before are made again" if facts["redone"] else "none is made again"
        log_line(
            f"[WARN] The film has a joint before clip {facts['clip']}: {words}", logging.WARNING
        )

    def _ranks_awaited(self, facts: Facts) -> None:
        ranks = str(facts["ranks"])
        noun, which = ("ranks", "have") if "," in ranks else ("rank", "has")
        words = (
            f"Waits for {noun} {ranks}, which {which} not joined: {facts['seconds']:g} s at most"
        )
        log_line(f"[INFO] {words}", logging.WARNING)

    def _ranks_started(self, facts: Facts) -> None:
        words = f"{facts['ranks']} ranks share the {facts['parallel']}: {facts['reason']}"
        log_line(f"[INFO] {words}", logging.WARNING)

    def _size_stepped_down(self, facts: Facts) -> None:
        log_line(
            f"[WARN] GPU memory low, downgrading resolution to {facts['made']}", logging.WARNING
        )

    def _space_low(self, facts: Facts) -> None:
        log_line(f"[WARN] Only {facts['size']} are free for {facts['path']}", logging.WARNING)

    def _space_pruned(self, facts: Facts) -> None:
        words = f"{facts['size']} of raw frames and steps were removed, {facts['count']} in all"
        log_line(f"[WARN] The disk is nearly full: {words}", logging.WARNING)

    def _by_products_pruned(self, facts: Facts) -> None:
        words = f"{facts['size']} came free: raw frames and steps that are not kept any more, {facts['count']} in all"
        shared = "" if facts["bytes"] else " (another run shares them, and has them still)"
        log_line(f"[INFO] {words}{shared}", logging.WARNING)

    def _by_products_gone(self, facts: Facts) -> None:
        ways = {
            "frames": "--keep-frames all makes them again",
            "steps": f"`longtake inspect {quote(str(facts['run']))} --clip N --replay` makes them again, clip by clip",
        }
        for name, way in ways.items():
            if count := facts[name]:
                log_line(
                    f"[INFO] Clips whose {name} were removed before: {count}; {way}",
                    logging.WARNING,
                )

    def _memory_relieved(self, facts: Facts) -> None:
        words = f"going on with {facts['change']}; the same bytes, slower"
        log_line(f"[WARN] {_name_clip(facts)} ran out of memory: {words}", logging.WARNING)

    def _stalled(self, facts: Facts) -> None:
        log_line(str(facts["line"]), logging.ERROR)

    def _clips_cut(self, facts: Facts) -> None:
        log_line(
            f"[INFO] {_format_number(facts['asked'], 'clip')} asked, {facts['made']} made: the sound ends there ({facts['length']})",
            logging.WARNING,
        )

    def _live_started(self, facts: Facts) -> None:
        log_line(f"[INFO] To be watched meanwhile: {facts['path']}")

    def _clip_denoised(self, facts: Facts) -> None:
        log_line(f"[SUCCESS] Clip {facts['clip']} generated")

    def _clip_published(self, facts: Facts) -> None:
        self.done, self.made = self.done + 1, self.made + 1
        share, clip = 100 * self.done / max(self.clips, 1), facts["clip"]
        log_line(f"[PROGRESS] {share:.1f}% ({self.done}/{self.clips}) - Clip {clip} saved")

    def _clip_retry(self, facts: Facts) -> None:
        log_line(
            f"[RETRY] {_name_clip(facts)} failed (attempt {facts['attempt']})", logging.WARNING
        )

    def _clip_failed(self, facts: Facts) -> None:
        log_line(
            f"[FATAL] {_name_clip(facts)} failed after {_format_number(facts['attempts'], 'attempt')}",
            logging.ERROR,
        )


def _format_number(fact: object, noun: str) -> str:
    return count_noun(int(str(fact)), noun)


def _name_clip(facts: Facts) -> str:
    """The clip of an event in words, or the stage where it is of the whole film."""
    clip = facts.get("clip")
    return f"The film's {facts.get('stage')}" if clip is None else f"Clip {clip}"


def format_seconds_left(seconds: float | None) -> str:
    """A time that is left, as h:mm:ss; -:--:-- before anything is known."""
    if seconds is None:
        return "-:--:--"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class ProgressBar:
    """A line of a terminal: clips done, frames a second and the time that is left."""

    def __init__(self, clip_frames: int, console: "Console") -> None:
        self._eta, self._clip_frames = EtaEstimator(), clip_frames
        self._doing = "loading the model"
        self.progress = make_progress(console)
        self._task = self.progress.add_task(self._doing, total=None, left="", speed="")

    def add_event(self, event: str, facts: Facts) -> None:
        """Move the bar on by one event."""
        self._eta.add_event(event, facts, time.time())
        eta, each = self._eta, self._eta.seconds_a_clip
        if event == "stalled":  # the process ends at once, and the cursor is to be there again
            self.progress.stop()
        if event == "replay_planned":
            clips = range(int(str(facts["first"])), int(str(facts["stop"])))
            self._doing = f"replaying {clips_in_words(clips)}"
        elif event in _NOW:
            self._doing = _NOW[event].format(**facts)
        self.progress.update(
            self._task,
            description=self._doing,
            total=eta.clips or None,
            completed=eta.done,
            speed=f"{self._clip_frames / each:.0f} fps" if each else "",
            left=f"{format_seconds_left(eta.eta)} left" if each else "",
        )


_NOW = {
    "repair_started": "repairing",
    "run_started": "preparing the first clip",
    "clip_denoised": "clip {clip}",
    "clip_published": "clip {clip}",
    "clip_replayed": "replayed clip {clip}",
    "film_published": "done",
}


def make_progress(console: "Console", *, unit: str = "clip", transient: bool = False) -> "Progress":
    """A bar that counts clips or another unit (`clip`, `frame`), with its `speed` and what is `left` behind it; a transient one is gone at its end."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
    )
    from rich.text import Text

    class Unit(ProgressColumn):
        """`clip` or `clips`, as there are."""

        def render(self, task: Task) -> Text:
            return Text(count_noun(int(task.total or 0), unit).partition(" ")[2])

    return Progress(
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        Unit(),
        TextColumn("{task.fields[speed]}", style="cyan"),
        TextColumn("{task.fields[left]}"),
        console=console,
        expand=True,
        transient=transient,
    )


@contextmanager
def follow_progress(
    clip_frames: int,
    on_clip_complete: OnClipComplete | None = None,
    console: "Console | None" = None,
) -> Iterator[LogLines]:
    """Listen to the events meanwhile: lines for the log, a bar on the terminal, the caller's own function after each published clip. Gives what counts the clips."""
    lines = LogLines()
    followers = [lines.add_event]
    with ExitStack() as stack:
        if console is not None:
            bar = ProgressBar(clip_frames, console)
            stack.enter_context(bar.progress)
            followers.append(bar.add_event)

        def tell(event: str, facts: Facts) -> None:
            for follower in followers:
                follower(event, facts)
            if event == "clip_published" and on_clip_complete is not None:
                on_clip_complete(int(str(facts["clip"])), lines.clips)

        stack.enter_context(events.listen_to_events(tell))
        yield lines
