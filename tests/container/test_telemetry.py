"""Telemetry in containers: to listeners at `sandbox.localdomain`, and to the shipped extensions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.container.conftest import FUNCTION
from tests.container.test_confinement import HARDENED
from tests.support.container import PREFIX, Container, Engine, Images
from tests.support.program import ROOT, until

pytestmark = pytest.mark.container

INIT = ["platform.initStart", "platform.initRuntimeDone", "platform.initReport"]
INVOKE = ["platform.start", "function", "platform.runtimeDone", "platform.report"]
SHIPPED = "/usr/local/lib/rapid/extensions"

LINKED = f"""
ARG BASE
FROM ${{BASE}}
RUN ln -s {SHIPPED}/logs-file /opt/extensions/
CMD ["app.handler"]
"""

COLLECTED = """
ARG BASE
FROM ${BASE}
COPY app.py ${LAMBDA_TASK_ROOT}
COPY --chmod=755 collector /opt/extensions/
CMD ["app.handler"]
"""

COLLECTOR = """#!/usr/bin/env python3
# An OpenTelemetry collector that tells only where something has been sent; an extension, so that it starts first.
import os, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        print("collector:", self.path, self.headers["Content-Type"], flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 4318), Handler)
api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2020-01-01/extension"
register = urllib.request.Request(f"{api}/register", b'{"events": []}', {"Lambda-Extension-Name": "collector"})
me = {"Lambda-Extension-Identifier": urllib.request.urlopen(register).headers["Lambda-Extension-Identifier"]}
if os.fork() == 0:
    server.serve_forever()
urllib.request.urlopen(urllib.request.Request(f"{api}/event/next", headers=me))
"""


def types_at(container: Container, name: str) -> list[str]:
    """The types of telemetry that an extension has been sent, in order."""
    pattern = rf"^{name}: at sandbox\.localdomain:\d+ (\S+) "
    return re.findall(pattern, container.logs(), re.MULTILINE)


def sent(container: Container, name: str, event: str) -> bool:
    """Whether an extension has been sent an event, by its type and what is printed of its record."""
    return re.search(rf"^{name}: at \S+ {event}$", container.logs(), re.MULTILINE) is not None


@pytest.mark.parametrize("flags", [(), HARDENED], ids=["plain", "hardened"])
def test_a_listener_at_sandbox_localdomain_is_sent_everything_in_order(
    engine: Engine, watched: str, flags: tuple[str, ...]
) -> None:
    with engine.running(watched, flags=flags) as container:
        for number in range(2):
            request_id = container.invoke({"say": number}).headers["x-amzn-requestid"]
            for name in ("watch", "other"):
                until(partial(sent, container, name, f"platform.report {request_id}"), f"the report at {name}")
        for name in ("watch", "other"):
            assert sent(container, name, "function echo 1")
            types = [kind for kind in types_at(container, name) if kind in {*INIT, *INVOKE}]
            assert types == [*INIT, *INVOKE, *INVOKE]


def filed(container: Container) -> Iterator[dict[str, Any]]:
    """What `logs-file` has written."""
    for line in container.exec("cat", "/tmp/rapid-logs/telemetry.ndjson").stdout.splitlines():
        yield json.loads(line)


def test_logs_file_is_started_when_it_is_asked_for(engine: Engine, function: str) -> None:
    with engine.running(function, flags=HARDENED, RAPID_EXTENSIONS="logs-file") as container:
        container.invoke({"say": "hello"})
        until(lambda: any(event["type"] == "platform.report" for event in filed(container)), "a report in the file")
        assert [event["record"] for event in filed(container) if event["type"] == "function"] == ["echo hello"]
        assert container.stop()[0] == 0


def test_logs_file_is_not_started_otherwise(engine: Engine, function: str) -> None:
    with engine.running(function) as container:
        container.invoke({"say": "hello"})
        assert "logs-file" not in " ".join(container.processes().values())
        assert container.exec("ls", "-A", "/tmp").stdout == ""


def test_a_link_makes_logs_file_an_extension_as_on_aws(engine: Engine, images: Images, function: str) -> None:
    with engine.running(images.derive("linked", function, {"Dockerfile": LINKED})) as container:
        container.invoke({"say": "hello"})
        container.said("EXTENSION\tName: logs-file\tState: Ready\t")
        until(lambda: any(event["type"] == "platform.report" for event in filed(container)), "a report in the file")


def test_otlp_says_what_it_lacks(engine: Engine, function: str) -> None:
    with engine.running(function, RAPID_EXTENSIONS="otlp") as container:
        assert container.invoke().json["errorType"].startswith("Extension.")
        container.said("lambda-rapid[otlp]")
        assert "Traceback" not in container.logs()


def test_an_image_with_the_extra_sends_traces_logs_and_metrics(engine: Engine, images: Images) -> None:
    base = f"{PREFIX}:otlp"
    engine.build(base, ROOT, "--build-arg", "EXTRAS=otlp")
    files = {"Dockerfile": COLLECTED, "app.py": (FUNCTION / "app.py").read_text(), "collector": COLLECTOR}
    with engine.running(images.derive("collected", base, files), RAPID_EXTENSIONS="otlp") as container:
        container.invoke({"say": "hello"})
        for signal in ("traces", "logs", "metrics"):
            container.said(f"collector: /v1/{signal} application/x-protobuf\n")
        assert container.stop()[0] == 0
        assert "Traceback" not in container.logs()
