"""longtake accept: for someone who has a model's weights and the machine for it. Three clips, a kill, a resume, the bytes compared, and a page that shows it all."""

import hashlib
import html
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.monitor.words import format_bytes
from pipeline.options.flag import Flag
from pipeline.upkeep.child_process import module_command, raise_if_failed, tie_to_parent
from pipeline.upkeep.doctor import examine_weights
from storage.errors import BadInput, FilmNotMade, ModelError
from storage.lock import is_lock
from storage.media_file import open_media
from storage.names import is_begun, is_run
from storage.output_file import PAGE, PICTURE, OutputFile
from storage.publish import make_folder
from storage.scratch import hold_marker

CLIPS = 3
EXAMPLES = Path(__file__).parents[2] / "examples"
OWN_FIELDS = {"run", "output_dir", "output_file", "overwrite", "num_clip", "start_clip"}
"""Fields of the Request that acceptance settles by itself."""
LONGEST_SECONDS = 3600
"""Seconds for one film of three clips."""
MARK = "accept.lock"
"""Lies in the folder while an acceptance works there."""
COMPARED = ("segments/*", "latents/c.*", "motion/c.*", "video.mp4")

Given = list[tuple[Flag, str]]


@dataclass(frozen=True)
class Check:
    """One check of an acceptance, and whether it passed."""

    what: str
    found: str
    passed: bool


@dataclass(frozen=True)
class Acceptance:
    """The checks of an acceptance, and the page about them."""

    checks: tuple[Check, ...]
    page: Path

    @property
    def passed(self) -> bool:
        """True if every check passed."""
        return all(check.passed for check in self.checks)


def accept_model(given: Given, root: Path, tell: Callable[[Check], None]) -> Acceptance:
    """Make a short film twice in `root`, once undisturbed and once killed and resumed. Raises BadInput, and what stands in a film's way.

    The films of an acceptance that was killed go first; whatever else lies there stays.
    """
    words = build_words(given)
    checked = list(weights_checks(given))
    make_folder(root)
    with hold_marker(root / MARK) as cut_short:
        for run in _films(root) if cut_short else ():
            if not run.parent.is_symlink() and (is_run(run) or is_begun(run) or is_lock(run)):
                shutil.rmtree(run, ignore_errors=True)
        for run in _films(root):
            if os.path.lexists(run):
                raise BadInput(
                    f"{run} is there from before. Remove it, or name another folder with --run."
                )
        return _accept_in(words, checked, prepare_outputs(given, root), tell)


def _films(root: Path) -> tuple[Path, Path]:
    # The folder's name is in the film's title: both have the same.
    return root / "whole" / "film", root / "broken" / "film"


def _accept_in(
    words: list[str],
    checked: list[Check],
    outputs: tuple[OutputFile, OutputFile],
    tell: Callable[[Check], None],
) -> Acceptance:
    page, sheet = outputs
    whole, broken = _films(page.path.parent)
    checks: list[Check] = []

    def note(check: Check) -> None:
        checks.append(check)
        tell(check)

    for check in checked:
        note(check)
    seconds = run_film(words, whole)
    note(Check("a film of 3 clips", f"in {seconds:.0f} s, with loading", passed=True))
    note(kill_and_check(words, broken))
    run_film(["resume", str(broken)])
    note(compare_runs("killed and resumed", whole, broken))
    lose_last_segment(broken)
    run_film(["resume", str(broken)])
    note(compare_runs("last clip decoded alone", whole, broken))
    for check in read_figures(whole):
        note(check)
    save_contact_sheet(whole / "video.mp4", sheet)
    write_page(page, whole, checks, sheet.path.name)
    return Acceptance(tuple(checks), page.path)


def prepare_outputs(given: Given, root: Path) -> tuple[OutputFile, OutputFile]:
    """The output files of the page and of its picture, checked. Raises BadOutput, NotWritable."""
    overwrite = any("overwrite" in flag.fields for flag, _ in given)
    page = OutputFile(root / "accept.html", PAGE, overwrite=overwrite)
    sheet = OutputFile(root / "frames.png", PICTURE, overwrite=overwrite)
    for each in (page, sheet):
        each.check()
    return page, sheet


def build_words(given: Given) -> list[str]:
    """A command line of `longtake new` with these flags, but for those that acceptance settles; the examples' face and voice where none is given."""
    fields = {name for flag, _ in given for name in flag.fields}
    words = ["new"]
    for name, example in (("image", "mila.png"), ("audio", "harbour.wav")):
        if name not in fields:
            if not (EXAMPLES / example).is_file():
                raise BadInput(f"No {name} was given, and there is no {EXAMPLES / example}.")
            words += [f"--{name}={EXAMPLES / example}"]
    for flag, word in given:
        if not OWN_FIELDS.intersection(flag.fields):
            words.append(flag.spelling if flag.constant is not None else f"{flag.spelling}={word}")
    return [*words, f"--num-clip={CLIPS}"]


def weights_checks(given: Given) -> Iterator[Check]:
    """The checks that `doctor` makes of a folder of weights, where one was named."""
    said = {name: word for flag, word in given for name in flag.fields}
    if weights := said.get("weights"):
        found = examine_weights(said.get("model", "live-avatar"), weights, said.get("lora"))
        yield Check("weights", found.lines[-1], found.well)
        if not found.well:
            raise FilmNotMade(" ".join(found.lines), ModelError.exit_code)


