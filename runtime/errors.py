"""The errors that the runtime itself finds, each with the error type that Lambda knows it by.

The last four are of our own making: Lambda knows neither applications nor types of events.
"""

from __future__ import annotations

MALFORMED_HANDLER_NAME = "Runtime.MalformedHandlerName"
BUILT_IN_MODULE_CONFLICT = "Runtime.BuiltInModuleConflict"
IMPORT_MODULE_ERROR = "Runtime.ImportModuleError"
USER_CODE_SYNTAX_ERROR = "Runtime.UserCodeSyntaxError"
HANDLER_NOT_FOUND = "Runtime.HandlerNotFound"
UNMARSHAL_ERROR = "Runtime.UnmarshalError"
MARSHAL_ERROR = "Runtime.MarshalError"
CONTEXT_UNMARSHAL_ERROR = "Runtime.LambdaContextUnmarshalError"
BEFORE_SNAPSHOT_ERROR = "Runtime.BeforeSnapshotError"
AFTER_RESTORE_ERROR = "Runtime.AfterRestoreError"
NOT_AN_APPLICATION = "Runtime.NotAnApplication"
NOT_AN_HTTP_EVENT = "Runtime.NotAnHttpEvent"
EVENT_VALIDATION_ERROR = "Runtime.EventValidationError"
UNSUPPORTED_EVENT_TYPE = "Runtime.UnsupportedEventType"


class FaultError(Exception):
    """Something about the function, its event or its result that the runtime cannot work with.

    `error_type` is one of the constants above, `message` a sentence for the function's author, `trace` the lines to
    show in place of a stack trace.
    """

    def __init__(self, error_type: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.trace = trace or []


class RuntimeAPIError(Exception):
    """The Runtime API could not be reached or did not answer as it must. Its text is one sentence for the log."""
