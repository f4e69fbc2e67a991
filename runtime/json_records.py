"""Records as JSON, field for field those of AWS's runtime. Imported when `logging` has been, where JSON is asked for.

https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
"""

from __future__ import annotations

import logging
from _json import encode_basestring, make_encoder

from .formats import JSON_TIME
from .frame_types import JSON, frame_type_of, whole_level
from .paths import library_module
from .report import frames_of, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OWN_FIELDS = {*vars(logging.makeLogRecord({})), "aws_request_id", "tenant_id", "_frame_type"} - {"taskName"}
"""What a record holds that is not written under its own name. All else is: it is what the caller gave as `extra`."""


class JsonFormatter(logging.Formatter):
    """One JSON object a record; fields that are None are left out."""

    def __init__(self) -> None:
        super().__init__(datefmt=JSON_TIME)

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record. As AWS's formatter does, rounds its level down for whoever comes after, and leaves the
        type that its frame has in `_frame_type`."""
        record.levelno = whole_level(record.levelno)
        record.levelname = logging.getLevelName(record.levelno)
        record._frame_type = frame_type_of(JSON, record.levelno)
        fields = self._fields(record)
        for name, value in record.__dict__.items():
            if name not in _OWN_FIELDS and name not in fields:
                fields[name] = value
        return _encode({name: value for name, value in fields.items() if value is not None}) + "\n"

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        as_it_is = isinstance(record.msg, dict) and not record.args
        fields: dict[str, Any] = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.msg if as_it_is else record.getMessage(),
            "logger": record.name,
            "stackTrace": None,
            "errorType": None,
            "errorMessage": None,
            "requestId": getattr(record, "aws_request_id", None),
            "location": None,
        }
        tenant = getattr(record, "tenant_id", None)
        if tenant is not None:
            fields["tenantId"] = tenant
        if record.exc_info:
            kind, error, trace = record.exc_info
            if kind is not None and error is not None:  # logged with exc_info where there was no exception
                fields["stackTrace"] = library_module("traceback").format_list(frames_of(trace))
                fields["errorType"], fields["errorMessage"] = kind.__name__, text_of(error)
                fields["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        return fields


def _encode(fields: dict[str, Any]) -> str:
    """The JSON text that `json` would write with `ensure_ascii=False, default=str`, without importing it."""
    # One for each text: it remembers the containers that it is inside of, also when it has failed there.
    encoder = make_encoder({}, str, encode_basestring, None, ": ", ", ", False, False, True)
    return "".join(encoder(fields, 0))
