"""What was asked of one model, fitted to the one that draws: what it does not know is told and left out."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.settings import Wishes

LARGE = ("live-avatar", "wan-s2v")
KNOWN_TO = {
    "weights": LARGE,
    "lora": ("live-avatar",),
    "guidance": ("wan-s2v",),
    "whole_audio": LARGE,
    "precision": LARGE,
    "offload_model": LARGE,
    "device": LARGE,
    "device_memory": LARGE,
    "on_low_memory": LARGE,
}
"""Fields of the Request that only some models know."""
REASONS = {
    "weights": "the weights of pocket are in the package",
    "lora": "live-avatar always has its LoRA, the others have none",
    "guidance": "it was distilled without guidance",
    "precision": "two CPU cores are slower in eight bits",
    "whole_audio": "pocket hears no further than its margin",
    "offload_model": "a placement, and two CPU cores have nothing to place",
    "device": "pocket is at home on a CPU",
    "device_memory": "pocket needs none of a card",
    "on_low_memory": "pocket needs none of a card",
}


def fit(wishes: "Wishes") -> None:
    """Settle who draws, then leave out what that model does not know, with one line each."""
    model = str(wishes.fields.get("model") or _choose(wishes))
    for name in [name for name in KNOWN_TO if name in wishes.fields]:
        if model not in KNOWN_TO[name]:
            word, source = wishes.fields.pop(name), wishes.sources.pop(name)
            if not (name == "guidance" and float(str(word)) == 0):  # the published scripts say 0
                wishes.notices.append(f"{source} does nothing here: {REASONS[name]}")


def _choose(wishes: "Wishes") -> str:
    """Who draws where nobody was named: live-avatar where its weights were, as the published command lines do, else pocket."""
    from model.avatar import MODELS

    weights = wishes.fields.get("weights")
    published = wishes.sources.get("weights") == "--ckpt-dir"
    if not weights or (published and not Path(str(weights)).expanduser().is_dir()):
        return next(iter(MODELS))
    wishes.fields["model"], wishes.sources["model"] = LARGE[0], wishes.sources["weights"]
    wishes.notices.append(
        f"{wishes.sources['weights']} names weights, so {LARGE[0]} draws; --model says otherwise"
    )
    return LARGE[0]
