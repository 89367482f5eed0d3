"""A folder of published weights, looked at before anybody waits for it: every part, and what to do about those that cannot be used."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.screens import amount
from storage.errors import BadInput, BadOption, WeightsMissing

if TYPE_CHECKING:
    from model.findings import Part

HAS_LORA = {"live-avatar": True, "wan-s2v": False}
"""Models whose weights are not in the package, and whether a LoRA belongs to them."""


@dataclass(frozen=True)
class Diagnosis:
    """What was found."""

    lines: tuple[str, ...]
    """One for each part, and one on all of them."""
    well: bool


def examine(model: str, weights: str | None, lora: str | None = None) -> Diagnosis:
    """Look at the weights of a model without loading them: seconds, whatever their size.

    `weights` is a folder, or what the hub calls owner/name if that was fetched before; `lora` a file or folder of its own. Raises BadInput, BadOption, WeightsMissing.
    """
    from model import checkpoint, findings

    if model == "pocket":
        reason = "its weights are in the package, so there is nothing to check"
        raise BadOption("--model", model, reason)
    if model not in HAS_LORA:
        raise BadOption("--model", model, f"there are {' and '.join(HAS_LORA)}")
    if not weights:
        raise BadInput(f"{model} needs the folder of its weights: --weights DIR.")
    place = checkpoint.locate(weights, lora if HAS_LORA[model] else "")
    if not place.folder.is_dir():
        raise WeightsMissing("This machine", f"the folder {weights}", checkpoint.HUB)
    parts = findings.check(place)
    bad = [part for part in parts if part.faults]
    total = amount(sum(part.size for part in parts))
    last = f"{len(bad)} of {len(parts)} parts cannot be used" if bad else f"{model} can be loaded"
    return Diagnosis((*map(_line, parts), f"{last}; {total} on the disk."), not bad)


def _line(part: "Part") -> str:
    from model.findings import join

    if part.faults:
        return f"bad  {part.name:15} {' '.join(map(str, join(part.faults)))}"
    return f"ok   {part.name:15} {part.path}: {part.says}, {amount(part.size)}"