def run_film(words: list[str], run: Path | None = None) -> float:
    """Make a film in a process of its own; seconds that it took. Raises FilmNotMade."""
    begun = time.monotonic()
    with tie_to_parent() as tether:
        done = subprocess.run(
            longtake_command(words, run),
            check=False,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            **tether,
        )
    raise_if_failed(done)
    return time.monotonic() - begun


def longtake_command(words: list[str], run: Path | None) -> list[str]:
    """The command line of a longtake process, as it runs here."""
    where = [] if run is None else [f"--run={run}"]
    return module_command("pipeline", *words, *where)


def kill_and_check(words: list[str], run: Path) -> Check:
    """Begin a film and kill it when its second clip has been denoised."""
    record = run / "commits" / "latents.00001.json"
    nowhere = subprocess.DEVNULL
    with tie_to_parent() as tether:
        worker = subprocess.Popen(
            longtake_command(words, run), stdout=nowhere, stderr=nowhere, **tether
        )
        until = time.monotonic() + LONGEST_SECONDS
        while not record.exists() and worker.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    open_still = not (run / "video.mp4").exists()
    return Check("killed with SIGKILL", "after clip 1 was denoised", record.exists() and open_still)


def compare_runs(what: str, whole: Path, other: Path) -> Check:
    """A check that every segment, every latent and the film of two runs are equal, byte by byte."""
    here, there = hash_files(whole), hash_files(other)
    differ = sorted(
        name for name in here.keys() | there.keys() if here.get(name) != there.get(name)
    )
    found = (
        f"{len(here)} files are the same bytes"
        if not differ
        else f"other bytes: {', '.join(differ)}"
    )
    return Check(what, found, not differ)


def hash_files(run: Path) -> dict[str, str]:
    """SHA-256 of each file that a film consists of, by its path in the run."""
    found = {}
    for pattern in COMPARED:
        for path in run.glob(pattern):
            with path.open("rb") as file:
                found[str(path.relative_to(run))] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def lose_last_segment(run: Path) -> None:
    """Remove the last clip's segment and frames: it must be decoded again, without the clips before it."""
    last = CLIPS - 1
    for path in (run / "segments" / f"{last:05d}.mp4", run / "frames" / f"c.{last}.0.0.0.0"):
        path.unlink(missing_ok=True)
    (run / "video.mp4").unlink()


def read_figures(run: Path) -> Iterator[Check]:
    """Checks that tell speed and memory, from the run's events."""
    events = [
        json.loads(line) for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    last = [each for each in events if each["event"] == "clip_denoised"][-1]
    yield Check("denoising", f"{last['seconds']:.2f} s for the last clip", passed=True)
    stages: dict[str, float] = {}
    for each in events:
        if each["event"] == "stage_seconds":
            stages[each["stage"]] = stages.get(each["stage"], 0.0) + each["seconds"]
    told = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in stages.items())
    yield Check("seconds of each stage", told, passed=True)
    for each in events:
        if each["event"] == "memory_peak":
            memory = {k: v for k, v in each.items() if k not in {"event", "time", "pid"}}
            told = ", ".join(f"{name} {format_bytes(size)}" for name, size in memory.items())
            yield Check("memory at its peak", told, passed=True)


def write_page(page: OutputFile, run: Path, checks: list[Check], picture: str) -> None:
    """Write accept.html: the checks, and frames of the film."""
    rows = "\n".join(
        f"<tr><td>{'ok' if c.passed else 'FAILED'}</td><td>{html.escape(c.what)}</td><td>{html.escape(c.found)}</td></tr>"
        for c in checks
    )
    spec = json.loads((run / "run.json").read_text(encoding="utf-8"))
    facts: dict[str, Any] = {"model": spec["spec"]["model"], **spec["fingerprint"]}
    told = ", ".join(f"{name} {value}" for name, value in facts.items())
    text = (
        "<!doctype html><meta charset='utf-8'><title>longtake accept</title>"
        "<style>body{font:15px/1.5 system-ui;margin:2rem;max-width:70rem}td{padding:.2rem 1rem .2rem 0;vertical-align:top}img{max-width:100%}</style>"
        f"<h1>longtake accept</h1><p>{html.escape(told)}</p><table>{rows}</table>"
        f"<h2>The film</h2><img src='{picture}' alt='Frames of the film, eight of each clip'>"
    )
    with page.write() as draft:
        draft.write_text(text, encoding="utf-8")


def save_contact_sheet(film: Path, target: OutputFile, columns: int = 8) -> None:
    """Write frames of each clip, evenly spread, a row for each, as one PNG."""
    from PIL import Image

    with open_media(film) as container:
        total = container.streams.video[0].frames
        chosen = {round(i * (total - 1) / (CLIPS * columns - 1)) for i in range(CLIPS * columns)}
        frames = (f for i, f in enumerate(container.decode(video=0)) if i in chosen)
        shown = [Image.fromarray(frame.to_ndarray(format="rgb24")) for frame in frames]
    width, height = (side * min(1, 240 / shown[0].width) for side in shown[0].size)
    size = (round(width), round(height))
    sheet = Image.new("RGB", (columns * size[0], -(-len(shown) // columns) * size[1]))
    for place, frame in enumerate(shown):
        row, column = divmod(place, columns)
        sheet.paste(frame.resize(size), (column * size[0], row * size[1]))
    with target.write() as draft:
        sheet.save(draft)
