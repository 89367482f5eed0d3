"""What tests/forked.py has forked: in this process what `python kind words…` is in one of its own."""

import os
import runpy
import sys
from pathlib import Path
from types import ModuleType

from luigi.configuration import LuigiConfigParser

from pipeline.upkeep import fork_server

FORKERS = ("batch", "pipeline.web")
"""Words of commands that start films by a fork server: theirs is forked off them, not begun anew, before they do anything."""


def become(kind: str, *words: str) -> None:
    """`kind` is a file, -m or -c."""
    LuigiConfigParser.reload()  # what it finds in this working directory, too
    sys.orig_argv = [sys.executable, kind, *words]
    places = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    for place in places:
        if (site := Path(place, "sitecustomize.py")).exists():
            runpy.run_path(str(site))
    if any(each in word for each in FORKERS for word in words[:3]):
        fork_server.FORK_SERVER = fork_server.SplitForkServer()
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
