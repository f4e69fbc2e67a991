"""Refusals (what a client of the Runtime API did wrong) and faults (what went wrong with a function)."""

from __future__ import annotations

import json
from dataclasses import dataclass

MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100
"""The most that a function may answer, in bytes (AWS: 6 MiB + 100)."""

MAX_STREAMED_BYTES = 200 * 1024 * 1024
"""The most that a function may stream, in bytes (AWS: 200 MB)."""


class Refused(Exception):
    """A Runtime API call that is not carried out; nothing has changed.

    Attributes:
        status: HTTP status for the wire.
        error_type: AWS's `errorType`, e.g. `InvalidRequestID`.
        message: AWS's `errorMessage`.
    """

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(f"{error_type}: {message}")
        self.status = status
        self.error_type = error_type
        self.message = message


class Unavailable(Exception):
    """An accepted invocation that will not be answered by the function.

    Attributes:
        exception: the Lambda API's name for the reason; without a better one, rapid is going down.
    """

    def __init__(self, message: str, exception: str = "ServiceException") -> None:
        super().__init__(message)
        self.exception = exception


def invalid_request_id() -> Refused:
    """The id in the path is not the id of the present invocation."""
    return Refused(400, "InvalidRequestID", "Invalid request ID")


def invalid_invocation_id() -> Refused:
    """`Lambda-Runtime-Invocation-Id` was sent, but it is not the present attempt's."""
    return Refused(400, "InvalidInvocationId", "Invalid invocation ID")


def invoke_timed_out() -> Refused:
    """The answer comes after the timeout of its invocation, whose caller has been told (AWS: Managed Instances)."""
    return Refused(410, "InvokeTimeout", "Invoke timeout")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that kept a function from answering, in AWS's words.

    Attributes:
        error_type: e.g. `Runtime.ExitError`, `Sandbox.Timedout`.
        reason: the sentence without the request id, e.g. `Runtime exited with error: exit status 1`.
        exception: the exception of the Lambda API that the caller receives in place of a function error, if any.
    """

    error_type: str
    reason: str
    exception: str | None = None

    def message(self, request_id: str | None) -> str:
        """The `errorMessage`: `RequestId: … Error: …` where an invocation is concerned."""
        return f"RequestId: {request_id} Error: {self.reason}" if request_id else f"Error: {self.reason}"

    def document(self, request_id: str | None) -> bytes:
        """The JSON body that the caller receives."""
        return error_document(self.error_type, self.message(request_id))


def error_document(error_type: str, message: str) -> bytes:
    """`{"errorType", "errorMessage"}` in the compact form that AWS sends to callers."""
    return json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":")).encode()


def timed_out(seconds: float) -> Fault:
    """The function did not finish within its timeout."""
    return Fault("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds")


def init_timed_out(seconds: float) -> Fault:
    """The init phase did not end within its limit."""
    return Fault("Sandbox.Timedout", f"Init timed out after {seconds:.2f} seconds")


def nobody_asks(seconds: float) -> Fault:
    """No worker of a runtime works on anything, and none has asked for an event."""
    return Fault("Sandbox.Timedout", f"No worker asked for an event within {seconds:.2f} seconds")


def restore_timed_out(seconds: float) -> Fault:
    """The after-restore hooks did not end within their limit."""
    reason = f"Restore hooks timed out after {seconds:.2f} seconds"
    return Fault("Runtime.RestoreHookUserTimeout", reason, "SnapStartTimeoutException")


def exited(status: int) -> Fault:
    """The runtime process left.

    Args:
        status: exit code, or minus the signal's number, as `subprocess` has it.
    """
    if status == 0:
        return Fault("Runtime.ExitError", "Runtime exited without providing a reason")
    return Fault("Runtime.ExitError", f"Runtime exited with error: {_how(status)}")


def extension_crashed(status: int) -> Fault:
    """The process of an external extension left; `status` as in `exited`."""
    return Fault("Extension.Crash", _how(status) if status else "exit code 0")


def _how(status: int) -> str:
    if status < 0:
        return f"signal: {SIGNALS.get(-status, f'signal {-status}')}"
    return f"exit status {status}"


def out_of_memory() -> Fault:
    """The environment used more than the function's memory size, and was ended."""
    return Fault("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")


def extension_failed(error_type: str, name: str, reported: str) -> Fault:
    """An extension says that it cannot start (`Extension.InitError`) or go on (`Extension.ExitError`)."""
    return Fault(error_type, f"extension {name}: {reported}")


def extension_launch_failed(reason: str) -> Fault:
    """The program of an external extension could not be started."""
    return Fault("Extension.LaunchError", reason)


def invalid_entrypoint(reason: str) -> Fault:
    """The runtime's command could not be started."""
    return Fault("Runtime.InvalidEntrypoint", reason)


def response_too_large(size: int, limit: int = MAX_RESPONSE_BYTES) -> bytes:
    """What the caller receives in place of a response over the limit."""
    return error_document(
        "Function.ResponseSizeTooLarge",
        f"Response payload size ({size} bytes) exceeded maximum allowed payload size ({limit} bytes).",
    )


# Linux's numbers and the names that AWS's messages use for them (the same on amd64 and arm64).
SIGNALS = {
    1: "hangup",
    2: "interrupt",
    3: "quit",
    4: "illegal instruction",
    5: "trace/breakpoint trap",
    6: "aborted",
    7: "bus error",
    8: "floating point exception",
    9: "killed",
    10: "user defined signal 1",
    11: "segmentation fault",
    12: "user defined signal 2",
    13: "broken pipe",
    14: "alarm clock",
    15: "terminated",
}
