"""What is said of an invocation whose code has left instead of answering, in the words that the platform has for it.

https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
"""

from __future__ import annotations

import os

from ..errors import FaultError
from ..paths import library_module

EXIT_ERROR = "Runtime.ExitError"


def reason_of(status: int) -> str:
    """How a process ended, of the status that `os.waitpid` gives."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = library_module("signal").strsignal(number) or str(number)
        return f"signal: {name.lower()}"
    return f"exit status {os.WEXITSTATUS(status)}"


def exit_fault(request_id: str, code: object) -> FaultError:
    """The error of an invocation whose handler has raised `SystemExit(code)` in a process that serves others too."""
    number = code & 0xFF if isinstance(code, int) else 0 if code is None else 1
    return ended(request_id, f"exit status {number}")


def ended(request_id: str, reason: str) -> FaultError:
    """The error of an invocation whose process has ended."""
    sentence = f"exited with error: {reason}" if reason != "exit status 0" else "exited without providing a reason"
    return FaultError(EXIT_ERROR, f"RequestId: {request_id} Error: Runtime {sentence}")
