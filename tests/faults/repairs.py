"""Kinds of damage to a finished film of four clips, each of which `verify --repair` mends, and the look that tells whether it is whole."""

import os
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from harm import HARMS

from storage.run import Run
from storage.scan import RunScan

Damage = Callable[[Path], None]

FILES = {
    "video": "video.mp4",
    "soundtrack": "soundtrack.m4a",
    "segment": "segments/00003.mp4",
    "latents": "latents/c.1.0.0.0.0",
    "steps": "steps/c.3.0.0.0.0.0",
    "frames": "frames/c.2.0.0.0.0",
    "audio": "audio/c.3.0.0.0",
    "inputs": "encoded/reference/c.0.0.0",
    "sound": "sound/c.0",
    "present": "present/c.0",
    "time": "time/c.0.0",
    "layout": "steps/zarr.json",
    "head": "run.json",
    "video record": "commits/video.json",
    "soundtrack record": "commits/soundtrack.json",
    "segment record": "commits/segment.00003.json",
    "latents record": "commits/latents.00003.json",
    "steps record": "commits/steps.00001.json",
    "frames record": "commits/frames.00003.json",
    "audio record": "commits/audio.00001.json",
    "inputs record": "commits/inputs.json",
    "sound record": "commits/sound.json",
}
FOLDERS = ("commits", "latents", "segments", "encoded", "present", "frames")


def harm(names: Iterable[str], how: str, root: Path) -> None:
    """Do it to each of these files."""
    for name in names:
        HARMS[how](root / name)


def lose(name: str, root: Path) -> None:
    """The folder is gone; a file stands there."""
    shutil.rmtree(root / name)
    (root / name).write_text("not a folder")


SEVERAL: dict[str, Damage] = {
    "several flipped": partial(harm, list(FILES.values())[:8], "flip"),
    "all records lost": lambda root: shutil.rmtree(root / "commits"),
}
EACH: dict[str, Damage] = {
    **{
        f"{name} {how}": partial(harm, [path], how)
        for name, path in FILES.items()
        for how in ("flip", "folder")
    },
    **{f"{name}/ lost": partial(lose, name) for name in FOLDERS},
}
DAMAGES = {**SEVERAL, **EACH}


def check_whole(root: Path) -> None:
    """End this process: with 0 if `verify` finds no damage, with 3 if it does."""
    damaged = any(found.damage for found in RunScan(Run.open(root), thorough=True).findings())
    os._exit(3 if damaged else 0)
