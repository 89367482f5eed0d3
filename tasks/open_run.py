"""A run as those verbs open it that do more than look into its arrays: of a model that is known here."""

from pathlib import Path
from typing import TYPE_CHECKING

from model.registry import MODELS
from storage.errors import RunDamaged
from storage.run import Run

if TYPE_CHECKING:
    pass


def open_run(root: Path) -> "Run":
    """The run in a folder. Raises NotARun, RunTooNew, LinkInRun; RunDamaged also where its model is none that there is."""
    run = Run.open(root)
    if run.spec.model not in MODELS:
        words = f"its model is called {run.spec.model}, and there are {', '.join(MODELS)}"
        raise RunDamaged(root, words, "copy run.json back from a backup")
    return run
