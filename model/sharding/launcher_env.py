"""What torchrun and `accelerate launch` tell a process of theirs, and which cards a process sees. Without torch."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from storage.errors import BadOption

NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
CARDS, ALL_CARDS = "CUDA_VISIBLE_DEVICES", "LONGTAKE_CARDS"
_CARD_NUMBERS = re.compile(r"[0-9]{1,3}(,[0-9]{1,3})*")
"""What run.json takes, and no number that would be a list of millions."""


@dataclass(frozen=True)
class RankPlace:
    """Which of how many ranks a process is, and where their store is."""

    rank: int
    ranks: int
    host: str
    port: int
    launched: bool = False
    """By torchrun or its like; else rank 0 has started the others."""
    agent_store: bool = False
    """The launcher itself keeps the store."""
    prefix: str = "longtake"
    """Before all names in the store."""


def read_launched_place(environment: Mapping[str, str] = os.environ) -> RankPlace | None:
    """The place of this process among those that a launcher started; None where there is one process alone. Raises BadOption where it is none of them."""
    words = [environment.get(name, "") for name in NAMES]
    if not all(words) or not all(words[i].isdecimal() for i in (0, 1, 3)) or int(words[1]) < 2:
        return None
    rank, ranks, host, port = int(words[0]), int(words[1]), words[2], int(words[3])
    if rank >= ranks:
        raise BadOption("RANK", rank, f"WORLD_SIZE={ranks} has ranks 0 to {ranks - 1}")
    if not 0 < port < 1 << 16:
        raise BadOption("MASTER_PORT", port, "a port is a number from 1 to 65535")
    agent = environment.get("TORCHELASTIC_USE_AGENT_STORE", "") == str(True)
    tries = environment.get("TORCHELASTIC_RESTART_COUNT", "0")
    return RankPlace(rank, ranks, host, port, True, agent, f"longtake-{tries}")


ONE_PROCESS = "a film of several speakers is made by one process: leave it out"
"""Why such a film is not shared out."""


def count_ranks(gpus: tuple[int, ...]) -> int:
    """How many ranks make a film: those that a launcher has started, or one a card; 1 where no cards are named."""
    place = read_launched_place()
    return place.ranks if place else max(1, len(gpus))


def parse_gpus(words: str) -> tuple[int, ...]:
    """Numbers of cards out of `4` (the first four), `0,2` (these) or nothing; raises ValueError."""
    if not words:
        return ()
    fits = _CARD_NUMBERS.fullmatch(words)
    numbers = [int(word) for word in words.split(",")] if fits else []
    if len(numbers) == 1:
        numbers = list(range(numbers[0]))
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError("how many cards, such as 4, or their numbers, such as 0,2, are needed")
    return tuple(numbers)


def card_names(environment: Mapping[str, str] = os.environ) -> list[str] | None:
    """What the cards that this machine lends us are called, in their order; None where nobody has chosen."""
    chosen = environment.get(ALL_CARDS, environment.get(CARDS, ""))
    return None if not chosen else [name.strip() for name in chosen.split(",") if name.strip()]


def card_environment(number: int) -> dict[str, str]:
    """The variables under which a process sees one card alone; none where there is no such card."""
    names = card_names()
    if names is None:
        return {CARDS: str(number)}
    return {CARDS: names[number] if number < len(names) else "-1"}


def show_first_card(gpus: tuple[int, ...]) -> None:
    """Let rank 0 see its own card alone, where several are named; nothing where none are, or where it does so already."""
    if gpus and ALL_CARDS not in os.environ:
        os.environ[ALL_CARDS] = os.environ.get(CARDS, "")
        show_one_card(gpus[0])


def show_one_card(number: int) -> None:
    """Let this process see one card alone: before CUDA is asked for anything."""
    os.environ.update(card_environment(number))
