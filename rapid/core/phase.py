"""Phases: where an environment stands as a whole.

Nobody sets a phase. It follows from where every party (the runtime, and each extension) stands, by one joint rule:
the environment is in the earliest phase that any of its parties still stands in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rapid.core.machine import ExtensionState, RuntimeState
from rapid.core.word import Word


class Phase(Word):
    """Phases of the lifecycle (AWS: "Lambda execution environment"), and the rests between them."""

    ABSENT = "absent"  # no process; the next invocation starts one
    INIT = "init"
    SNAPSHOT = "snapshot"  # initialised, and waiting to be restored
    RESTORE = "restore"
    INVOKE = "invoke"
    IDLE = "idle"  # everyone has asked for the next event
    RESET = "reset"  # ending, to be started again
    SHUTDOWN = "shutdown"  # ending for good


RUNTIME_PHASE: Mapping[RuntimeState, Phase] = {
    RuntimeState.STARTED: Phase.INIT,
    RuntimeState.INIT_ERROR: Phase.INIT,
    RuntimeState.RESTORE_READY: Phase.SNAPSHOT,
    RuntimeState.RESTORING: Phase.RESTORE,
    RuntimeState.RESTORE_ERROR: Phase.RESTORE,
    RuntimeState.RUNNING: Phase.INVOKE,
    RuntimeState.RESPONSE: Phase.INVOKE,
    RuntimeState.ERROR: Phase.INVOKE,
    RuntimeState.RESPONSE_SENT: Phase.INVOKE,
    RuntimeState.READY: Phase.IDLE,
}
"""The phase that a runtime in a given state holds the environment in."""

EXTENSION_PHASE: Mapping[ExtensionState, Phase] = {
    ExtensionState.STARTED: Phase.INIT,
    ExtensionState.REGISTERED: Phase.INIT,
    ExtensionState.RUNNING: Phase.INVOKE,
    ExtensionState.READY: Phase.IDLE,
}
"""The phase that an extension in a given state holds the environment in; one that is ending holds it in none."""

JOINT_ORDER = (Phase.INIT, Phase.SNAPSHOT, Phase.RESTORE, Phase.INVOKE, Phase.IDLE)
"""Earliest first: one party in init keeps all in init; one still invoking keeps all from being idle."""


def joint_phase(parties: Iterable[Phase]) -> Phase:
    """The phase of an environment whose parties stand in `parties`; `ABSENT` when there are none."""
    standing = list(parties)
    for phase in JOINT_ORDER:
        if phase in standing:
            return phase
    return Phase.ABSENT
