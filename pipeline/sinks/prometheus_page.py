"""A page for Prometheus to scrape while a film is made: Luigi's own counters, and what the events say of the film."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline.monitor.event_reader import EventSummary
from pipeline.sinks.sink import describe_reason
from tasks.events import emit_event

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from pipeline.sinks.address import SinkAddress

DEFAULT_HOST = "127.0.0.1"
"""Where the URL names none: other machines see nothing unless they are let."""


class PrometheusPage:
    """The page http://HOST:PORT/metrics, served as long as a command runs."""

    def __init__(self, address: "SinkAddress") -> None:
        from tasks.luigi_metrics import collect_metrics

        self._summary, self._counts, self._at = EventSummary(), Counter[str](), 0.0
        self._lock = threading.Lock()
        self._server: tuple[Any, threading.Thread] | None = None
        self._registry = collect_metrics()
        self._registry.register(self)
        self._serve(address)

    def _serve(self, address: "SinkAddress") -> None:
        from prometheus_client import start_http_server

        parts = urlsplit(address.url)
        try:
            self._server = start_http_server(
                int(parts.port or 0), parts.hostname or DEFAULT_HOST, self._registry
            )
        except OSError as fault:  # a port that is taken is no reason not to make the film
            emit_event("sink_failing", sink=address.name, error=describe_reason(fault))

    def add_event(self, event: str, facts: Mapping[str, object]) -> None:
        """Take an event into the figures."""
        with self._lock:
            self._at = time.time()
            self._summary.add_event(event, facts, self._at)
            self._counts[event] += 1

    def describe(self) -> "Iterator[Metric]":
        """No metrics: prometheus_client asks for their names when it is registered, before anything is known."""
        yield from ()

    def collect(self) -> "Iterator[Metric]":
        """All metrics as they are now; prometheus_client calls it at each scrape."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        with self._lock:
            gauges, counts = dict(self._gauges()), dict(self._counts)
            stages = self._summary.eta.stages
        for name, (does, value) in gauges.items():
            yield GaugeMetricFamily(f"longtake_{name}", does, value)
        each = GaugeMetricFamily("longtake_stage_seconds", "Usual seconds a clip", labels=["stage"])
        for stage, seconds in stages.items():
            each.add_metric([stage], seconds)
        yield each
        events = CounterMetricFamily("longtake_events", "Events of this process", labels=["event"])
        for event, count in counts.items():
            events.add_metric([event], count)
        yield events

    def _gauges(self) -> Iterator[tuple[str, tuple[str, float]]]:
        eta = self._summary.eta
        yield "clips", ("Clips that this command makes or finds", eta.clips)
        yield "clips_done", ("Clips that are there to be played", eta.done)
        yield "retries", ("Tries beyond the first", eta.retries)
        yield "last_event_timestamp_seconds", ("When something was told last", self._at)
        if (each := eta.seconds_a_clip) is not None:
            yield "clip_seconds", ("Seconds from one clip to the next", each)
        if (left := eta.seconds_left(time.time())) is not None:
            yield "left_seconds", ("Seconds until the last clip is there", left)
        for name, (metric, does) in _DEVICE.items():
            if name in self._summary.device:
                yield metric, (does, float(str(self._summary.device[name])))

    def end(self) -> None:
        """Do nothing: no event waits to be sent."""

    def close(self) -> None:
        """Stop serving the page."""
        with suppress(KeyError):
            self._registry.unregister(self)
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join()


_DEVICE = {
    "used": ("device_memory_used_bytes", "Of the card, by everyone, after the last clip"),
    "total": ("device_memory_bytes", "Of the card"),
    "temperature": ("device_temperature_celsius", "Of the card, after the last clip"),
    "load": ("device_load_percent", "Of the card, after the last clip"),
}
