"""Luigi's own counters for Prometheus, one set a process: Luigi makes a scheduler for each window of clips, and each would begin at nothing.

Luigi takes it by its own hook, in luigi.cfg or set by whoever serves it:

    [scheduler]
    metrics_collector = custom
    metrics_custom_import = tasks.luigi_metrics.SharedMetrics
"""

from typing import Any, ClassVar

from luigi.contrib.prometheus_metric import PrometheusMetricsCollector


class SharedMetrics(PrometheusMetricsCollector):
    """Luigi's collector; all of its instances are one."""

    _one: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        if not self._one:
            super().__init__()  # type: ignore[no-untyped-call]
            self._one.update(self.__dict__)
        self.__dict__ = self._one


def collect_metrics() -> Any:
    """Have Luigi's schedulers of this process count here from now on; what prometheus_client serves."""
    from luigi.configuration import get_config

    config = get_config()
    config.set("scheduler", "metrics_collector", "custom")
    config.set("scheduler", "metrics_custom_import", f"{__name__}.{SharedMetrics.__name__}")
    return SharedMetrics().registry
