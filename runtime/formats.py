"""What a log line looks like. One function for errors and one for records, by log format; text is the only one so far.

Nothing here imports `logging`: an error is written also by functions that never log.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Formatter
    from types import ModuleType

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
_INDENTATION = "\u00a0"


def error_text(report: ErrorReport) -> str:
    """An error as one log event: lines end in a carriage return, so that no log agent takes them apart, and are
    indented with no-break spaces, which no log viewer swallows."""
    head = "[ERROR]"
    if report.error_type:
        head += f" {report.error_type}"
    if report.message:
        head += f": {report.message}" if report.error_type else f" {report.message}"
    lines = [head, "Traceback (most recent call last):"]
    for entry in report.stack_trace:
        lines += [_indented(line) for line in entry.splitlines()] or [""]
    return "\r".join(lines) + "\n"


def _indented(line: str) -> str:
    text = line.lstrip(" ")
    return _INDENTATION * (len(line) - len(text)) + text


def record_formatter(logging: ModuleType) -> Formatter:
    """The formatter of the root logger's handler; `logging` is the module, which the caller has imported."""
    formatter: Formatter = logging.Formatter(_TEXT_RECORD, _TEXT_TIME)
    return formatter
