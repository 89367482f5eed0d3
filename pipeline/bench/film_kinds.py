"""Films of several kinds, measured beside each other: the command of such a benchmark."""

import json
import resource
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pipeline.bench.material import Material, add_film_flags, asked_material

Cost = TypeVar("Cost")
"""What one film took, as a dataclass."""
Found = dict[str, list[Cost]]
"""The cost of each film, by kind."""


def run_bench(
    description: str | None,
    measure_all: Callable[[Material, int, Path], Found[Cost]],
    format_table: Callable[[Found[Cost]], str],
) -> int:
    """Read the flags, measure so many films of each kind, print one table, or with --json all figures; the exit code."""
    parser = ArgumentParser(description=description)
    add_film_flags(parser, runs=3, counted="films of each kind")
    words = parser.parse_args()
    with asked_material(words) as (film, folder):
        found = measure_all(film, words.runs, folder)
    figures = {kind: [vars(each) for each in films] for kind, films in found.items()}
    print(json.dumps(figures, indent=2) if words.json else format_table(found))
    return 0


def children_cpu_seconds() -> float:
    """Seconds of processor, of user and system, that all children took which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
