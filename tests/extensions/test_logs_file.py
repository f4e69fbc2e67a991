"""The extension logs-file as a process, beside a server that the test plays."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from extensions.logs_file import line
from extensions.telemetry import TelemetryEvent
from tests.extensions.api import event, serving, started

LOGS_FILE = ["python", "-m", "extensions.logs_file"]


def test_it_writes_what_comes_until_the_end(tmp_path: Path) -> None:
    events = [
        event("platform.initStart", {"phase": "init", "nested": {"a": [1, None]}}),
        event("function", "line one\n  line two ✓\n"),
        event("function", {"level": "INFO", "message": "json"}),
    ]
    path = tmp_path / "logs" / "all.ndjson"
    name = {"RAPID_EXTENSION_NAME": "logs-file"}
    with serving() as api, started(LOGS_FILE, api, tmp_path, RAPID_LOGS_FILE_PATH=str(path), **name) as logs_file:
        api.called("/event/next")
        assert api.send(*events[:2]).status == 200
        api.shutdown()
        assert api.send(events[2]).status == 200
        assert logs_file.end() == (0, "")
        ((headers, registered),) = api.called("/register")
        ((_, subscribed),) = api.called("/telemetry")
    assert headers["Lambda-Extension-Name"] == "logs-file"
    assert registered == {"events": ["SHUTDOWN"]}
    assert subscribed["types"] == ["platform", "function"]
    assert [json.loads(text) for text in path.read_text().splitlines()] == events
    assert "✓" in path.read_text()


def test_it_is_called_by_its_file_where_nothing_else_is_said(tmp_path: Path) -> None:
    with serving() as api, started(LOGS_FILE, api, tmp_path, RAPID_LOGS_FILE_PATH=str(tmp_path / "log")) as logs_file:
        ((headers, _),) = api.called("/register")
        logs_file.signal()
        logs_file.end()
    assert headers["Lambda-Extension-Name"] == "logs_file.py"


@pytest.mark.parametrize(
    ("setting", "value", "complaint"),
    [
        ("SIZE", "10M", "RAPID_LOGS_FILE_SIZE is '10M', but must be a whole number of at least 1024"),
        ("SIZE", "1023", "RAPID_LOGS_FILE_SIZE is '1023', but must be a whole number of at least 1024"),
        ("COUNT", "0", "RAPID_LOGS_FILE_COUNT is '0', but must be a whole number of at least 1"),
        (
            "TYPES",
            "platform,functions",
            "RAPID_LOGS_FILE_TYPES is 'platform,functions', but must be some of platform, function, extension, "
            "separated by commas",
        ),
    ],
)
def test_a_wrong_setting_is_an_init_error(tmp_path: Path, setting: str, value: str, complaint: str) -> None:
    wrong = {f"RAPID_LOGS_FILE_{setting}": value, "RAPID_EXTENSION_NAME": "logs-file"}
    with serving() as api, started(LOGS_FILE, api, tmp_path, **wrong) as logs_file:
        assert logs_file.end() == (1, f"logs-file: {complaint}\n")
        ((headers, body),) = api.called("/init/error")
    assert headers["Lambda-Extension-Function-Error-Type"] == "Extension.ConfigInvalid"
    assert body["errorMessage"] == complaint


def test_a_path_that_cannot_be_written_is_an_init_error(tmp_path: Path) -> None:
    path = "/proc/nowhere/log"
    with serving() as api, started(LOGS_FILE, api, tmp_path, RAPID_LOGS_FILE_PATH=path) as logs_file:
        code, printed = logs_file.end()
        ((_, body),) = api.called("/init/error")
    assert (code, body["errorType"]) == (1, "Extension.LogsFileNotWritable")
    assert printed.endswith(f"RAPID_LOGS_FILE_PATH {path} cannot be written: No such file or directory\n")


def test_a_full_disk_is_an_exit_error(tmp_path: Path) -> None:
    limited = ["bash", "-c", f"ulimit -f 8; exec {sys.executable} -m extensions.logs_file"]
    settings = {"RAPID_LOGS_FILE_PATH": "log", "RAPID_EXTENSION_NAME": "logs-file"}
    large = [event("function", "x" * 1000, number) for number in range(7)]
    with serving() as api, started(limited, api, tmp_path, **settings) as logs_file:
        assert api.send(*large).status == 200
        assert api.send(*large).status == 500
        complaint = "RAPID_LOGS_FILE_PATH log cannot be written: File too large"
        assert logs_file.end() == (1, f"logs-file: {complaint}\n")
        ((_, body),) = api.called("/exit/error")
    assert body["errorMessage"] == complaint
    assert [json.loads(text) for text in (tmp_path / "log").read_text().splitlines()] == large


def test_without_telemetry_it_says_so_and_stays(tmp_path: Path) -> None:
    settings = {"RAPID_LOGS_FILE_PATH": "log", "RAPID_EXTENSION_NAME": "logs-file"}
    with serving(202) as api, started(LOGS_FILE, api, tmp_path, **settings) as logs_file:
        api.called("/event/next")
        api.shutdown()
        assert logs_file.end() == (0, "logs-file: this environment has no telemetry, so nothing will be written\n")


def test_half_a_surrogate_pair_is_written_as_it_came() -> None:
    odd = TelemetryEvent(time="", type="function", record="\ud800 ✓")
    assert json.loads(line(odd)) == odd
