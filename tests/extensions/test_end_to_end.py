"""Extensions written with the library, the shipped ones and the examples, under rapid itself."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.extensions.collector import collecting, value, values
from tests.support.program import ANY_PORT, ROOT, running, until

EXAMPLES = ROOT / "examples" / "extensions"
APP = """
import logging
import os
import time

def handler(event, context):
    logging.getLogger().error("line one\\n  line two")
    if "exit" in event:
        os._exit(event["exit"])
    if "sleep" in event:
        time.sleep(event["sleep"])
    return 1 / event["divide"]
"""


@pytest.fixture
def function(tmp_path: Path) -> Path:
    """A folder with a function, and the library under the name that it is installed by."""
    tmp_path.joinpath("app.py").write_text(APP)
    library = tmp_path / "library" / "rapid_extensions"
    library.parent.mkdir()
    library.symlink_to(ROOT / "extensions")
    tmp_path.joinpath("extensions").mkdir()
    return tmp_path


def shipped(folder: Path, name: str, module: str) -> None:
    """One of the shipped extensions as a file in the extensions' folder."""
    program = folder / "extensions" / name
    python = f"PYTHONPATH='{folder / 'library'}' exec '{sys.executable}' -m rapid_extensions.{module}"
    program.write_text(f"#!/bin/sh\nexport RAPID_EXTENSION_NAME={name}\n{python}\n")
    program.chmod(0o755)


def flags(folder: Path) -> list[str]:
    return [*ANY_PORT, "--extensions-dir", str(folder)]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [str(event["type"]) for event in events]


def test_logs_file_has_everything_from_the_first_event_to_the_last_report(function: Path) -> None:
    shipped(function, "logs", "logs_file")
    path = function / "telemetry.ndjson"
    with running("app.handler", function, flags(function / "extensions"), RAPID_LOGS_FILE_PATH=str(path)) as program:
        assert program.invoke({"divide": 1}).body == b"1.0"
        assert program.invoke({"divide": 0}).headers["x-amz-function-error"] == "Unhandled"
        assert program.stop() == 0
    events = [json.loads(text) for text in path.read_text().splitlines()]
    assert kinds(events)[0] == "platform.initStart"
    assert kinds(events).count("platform.start") == 2
    assert kinds(events)[-1] == "platform.report"
    assert [event["record"]["status"] for event in events if event["type"] == "platform.report"] == ["success", "error"]
    assert sum("line one" in event["record"] for event in events if event["type"] == "function") == 2


def test_otlp_has_spans_logs_and_metrics_of_the_invocation(function: Path) -> None:
    shipped(function, "otlp", "otlp")
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    with (
        collecting() as collector,
        running(
            "app.handler", function, flags(function / "extensions"), OTEL_EXPORTER_OTLP_ENDPOINT=collector.url
        ) as program,
    ):
        reply = program.invoke({"divide": 0}, headers={"X-Amzn-Trace-Id": trace})
        span = until(lambda: collector.span("test_function"), "the span, without an end of the environment")
        assert program.stop() == 0
    assert span.trace_id.hex() == "5759e988bd862e3fe1be46a994272793"
    assert span.parent_span_id.hex() == "53995c3f42cd8ad8"
    told = values(span.attributes)
    assert told["faas.invocation_id"] == reply.headers["x-amzn-requestid"]
    assert told["error.type"]
    assert "init" in {span.name for span in collector.spans}
    (log,) = [log for _, log in collector.logs if "line one" in str(value(log.body))]
    assert log.severity_text == "ERROR"
    assert log.span_id == span.span_id
    assert {"faas.errors", "faas.invoke_duration", "faas.init_duration", "faas.mem_usage"} <= set(collector.metrics)


@pytest.mark.parametrize(
    ("event", "error_type"), [({"exit": 3}, "Runtime.ExitError"), ({"sleep": 100}, "timeout")], ids=["crash", "timeout"]
)
def test_otlp_tells_of_an_invocation_that_ended_its_environment(
    function: Path, event: dict[str, int], error_type: str
) -> None:
    shipped(function, "otlp", "otlp")
    settings = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "1"}
    with (
        collecting() as collector,
        running(
            "app.handler",
            function,
            flags(function / "extensions"),
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            **settings,
        ) as program,
    ):
        failed = program.invoke(event).headers["x-amzn-requestid"]
        assert program.invoke({"divide": 1}).body == b"1.0"  # with an extension of its own
        assert program.stop() == 0
    told = [values(span.attributes) for span in collector.spans if span.name == "test_function"]
    assert [(attributes["faas.coldstart"], attributes.get("error.type")) for attributes in told] == [
        (True, error_type),
        (True, None),
    ]
    assert told[0]["faas.invocation_id"] == failed


def test_the_example_in_python(function: Path) -> None:
    env = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env["PYTHONPATH"] = str(function / "library")
    with running("app.handler", function, flags(EXAMPLES / "python" / "extensions"), **env) as program:
        program.invoke({"divide": 1})
        program.said(r"^watch: [\d.]+ ms, \d+ MB left$")
        program.stop()
    assert "watch: SHUTDOWN because of spindown\n" in program.output


def test_the_example_in_shell(function: Path) -> None:
    with running("app.handler", function, flags(EXAMPLES / "shell" / "extensions")) as program:
        reply = program.invoke({"divide": 1})
        said = program.said(r"^heartbeat: (\{.*\})$")
        assert json.loads(said[1])["requestId"] == reply.headers["x-amzn-requestid"]
        program.stop()
    assert "heartbeat: the end\n" in program.output


def test_the_example_in_shell_beside_a_function_in_shell(function: Path) -> None:
    command = str(EXAMPLES / "shell" / "bootstrap")
    with running(command, function, flags(EXAMPLES / "shell" / "extensions")) as program:
        assert program.invoke({"a": "b"}).json == {"a": "b"}
        program.said(r"^heartbeat: \{")


def test_what_an_example_needs_to_run_is_there() -> None:
    programs = [*EXAMPLES.glob("*/extensions/*"), EXAMPLES / "shell" / "bootstrap"]
    assert len(programs) == 3
    assert all(os.access(program, os.X_OK) for program in programs)
