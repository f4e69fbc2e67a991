"""From an exception to what Lambda's callers, X-Ray and the log see of it.

Imported when the first error happens: it needs `traceback`.
"""

from __future__ import annotations

import os
import sys

from .errors import FaultError
from .paths import LibraryOnly, library_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


class ErrorReport:
    """One error: its type, its message, its stack as text, and its frames as (file, line, function)."""

    __slots__ = ("cause_type", "error_type", "frames", "message", "stack_trace")

    def __init__(self, error: BaseException) -> None:
        self.frames: list[tuple[str, int, str]] = []
        if isinstance(error, FaultError):
            self.error_type, self.cause_type = error.error_type, "LambdaValidationError"
            self.message = error.message
            self.stack_trace: list[str] = error.trace
            return
        self.error_type = self.cause_type = type(error).__name__
        self.message = text_of(error)
        traceback = library_module("traceback")
        frames = frames_of(_without_own_frames(error.__traceback__))
        while frames and frames[-1].filename.startswith(_OWN_FOLDER):
            frames.pop()  # what the function called of the runtime's: a stream's `write`
        self.frames = [(frame.filename, frame.lineno, frame.name) for frame in frames]
        # As bare tuples: of a FrameSummary newer Pythons would also print markers under the line.
        entries = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in frames]
        self.stack_trace = traceback.format_list(entries)

    def as_json(self, request_id: str) -> dict[str, Any]:
        """The error as a caller gets it; `request_id` is empty for an error at init."""
        return {
            "errorMessage": self.message,
            "errorType": self.error_type,
            "requestId": request_id,
            "stackTrace": self.stack_trace,
        }

    def as_cause(self) -> dict[str, Any]:
        """The error as X-Ray draws it: `Lambda-Runtime-Function-XRay-Error-Cause`."""
        stack = [{"label": name, "path": path, "line": line} for path, line, name in self.frames]
        return {
            "working_directory": _working_directory(),
            "exceptions": [{"message": self.message, "type": self.cause_type, "stack": stack}],
            "paths": list(dict.fromkeys(path for path, _line, _name in self.frames)),
        }


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # the function has removed it
        return ""


def text_of(error: BaseException) -> str:
    """The message of an exception."""
    try:
        return str(error)
    except Exception:  # a user's __str__ may raise anything
        return f"<{type(error).__name__} whose text cannot be made>"


def frames_of(trace: TracebackType | None) -> list[Any]:
    """The frames, with their source lines: these `linecache` reads with `tokenize`, imported each time from 3.13 on."""
    extract = library_module("traceback").extract_tb
    frames: list[Any]
    if library_module("tokenize") is sys.modules.get("tokenize"):
        frames = extract(trace)
    else:
        with LibraryOnly():
            frames = extract(trace)
    return frames


def _without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """The trace from the first frame on that is not the runtime's."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        trace = trace.tb_next
    return trace
