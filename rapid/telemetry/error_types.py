"""Error types as a metric may carry them: those that AWS has names for, and one for all that functions make up."""

from __future__ import annotations

OTHER = "other"
"""What a function reports of its own: a metric with a series for each exception class would grow without end."""

KNOWN = frozenset(
    {
        "Extension.Crash",
        "Extension.ExitError",
        "Extension.InitError",
        "Extension.LaunchError",
        "Extension.TooManyExtensions",
        "Function.ResponseSizeTooLarge",
        "Function.Unknown",
        "InvokeTimeout",
        "Runtime.AfterRestoreError",
        "Runtime.BeforeSnapshotError",
        "Runtime.BuiltInModuleConflict",
        "Runtime.ExitError",
        "Runtime.HandlerNotFound",
        "Runtime.ImportModuleError",
        "Runtime.InvalidEntrypoint",
        "Runtime.InvalidResponseModeHeader",
        "Runtime.LambdaContextUnmarshalError",
        "Runtime.MalformedHandlerName",
        "Runtime.MarshalError",
        "Runtime.NotAnApplication",
        "Runtime.NotAnHttpEvent",
        "Runtime.OutOfMemory",
        "Runtime.TruncatedResponse",
        "Runtime.Unknown",
        "Runtime.UnmarshalError",
        "Runtime.UserCodeSyntaxError",
        "Sandbox.Failure",
        "Sandbox.Timedout",
    }
)


def bounded(status: str, error_type: str | None) -> str:
    """The error type of a report that tells of no success.

    Args:
        status: the report's.
        error_type: what it says, if it says anything.
    """
    if status == "timeout":
        return "Sandbox.Timedout"
    return error_type if error_type in KNOWN else OTHER
