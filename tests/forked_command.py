"""What tests/forked.py has forked: in this process what `python kind words…` is in one of its own."""

import os
import runpy
import sys
from pathlib import Path
from types import ModuleType

from luigi.configuration import LuigiConfigParser


def become(kind: str, *words: str) -> None:
    """`kind` is a file, -m or -c."""
    LuigiConfigParser.reload()  # what it finds in this working directory, too
    sys.orig_argv = [sys.executable, kind, *words]
    places = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    if kind not in {"-c", "-m"}:
        sys.path[:0] = [str(Path(kind).parent), *places]
        sys.argv = [kind, *words]
        runpy.run_path(kind, run_name="__main__")
        return
    sys.path[:0] = [str(Path.cwd()) if kind == "-m" else "", *places]
    if kind == "-m":
        sys.argv = list(words)
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        return
    sys.argv = ["-c", *words[1:]]
    sys.modules["__main__"] = module = ModuleType("__main__")
    exec(compile(words[0], "<string>", "exec"), module.__dict__)


if __name__ == "__main__":
    become(*sys.argv[1:])
