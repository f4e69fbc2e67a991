"""State machines as tables: `{state: {input: state}}`.

A legal move is a row; an illegal one is an absent row, refused with an error that names both ends and changes nothing.
The state names are the ones that AWS's own server writes into its error messages.
"""

from __future__ import annotations

from collections.abc import Mapping

from rapid.core.errors import Refused
from rapid.core.word import Word


class RuntimeState(Word):
    """Where the runtime process stands in its conversation with the Runtime API."""

    STARTED = "Started"
    INIT_ERROR = "InitError"
    RESTORE_READY = "RestoreReady"
    RESTORING = "Restoring"
    RESTORE_ERROR = "RuntimeRestoreErrorState"
    READY = "Ready"
    RUNNING = "Running"
    RESPONSE = "InvocationResponse"
    ERROR = "InvocationErrorResponse"
    RESPONSE_SENT = "RuntimeResponseSentState"


class RuntimeInput(Word):
    """What moves a runtime; the value is the state that a refusal names as the one asked for."""

    NEXT = "Ready"
    INVOKE = "Running"
    RESPOND = "InvocationResponse"
    FAIL = "InvocationErrorResponse"
    SENT = "RuntimeResponseSentState"
    INIT_ERROR = "InitError"
    RESTORE_NEXT = "RestoreReady"
    RESTORE = "Restoring"
    RESTORE_ERROR = "RuntimeRestoreErrorState"


RUNTIME: Mapping[RuntimeState, Mapping[RuntimeInput, RuntimeState]] = {
    RuntimeState.STARTED: {
        RuntimeInput.NEXT: RuntimeState.READY,
        RuntimeInput.RESTORE_NEXT: RuntimeState.RESTORE_READY,
        RuntimeInput.INIT_ERROR: RuntimeState.INIT_ERROR,
    },
    RuntimeState.INIT_ERROR: {},
    RuntimeState.RESTORE_READY: {
        # Asking again while parked is a client that lost its connection and came back.
        RuntimeInput.RESTORE_NEXT: RuntimeState.RESTORE_READY,
        RuntimeInput.RESTORE: RuntimeState.RESTORING,
    },
    RuntimeState.RESTORING: {
        RuntimeInput.NEXT: RuntimeState.READY,
        # Asking again is a client that the answer never reached: it is given once more.
        RuntimeInput.RESTORE_NEXT: RuntimeState.RESTORING,
        RuntimeInput.RESTORE_ERROR: RuntimeState.RESTORE_ERROR,
        # What fails now is the restore, by whichever call it is told.
        RuntimeInput.INIT_ERROR: RuntimeState.RESTORE_ERROR,
    },
    RuntimeState.RESTORE_ERROR: {},
    RuntimeState.READY: {
        # Asking again while parked is a client that lost its connection and came back.
        RuntimeInput.NEXT: RuntimeState.READY,
        RuntimeInput.INVOKE: RuntimeState.RUNNING,
    },
    RuntimeState.RUNNING: {
        # Asking again while running renders the same event again.
        RuntimeInput.NEXT: RuntimeState.RUNNING,
        RuntimeInput.RESPOND: RuntimeState.RESPONSE,
        RuntimeInput.FAIL: RuntimeState.ERROR,
    },
    RuntimeState.RESPONSE: {RuntimeInput.SENT: RuntimeState.RESPONSE_SENT},
    RuntimeState.ERROR: {RuntimeInput.SENT: RuntimeState.RESPONSE_SENT},
    RuntimeState.RESPONSE_SENT: {RuntimeInput.NEXT: RuntimeState.READY},
}


class ExtensionState(Word):
    """Where an extension stands in its conversation with the Extensions API."""

    STARTED = "Started"
    REGISTERED = "Registered"
    READY = "Ready"
    RUNNING = "Running"
    SHUTTING_DOWN = "ShuttingDown"
    INIT_ERROR = "InitError"
    EXIT_ERROR = "ExitError"
    SHUTDOWN_FAILED = "ShutdownFailed"
    EXITED = "Exited"
    LAUNCH_ERROR = "LaunchError"


class ExtensionInput(Word):
    """What moves an extension; the value is the state that a refusal names as the one asked for."""

    REGISTER = "Registered"
    NEXT = "Ready"
    INVOKE = "Running"
    SHUTDOWN = "ShuttingDown"
    INIT_ERROR = "InitError"
    EXIT_ERROR = "ExitError"
    EXPIRE = "ShutdownFailed"
    EXIT = "Exited"
    LAUNCH_FAIL = "LaunchError"


