"""What was asked of one model, fitted to the one that draws: what it does not know is told and left out."""

from pathlib import Path
from typing import TYPE_CHECKING

from model.weights.checkpoint import HUB_NAME
from storage.errors import BadOption
from tasks.options import LARGE, OPTIONS

if TYPE_CHECKING:
    from pipeline.options.given_options import GivenOptions


def drop_unsupported(given: "GivenOptions") -> None:
    """Settle who draws, then leave out what that model does not know, with one line each; raises BadOption."""
    leave_out(given, str(given.fields.get("model") or _choose_model(given)))


def leave_out(given: "GivenOptions", model: str) -> None:
    """Leave out what a model does not know, with one line each; raises BadOption where that names weights that are not there."""
    for name, option in OPTIONS.items():
        if name in given.fields and option.models and model not in option.models:
            word, source = given.fields.pop(name), given.sources.pop(name)
            if name in {"weights", "lora"}:
                require_place(source, str(word))
            if not (name == "guidance" and float(str(word)) == 0):  # the published scripts say 0
                given.costly.append(f"{source} does nothing here: {model} draws; {option.unknown}")


def _choose_model(given: "GivenOptions") -> str:
    """Who draws where nobody was named: live-avatar where weights were, as the published command lines do, else pocket."""
    from model.registry import MODELS

    weights = given.fields.get("weights")
    if not weights:
        return next(iter(MODELS))
    require_place(source := given.sources["weights"], str(weights))
    given.fields["model"], given.sources["model"] = LARGE[0], source
    given.costly.append(f"{source} names weights, so {LARGE[0]} draws; --model says otherwise")
    return LARGE[0]


def require_place(option: str, word: str) -> None:
    """What names weights is there, or is a repository's name of the hub; raises BadOption."""
    path = Path(word).expanduser()
    # With its first folder here it is a path, whatever it looks like.
    if not path.exists() and (path.parent.exists() or not HUB_NAME.fullmatch(word)):
        reason = "there is no such folder or file. Name the one that has the weights, or leave the flag out: pocket needs none"
        raise BadOption(option, word, reason)
