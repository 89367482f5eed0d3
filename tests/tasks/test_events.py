"""The table of events says what is emitted: each event, with its facts, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tasks import events

ROOT = Path(__file__).parents[2]
EMIT = {"emit_event", "_record"}


def emitted() -> Iterator[tuple[str, str]]:
    """Every event of the sources with each fact that is named where it is emitted."""
    for room in ("pipeline", "tasks"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and node.args and name_of(node.func) in EMIT:
                    event = node.args[0]
                    if isinstance(event, ast.Constant):
                        yield from ((event.value, each.arg or "") for each in node.keywords)


def name_of(called: ast.expr) -> str:
    """`emit_event` of `emit_event(…)` and of `events.emit_event(…)`."""
    return called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")


def test_the_table_is_what_is_emitted() -> None:
    """No event is missing, none is left over, and each line has its facts."""
    rows = dict(re.findall(r"(?m)^([a-z_]+) +(\S.*)$", str(events.__doc__).partition("====\n")[2]))
    found = set(emitted())
    assert {event for event, _ in found} == rows.keys()
    assert [
        (event, fact)
        for event, fact in found
        if fact and not re.search(rf"\b{fact}\b", rows[event])
    ] == []