EXTENSION: Mapping[ExtensionState, Mapping[ExtensionInput, ExtensionState]] = {
    ExtensionState.STARTED: {
        ExtensionInput.REGISTER: ExtensionState.REGISTERED,
        ExtensionInput.LAUNCH_FAIL: ExtensionState.LAUNCH_ERROR,
        ExtensionInput.EXPIRE: ExtensionState.SHUTDOWN_FAILED,
        ExtensionInput.EXIT: ExtensionState.EXITED,
    },
    ExtensionState.REGISTERED: {
        ExtensionInput.NEXT: ExtensionState.READY,
        ExtensionInput.INIT_ERROR: ExtensionState.INIT_ERROR,
        ExtensionInput.EXIT_ERROR: ExtensionState.EXIT_ERROR,
        ExtensionInput.EXPIRE: ExtensionState.SHUTDOWN_FAILED,
        ExtensionInput.EXIT: ExtensionState.EXITED,
    },
    ExtensionState.READY: {
        # Asking again while parked is a client that lost its connection and came back.
        ExtensionInput.NEXT: ExtensionState.READY,
        ExtensionInput.INVOKE: ExtensionState.RUNNING,
        ExtensionInput.SHUTDOWN: ExtensionState.SHUTTING_DOWN,
        ExtensionInput.EXIT_ERROR: ExtensionState.EXIT_ERROR,
        ExtensionInput.EXPIRE: ExtensionState.SHUTDOWN_FAILED,
        ExtensionInput.EXIT: ExtensionState.EXITED,
    },
    ExtensionState.RUNNING: {
        ExtensionInput.NEXT: ExtensionState.READY,
        ExtensionInput.EXIT_ERROR: ExtensionState.EXIT_ERROR,
        ExtensionInput.EXPIRE: ExtensionState.SHUTDOWN_FAILED,
        ExtensionInput.EXIT: ExtensionState.EXITED,
    },
    ExtensionState.SHUTTING_DOWN: {
        # Some ask once more after SHUTDOWN and wait to be ended: there is nothing left to tell them.
        ExtensionInput.NEXT: ExtensionState.SHUTTING_DOWN,
        ExtensionInput.EXIT_ERROR: ExtensionState.EXIT_ERROR,
        ExtensionInput.EXPIRE: ExtensionState.SHUTDOWN_FAILED,
        ExtensionInput.EXIT: ExtensionState.EXITED,
    },
    ExtensionState.INIT_ERROR: {
        ExtensionInput.INIT_ERROR: ExtensionState.INIT_ERROR,
        ExtensionInput.EXPIRE: ExtensionState.SHUTDOWN_FAILED,
        ExtensionInput.EXIT: ExtensionState.EXITED,
    },
    ExtensionState.EXIT_ERROR: {
        ExtensionInput.EXPIRE: ExtensionState.SHUTDOWN_FAILED,
        ExtensionInput.EXIT: ExtensionState.EXITED,
    },
    ExtensionState.SHUTDOWN_FAILED: {ExtensionInput.EXIT: ExtensionState.EXITED},
    ExtensionState.EXITED: {},
    ExtensionState.LAUNCH_ERROR: {},
}


def move(state: RuntimeState, given: RuntimeInput) -> RuntimeState:
    """The runtime's state after `given`.

    Raises:
        Refused: 403 `InvalidStateTransition`, when the table has no such row.
    """
    try:
        return RUNTIME[state][given]
    except KeyError:
        raise invalid_transition(state.value, given) from None


def invalid_transition(state: str, given: RuntimeInput) -> Refused:
    """The refusal of a runtime's move, worded as AWS words it."""
    return Refused(403, "InvalidStateTransition", _not_allowed(state, given.value, "runtime"))


def move_extension(state: ExtensionState, given: ExtensionInput, who: str) -> ExtensionState:
    """An extension's state after `given`; `who` is its name or identifier, for the refusal.

    Raises:
        Refused: 403 `Extension.InvalidExtensionState`, when the table has no such row.
    """
    try:
        return EXTENSION[state][given]
    except KeyError:
        message = _not_allowed(state.value, given.value, f"extension {who}")
        raise Refused(403, "Extension.InvalidExtensionState", message) from None


def _not_allowed(state: str, asked: str, who: str) -> str:
    return f"State transition from {state} to {asked} failed for {who}. Error: State transition is not allowed"
