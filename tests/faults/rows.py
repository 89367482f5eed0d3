"""Everything that may happen to a film, tried: make faults, or python tests/faults/rows.py [ROW …]; --list names the rows.

Each row is a file of tests and runs alone, too: `python -m pytest tests/faults/test_kill.py`. Two rows run at a time, but one that is judged by the
clock. Prints one table: what was tried, how often, what differed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
BAD = ("differing", "by_hand", "lost", "unsaid")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    fault: str
    tests: str
    """Files, with spaces between them."""
    timed: bool = False
    """Judged by the clock: nothing runs beside it."""


# Another row is another line; the longest first, so that the others fill what is beside it.
ROWS = {
    "points": Row("kill -9 at every write point", "tests/faults/test_write_points.py"),
    "kill": Row("kill -9 at random instants, through both doors", "tests/faults/test_kill.py"),
    "power": Row("power cut: what was not synced is gone", "tests/faults/test_power_cut.py"),
    "full": Row("full disk, read-only, no inodes", "tests/faults/test_full_disk.py"),
    "damage": Row(
        "flipped, cut, empty, missing, swapped files",
        "tests/pipeline/upkeep/test_verify.py tests/tasks/test_repair.py",
    ),
    "repair": Row(
        "kill -9 at every write point of verify --repair", "tests/faults/test_repair_killed.py"
    ),
    "processes": Row(
        "several processes, stale locks, clocks that jump", "tests/faults/test_two_processes.py"
    ),
    "outputs": Row(
        "what lies where a film, a picture or a page goes", "tests/faults/test_outputs.py"
    ),
    "foreign": Row("foreign run: links, hostile files", "tests/faults/test_foreign_run.py"),
    "stages": Row("encoder, decoder, memory, NaN", "tests/faults/test_stage_faults.py"),
    "libav": Row(
        "a call that fails once while libav writes; limits of the machine",
        "tests/faults/test_libav.py",
    ),
    "ranks": Row(
        "a rank that is killed or stopped at random instants",
        "tests/faults/test_ranks.py tests/test_sharded_film.py",
    ),
    "films": Row(
        "films of each model and kind, killed again and again; takes over takes",
        "tests/test_published_films.py tests/test_scripted_film.py tests/test_retake_film.py"
        " tests/test_pocket_film.py tests/tasks/test_retake.py",
    ),
    "batch": Row(
        "tables of films: kill -9 of the command, of a film, of a worker",
        "tests/pipeline/batch/test_batch.py tests/pipeline/batch/test_luigi_engine.py"
        " tests/tasks/test_film_batch.py",
    ),
    "store": Row("slow and failing store", "tests/faults/test_failing_store.py"),
    "machines": Row(
        "machines that share an object store alone: kill -9, pauses, partitions, zombies",
        "tests/faults/test_store_machines.py tests/faults/test_store_points.py"
        " tests/faults/test_store_network.py tests/faults/test_shared_decoding.py",
    ),
    "end": Row("resumed near the end of a long film", "tests/faults/test_near_end.py", timed=True),
}


@dataclass
class Outcome:
    """What came of a row."""

    tests: Counter[str]
    facts: Counter[str]
    seconds: float

    @property
    def passed(self) -> bool:
        """True if something was tried, and nothing failed or was otherwise."""
        bad = self.tests["failed"] or any(self.facts[name] for name in BAD)
        return bool(self.tests["passed"]) and not bad


def run_all(names: list[str], words: list[str]) -> Iterator[tuple[str, Outcome]]:
    """Every row, as it ends: two at a time, then those that are timed."""
    with ThreadPoolExecutor(2) as two:
        begun = {two.submit(run, ROWS[name], words): name for name in names if not ROWS[name].timed}
        for ended in as_completed(begun):
            yield begun[ended], ended.result()
    for name in names:
        if ROWS[name].timed:
            yield name, run(ROWS[name], words)


def run(row: Row, words: list[str]) -> Outcome:
    """The row's tests, short and long, in a process of their own; what they print is shown when they have ended."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", *row.tests.split(), "-q", f"--junitxml={report}"]
        command += ["-o", "junit_family=xunit1"]  # the newer one has no properties
        there = {**os.environ, "PYTHONPATH": str(ROOT), "FRESH": "1"}
        begun = time.monotonic()
        done = subprocess.run(
            [*command, *words], cwd=ROOT, env=there, check=False, capture_output=True, text=True
        )
        print(done.stdout, done.stderr, file=sys.stderr, flush=True)
        return Outcome(*_read(report), time.monotonic() - begun)


def _read(report: Path) -> tuple[Counter[str], Counter[str]]:
    """How the tests ended, and the sums (of seconds, the most) of what they counted."""
    tests: Counter[str] = Counter()
    facts: Counter[str] = Counter()
    if not report.exists():
        return Counter(failed=1), facts
    for case in ElementTree.parse(report).iter("testcase"):
        ends = {child.tag for child in case}
        how = "failed" if ends & {"failure", "error"} else "skipped" if "skipped" in ends else ""
        tests[how or "passed"] += 1
        for fact in case.iter("property"):
            name, value = str(fact.get("name")), float(str(fact.get("value")))
            facts[name] = max(facts[name], value) if "seconds" in name else facts[name] + value
    return tests, facts


def line(row: Row, one: Outcome) -> str:
    """One line of the table."""
    counts = ", ".join(f"{value:g} {name.replace('_', ' ')}" for name, value in one.facts.items())
    tests = ", ".join(f"{number} {how}" for how, number in one.tests.items())
    verdict = "pass" if one.passed else "FAIL"
    return f"{row.fault:<52}{verdict:<6}{one.seconds:6.0f} s  {tests}; {counts}"


def main() -> int:
    """Run the rows that are named, or all; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help=", ".join(ROWS))
    parser.add_argument("--short", action="store_true", help="what make test runs of them")
    parser.add_argument("--list", action="store_true")
    words = parser.parse_args()
    if unknown := set(words.rows) - set(ROWS):
        parser.error(f"{', '.join(unknown)}: one of {', '.join(ROWS)}")
    if words.list:
        print(*(f"{name:<12}{row.fault}" for name, row in ROWS.items()), sep="\n")
        return 0
    asked, only = words.rows or [*ROWS], ["-m", "not slow"] if words.short else []
    begun, outcomes = time.monotonic(), {}
    for name, outcome in run_all(asked, only):
        outcomes[name] = outcome
        print(line(ROWS[name], outcome), file=sys.stderr, flush=True)
    print(*(line(ROWS[name], outcomes[name]) for name in asked), sep="\n")
    print(f"{len(asked)} rows, {time.monotonic() - begun:.0f} s")
    return 0 if all(one.passed for one in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
