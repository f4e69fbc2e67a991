"""What a log line looks like, as text and as JSON: one function for errors and one for records.

Nothing here imports `logging`: an error is written also by functions that never log.
"""

from __future__ import annotations

from time import gmtime, strftime

from .frame_types import ERROR, JSON, TEXT, frame_type_of
from .logs import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Formatter
    from types import ModuleType

    from .marshal import Encoder
    from .report import ErrorReport

INIT_WARNING = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. However, in rare "
    "cases, a Lambda runtime update can cause unexpected function behavior. For functions using managed runtimes, "
    "runtime updates can be triggered by a function change, or can be applied automatically. To determine if the "
    "runtime has been updated, check the runtime version in the INIT_START log entry. If this error correlates with a "
    "change in the runtime version, you may be able to mitigate this error by temporarily rolling back to the previous "
    "runtime version. For more information, see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html\r"
)
"""What AWS's runtime logs before an error at init; log queries look for it."""

_TEXT_RECORD = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
_TEXT_TIME = "%Y-%m-%dT%H:%M:%S"
JSON_TIME = "%Y-%m-%dT%H:%M:%SZ"
_INDENTATION = "\u00a0"


def log_error(report: ErrorReport, request_id: str, encoder: Encoder) -> None:
    """Write an error to the log; `request_id` is empty for an error at init."""
    if log.as_json:
        fields = {"timestamp": strftime(JSON_TIME, gmtime()), "level": "ERROR", **report.as_json(request_id)}
        log.sink.log_error([encoder.encode(fields).decode()], frame_type_of(JSON, ERROR))
    else:
        log.sink.log_error(_error_lines(report), frame_type_of(TEXT, ERROR))


def _error_lines(report: ErrorReport) -> list[str]:
    """An error as text; lines are indented with no-break spaces, which no log viewer swallows."""
    head = "[ERROR]"
    if report.error_type:
        head += f" {report.error_type}"
    if report.message:
        head += f": {report.message}" if report.error_type else f" {report.message}"
    lines = [head, "Traceback (most recent call last):"]
    for entry in report.stack_trace:
        lines += [_indented(line) for line in entry.splitlines()] or [""]
    return lines


def _indented(line: str) -> str:
    text = line.lstrip(" ")
    return _INDENTATION * (len(line) - len(text)) + text


def record_formatter(logging: ModuleType) -> Formatter:
    """The formatter of the root logger's handler; `logging` is the module, which the caller has imported."""
    if log.as_json:
        from .json_records import JsonFormatter

        return JsonFormatter()
    formatter: Formatter = logging.Formatter(_TEXT_RECORD, _TEXT_TIME)
    return formatter
