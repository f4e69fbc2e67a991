"""Log lines as log records, with their severity and with the invocation that they belong to.

Levels stand where Lambda's runtimes write them: the field `level` of a JSON line, `[LEVEL]` before a line of Python's,
`TIME<tab>REQUEST ID<tab>LEVEL<tab>` before one of Node's.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry._logs import LoggerProvider, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.util.types import AnyValue

from ..telemetry import TelemetryEvent
from .times import nanoseconds

SEVERITIES = {
    "TRACE": SeverityNumber.TRACE,
    "DEBUG": SeverityNumber.DEBUG,
    "INFO": SeverityNumber.INFO,
    "WARN": SeverityNumber.WARN,
    "WARNING": SeverityNumber.WARN,
    "ERROR": SeverityNumber.ERROR,
    "CRITICAL": SeverityNumber.FATAL,
    "FATAL": SeverityNumber.FATAL,
}
LEVEL = re.compile(r"\[(\w+)\]|[^\t]{1,40}\t[^\t]{1,40}\t(\w+)\t")
REQUEST_ID = re.compile(r"\t([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\t")
REQUEST_ID_FIELDS = ("requestId", "AWSRequestId", "awsRequestId", "function_request_id")
MESSAGE_FIELDS = ("message", "msg")
EXCEPTION_FIELDS = {
    "errorType": "exception.type",
    "errorMessage": "exception.message",
    "stackTrace": "exception.stacktrace",
}
TOLD = {"timestamp", "time", "level", *REQUEST_ID_FIELDS}
"""Fields of a JSON line that the log record has a place for."""


class Logs:
    """Makes log records."""

    def __init__(
        self, provider: LoggerProvider, current: Callable[[], str | None], context: Callable[[str | None], Context]
    ) -> None:
        """`current` gives the invocation that is under way, `context` the context of one."""
        self._loggers = {
            kind: provider.get_logger(f"aws.lambda.{kind}") for kind in ("function", "extension", "platform")
        }
        self._current = current
        self._context = context

    def take(self, event: TelemetryEvent) -> None:
        """Take an event of the type `function`, `extension` or `platform.logsDropped` in."""
        kind, record = event["type"].partition(".")[0], event["record"]
        if kind == "platform":
            lost = f"{record.get('droppedRecords')} events were lost: {record.get('reason')}"
            self._emit(event, kind, "WARN", lost, {}, None)
            return
        fields = record if isinstance(record, dict) else _json(record)
        if fields is None:
            text = str(record).rstrip("\n")
            found, named = LEVEL.match(text), REQUEST_ID.search(text)
            level = found[1] or found[2] if found else None
            self._emit(event, kind, level, text, {}, named[1] if named else None)
        else:
            named_by = next((str(fields[name]) for name in REQUEST_ID_FIELDS if fields.get(name)), None)
            self._emit(event, kind, fields.get("level"), *_parts(fields), named_by)

    def _emit(
        self,
        event: TelemetryEvent,
        kind: str,
        level: object,
        body: AnyValue,
        attributes: dict[str, Any],
        request_id: str | None,
    ) -> None:
        request_id = request_id or self._current()
        severity = SEVERITIES.get(str(level).upper())
        if request_id:
            attributes["faas.invocation_id"] = request_id
        self._loggers[kind].emit(
            timestamp=nanoseconds(event["time"]),
            observed_timestamp=time.time_ns(),
            context=self._context(request_id),
            severity_number=severity,
            severity_text=str(level) if severity else None,
            body=body,
            attributes=attributes,
        )


def _json(record: object) -> Mapping[str, Any] | None:
    """The object that a line of text holds: functions log JSON without being told to, too."""
    text = str(record).strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        fields = json.loads(text)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _parts(fields: Mapping[str, Any]) -> tuple[AnyValue, dict[str, Any]]:
    """Body and attributes of a JSON line: its message and the rest, or all of it where it has no message."""
    message = next((name for name in MESSAGE_FIELDS if isinstance(fields.get(name), str)), None)
    if message is None:
        return dict(fields), {}
    attributes = {
        EXCEPTION_FIELDS.get(name, name): value
        for name, value in fields.items()
        if name != message and name not in TOLD and value is not None
    }
    stack = attributes.get("exception.stacktrace")
    if isinstance(stack, list):
        attributes["exception.stacktrace"] = "".join(map(str, stack))
    return fields[message], attributes
