"""/metrics of the real command, on the invoke port and on one of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.played import begin
from tests.server.test_command import rapid, refused
from tests.server.test_lifecycle import APP
from tests.support.program import ANY_PORT, Program, call, running, until


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def scraped(address: str, path: str = "/metrics") -> dict[str, float]:
    """`name{labels}` → value."""
    reply = call(address, "GET", path)
    assert (reply.status, reply.headers["content-type"][:10]) == (200, "text/plain")
    return {
        f"{sample.name}{{{','.join(sample.labels.values())}}}" if sample.labels else sample.name: sample.value
        for family in text_string_to_metric_families(reply.body.decode())
        for sample in family.samples
    }


def test_they_are_off_unless_asked_for(task: Path) -> None:
    with running("app.handler", task) as program:
        assert call(program.invoke_address, "GET", "/metrics").status == 404


def test_what_is_off_is_not_even_imported() -> None:
    modules = ("rapid.telemetry.prometheus", "rapid.telemetry.emf", "prometheus_client")
    script = f"import sys, rapid.app; print([name for name in {modules} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_they_are_served_beside_the_invoke_api(task: Path) -> None:
    with running("app.handler", task, RAPID_METRICS="/-/metrics", AWS_LAMBDA_FUNCTION_NAME="counted") as program:
        assert program.invoke({}, "counted").status == 200
        assert program.invoke({"do": "sys.exit", "status": 3}, "counted").status == 200
        until(lambda: scraped(program.invoke_address, "/-/metrics")["rapid_environments{idle}"] == 1, "it to be idle")
        found = scraped(program.invoke_address, "/-/metrics")
    assert found["rapid_invocations_total"] == 2
    assert found["rapid_errors_total{Runtime.ExitError}"] == 1
    assert found["rapid_init_duration_seconds_count{success}"] == 2
    assert found["process_open_fds"] > 3


def test_what_goes_on_is_seen(task: Path) -> None:
    env = {"RAPID_METRICS": "/metrics", "RAPID_MAX_ENVIRONMENTS": "1", "AWS_LAMBDA_FUNCTION_TIMEOUT": "60"}
    with running("app.handler", task, **env) as program:
        callers = [begin(program.invoke, {"until": "done"}) for _ in range(3)]
        program.said("^START")

        def counts() -> tuple[float, float]:
            found = scraped(program.invoke_address)
            return found["rapid_concurrent_executions"], found["rapid_queue_depth"]

        until(lambda: counts() == (1, 2), "one to run and two to wait")
        (task / "done").touch()
        assert [caller.result().status for caller in callers] == [200] * 3
        until(lambda: counts() == (0, 0), "nothing to run")


def test_they_have_an_address_of_their_own_where_that_is_asked_for(task: Path) -> None:
    with running("app.handler", task, RAPID_METRICS="127.0.0.1:0") as program:
        address = metrics_address(program)
        assert scraped(address)["rapid_queue_depth"] == 0
        assert call(address, "GET", "/").status == 404
        assert call(address, "POST", "/2015-03-31/functions/function/invocations", b"{}").status == 404
        assert call(program.invoke_address, "GET", "/metrics").status == 404


def metrics_address(program: Program) -> str:
    found = re.search(r"metrics at http://([^/\s]+)/metrics", "".join(program.errors))
    assert found is not None
    return found[1]


@pytest.mark.parametrize("port", [8012, 8013, 8022, 9090, 9091])
def test_the_ports_of_knatives_queue_proxy_are_refused(task: Path, port: int) -> None:
    refused(rapid(task, "--metrics", f"0.0.0.0:{port}", "app.handler"), "--metrics", str(port), "Knative")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("on", "host:port"),
        ("/healthz", "another path"),
        ("/readyz", "another path"),
        ("/2015-03-31/functions/f/invocations", "Invoke API"),
        ("metrics", "host:port"),
        ("127.0.0.1:x", "port"),
    ],
)
def test_what_is_neither_a_path_nor_an_address_is_refused(task: Path, value: str, named: str) -> None:
    refused(rapid(task, "--metrics", value, "app.handler"), "--metrics", value, named)


def test_an_address_that_cannot_be_had_is_refused(task: Path) -> None:
    refused(rapid(task, *ANY_PORT, "--metrics", "192.0.2.1:9100", "app.handler"), "--metrics", "192.0.2.1:9100")


def test_throttled_callers_are_counted_by_reason_and_not_as_invocations(task: Path) -> None:
    env = {"RAPID_METRICS": "/metrics", "RAPID_RESERVED_CONCURRENCY": "0"}
    with running("app.handler", task, **env) as program:
        assert [program.invoke({}).status for _ in range(2)] == [429, 429]
        found = scraped(program.invoke_address)
    assert found["rapid_throttles_total{ReservedFunctionConcurrentInvocationLimitExceeded}"] == 2
    assert found["rapid_invocations_total"] == 0


def test_provisioned_environments_and_what_spills_over_are_counted(task: Path) -> None:
    env = {
        "RAPID_METRICS": "/metrics",
        "RAPID_PROVISIONED_CONCURRENCY": "1",
        "RAPID_MAX_ENVIRONMENTS": "2",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
    }
    with running("app.handler", task, **env) as program:
        until(lambda: scraped(program.invoke_address)["rapid_environments{idle}"] == 1, "it to be idle")
        first = begin(program.invoke, {"until": "done"})
        until(lambda: scraped(program.invoke_address)["rapid_concurrent_executions"] == 1, "the first to run")
        assert program.invoke({}).status == 200
        (task / "done").touch()
        assert first.result().status == 200
        until(lambda: scraped(program.invoke_address)["rapid_invocations_total"] == 2, "both to be over")
        found = scraped(program.invoke_address)
    assert found["rapid_provisioned_concurrency_invocations_total"] == 1
    assert found["rapid_provisioned_concurrency_spillover_invocations_total"] == 1
    assert found["rapid_queue_wait_seconds_count"] == 1
