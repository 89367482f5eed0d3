"""The built wheel in an environment that has nothing else: make wheel, or python tests/wheel.py [--keep FOLDER].

Builds the wheel, installs it without the development extras, and makes, looks into, reports on and checks a small film from an empty folder, so that
a file that was left out of the wheel, or a library that only development brings, is missed here and not by a user.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
INPUTS = [str(ROOT / "examples/mila.png"), str(ROOT / "examples/harbour.wav")]
SMALL = ["--size", "64*64", "--sample-steps", "1", "--infer-frames", "12", "--num-clip", "2"]
COMMANDS = (
    ["longtake", "--version"],
    ["longtake", "--help"],
    ["longtake", "plan", *INPUTS, *SMALL, "--rehearse", "no"],
    ["longtake", "new", *INPUTS, *SMALL, "--run", "run"],
    ["longtake", "status", "run"],
    ["longtake", "inspect", "run", "--clip", "1"],
    ["longtake", "report", "run"],
    ["luigi", "--module", "tasks", "MuxVideo", "--run", "run", "--local-scheduler"],
    ["longtake", "retake", "run", "--clip", "1", "--run", "again"],
    ["longtake", "verify", "again"],
    [
        "python",
        "-c",
        "from pathlib import Path; from pipeline import api; print(api.verify_run(api.open_run(Path('again'))))",
    ],
)
UNWANTED = ("pytest", "scipy", "xarray", "hypothesis")
"""Brought by the development extras alone."""


def call(words: list[str], folder: Path, path: str) -> None:
    """Run a command in the folder; its words and what it said are shown if it fails, and this program ends."""
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    print("ok  " if done.returncode == 0 else "FAIL", *words, flush=True)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}")


def install_wheel(folder: Path) -> Path:
    """Build the wheel and install it into an environment of its own; the environment's folder of programs."""
    wheels, bin_folder = folder / "wheels", folder / "env/bin"
    # A copy: setuptools builds in place, and what an earlier build left there would hide a file that is missing.
    source = folder / "source"
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns(".*", "runs", "tests", "build", "*.egg-info")
    )
    pip = [sys.executable, "-m", "pip", "--quiet"]
    call(
        [*pip, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(source)],
        folder,
        os.environ["PATH"],
    )
    venv.create(folder / "env", with_pip=True)
    install = [str(bin_folder / "python"), "-m", "pip", "--quiet", "install", "--constraint"]
    install.append(str(ROOT / "constraints.txt"))
    for what in ("torch", *map(str, wheels.glob("*.whl"))):
        call([*install, what], folder, os.environ["PATH"])
    return bin_folder


def main() -> None:
    """Build, install, try."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="a folder where all of it stays")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="longtake-wheel-") as temporary:
        folder = (given.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        programs = install_wheel(folder)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        call(["python", "-c", _absence_check()], folder, path)
        for words in COMMANDS:
            call(words, folder, path)


def _absence_check() -> str:
    """A program that fails where a library of the development extras is there, or the package comes out of the checkout."""
    return (
        "import importlib.util as u, pipeline\n"
        f"found = [name for name in {UNWANTED} if u.find_spec(name)]\n"
        "assert not found, found\n"
        f"assert not pipeline.__file__.startswith({str(ROOT)!r}), pipeline.__file__\n"
    )


if __name__ == "__main__":
    main()
