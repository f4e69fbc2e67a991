"""CloudWatch's metrics as lines of the log."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from rapid.core.records import InitStart, InvokeStart
from rapid.telemetry.emf import MOST_VALUES, PERIOD, EmbeddedMetrics
from tests.core.steps import invocation
from tests.support.program import running
from tests.telemetry.clock import Clock
from tests.telemetry.embedded import UNITS, metrics
from tests.telemetry.happening import FACTS, PROVISIONED, over, whole

DIMENSIONS = {"FunctionName": "f", "Resource": "f"}


class Scene:
    """Metrics whose lines are kept, in time that the test makes."""

    def __init__(self, version: str = "$LATEST") -> None:
        self.clock = Clock()
        self.lines: list[str] = []
        self.embedded = EmbeddedMetrics("f", version, self.lines.append, self.clock.call_later, lambda: 1700000000.1234)

    def told(self) -> dict[str, object]:
        """The only line so far."""
        (line,) = self.lines
        return metrics(line)


def played(scenario: Callable[[Scene], Awaitable[None]], version: str = "$LATEST") -> None:
    async def play() -> None:
        await scenario(Scene(version))

    asyncio.run(play())


def test_a_period_is_one_line() -> None:
    async def scenario(scene: Scene) -> None:
        tell = scene.embedded.records_of(FACTS)
        for record in (*whole(12.3456), *whole(1.0, "error", "ValueError"), *whole(3000.0, "timeout")):
            tell(record)
        scene.embedded.throttled("ConcurrentInvocationLimitExceeded")
        await scene.clock.pass_(PERIOD - 1)
        assert scene.lines == []
        await scene.clock.pass_(1)
        assert scene.told() == DIMENSIONS | {
            "Throttles": 1,
            "Invocations": 3,
            "Errors": 2,
            "Duration": [12.346, 1.0, 3000.0],
            "ConcurrentExecutions": 1,
        }
        assert '"Timestamp":1700000000123,' in scene.lines[0]

    played(scenario)


def test_periods_without_anything_have_no_line() -> None:
    async def scenario(scene: Scene) -> None:
        scene.embedded.records_of(FACTS)(InitStart("init"))
        scene.embedded.waited(1.0)
        scene.embedded.dropped(1)
        await scene.clock.pass_(10 * PERIOD)
        scene.embedded.close()
        assert scene.lines == []
        for record in whole():
            scene.embedded.records_of(FACTS)(record)
        await scene.clock.pass_(10 * PERIOD)
        assert scene.told()["Invocations"] == 1

    played(scenario)


def test_more_values_than_a_metric_may_have_are_told_in_further_lines() -> None:
    async def scenario(scene: Scene) -> None:
        tell = scene.embedded.records_of(FACTS)
        for number in range(2 * MOST_VALUES + 1):
            for record in whole(float(number)):
                tell(record)
        assert len(scene.lines) == 2
        scene.embedded.close()
        told = [metrics(line) for line in scene.lines]
        assert [each["Invocations"] for each in told] == [MOST_VALUES, MOST_VALUES, 1]
        assert [value for each in told for value in each["Duration"]] == [float(n) for n in range(2 * MOST_VALUES + 1)]

    played(scenario)


def test_the_most_that_ran_at_once_counts_even_if_they_began_before_the_period() -> None:
    async def scenario(scene: Scene) -> None:
        tell, provisioned = scene.embedded.records_of(FACTS), scene.embedded.records_of(PROVISIONED)
        for each in (tell, tell, provisioned):
            each(InvokeStart(invocation()))
        tell(over())
        await scene.clock.pass_(PERIOD)
        first = metrics(scene.lines.pop())
        assert (first["ConcurrentExecutions"], first["ProvisionedConcurrentExecutions"]) == (3, 1)
        provisioned(over())
        scene.embedded.spilled_over()
        await scene.clock.pass_(PERIOD)
        assert scene.told() == DIMENSIONS | {
            "Throttles": 0,
            "Invocations": 1,
            "Errors": 0,
            "Duration": [10.0],
            "ConcurrentExecutions": 2,
            "ProvisionedConcurrentExecutions": 1,
            "ProvisionedConcurrencyInvocations": 1,
            "ProvisionedConcurrencySpilloverInvocations": 1,
        }

    played(scenario)


def test_what_extensions_take_afterwards_is_a_metric_of_its_own() -> None:
    async def scenario(scene: Scene) -> None:
        tell = scene.embedded.records_of(FACTS)
        tell(InvokeStart(invocation()))
        tell(over(duration_ms=15.0, extensions_ms=5.0))
        scene.embedded.close()
        told = scene.told()
        assert (told["Duration"], told["PostRuntimeExtensionsDuration"]) == ([10.0], [5.0])

    played(scenario)


def test_the_resource_of_a_version_bears_its_number() -> None:
    async def scenario(scene: Scene) -> None:
        scene.embedded.throttled("ConcurrentInvocationLimitExceeded")
        scene.embedded.close()
        assert scene.told() == {"FunctionName": "f", "Resource": "f:7", "Throttles": 1}

    played(scenario, "7")


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_the_command_writes_what_is_left_when_it_ends(tmp_path: Path, log_format: str) -> None:
    (tmp_path / "app.py").write_text(
        "def handler(event, context):\n    print('no newline', end='')\n    return event\n"
    )
    env = {"RAPID_EMF": "on", "AWS_LAMBDA_FUNCTION_NAME": "counted", "AWS_LAMBDA_LOG_FORMAT": log_format}
    with running("app.handler", tmp_path, **env) as program:
        for _ in range(3):
            assert program.invoke({}, "counted").status == 200
        assert program.stop(signal.SIGTERM) == 0
        (line,) = [line for line in program.output if '"_aws"' in line]
    assert (metrics(line)["Invocations"], metrics(line)["FunctionName"]) == (3, "counted")


def test_the_units_are_cloudwatchs() -> None:
    assert {"Count", "Milliseconds", "Kilobytes", "Terabits"} <= set(UNITS)
