"""A folder of published weights, looked at before anybody waits for it: every part, and what to do about those that cannot be used."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.weights import checkpoint, checks
from model.weights.checks import merge_faults
from pipeline.monitor.words import format_bytes
from storage.errors import BadOption, WeightsMissing

if TYPE_CHECKING:
    from model.weights.checks import PartReport


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a folder of weights: each part, and what to do about those that cannot be used."""

    lines: tuple[str, ...]
    """One for each part, and one on all of them."""
    well: bool


def examine_weights(model: str, weights: str | None, lora: str | None = None) -> Diagnosis:
    """Look at the weights of a model without loading them: seconds, whatever their size.

    `weights` is a folder, or what the hub calls owner/name if that was fetched before; `lora` a file or folder of its own. Raises BadInput, BadOption, WeightsMissing.
    """
    from model.avatar import Options
    from model.live_avatar.model_traits import KIND as LIVE_AVATAR
    from model.wan_s2v.model_traits import KIND as WAN_S2V

    if model == "pocket":
        reason = "its weights are in the package, so there is nothing to check"
        raise BadOption("--model", model, reason)
    kinds = {kind.name: kind for kind in (LIVE_AVATAR, WAN_S2V)}
    if model not in kinds:
        raise BadOption("--model", model, f"there are {' and '.join(kinds)}")
    place = kinds[model].locate_weights(Options(weights=weights or "", lora=lora or ""))
    if not place.folder.is_dir():
        raise WeightsMissing("This machine", f"the folder {weights}", checkpoint.HUB)
    parts = checks.check_weights(place)
    bad = [part for part in parts if part.faults]
    total = format_bytes(sum(part.size for part in parts))
    last = f"{len(bad)} of {len(parts)} parts cannot be used" if bad else f"{model} can be loaded"
    return Diagnosis((*map(_describe_part, parts), f"{last}; {total} on the disk."), not bad)


def _describe_part(part: "PartReport") -> str:
    if part.faults:
        return f"bad  {part.name:15} {' '.join(map(str, merge_faults(part.faults)))}"
    return f"ok   {part.name:15} {part.path}: {part.says}, {format_bytes(part.size)}"
