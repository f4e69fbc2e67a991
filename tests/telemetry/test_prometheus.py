"""Metrics for Prometheus: what is counted, and how it is named."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rapid.core.phase import Phase
from rapid.core.records import InitReport, RestoreReport
from rapid.core.tally import Tally
from rapid.telemetry.error_types import KNOWN, OTHER
from rapid.telemetry.observer import observed_by
from rapid.telemetry.prometheus import Prometheus
from tests.telemetry.happening import FACTS, PROVISIONED, over, whole


class Standing:
    """Two environments, one busy, and three that wait."""

    def tally(self) -> Tally:
        return Tally({Phase.INVOKE: 1, Phase.IDLE: 1}, 1, 3, 5)

    def initialise(self) -> None:
        pass


def samples(prometheus: Prometheus) -> dict[str, float]:
    """`name{labels}` → value, of rapid's own metrics."""
    _, body = prometheus.exposition("text/plain")
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@pytest.fixture
def prometheus() -> Prometheus:
    made = Prometheus("f", "$LATEST")
    made.watch(Standing())
    return made


def test_invocations_and_their_errors(prometheus: Prometheus) -> None:
    tell = prometheus.records_of(FACTS)
    ends = [
        ("success", None),
        ("error", "ValueError"),
        ("error", "AnotherError"),
        ("error", None),
        ("error", "Runtime.ImportModuleError"),
        ("failure", "Runtime.ExitError"),
        ("timeout", None),
    ]
    for status, error_type in ends:
        for record in whole(status=status, error_type=error_type):
            tell(record)
    found = samples(prometheus)
    assert found["rapid_invocations_total"] == len(ends)
    assert {name: value for name, value in found.items() if name.startswith("rapid_errors_total")} == {
        "rapid_errors_total{error_type=other}": 3,
        "rapid_errors_total{error_type=Runtime.ImportModuleError}": 1,
        "rapid_errors_total{error_type=Runtime.ExitError}": 1,
        "rapid_errors_total{error_type=Sandbox.Timedout}": 1,
    }
    assert found["rapid_timeouts_total"] == 1


def test_whatever_functions_report_there_is_one_series_for_it(prometheus: Prometheus) -> None:
    tell = prometheus.records_of(FACTS)
    for number in range(1000):
        tell(over(status="error", error_type=f"Error{number}"))
    for error_type in KNOWN:
        tell(over(status="failure", error_type=error_type))
    names = [name for name in samples(prometheus) if name.startswith("rapid_errors_total")]
    assert len(names) == len(KNOWN) + 1
    assert f"rapid_errors_total{{error_type={OTHER}}}" in names


def test_durations_are_seconds_of_the_function_and_of_what_extensions_take_afterwards(prometheus: Prometheus) -> None:
    tell = prometheus.records_of(FACTS)
    tell(over(duration_ms=40.0))
    tell(over(duration_ms=60.0, extensions_ms=40.0))
    found = samples(prometheus)
    assert found["rapid_invocation_duration_seconds_count"] == 2
    assert found["rapid_invocation_duration_seconds_sum"] == pytest.approx(0.06)
    assert found["rapid_invocation_duration_seconds_bucket{le=0.025}"] == 1
    assert found["rapid_post_runtime_extensions_duration_seconds_sum"] == pytest.approx(0.04)


def test_inits_and_restores_are_told_apart_by_how_they_ended(prometheus: Prometheus) -> None:
    tell = prometheus.records_of(FACTS)
    tell(InitReport("init", "success", 250.0))
    tell(InitReport("init", "error", 100.0, "Runtime.ImportModuleError"))
    tell(RestoreReport("success", 3.0))
    found = samples(prometheus)
    assert found["rapid_init_duration_seconds_sum{status=success}"] == pytest.approx(0.25)
    assert found["rapid_init_duration_seconds_count{status=error}"] == 1
    assert found["rapid_restore_duration_seconds_sum{status=success}"] == pytest.approx(0.003)


def test_what_the_pool_tells(prometheus: Prometheus) -> None:
    prometheus.throttled("ConcurrentInvocationLimitExceeded")
    prometheus.throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
    prometheus.waited(0.4)
    prometheus.spilled_over()
    prometheus.dropped(7)
    for record in whole():
        prometheus.records_of(PROVISIONED)(record)
    found = samples(prometheus)
    assert found["rapid_throttles_total{reason=ConcurrentInvocationLimitExceeded}"] == 1
    assert found["rapid_throttles_total{reason=ReservedFunctionConcurrentInvocationLimitExceeded}"] == 1
    assert found["rapid_queue_wait_seconds_sum"] == pytest.approx(0.4)
    assert found["rapid_provisioned_concurrency_spillover_invocations_total"] == 1
    assert found["rapid_provisioned_concurrency_invocations_total"] == 1
    assert found["rapid_telemetry_dropped_records_total"] == 7


def test_how_the_environments_stand_is_asked_when_somebody_scrapes(prometheus: Prometheus) -> None:
    found = samples(prometheus)
    states = {name: value for name, value in found.items() if name.startswith("rapid_environments{")}
    assert set(states) == {f"rapid_environments{{state={phase.value}}}" for phase in Phase}
    assert (states["rapid_environments{state=invoke}"], states["rapid_environments{state=idle}"]) == (1, 1)
    assert sum(states.values()) == 2
    assert (found["rapid_concurrent_executions"], found["rapid_queue_depth"], found["rapid_free_capacity"]) == (1, 3, 5)


def test_names_keep_the_conventions(prometheus: Prometheus) -> None:
    _, body = prometheus.exposition("text/plain")
    families = list(text_string_to_metric_families(body.decode()))
    assert {family.name.partition("_")[0] for family in families} == {"rapid", "process", "python"}
    for family in families:
        assert re.fullmatch(r"[a-z][a-z_]*[a-z]", family.name)
        assert family.documentation
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
        assert not any(sample.name.endswith("_created") for sample in family.samples)


def test_a_scraper_gets_the_format_that_it_asks_for(prometheus: Prometheus) -> None:
    content_type, body = prometheus.exposition("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    assert prometheus.exposition("")[0].startswith("text/plain")


def test_two_that_count_are_told_the_same() -> None:
    first, second = Prometheus("f", "1"), Prometheus("f", "1")
    both = observed_by([first, second])
    for record in whole():
        both.records_of(FACTS)(record)
    both.throttled("x")
    both.waited(1.0)
    both.spilled_over()
    both.dropped(1)
    for each in (first, second):
        found = samples(each)
        assert [
            found["rapid_invocations_total"],
            found["rapid_throttles_total{reason=x}"],
            found["rapid_queue_wait_seconds_count"],
            found["rapid_provisioned_concurrency_spillover_invocations_total"],
            found["rapid_telemetry_dropped_records_total"],
        ] == [1, 1, 1, 1, 1]


def test_nobody_counts_without_harm() -> None:
    nobody = observed_by([])
    nobody.records_of(FACTS)(over())
    nobody.throttled("x")
    nobody.waited(1.0)
    nobody.spilled_over()
    nobody.dropped(1)
