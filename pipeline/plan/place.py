"""The machine that a plan is for: this one, or one that is named."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.avatar import FP8, Speed
from tasks.room import asked_machine

if TYPE_CHECKING:
    from tasks.request import Request


UNBUILT = "The card's kernels cannot be built here, and everything takes much longer: they need Triton and a C compiler (gcc or clang)."


@dataclass(frozen=True)
class Place:
    """Where a film is to be made."""

    name: str
    here: bool
    free: int | None
    """Bytes of its card that can be had; None where there is no card."""
    speed: Speed | None = None
    """Of its card; None where nobody knows."""
    note: str = ""
    """What a person must know of it."""


def named(words: str, request: "Request") -> Place:
    """A machine with such a card; raises BadOption."""
    from pipeline.plan.cards import find

    card, count = find(words)
    if request.precision == FP8 and not card.fp8:
        from model.fp8 import refused

        raise refused(card.name)
    limit = request.device_memory or card.usable
    idle = f"longtake uses one card today: {count - 1} of the {count} would be idle. "
    note = (idle if count > 1 else "") + f"Memory and speed by the {card.source}."
    name = card.name if count == 1 else f"one of {count} × {card.name}"
    return Place(name, False, min(limit, card.usable), Speed(card.relative, card.link), note)


def local(model: str, request: "Request", *, gauged: bool = True) -> Place:
    """The machine that this runs on, with its card if the model would use one; raises BadOption where a card is asked for and there is none, or none that can do what is asked.

    `gauged`: its speed is measured, in a few seconds; else it is the data sheet's, where the card is known.
    """
    from model import avatar
    from pipeline.plan.gauge import card_here, measure

    machine = asked_machine(request)
    if model == next(iter(avatar.MODELS)):
        return Place("this machine", True, None)
    card = card_here(machine)
    if card is None and machine.device != "cuda":
        note = "This machine has no card that torch can use; --gpu NAME plans for one that has."
        return Place("this machine", True, None, note=note)
    if request.precision == FP8:
        require_eight()
    speed = measure(weights=request.weights or "") if gauged else sheet_speed(card)
    free = avatar.bytes_free(model, machine)
    return Place(f"this machine's {card}", True, free, speed, note=UNBUILT if unbuilt() else "")


def require_eight() -> None:
    """Raise BadOption where the card multiplies no eight-bit floats."""
    import torch

    from model.fp8 import require_card

    require_card(torch.device("cuda"))


def unbuilt() -> bool:
    """Whether the card's kernels cannot be built here."""
    from model.rows import can_build

    return not can_build()


def sheet_speed(name: str | None) -> Speed | None:
    """By its data sheet; None for a card that is not in the table."""
    from pipeline.plan.cards import CARDS

    words = (name or "").lower().split()
    known = next((card for key, card in CARDS.items() if key in words), None)
    return Speed(known.relative, known.link) if known else None
