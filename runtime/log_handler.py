"""The root logger's handler. Imported when `logging` has been, and not before."""

from __future__ import annotations

import logging
import os
import sys
import time

from .formats import record_formatter
from .logs import SINK, current


class LambdaLoggerHandler(logging.Handler):
    """Writes records to the log of the function, where AWS's handler of the same name does."""

    log_sink = SINK

    def emit(self, record: logging.LogRecord) -> None:
        """Write one formatted record."""
        self.log_sink.log(self.format(record))


class LambdaLoggerFilter(logging.Filter):
    """Tells every record the invocation that it belongs to."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record pass, with `aws_request_id` ("" outside of invocations) and `tenant_id`."""
        record.aws_request_id = current.request_id or ""
        record.tenant_id = current.tenant_id
        return True


def configure() -> None:
    """Give the root logger the handler, and the level of `AWS_LAMBDA_LOG_LEVEL` if that names one; times are UTC."""
    logging.Formatter.converter = time.gmtime
    handler = LambdaLoggerHandler()
    handler.setFormatter(record_formatter(sys.modules["logging"]))
    handler.addFilter(LambdaLoggerFilter())
    root = logging.getLogger()
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = {"TRACE": "DEBUG"}.get(level, level)
    if level in ("NOTSET", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL"):
        root.setLevel(level)
    root.addHandler(handler)
