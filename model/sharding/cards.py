"""Which cards the ranks get, as the driver and CUDA_VISIBLE_DEVICES say: found before a rank is started. Without torch."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.device import nvml
from model.sharding.launcher_env import CARDS, card_names
from storage.errors import BadOption


@dataclass(frozen=True)
class KnownCard:
    """A card that the driver knows."""

    uuid: str
    free: int | None
    """Bytes."""


def list_known_cards() -> list[KnownCard] | None:
    """All of them, in the driver's order; None where nobody can tell: no NVML, no driver."""
    try:
        uuids = nvml.list_gpus()
    except Exception:  # noqa: BLE001 - NVML's own tree is there only where the library is
        return None
    readings = map(nvml.read_gpu, uuids)
    return [
        KnownCard(uuid, reading.free if reading else None)
        for uuid, reading in zip(uuids, readings, strict=True)
    ]


def find_cards(
    gpus: Sequence[int], known: Sequence[KnownCard], environment: Mapping[str, str] = os.environ
) -> list[KnownCard]:
    """The card of each rank; raises BadOption where one is not there, or two ranks would have the same."""
    chosen = card_names(environment)
    names = [str(number) for number in range(len(known))] if chosen is None else chosen
    if missing := [number for number in gpus if number >= len(names)]:
        lender = "this machine has" if chosen is None else f"{CARDS}={','.join(names)} names"
        asked = ",".join(map(str, gpus))
        raise BadOption("--gpus", asked, f"card {missing[0]} is not there: {lender} {len(names)}")
    # CUDA sees none behind the first that is not there.
    found = [_find_card(name, known, names) for name in names[: max(gpus) + 1]]
    cards = [found[number] for number in gpus]
    if len({card.uuid for card in cards}) < len(set(gpus)):
        raise BadOption(
            CARDS, ",".join(names), "it names a card twice, and each rank needs its own"
        )
    return cards


def _find_card(name: str, known: Sequence[KnownCard], names: Sequence[str]) -> KnownCard:
    """The card of this number, or whose `GPU-…` begins so, as CUDA reads it."""
    if name.isdecimal():
        fitting = known[int(name) : int(name) + 1]
    else:
        fitting = [card for card in known if card.uuid.startswith(name)]
    if len(fitting) != 1:
        there = ", ".join(f"{number} ({card.uuid})" for number, card in enumerate(known))
        raise BadOption(CARDS, ",".join(names), f"{name} is not one card; there are {there}")
    return fitting[0]


def least_free(cards: Sequence[KnownCard]) -> int | None:
    """Bytes that each of them has free at the least; None where nobody knows."""
    return min((card.free for card in cards if card.free is not None), default=None)
