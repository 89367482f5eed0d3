"""Where events go besides the run's own file: `--events-to URL`, as often as there are places. None of them slows, stops or fails a film."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pipeline.sinks.connect import connect_sink
from tasks import events

if TYPE_CHECKING:
    from pipeline.sinks.address import SinkAddress


@contextmanager
def attach_sinks(addresses: "Sequence[SinkAddress]") -> Iterator[None]:
    """Tell every event of this process to each of these places meanwhile; what has not arrived a few seconds after the end is counted and given up.

    Raises BadOption where a place needs a package that is not installed.
    """
    if not addresses:
        yield
        return
    ways = [connect_sink(address) for address in addresses]
    try:
        with ExitStack() as stack:
            for way in ways:
                stack.enter_context(events.listen_to_events(way.tell))
            yield
    finally:
        # All at once: one that does not answer takes no time from the others.
        for way in ways:
            way.end()
        for way in ways:
            way.close()
