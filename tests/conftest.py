"""What holds for all tests: films lie in memory where there is room, and no test leaves anything to the next one, whichever package it is of: tests run in any order, several packages in one process."""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

MEMORY_DISK = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that must be free there. Tests that run take a few hundred megabytes, as those that have passed leave nothing."""
_freeze, _unfreeze = gc.freeze, gc.unfreeze


def pytest_configure() -> None:
    """Temporary folders are made in memory: all that a film has is synced, which on a disk takes a third of the time of a small one."""
    if MEMORY_DISK.is_dir() and shutil.disk_usage(MEMORY_DISK).free >= ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY_DISK))


def pytest_collection_finish() -> None:
    """What has been imported stays out of the collector's sight: each film looks for circles in all that it sees, and a million objects took a quarter of the time of a small one."""
    gc.collect()
    _freeze()
    gc.freeze = gc.unfreeze = lambda: None


@pytest.fixture
def own_collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The collector as a film's own process has it: all is in its sight."""
    monkeypatch.setattr(gc, "freeze", _freeze)
    monkeypatch.setattr(gc, "unfreeze", _unfreeze)
    _unfreeze()
    yield
    _freeze()


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A test that captures the log leaves structlog configured, and a film would then send its lines nowhere."""
    yield
    structlog.reset_defaults()
