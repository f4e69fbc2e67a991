"""The root logger's handler. Imported when `logging` has been, and not before."""

from __future__ import annotations

import logging
import sys
import time

from . import logs
from .formats import record_formatter
from .frame_types import TEXT, frame_type_of
from .logs import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .logs import Sink


class LambdaLoggerHandler(logging.Handler):
    """Writes records to the log of the function, as AWS's handler of the same name does; frames say no level."""

    @property
    def log_sink(self) -> Sink:
        """Where the log goes at present."""
        return log.sink

    def emit(self, record: logging.LogRecord) -> None:
        """Write one formatted record."""
        self.log_sink.log(self.format(record))


class LambdaLoggerHandlerWithFrameType(LambdaLoggerHandler):
    """The same where a format or a level has been asked for: frames say both."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one formatted record; the JSON formatter leaves the frame's type in the record."""
        text = self.format(record)
        self.log_sink.log(text, getattr(record, "_frame_type", None) or frame_type_of(TEXT, record.levelno))


class LambdaLoggerFilter(logging.Filter):
    """Tells every record the invocation that it belongs to."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record pass, with `aws_request_id` ("" outside of invocations) and `tenant_id`."""
        current = logs.current
        record.aws_request_id = current.request_id or ""
        record.tenant_id = current.tenant_id
        return True


def configure() -> None:
    """Give the root logger the handler, and the log's level if `logging` knows it; times are UTC."""
    logging.Formatter.converter = time.gmtime
    kind = LambdaLoggerHandlerWithFrameType if log.as_json or log.level else LambdaLoggerHandler
    handler = kind()
    handler.setFormatter(record_formatter(sys.modules["logging"]))
    handler.addFilter(LambdaLoggerFilter())
    root = logging.getLogger()
    if log.level in ("NOTSET", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL"):
        root.setLevel(log.level)
    root.addHandler(handler)
