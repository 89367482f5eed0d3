"""The rules of the house that no linter knows: the four names, the tree of errors, the list of packages."""

import inspect
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from storage import errors

ROOT = Path(__file__).parents[1]
ROOMS = ("pipeline", "tasks", "storage", "model")


def test_each_name_leads_here(tmp_path: Path):
    """From any other folder, `import pipeline`, tasks, storage and model find this project and nobody else's."""
    code = f"import importlib; print(*(importlib.import_module(n).__file__ for n in {ROOMS}), sep='\\n')"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = [Path(line).parent for line in said.stdout.splitlines()]
    assert found == [ROOT / name for name in ROOMS]


def test_every_package_is_listed():
    """Setuptools is told every package by name, since its discovery would drop `tasks`; none is missing."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    there = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert set(project["tool"]["setuptools"]["packages"]) == there


def kinds() -> list[type[errors.LongtakeError]]:
    """Every class of the error tree."""
    found = [each for _, each in inspect.getmembers(errors, inspect.isclass)]
    return [each for each in found if issubclass(each, errors.LongtakeError)]


@pytest.mark.parametrize("kind", kinds())
def test_an_error_is_in_the_tree_and_has_a_message(kind: type[errors.LongtakeError]):
    """Its name stands in the module's picture of the tree; its own docstring, filled in, is its message."""
    assert kind.__name__ in str(errors.__doc__).split()
    assert kind.__dict__.get("__doc__"), "a message of its own"
    count = str(kind.__doc__).count("{}")
    words = [f"argument{n}" for n in range(count)]
    assert all(word in str(kind(*words)) for word in words)
    assert 1 <= kind.exit_code < 256


def test_errors_import_nothing_of_ours():
    """The error tree may be imported from every room, so it imports none."""
    source = inspect.getsource(errors)
    assert not [room for room in ROOMS if f"from {room}" in source or f"import {room}" in source]


@pytest.mark.parametrize("seed", [0, 3])
def test_what_a_module_loads_does_not_depend_on_where_a_circle_is_entered(seed: int):
    """Two that import each other load the same libraries, whichever is asked first and however sets are ordered."""
    code = """
import ast
from tests.house import File, heavy_loads
texts = {"one": "import two, torch", "two": "import one, three, av", "three": "import two, rich"}
for order in (texts, reversed(texts)):
    files = [File(f"{name}.py", texts[name], ast.parse(texts[name])) for name in order]
    print(*sorted({tuple(sorted(found)) for found in heavy_loads(files).values()}))
"""
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": str(seed)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split("\n")[:2] == ["('av', 'rich', 'torch')"] * 2
