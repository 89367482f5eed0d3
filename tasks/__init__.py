"""What must exist before what: the stages of a film as Luigi's tasks, for `luigi --module tasks LongVideo …`.

Luigi takes .2 s to load, and much of this package is wanted without it: a task is loaded when it is asked for.
"""

import sys
from importlib import import_module
from typing import Any

_TASKS = {
    "Batch": "film_batch",
    "DecodeClip": "clip",
    "DenoiseClip": "clip",
    "EncodeInputs": "inputs",
    "EncodeSoundtrack": "film",
    "ExtractAudio": "audio",
    "Film": "film_batch",
    "LongVideo": "long_video",
    "MuxVideo": "film",
}


def __getattr__(name: str) -> Any:
    """A task by its name."""
    if name not in _TASKS:
        raise AttributeError(f"module tasks has no attribute {name}")
    return getattr(import_module(f"tasks.{_TASKS[name]}"), name)


if "luigi" in sys.modules:  # its command line knows the tasks whose classes are there
    import_module("tasks.film_batch")
