"""What no test leaves to the next one, whichever package it is of: tests run in any order, several packages in one process."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A test that captures the log leaves structlog configured, and a film would then send its lines nowhere."""
    yield
    structlog.reset_defaults()
