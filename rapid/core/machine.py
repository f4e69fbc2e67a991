"""The runtime's state machine, as a table.

A legal move is a row; an illegal one is an absent row, refused with an error that names both ends and changes nothing.
The state names are the ones that AWS's own server writes into its error messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from rapid.core.errors import Refused


class RuntimeState(Enum):
    """Where the runtime process stands in its conversation with the Runtime API."""

    STARTED = "Started"
    INIT_ERROR = "InitError"
    READY = "Ready"
    RUNNING = "Running"
    RESPONSE = "InvocationResponse"
    ERROR = "InvocationErrorResponse"
    RESPONSE_SENT = "RuntimeResponseSentState"


class RuntimeInput(Enum):
    """What moves a runtime; the value is the state that a refusal names as the one asked for."""

    NEXT = "Ready"
    INVOKE = "Running"
    RESPOND = "InvocationResponse"
    FAIL = "InvocationErrorResponse"
    SENT = "RuntimeResponseSentState"
    INIT_ERROR = "InitError"


RUNTIME: Mapping[RuntimeState, Mapping[RuntimeInput, RuntimeState]] = {
    RuntimeState.STARTED: {
        RuntimeInput.NEXT: RuntimeState.READY,
        RuntimeInput.INIT_ERROR: RuntimeState.INIT_ERROR,
    },
    RuntimeState.INIT_ERROR: {},
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


def move(state: RuntimeState, given: RuntimeInput) -> RuntimeState:
    """The state after `given`.

    Raises:
        Refused: 403 `InvalidStateTransition`, when the table has no such row.
    """
    try:
        return RUNTIME[state][given]
    except KeyError:
        raise invalid_transition(state.value, given) from None


def invalid_transition(state: str, given: RuntimeInput) -> Refused:
    """The refusal of a move, worded as AWS words it."""
    return Refused(
        403,
        "InvalidStateTransition",
        f"State transition from {state} to {given.value} failed for runtime. Error: State transition is not allowed",
    )
