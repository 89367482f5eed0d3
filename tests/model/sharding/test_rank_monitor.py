"""The heartbeat of a rank: how long silence may last, and that nothing of it goes on once it is closed."""

import threading
import time

import pytest

from model.sharding.rank_monitor import LIMIT, RankMonitor, silence_limit
from storage.errors import BadOption
from tests.waiting import wait_until


def test_the_limit_is_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten where nothing is said."""
    for word, seconds in (("", 10), (" ", 10), ("30", 30), ("1.5", 1.5)):
        monkeypatch.setenv(LIMIT, word)
        assert silence_limit() == seconds


@pytest.mark.parametrize("word", ["soon", "0", "-1", "nan", "inf", "1e9"])
def test_a_limit_that_cannot_be_kept_to_is_refused(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By no number nothing is ever late, by 0 everything is, and threads cannot wait for ever."""
    monkeypatch.setenv(LIMIT, word)
    line = f"{LIMIT} {word} cannot be used: seconds from 1 to 3600 are needed."
    with pytest.raises(BadOption, match=line):
        silence_limit()


class SlowStore:
    """A store that answers late, as one in C++ whose host is busy."""

    def __init__(self) -> None:
        self.inside = 0

    def set(self, name: str, value: str) -> None:
        self.inside += 1
        time.sleep(0.3)
        self.inside -= 1

    def check(self, names: list[str]) -> bool:
        return False


def test_nothing_goes_on_once_it_is_closed() -> None:
    """Else Python's end meets a thread in the store's C++, and the process is aborted with a line of C++."""
    store, before = SlowStore(), set(threading.enumerate())
    monitor = RankMonitor(store, 0, 2, 1.0, lambda _loss: None)
    monitor.open()
    wait_until(lambda: store.inside)
    monitor.close()
    assert not store.inside
    assert not set(threading.enumerate()) - before
