"""What happens, as metrics for Prometheus.

Counters and histograms are fed by the platform's records; how the environments stand is asked when somebody scrapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from rapid import __version__
from rapid.core.phase import Phase
from rapid.core.records import InitReport, InvokeReport, Record, RestoreReport
from rapid.core.tally import Counted
from rapid.telemetry.error_types import bounded
from rapid.telemetry.facts import Facts
from rapid.telemetry.observer import OnRecord

DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)
"""Upper bounds of the histograms, seconds: from an echo to the longest that AWS lets a function run."""

MS = 1000


class Prometheus:
    """Counts what happens; an `Observer`.

    Args:
        function_name: for `rapid_info`.
        function_version: for `rapid_info`.
    """

    def __init__(self, function_name: str, function_version: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        Info("rapid", "What serves which function", registry=registry).info(
            {"version": __version__, "function_name": function_name, "function_version": function_version}
        )
        self._invocations = Counter("rapid_invocations", "Invocations that are over", registry=registry)
        self._errors = Counter(
            "rapid_errors", "Invocations that failed, by error type", ["error_type"], registry=registry
        )
        self._timeouts = Counter("rapid_timeouts", "Invocations that took longer than the timeout", registry=registry)
        self._throttles = Counter("rapid_throttles", "Invocations refused, by reason", ["reason"], registry=registry)
        self._provisioned = Counter(
            "rapid_provisioned_concurrency_invocations",
            "Invocations that ran in provisioned environments",
            registry=registry,
        )
        self._spilled = Counter(
            "rapid_provisioned_concurrency_spillover_invocations",
            "Invocations for which no provisioned environment was free",
            registry=registry,
        )
        self._dropped = Counter(
            "rapid_telemetry_dropped_records",
            "Telemetry records that their subscriber did not get",
            registry=registry,
        )
        self._duration = _histogram("rapid_invocation_duration", "Time that the function took", registry)
        self._extensions = _histogram(
            "rapid_post_runtime_extensions_duration", "Time that extensions took after the function", registry
        )
        self._wait = _histogram("rapid_queue_wait", "Time that invocations waited for an environment", registry)
        self._init = _histogram("rapid_init_duration", "Time that inits took, by status", registry, "status")
        self._restore = _histogram("rapid_restore_duration", "Time that restores took, by status", registry, "status")

    def watch(self, environments: Counted) -> None:
        """Ask these how they stand whenever somebody scrapes."""
        self._registry.register(_Standing(environments))

    def exposition(self, accept: str) -> tuple[str, bytes]:
        """All metrics now, in the format that the scraper prefers: content type and body."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self._registry)

    # Observer

    def records_of(self, facts: Facts) -> OnRecord:
        """See `Observer`."""
        provisioned = facts.initialization_type == "provisioned-concurrency"
        handlers: dict[type[Record], Callable[..., None]] = {
            InvokeReport: self._provisioned_over if provisioned else self._over,
            InitReport: lambda report: self._init.labels(report.status).observe(report.duration_ms / MS),
            RestoreReport: lambda report: self._restore.labels(report.status).observe(report.duration_ms / MS),
        }
        find = handlers.get

        def on_record(record: Record) -> None:
            if handle := find(type(record)):
                handle(record)

        return on_record

    def dropped(self, records: int) -> None:
        """See `Observer`."""
        self._dropped.inc(records)

    def throttled(self, reason: str) -> None:
        """See `Observer`."""
        self._throttles.labels(reason).inc()

    def waited(self, seconds: float) -> None:
        """See `Observer`."""
        self._wait.observe(seconds)

    def spilled_over(self) -> None:
        """See `Observer`."""
        self._spilled.inc()

    def _over(self, report: InvokeReport) -> None:
        self._invocations.inc()
        extensions_ms = sum(span.duration_ms for span in report.spans) if report.spans else 0.0
        self._duration.observe((report.duration_ms - extensions_ms) / MS)
        if report.spans:
            self._extensions.observe(extensions_ms / MS)
        if report.status != "success":
            self._errors.labels(bounded(report.status, report.error_type)).inc()
            if report.status == "timeout":
                self._timeouts.inc()

    def _provisioned_over(self, report: InvokeReport) -> None:
        self._provisioned.inc()
        self._over(report)


class _Standing(Collector):
    """How the environments stand, asked when it is wanted."""

    def __init__(self, environments: Counted) -> None:
        self._environments = environments

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client`."""
        tally = self._environments.tally()
        family = GaugeMetricFamily("rapid_environments", "Execution environments, by phase", labels=["state"])
        for phase in Phase:
            family.add_metric([phase.value], tally.environments.get(phase, 0))
        yield family
        running = "Invocations that environments have"
        yield GaugeMetricFamily("rapid_concurrent_executions", running, value=tally.concurrent)
        yield GaugeMetricFamily("rapid_queue_depth", "Invocations that wait for an environment", value=tally.queued)
        free = "Invocations that could begin at once, in environments that are free or may be started"
        yield GaugeMetricFamily("rapid_free_capacity", free, value=tally.free)


def _histogram(name: str, meaning: str, registry: CollectorRegistry, *labels: str) -> Histogram:
    return Histogram(name, meaning, labels, unit="seconds", buckets=DURATIONS, registry=registry)
