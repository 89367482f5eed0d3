"""What a launcher tells a process, and which cards it sees."""

import pytest

from model.sharding.launcher_env import (
    card_environment,
    card_names,
    parse_gpus,
    read_launched_place,
    show_first_card,
)
from storage.errors import BadOption

TOLD = {"RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


def test_only_a_launcher_makes_ranks() -> None:
    """All four variables, numbers where numbers are due, and more than one process."""
    place = read_launched_place(TOLD)
    assert place is not None
    assert (place.rank, place.ranks, place.port, place.agent_store) == (1, 4, 29500, False)
    assert read_launched_place(TOLD | {"TORCHELASTIC_USE_AGENT_STORE": "True"}).agent_store
    for missing in TOLD:
        assert read_launched_place({k: v for k, v in TOLD.items() if k != missing}) is None
    assert read_launched_place(TOLD | {"WORLD_SIZE": "1"}) is None
    assert read_launched_place(TOLD | {"RANK": "first"}) is None


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"RANK": "4"}, r"RANK 4 cannot be used: WORLD_SIZE=4 has ranks 0 to 3\."),
        (
            {"MASTER_PORT": "0"},
            r"MASTER_PORT 0 cannot be used: a port is a number from 1 to 65535\.",
        ),
        ({"MASTER_PORT": "70000"}, "MASTER_PORT 70000 cannot be used"),
    ],
)
def test_a_launcher_that_lies_is_refused(told: dict[str, str], line: str) -> None:
    """Else a rank too many is a fault in the midst of joining, and a port that is none is waited for."""
    with pytest.raises(BadOption, match=line):
        read_launched_place(TOLD | told)


def test_cards_are_a_number_or_a_list() -> None:
    """Four are the first four; a list is taken as it is; anything else is refused."""
    assert parse_gpus("") == ()
    assert parse_gpus("4") == (0, 1, 2, 3)
    assert parse_gpus("2,0") == (2, 0)
    for words in ("0", "1,1", "-1,2", "two", "0,", " ", " 2", "1_0", "+2", "٤", "9999999999"):
        with pytest.raises(ValueError, match=r"."):
            parse_gpus(words)


def test_a_rank_sees_its_own_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of those that the machine lends this process, by whichever names; one that is not there is none."""
    monkeypatch.delenv("LONGTAKE_CARDS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert card_names() is None
    assert card_environment(2) == {"CUDA_VISIBLE_DEVICES": "2"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a, GPU-b")
    show_first_card((1, 0))
    assert card_environment(0) == {"CUDA_VISIBLE_DEVICES": "GPU-a"}
    assert card_environment(1) == {"CUDA_VISIBLE_DEVICES": "GPU-b"}
    assert card_environment(2) == {"CUDA_VISIBLE_DEVICES": "-1"}
    show_first_card((0, 1))  # it has one already
    assert card_environment(1) == {"CUDA_VISIBLE_DEVICES": "GPU-b"}
