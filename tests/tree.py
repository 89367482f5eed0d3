"""The tree of docs/architecture.md, a line a file, out of the modules' own first sentences.

python -m tests.tree    writes it anew
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/architecture.md"
ROOMS = ("pipeline", "tasks", "storage", "model")
COLUMN = 36
HEAD = """\
README.md CONTRIBUTING.md CHANGELOG.md LICENSE NOTICE
pyproject.toml constraints.txt      what is needed, and every version pinned
Makefile .ci/run                    demo, test, check, bench; what CI runs
luigi.cfg                           Luigi's settings, read from here"""
TAIL = """\
tests/                              mirrors the tree
  faults/                           all that may happen to a film, tried (make faults, make soak)
  house.py tree.py                  circles, names and lengths in figures, held by make check; this tree
docs/                               pages; adr/ has the decisions, LOG.md the experiments
examples/                           twelve faces, three soundtracks
runs/                               films; ignored by git but for its README"""


def summarize_module(path: Path) -> str:
    """The first clause of a module's docstring, at most 110 letters."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = docstring.split("\n\n")[0].replace("\n", " ")
    first = re.split(r"(?<=[a-z0-9`)])[.:;](?: |$)", paragraph)[0].removesuffix(".")
    if len(first) > 78:
        first = first.split(", ")[0]
    return first if len(first) <= 110 else first[:107].rsplit(" ", 1)[0] + " …"


def list_room(folder: Path, depth: int = 0) -> Iterator[str]:
    """A line for a package, for each of its modules and, deeper, for its packages."""
    pad = "  " * depth
    yield f"{pad}{folder.name}/".ljust(COLUMN) + summarize_module(folder / "__init__.py")
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py":
            yield f"{pad}  {path.name}".ljust(COLUMN) + summarize_module(path)
    for path in sorted(folder.iterdir()):
        if (path / "__init__.py").exists():
            yield from list_room(path, depth + 1)


def draw_tree() -> str:
    """The whole tree as text, its last line without an end."""
    rooms = [line.rstrip() for room in ROOMS for line in list_room(ROOT / room)]
    return "\n".join([HEAD, *rooms, TAIL])


def replace_tree(page: str, tree: str) -> str:
    """The page with this tree in the block under its heading."""
    before, rest = page.split("\n## The tree\n\n```text\n")
    return f"{before}\n## The tree\n\n```text\n{tree}\n```\n{rest.split('```', 1)[1].removeprefix(chr(10))}"


if __name__ == "__main__":
    PAGE.write_text(replace_tree(PAGE.read_text(encoding="utf-8"), draw_tree()), encoding="utf-8")
